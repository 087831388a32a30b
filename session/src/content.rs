//! A request's session between its handles: the data, and everything that is known about it.

use std::any::type_name;
use std::sync::{Arc, OnceLock};

use http::request::Parts;

use crate::context::{LayerContext, RequestFacts};
use crate::cookie::{CookieOptions, Secure, SessionCookie};
use crate::data::{Changes, SessionData, Tracked, Wanted};
use crate::error::SessionError;
use crate::id::SessionId;
use crate::lifecycle::{Ending, Facts, Rules};
use crate::options::{Ids, OnInvalid};
use crate::record::{self, Decoded, Meta, Moved, Record, Revision};
use crate::state::{Live, State};
use crate::store::Loaded;
use crate::timestamp::Timestamp;

/// How many cookies of a request are looked up, each in a trip to the store.
const COOKIES: usize = 4;

/// How many changes of its id a session is followed through.
const STEPS: usize = 4;

/// A session that no handle holds at the moment.
pub(crate) struct Content<T> {
    pub(crate) tracked: Tracked<T, Live>,
    pub(crate) status: Box<Status>,
}

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
    pub(crate) moved_to: Option<SessionId>,
    /// The store told a handler that the session is no more.
    pub(crate) gone: bool,
}

#[derive(Clone)]
pub(crate) struct Stored {
    pub(crate) record: Record,
    pub(crate) revision: Revision,
}

impl<T: SessionData> Content<T> {
    /// The session that a request asks for: the stored one that one of its cookies leads to, or a new one.
    pub(crate) async fn open(layer: &LayerContext, request: RequestFacts, parts: &Parts) -> Result<Self, SessionError> {
        let Some(id) = layer.presented_id(parts, 0) else { return Self::begin(layer, request, None) };
        match seen(layer, &request, &id).await? {
            Seen::Session(found) => Ok(Self::stored(layer, request, id, found)),
            // Boxed, so that the future of each extractor, which is moved around, has room for the usual way only.
            other => Box::pin(Self::open_otherwise(layer, request, parts, (id, other))).await,
        }
    }

    /// A cookie of a narrower path comes first, and may be left over from a session that is gone.
    async fn open_otherwise(
        layer: &LayerContext,
        request: RequestFacts,
        parts: &Parts,
        (first, seen_first): (SessionId, Seen<T>),
    ) -> Result<Self, SessionError> {
        if let Some(found) = living(layer, &request, &first, seen_first).await? {
            return Ok(Self::stored(layer, request, first, found));
        }
        for skipped in 1..COOKIES {
            let Some(id) = layer.presented_id(parts, skipped) else { break };
            let seen = seen(layer, &request, &id).await?;
            if let Some(found) = living(layer, &request, &id, seen).await? {
                return Ok(Self::stored(layer, request, id, found));
            }
        }
        Self::begin(layer, request, Some(first))
    }

    /// A new session.
    pub(crate) fn begin(
        layer: &LayerContext,
        request: RequestFacts,
        presented: Option<SessionId>,
    ) -> Result<Self, SessionError> {
        let id = first_id(layer, &request)?;
        let base = initial(layer, &request);
        let status = Box::new(Status::new(request, presented, id, None, base.cookie.clone()));
        Ok(Self { tracked: Tracked::new(base), status })
    }

    fn stored(layer: &LayerContext, request: RequestFacts, id: SessionId, found: Found<T>) -> Self {
        let Found { decoded, loaded, moved_to } = found;
        let cookie = renewed(layer, decoded.cookie.clone(), &loaded);
        let stored = Stored { record: loaded.record, revision: loaded.revision };
        let mut status = Box::new(Status::new(request, Some(id), OnceLock::new(), Some(stored), cookie));
        status.moved_to = moved_to;
        Self { tracked: Tracked::new(decoded), status }
    }
}

