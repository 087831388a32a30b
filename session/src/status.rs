//! What is known about a request's session, its data aside.

use std::sync::{Arc, OnceLock};

use crate::context::{LayerContext, RequestFacts};
use crate::cookie::{CookieOptions, Secure, SessionCookie};
use crate::error::SessionError;
use crate::id::SessionId;
use crate::lifecycle::Ending;
use crate::record::{Record, Revision};
use crate::timestamp::Timestamp;

/// What is known about a request's session, its data aside. Most methods are told the cookie of the loaded content, which
/// is the session's as long as the request says nothing else.
pub(crate) struct Status {
    pub(crate) request: RequestFacts,
    /// The id of the validly signed cookie that the client sent, whatever it led to.
    pub(crate) presented: Option<SessionId>,
    /// Another id.
    id: Option<SessionId>,
    /// That of a new session, drawn for a handler that asked for it.
    drawn: OnceLock<Box<SessionId>>,
    /// The session's id is the one that the client sent.
    has_presented_id: bool,
    /// The client's cookie led to a stored session.
    pub(crate) found: bool,
    /// The record in the store, as far as this request knows.
    pub(crate) stored: Option<Stored>,
    /// Until when the store keeps what was loaded, if that is later than the cookie in the record knows.
    kept_until: Option<Timestamp>,
    /// The loaded cookie, renewed, once a handler looks at it.
    seen_cookie: OnceLock<Box<SessionCookie>>,
    /// This request's own cookie, from its first change on.
    own_cookie: Option<Box<SessionCookie>>,
    /// The settings that the client's cookie was sent with, once the request may have made others of them.
    sent: Option<Arc<CookieOptions>>,
    pub(crate) ending: Ending,
    /// The handler saved the session.
    pub(crate) saved: bool,
    /// With other settings of its cookie than the client has.
    pub(crate) cookie_saved: bool,
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
    /// None if the loaded content is the record.
    pub(crate) record: Option<Record>,
    pub(crate) revision: Revision,
}

