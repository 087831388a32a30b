//! What is known about a request's session, its data aside.

use std::sync::{Arc, OnceLock};

use crate::context::{LayerContext, RequestFacts};
use crate::cookie::{CookieOptions, Secure, SessionCookie};
use crate::error::SessionError;
use crate::id::SessionId;
use crate::lifecycle::Ending;
use crate::record::{Record, Revision};
use crate::timestamp::Timestamp;

/// What is known about a request's session, its data aside.
pub(crate) struct Status {
    pub(crate) request: RequestFacts,
    /// The id of the validly signed cookie that the client sent, whatever it led to.
    pub(crate) presented: Option<SessionId>,
    /// Another id, drawn when it is asked for.
    id: OnceLock<SessionId>,
    /// The session's id is the one that the client sent.
    has_presented_id: bool,
    /// The record in the store, as far as this request knows.
    pub(crate) stored: Option<Stored>,
    pub(crate) cookie: SessionCookie,
    /// The settings that the client's cookie was sent with, once the request may have made others of them.
    sent: Option<Arc<CookieOptions>>,
    pub(crate) ending: Ending,
    /// The handler saved the session.
    pub(crate) saved: bool,
    pub(crate) initialized: bool,
    pub(crate) touched: bool,
    /// The handler gave the session another id, or began another session.
    pub(crate) id_changed: bool,
    /// The key of the session, if the request came with an id that it had before: it is read, not written.
    pub(crate) moved_to: Option<Box<SessionId>>,
    /// The store told a handler that the session is no more.
    pub(crate) gone: bool,
}

#[derive(Clone)]
pub(crate) struct Stored {
    pub(crate) record: Record,
    pub(crate) revision: Revision,
}

impl Status {
    /// That of a new session; `id` holds the one that it has already, if it has.
    #[inline]
    pub(crate) fn new(
        request: RequestFacts,
        presented: Option<SessionId>,
        id: OnceLock<SessionId>,
        cookie: SessionCookie,
    ) -> Self {
        Self {
            request,
            presented,
            id,
            has_presented_id: false,
            stored: None,
            cookie,
            sent: None,
            ending: Ending::Open,
            saved: false,
            initialized: false,
            touched: false,
            id_changed: false,
            moved_to: None,
            gone: false,
        }
    }

    /// That of the stored session which the client's cookie leads to.
    #[inline]
    pub(crate) fn of_stored(
        request: RequestFacts,
        presented: SessionId,
        (stored, moved_to): (Stored, Option<Box<SessionId>>),
        cookie: SessionCookie,
    ) -> Self {
        let new = Self::new(request, Some(presented), OnceLock::new(), cookie);
        Self { has_presented_id: true, stored: Some(stored), moved_to, ..new }
    }

    /// From now on, it is that of another session in the place of one that was destroyed.
    pub(crate) fn begin_again(&mut self, id: OnceLock<SessionId>, cookie: SessionCookie) {
        (self.id, self.has_presented_id) = (id, false);
        (self.stored, self.moved_to, self.gone) = (None, None, false);
        *self.cookie_mut() = cookie;
        self.ending = Ending::Open;
        (self.saved, self.initialized, self.touched) = (false, false, false);
        self.id_changed = true;
    }

    /// Whether the session is as it was loaded, and the handlers said nothing about it.
    pub(crate) fn is_as_loaded(&self) -> bool {
        let Self { stored, ending, saved, touched, id_changed, moved_to, gone, sent, .. } = self;
        let was_used = *saved || *touched || *id_changed || *gone;
        stored.is_some() && *ending == Ending::Open && !was_used && moved_to.is_none() && sent.is_none()
    }

    /// The session's id, drawn at the first call for a new one.
    pub(crate) fn id(&self, layer: &LayerContext) -> Result<&SessionId, SessionError> {
        if let Some(id) = self.known_id().or_else(|| self.id.get()) {
            return Ok(id);
        }
        let id = layer.new_id(&self.request)?;
        Ok(self.id.get_or_init(|| id))
    }

    fn known_id(&self) -> Option<&SessionId> {
        self.presented.as_ref().filter(|_| self.has_presented_id)
    }

    /// Gives the session another id.
    pub(crate) fn set_id(&mut self, id: SessionId) {
        (self.id, self.has_presented_id) = (OnceLock::from(id), false);
    }

    /// The settings that the client's cookie was sent with.
    pub(crate) fn sent(&self) -> &Arc<CookieOptions> {
        self.sent.as_ref().unwrap_or(self.cookie.attributes())
    }

    /// The cookie, to be changed.
    pub(crate) fn cookie_mut(&mut self) -> &mut SessionCookie {
        if self.sent.is_none() {
            self.sent = Some(Arc::clone(self.cookie.attributes()));
        }
        &mut self.cookie
    }

    /// Resets the time left now, and has the store renewed at the end.
    pub(crate) fn touch(&mut self) {
        self.cookie.renew(Timestamp::now());
        self.touched = true;
    }

    /// Whether the id is the one that the client sent.
    pub(crate) fn is_known(&self) -> bool {
        self.has_presented_id || self.id.get().is_some_and(|id| self.presented.as_ref() == Some(id))
    }

    /// Whether the cookie may go over the request's connection. Over which one a token goes is the client's to know.
    pub(crate) fn is_sendable(&self, layer: &LayerContext) -> bool {
        self.cookie.secure() != Secure::On || self.request.secure_connection || !layer.options.transport.is_cookie()
    }
}
