//! Errors as responses. Causes go to the log and to [`Options::on_error`](crate::Options::on_error), not to the client.

use std::sync::Arc;

use ::axum::response::{IntoResponse, Response};

use crate::data::SessionData;
use crate::error::{SessionError, SessionRejection};
use crate::session::TransitionError;
use crate::state::State;
use crate::tower::ReportedError;

impl IntoResponse for SessionError {
    /// The [status](SessionError::status) and [public text](SessionError::public_text) of the error.
    fn into_response(self) -> Response {
        tracing::error!(error = &self as &dyn std::error::Error, "a session could not be used");
        let mut response = (self.status(), self.public_text()).into_response();
        response.extensions_mut().insert(ReportedError(Arc::new(self)));
        response
    }
}

impl IntoResponse for SessionRejection {
    /// The [status](SessionRejection::status) of the rejection, and its text, which says what to do.
    fn into_response(self) -> Response {
        match self {
            Self::Session(error) => error.into_response(),
            Self::Uninitialized | Self::Initialized => (self.status(), self.to_string()).into_response(),
            mistake => {
                tracing::error!(error = %mistake, "a session can't be extracted");
                (mistake.status(), mistake.to_string()).into_response()
            }
        }
    }
}

impl<T: SessionData, S: State> IntoResponse for TransitionError<T, S> {
    /// As the error within; the session is let go.
    fn into_response(self) -> Response {
        SessionError::from(self).into_response()
    }
}