impl<T: SessionData> Content<T> {
    /// Whether this is a stored session that was read and nothing else, so that nothing follows from it unless an option
    /// says so.
    pub(crate) fn was_only_read(&self) -> bool {
        let Status { stored, ending, saved, touched, id_changed, moved_to, gone, sent, .. } = &*self.status;
        let is_as_loaded = !(*saved || *touched || *id_changed || *gone) && moved_to.is_none() && sent.is_none();
        stored.is_some() && *ending == Ending::Open && is_as_loaded && self.tracked.is_unmarked()
    }

    /// Reports changes that nobody will ever save.
    pub(crate) fn warn_if_unsaved(&self) {
        if self.status.ending == Ending::Open
            && self.tracked.unsaved(Wanted::Any).map_or(true, |changes| !changes.fields.is_empty())
        {
            tracing::error!(
                session = type_name::<T>(),
                "a session that outlived its response was let go with changes: call `save().await` first"
            );
        }
    }
}

/// A stored session.
struct Found<T> {
    decoded: Arc<Decoded<T>>,
    loaded: Loaded,
    /// Its key, if it was looked for under an id that it had before.
    moved_to: Option<SessionId>,
}

/// What an id leads to.
enum Seen<T> {
    Session(Found<T>),
    /// The session has another id now.
    Moved(Moved),
    TimedOut,
    Nothing,
}

async fn seen<T: SessionData>(
    layer: &LayerContext,
    request: &RequestFacts,
    id: &SessionId,
) -> Result<Seen<T>, SessionError> {
    let Some(loaded) = layer.load(id, true).await? else { return Ok(Seen::Nothing) };
    let decoded = match decode::<T>(layer, request, &loaded.record) {
        Ok(decoded) => decoded,
        Err(error) if layer.options.on_invalid == OnInvalid::Reject => return Err(error),
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "began a new session in place of one that can't be read");
            return Ok(Seen::Nothing);
        }
    };
    if has_timed_out(layer, decoded.meta) {
        return Ok(Seen::TimedOut);
    }
    Ok(match decoded.moved() {
        Some(moved) => Seen::Moved(moved.clone()),
        None => Seen::Session(Found { decoded, loaded, moved_to: None }),
    })
}

/// The living session behind what was seen.
async fn living<T: SessionData>(
    layer: &LayerContext,
    request: &RequestFacts,
    id: &SessionId,
    seen: Seen<T>,
) -> Result<Option<Found<T>>, SessionError> {
    match seen {
        Seen::Session(found) => Ok(Some(found)),
        Seen::Moved(moved) => follow(layer, request, moved).await,
        Seen::TimedOut => {
            layer.destroy(id).await?;
            Ok(None)
        }
        Seen::Nothing => Ok(None),
    }
}

/// The session that an id which it had before leads to; none once the grace is over. A session that changes its id again
/// and again is followed a few steps.
async fn follow<T: SessionData>(
    layer: &LayerContext,
    request: &RequestFacts,
    mut moved: Moved,
) -> Result<Option<Found<T>>, SessionError> {
    for _ in 0..STEPS {
        if moved.until <= Timestamp::now().as_millis() {
            return Ok(None);
        }
        let key = SessionId::new(&moved.to)?;
        let Some(loaded) = layer.load_key(&key).await? else { return Ok(None) };
        let decoded = decode::<T>(layer, request, &loaded.record)?;
        match decoded.moved() {
            Some(further) => moved = further.clone(),
            None => return Ok(Some(Found { decoded, loaded, moved_to: Some(key) })),
        }
    }
    Ok(None)
}

/// Whoever makes ids counts on being asked for each new session; others are drawn when they are needed.
fn first_id(layer: &LayerContext, request: &RequestFacts) -> Result<OnceLock<SessionId>, SessionError> {
    match layer.options.ids {
        Ids::Custom(_) => layer.new_id(request).map(OnceLock::from),
        _ => Ok(OnceLock::new()),
    }
}

