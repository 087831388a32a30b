//! `Session<T>` and its states as arguments of axum handlers.

use ::axum::extract::{FromRequestParts, OptionalFromRequestParts};
use http::request::Parts;

use crate::data::SessionData;
use crate::error::SessionRejection;
use crate::session::{LiveState, Session};
use crate::state::{Initialized, Uninitialized};

/// The request's session, stored or new.
impl<T: SessionData, App: Sync> FromRequestParts<App> for Session<T> {
    type Rejection = SessionRejection;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, SessionRejection> {
        Self::from_parts(parts).await
    }
}

/// The visitor's session; 401 for a visitor without one.
impl<T: SessionData, App: Sync> FromRequestParts<App> for Session<T, Initialized> {
    type Rejection = SessionRejection;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, SessionRejection> {
        match Session::<T>::from_parts(parts).await?.state() {
            LiveState::Initialized(session) => Ok(session),
            LiveState::Uninitialized(_) => Err(SessionRejection::Uninitialized),
        }
    }
}

/// The visitor's session, or none.
impl<T: SessionData, App: Sync> OptionalFromRequestParts<App> for Session<T, Initialized> {
    type Rejection = SessionRejection;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Option<Self>, SessionRejection> {
        match unless_ended(Session::<T>::from_parts(parts).await)?.map(Session::state) {
            Some(LiveState::Initialized(session)) => Ok(Some(session)),
            Some(LiveState::Uninitialized(_)) | None => Ok(None),
        }
    }
}

/// A new session for a visitor without one; 409 for a visitor who has one.
impl<T: SessionData, App: Sync> FromRequestParts<App> for Session<T, Uninitialized> {
    type Rejection = SessionRejection;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, SessionRejection> {
        match Session::<T>::from_parts(parts).await?.state() {
            LiveState::Uninitialized(session) => Ok(session),
            LiveState::Initialized(_) => Err(SessionRejection::Initialized),
        }
    }
}

/// What was extracted; none if the request's session has ended, which leaves nothing to extract.
///
/// # Errors
/// Any other rejection.
pub fn unless_ended<T>(extracted: Result<T, SessionRejection>) -> Result<Option<T>, SessionRejection> {
    match extracted {
        Ok(extracted) => Ok(Some(extracted)),
        Err(SessionRejection::Ended { .. }) => Ok(None),
        Err(rejection) => Err(rejection),
    }
}
