//! The header that tells the client what became of its session.

use http::HeaderValue;

use crate::context::LayerContext;
use crate::cookie::SessionCookie;
use crate::data::{Content, SessionData};
use crate::error::SessionError;
use crate::lifecycle::{Announce, Ending, Rules};
use crate::status::Status;
use crate::timestamp::Timestamp;

/// The header for the response, if the session was committed.
pub(crate) type Committed = Result<Option<HeaderValue>, Box<Failed>>;

/// A commit that failed.
pub(crate) struct Failed {
    pub(crate) error: SessionError,
    /// For a session that a handler has stored before: without it, the visitor would lose that, too.
    pub(crate) owed: Option<HeaderValue>,
}

impl Failed {
    #[cold]
    pub(crate) fn new<T: SessionData>(error: SessionError, layer: &LayerContext, content: &Content<T>) -> Box<Self> {
        Box::new(Self { error, owed: owed(layer, content.status(), &content.tracked().base().cookie) })
    }
}

/// The header for what is stored under an id that the client doesn't have. What the handlers have made of the cookie since
/// is not stored.
fn owed(layer: &LayerContext, status: &Status, stored: &SessionCookie) -> Option<HeaderValue> {
    let is_unknown = status.stored.is_some() && !status.is_known() && !status.gone;
    let is_owed = is_unknown && status.may_send(layer, stored);
    if is_owed { give(layer, status, stored, stored.expires_at()).ok()? } else { None }
}

/// The header that takes the cookie of a session away that the handler has ended, if it should be.
pub(crate) fn removal(layer: &LayerContext, status: &Status, loaded: &SessionCookie) -> Option<HeaderValue> {
    let was_ended = status.presented.is_some() && (status.found || status.ending == Ending::Destroyed);
    let wanted = layer.options.policy.clear_cookie && was_ended && status.is_sendable(layer, loaded);
    if wanted { announce(layer, status, loaded, Announce::Remove).ok()? } else { None }
}

/// The header that tells the client about a session that is not written, or was before.
pub(super) fn announce(
    layer: &LayerContext,
    status: &Status,
    loaded: &SessionCookie,
    announce: Announce,
) -> Result<Option<HeaderValue>, SessionError> {
    match announce {
        // A token that leads nowhere is the client's to forget.
        Announce::Remove if layer.options.transport.is_cookie() => {
            Ok(layer.remove_cookie(status.sent(loaded), status.request.secure_connection))
        }
        Announce::Nothing | Announce::Remove => Ok(None),
        Announce::Set => {
            let cookie = status.own_cookie().unwrap_or(loaded);
            give(layer, status, cookie, status.cookie_expires(loaded))
        }
    }
}

/// The header that gives the client its session. A token that the client has is not sent again.
pub(super) fn give(
    layer: &LayerContext,
    status: &Status,
    cookie: &SessionCookie,
    expires: Option<Timestamp>,
) -> Result<Option<HeaderValue>, SessionError> {
    if !layer.options.transport.is_cookie() {
        let is_sent = layer.options.send_token && !status.is_known();
        return if is_sent { Ok(layer.set_token(status.id(layer)?)) } else { Ok(None) };
    }
    let expires = match layer.options.policy.rules {
        Rules::Safe => expires,
        Rules::Express => cookie.expires_if_renewed(Timestamp::now()),
    };
    Ok(layer.set_cookie(status.id(layer)?, (cookie.attributes(), expires), status.request.secure_connection))
}