/// The content of a new session.
fn initial<T: SessionData>(layer: &LayerContext, request: &RequestFacts) -> Arc<Decoded<T>> {
    let now = Timestamp::now();
    let cookie = SessionCookie::new(Arc::clone(&request.cookie), now);
    let meta = Meta::new(T::VERSION, layer.options.absolute_timeout.map(|_| now));
    Arc::new(Decoded::new(T::initial(), cookie, meta))
}

/// The cookie of a record that was just loaded. Its expiry is the store's; express-session believes the record.
fn renewed(layer: &LayerContext, mut cookie: SessionCookie, loaded: &Loaded) -> SessionCookie {
    if layer.options.policy.rules == Rules::Safe {
        cookie.renewed_until(loaded.expires);
    }
    cookie
}

/// Reads a record, or takes its decoded form if the store kept it.
pub(crate) fn decode<T: SessionData>(
    layer: &LayerContext,
    request: &RequestFacts,
    record: &Record,
) -> Result<Arc<Decoded<T>>, SessionError> {
    if let Some(decoded) = record.decoded() {
        return Ok(decoded);
    }
    record::read(record.json(), layer.absent(request), (T::VERSION, T::FIELDS), |version, fields| {
        T::deserialize_version(version, fields)
    })
    .map(Arc::new)
    .map_err(|error| SessionError::Decode { session: type_name::<T>(), source: error.into() })
}

pub(crate) fn has_timed_out(layer: &LayerContext, meta: Meta) -> bool {
    layer.deadline(meta).is_some_and(|deadline| deadline <= Timestamp::now())
}

impl Status {
    fn new(
        request: RequestFacts,
        presented: Option<SessionId>,
        id: OnceLock<SessionId>,
        stored: Option<Stored>,
        cookie: SessionCookie,
    ) -> Self {
        Self {
            request,
            has_presented_id: stored.is_some(),
            presented,
            id,
            stored,
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

    /// Begins another session in the place of one that was destroyed.
    pub(crate) fn begin_again<T: SessionData>(
        &mut self,
        layer: &LayerContext,
    ) -> Result<Arc<Decoded<T>>, SessionError> {
        (self.id, self.has_presented_id) = (first_id(layer, &self.request)?, false);
        let base = initial(layer, &self.request);
        self.stored = None;
        self.moved_to = None;
        self.gone = false;
        *self.cookie_mut() = base.cookie.clone();
        self.ending = Ending::Open;
        (self.saved, self.initialized, self.touched) = (false, false, false);
        self.id_changed = true;
        Ok(base)
    }

    /// Takes over what was loaded once more.
    pub(crate) fn reloaded(&mut self, layer: &LayerContext, cookie: SessionCookie, loaded: Loaded) {
        *self.cookie_mut() = renewed(layer, cookie, &loaded);
        self.stored = Some(Stored { record: loaded.record, revision: loaded.revision });
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

    /// The facts at the end of the request. `changes` are those since the last save.
    pub(crate) fn facts<T: SessionData, S: State>(
        &self,
        layer: &LayerContext,
        tracked: &Tracked<T, S>,
        changes: &Changes,
    ) -> Facts {
        let unsaved = !changes.fields.is_empty();
        let data_changed = if self.saved { tracked.is_modified() } else { unsaved };
        let id_counts = layer.options.policy.rules == Rules::Express;
        Facts {
            ending: match self.ending {
                Ending::Open | Ending::Unset if self.gone => Ending::Gone,
                Ending::Open | Ending::Unset if self.moved_to.is_some() => Ending::Moved,
                ending => ending,
            },
            presented: self.presented.is_some(),
            known: self.is_known(),
            stored: self.stored.is_some(),
            modified: data_changed || (id_counts && self.id_changed),
            unsaved,
            saved: self.saved,
            initialized: self.initialized,
            cookie_changed: self.cookie.differs_from(&tracked.base().cookie),
            touched: self.touched,
            expires: self.cookie.expires_at().is_some(),
            sendable: self.is_sendable(layer),
        }
    }
}