impl Status {
    /// That of a new session, with the id that it has already, if it has.
    #[inline]
    pub(crate) fn new(request: RequestFacts, presented: Option<SessionId>, id: Option<SessionId>) -> Self {
        Self {
            request,
            presented,
            id,
            drawn: OnceLock::new(),
            has_presented_id: false,
            found: false,
            stored: None,
            kept_until: None,
            seen_cookie: OnceLock::new(),
            own_cookie: None,
            sent: None,
            ending: Ending::Open,
            saved: false,
            cookie_saved: false,
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
        (stored, kept_until): (Stored, Option<Timestamp>),
        moved_to: Option<Box<SessionId>>,
    ) -> Self {
        let new = Self::new(request, Some(presented), None);
        Self { has_presented_id: true, found: true, stored: Some(stored), kept_until, moved_to, ..new }
    }

    /// From now on, it is that of another session in the place of one that was destroyed.
    pub(crate) fn begin_again(&mut self, id: Option<SessionId>, loaded: &SessionCookie) {
        (self.id, self.drawn, self.has_presented_id) = (id, OnceLock::new(), false);
        (self.stored, self.moved_to, self.gone) = (None, None, false);
        self.forget_cookie(loaded);
        self.ending = Ending::Open;
        (self.saved, self.cookie_saved, self.initialized, self.touched) = (false, false, false, false);
        self.id_changed = true;
    }

    /// From now on, something else is the loaded content, which the store keeps until then.
    pub(crate) fn loaded_again(&mut self, stored: Stored, kept_until: Option<Timestamp>, loaded: &SessionCookie) {
        self.forget_cookie(loaded);
        (self.stored, self.kept_until) = (Some(stored), kept_until);
    }

    /// Whether the session is as it was loaded, and the handlers said nothing about it.
    pub(crate) fn is_as_loaded(&self) -> bool {
        let Self { stored, ending, saved, touched, id_changed, moved_to, gone, own_cookie, sent, .. } = self;
        let was_used = *saved || *touched || *id_changed || *gone;
        let has_its_cookie = own_cookie.is_none() && sent.is_none();
        stored.is_some() && *ending == Ending::Open && !was_used && moved_to.is_none() && has_its_cookie
    }

    /// The session's id, drawn at the first call for a new one.
    pub(crate) fn id(&self, layer: &LayerContext) -> Result<&SessionId, SessionError> {
        if let Some(id) = self.known_id() {
            return Ok(id);
        }
        let id = layer.new_id(&self.request)?;
        Ok(self.drawn.get_or_init(|| Box::new(id)))
    }

    /// The same, for good.
    pub(crate) fn settled_id(&mut self, layer: &LayerContext) -> Result<&SessionId, SessionError> {
        if self.known_id().is_none() {
            self.id = Some(layer.new_id(&self.request)?);
        }
        self.id(layer)
    }

    fn known_id(&self) -> Option<&SessionId> {
        let presented = self.presented.as_ref().filter(|_| self.has_presented_id);
        presented.or(self.id.as_ref()).or_else(|| self.drawn.get().map(|id| &**id))
    }

    /// Gives the session another id.
    pub(crate) fn set_id(&mut self, id: SessionId) {
        (self.id, self.has_presented_id) = (Some(id), false);
    }

    /// The cookie, as the handlers see it.
    pub(crate) fn cookie<'a>(&'a self, loaded: &SessionCookie) -> &'a SessionCookie {
        let renewed = || Box::new(self.renewed(loaded));
        self.own_cookie.as_ref().unwrap_or_else(|| self.seen_cookie.get_or_init(renewed))
    }

    /// The cookie, to be changed.
    pub(crate) fn cookie_mut(&mut self, loaded: &SessionCookie) -> &mut SessionCookie {
        let own = self.own_cookie.take().unwrap_or_else(|| {
            self.sent.get_or_insert_with(|| Arc::clone(loaded.attributes()));
            Box::new(self.renewed(loaded))
        });
        self.own_cookie.insert(own)
    }

    /// The cookie, if it was changed.
    pub(crate) fn own_cookie(&self) -> Option<&SessionCookie> {
        self.own_cookie.as_deref()
    }

    /// Whether its settings differ from the stored ones.
    pub(crate) fn has_changed_cookie(&self, loaded: &SessionCookie) -> bool {
        self.own_cookie().is_some_and(|own| own.differs_from(loaded))
    }

    /// The moment at which the cookie expires.
    pub(crate) fn cookie_expires(&self, loaded: &SessionCookie) -> Option<Timestamp> {
        match (&self.own_cookie, self.kept_until) {
            (Some(own), _) => own.expires_at(),
            (None, Some(until)) if loaded.original_max_age_millis().is_some() => Some(until),
            _ => loaded.expires_at(),
        }
    }

    fn renewed(&self, loaded: &SessionCookie) -> SessionCookie {
        let (attributes, max_age) = (Arc::clone(loaded.attributes()), loaded.original_max_age_millis());
        SessionCookie::stored(attributes, max_age, self.cookie_expires(loaded))
    }

    fn forget_cookie(&mut self, loaded: &SessionCookie) {
        self.sent.get_or_insert_with(|| Arc::clone(loaded.attributes()));
        (self.kept_until, self.seen_cookie, self.own_cookie) = (None, OnceLock::new(), None);
    }

    /// The settings that the client's cookie was sent with.
    pub(crate) fn sent<'a>(&'a self, loaded: &'a SessionCookie) -> &'a Arc<CookieOptions> {
        self.sent.as_ref().unwrap_or(loaded.attributes())
    }

    /// Gives the session up, with what was changed of its cookie.
    pub(crate) fn unset(&mut self) {
        (self.ending, self.own_cookie) = (Ending::Unset, None);
    }

    /// Resets the time left now, and has the store renewed at the end.
    pub(crate) fn touch(&mut self, loaded: &SessionCookie) {
        self.cookie_mut(loaded).renew(Timestamp::now());
        self.touched = true;
    }

    /// Whether the id is the one that the client sent.
    pub(crate) fn is_known(&self) -> bool {
        self.presented.is_some() && (self.has_presented_id || self.known_id() == self.presented.as_ref())
    }

    /// Whether the session's cookie may go over the request's connection.
    pub(crate) fn is_sendable(&self, layer: &LayerContext, loaded: &SessionCookie) -> bool {
        self.may_send(layer, self.own_cookie().unwrap_or(loaded))
    }

    /// Whether a cookie may go over the request's connection. Over which one a token goes is the client's to know.
    pub(crate) fn may_send(&self, layer: &LayerContext, cookie: &SessionCookie) -> bool {
        cookie.secure() != Secure::On || self.request.secure_connection || !layer.options.transport.is_cookie()
    }
}
