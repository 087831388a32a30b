//! Opening the session that a request asks for, and the facts about it at the end.

use std::any::type_name;
use std::pin::Pin;
use std::sync::Arc;

use http::request::Parts;

use crate::context::{LayerContext, RequestFacts};
use crate::cookie::SessionCookie;
use crate::data::{Changes, Content, SessionData, Tracked, Wanted};
use crate::error::{SessionError, StoreError};
use crate::id::SessionId;
use crate::lifecycle::{Ending, Facts, Rules, Unset};
use crate::options::{Ids, OnInvalid};
use crate::record::{self, Decoded, Meta, Moved, Record};
use crate::state::State;
use crate::status::{Status, Stored};
use crate::store::{Loaded, answer};
use crate::timestamp::Timestamp;

/// How many cookies of a request are looked up, each in a trip to the store.
const COOKIES: usize = 4;

/// How many changes of its id a session is followed through.
const STEPS: usize = 4;

/// What is moved from hand to hand while a session is opened. An error is boxed, so that it doesn't take room in it.
type Opened<V> = Result<V, Box<SessionError>>;

impl<T: SessionData> Content<T> {
    /// The session that a request asks for: the stored one that one of its cookies leads to, or a new one. None outside
    /// the cookie's path.
    pub(crate) async fn open(layer: &LayerContext, parts: &Parts) -> Opened<Option<Self>> {
        let Some(request) = layer.read_request(parts)? else { return Ok(None) };
        let Some(id) = layer.presented_id(parts, 0) else { return Self::begin(layer, request, None).map(Some) };
        let loaded = answer!(layer.load(&id, true));
        let elsewhere = match loaded {
            Err(error) => return Err(failed(error)),
            Ok(None) => Elsewhere::Nowhere,
            Ok(Some(loaded)) => match living(layer, &request, loaded)? {
                Ok(found) => return Ok(Some(Self::stored(request, id, found))),
                Err(elsewhere) => elsewhere,
            },
        };
        Self::otherwise(layer, request, parts, (id, elsewhere)).await.map(Some)
    }

    /// Boxed, so that the future of each extractor, which is moved around, has room for the usual way only.
    #[cold]
    fn otherwise(
        layer: &LayerContext,
        request: RequestFacts,
        parts: &Parts,
        first: (SessionId, Elsewhere),
    ) -> Pin<Box<impl Future<Output = Opened<Self>>>> {
        Box::pin(Self::open_otherwise(layer, request, parts, first))
    }

    /// The first cookie leads elsewhere than to a living session. One of a narrower path comes first, and may be left over
    /// from a session that is gone.
    async fn open_otherwise(
        layer: &LayerContext,
        request: RequestFacts,
        parts: &Parts,
        (first, elsewhere): (SessionId, Elsewhere),
    ) -> Opened<Self> {
        if let Some(found) = found_elsewhere(layer, &request, &first, elsewhere).await? {
            return Ok(Self::stored(request, first, found));
        }
        for skipped in 1..COOKIES {
            let Some(id) = layer.presented_id(parts, skipped) else { break };
            let Some(loaded) = layer.load(&id, true).await.map_err(SessionError::from)? else { continue };
            let found = match living(layer, &request, loaded)? {
                Ok(found) => Some(found),
                Err(elsewhere) => found_elsewhere(layer, &request, &id, elsewhere).await?,
            };
            if let Some(found) = found {
                return Ok(Self::stored(request, id, found));
            }
        }
        Self::begin(layer, request, Some(first))
    }

    /// A new session.
    fn begin(layer: &LayerContext, request: RequestFacts, presented: Option<SessionId>) -> Opened<Self> {
        let id = first_id(layer, &request)?;
        let base = initial(layer, &request);
        Ok(Self::new(Tracked::new(base), Status::new(request, presented, id)))
    }

    #[inline]
    fn stored(request: RequestFacts, id: SessionId, found: Found<T>) -> Self {
        let Found { decoded, stored, kept_until, moved_to } = found;
        Self::new(Tracked::new(decoded), Status::of_stored(request, id, (stored, kept_until), moved_to))
    }

    /// Whether this is a stored session that was read and nothing else, so that nothing follows from it unless an option
    /// says so.
    pub(crate) fn was_only_read(&self) -> bool {
        self.status().is_as_loaded() && self.tracked().is_unmarked()
    }

    /// Reports changes that nobody will ever save.
    pub(crate) fn warn_if_unsaved(&self) {
        if self.status().ending == Ending::Open
            && self.tracked().unsaved(Wanted::Any).map_or(true, |changes| !changes.fields.is_empty())
        {
            tracing::error!(
                session = type_name::<T>(),
                "a session that outlived its response was let go with changes: call `save().await` first"
            );
        }
    }
}

impl<T: SessionData, S: State> Content<T, S> {
    /// The facts at the end of the request. `changes` are those since the last save.
    pub(crate) fn facts(&self, layer: &LayerContext, changes: &Changes) -> Facts {
        let (status, tracked) = (self.status(), self.tracked());
        let unsaved = !changes.fields.is_empty();
        let data_changed = if status.saved { tracked.is_modified() } else { unsaved };
        let id_counts = layer.options.policy.rules == Rules::Express;
        let loaded_cookie = &tracked.base().cookie;
        Facts {
            ending: match status.ending {
                Ending::Open | Ending::Unset if status.gone => Ending::Gone,
                // Whoever logs out under an id that the session had before ends the session.
                Ending::Unset if layer.options.policy.unset == Unset::Destroy => Ending::Unset,
                Ending::Open | Ending::Unset if status.moved_to.is_some() => Ending::Moved,
                ending => ending,
            },
            presented: status.presented.is_some(),
            found: status.found,
            known: status.is_known(),
            stored: status.stored.is_some(),
            modified: data_changed || (id_counts && status.id_changed),
            unsaved,
            saved: status.saved,
            initialized: status.initialized,
            cookie_changed: status.has_changed_cookie(loaded_cookie),
            cookie_saved: status.cookie_saved,
            touched: status.touched,
            expires: status.cookie_expires(loaded_cookie).is_some(),
            sendable: status.is_sendable(layer, loaded_cookie),
        }
    }
}

/// A stored session.
pub(crate) struct Found<T> {
    pub(crate) decoded: Arc<Decoded<T>>,
    pub(crate) stored: Stored,
    pub(crate) kept_until: Option<Timestamp>,
    /// Its key, if it was looked for under an id that it had before.
    pub(crate) moved_to: Option<Box<SessionId>>,
}

/// Where an id leads, if not to a living session.
enum Elsewhere {
    /// The session has another id now.
    Moved(Box<Moved>),
    TimedOut,
    Nowhere,
}

/// The living session that was loaded, or where else its id leads.
#[inline]
fn living<T: SessionData>(
    layer: &LayerContext,
    request: &RequestFacts,
    loaded: Loaded,
) -> Opened<Result<Found<T>, Elsewhere>> {
    let found = match found::<T>(layer, request, loaded) {
        Ok(found) => found,
        Err(error) => return unreadable(layer, error).map(|()| Err(Elsewhere::Nowhere)),
    };
    if layer.options.absolute_timeout.is_none() && found.decoded.moved().is_none() {
        return Ok(Ok(found));
    }
    Ok(still_living(layer, found))
}

/// The session that was loaded, unless it began too long ago, or has another id now.
#[cold]
fn still_living<T: SessionData>(layer: &LayerContext, found: Found<T>) -> Result<Found<T>, Elsewhere> {
    if has_timed_out(layer, &found.decoded.meta) {
        return Err(Elsewhere::TimedOut);
    }
    match found.decoded.moved() {
        Some(moved) => Err(Elsewhere::Moved(Box::new(moved.clone()))),
        None => Ok(found),
    }
}

// What few requests come to, errors above all, is cold in these rooms: compilers keep it out of the way of the others, which
// have to fetch all the code between what they run through.
#[cold]
fn failed(error: StoreError) -> Box<SessionError> {
    Box::new(error.into())
}

/// A record that can't be read is an error, or as good as none.
#[cold]
fn unreadable(layer: &LayerContext, error: SessionError) -> Opened<()> {
    if layer.options.on_invalid == OnInvalid::Reject {
        return Err(error.into());
    }
    let error = &error as &dyn std::error::Error;
    tracing::warn!(error, "began a new session in place of one that can't be read");
    Ok(())
}

/// The living session that an id leads to in another way.
async fn found_elsewhere<T: SessionData>(
    layer: &LayerContext,
    request: &RequestFacts,
    id: &SessionId,
    elsewhere: Elsewhere,
) -> Opened<Option<Found<T>>> {
    match elsewhere {
        Elsewhere::Moved(moved) => follow(layer, request, *moved).await,
        Elsewhere::TimedOut => {
            layer.destroy(id).await.map_err(SessionError::from)?;
            Ok(None)
        }
        Elsewhere::Nowhere => Ok(None),
    }
}

/// The key of the session that an id which it had before leads to; none if it has this id, or is no more.
pub(crate) async fn moved_to<T: SessionData>(
    layer: &LayerContext,
    request: &RequestFacts,
    id: &SessionId,
) -> Result<Option<Box<SessionId>>, SessionError> {
    if layer.options.rotate_grace.is_none() {
        return Ok(None);
    }
    // Boxed: most futures that have room for this end here.
    Box::pin(async move {
        let Some(loaded) = layer.load(id, false).await? else { return Ok(None) };
        // One that can't be read is no trace of a session that has moved.
        let Ok(found) = found::<T>(layer, request, loaded) else { return Ok(None) };
        let Some(moved) = found.decoded.moved() else { return Ok(None) };
        let found = follow::<T>(layer, request, moved.clone()).await.map_err(|error| *error)?;
        Ok(found.and_then(|found| found.moved_to))
    })
    .await
}

/// The session that an id which it had before leads to; none once the grace is over. A session that changes its id again
/// and again is followed a few steps.
pub(crate) async fn follow<T: SessionData>(
    layer: &LayerContext,
    request: &RequestFacts,
    mut moved: Moved,
) -> Opened<Option<Found<T>>> {
    for _ in 0..STEPS {
        if moved.until <= Timestamp::now().as_millis() {
            return Ok(None);
        }
        let key = SessionId::new(&moved.to)?;
        let Some(loaded) = layer.load_key(&key).await.map_err(SessionError::from)? else { return Ok(None) };
        let found = found::<T>(layer, request, loaded)?;
        match found.decoded.moved() {
            Some(further) => moved = further.clone(),
            None => return Ok(Some(Found { moved_to: Some(key.into()), ..found })),
        }
    }
    Ok(None)
}

/// Whoever makes ids counts on being asked for each new session; others are drawn when they are needed.
pub(crate) fn first_id(layer: &LayerContext, request: &RequestFacts) -> Result<Option<SessionId>, SessionError> {
    match layer.options.ids {
        Ids::Custom(_) => layer.new_id(request).map(Some),
        _ => Ok(None),
    }
}

/// The content of a new session.
pub(crate) fn initial<T: SessionData>(layer: &LayerContext, request: &RequestFacts) -> Arc<Decoded<T>> {
    let cookie = SessionCookie::new(Arc::clone(layer.cookie(request)));
    let meta = Meta::new(T::VERSION, layer.options.absolute_timeout.map(|_| Timestamp::now()));
    Arc::new(Decoded::new(T::initial(), cookie, meta))
}

/// What was just loaded. Its expiry is the store's; express-session believes the record.
#[inline]
pub(crate) fn found<T: SessionData>(
    layer: &LayerContext,
    request: &RequestFacts,
    loaded: Loaded,
) -> Result<Found<T>, SessionError> {
    let Loaded { record, revision, expires } = loaded;
    let (decoded, record) = match record.into_decoded() {
        Ok(decoded) => (decoded, None),
        Err(record) => (read(layer, request, &record)?, Some(record)),
    };
    let kept_until = (layer.options.policy.rules == Rules::Safe).then_some(expires);
    Ok(Found { decoded, stored: Stored { record, revision }, kept_until, moved_to: None })
}

/// Reads a record, or takes its decoded form if the store kept it.
pub(crate) fn decode<T: SessionData>(
    layer: &LayerContext,
    request: &RequestFacts,
    record: &Record,
) -> Result<Arc<Decoded<T>>, SessionError> {
    record.clone().into_decoded().or_else(|record| read(layer, request, &record))
}

fn read<T: SessionData>(
    layer: &LayerContext,
    request: &RequestFacts,
    record: &Record,
) -> Result<Arc<Decoded<T>>, SessionError> {
    record::read(record.json(), layer.absent(request), (T::VERSION, T::fields_of), |version, fields| {
        T::deserialize_version(version, fields)
    })
    .map(Arc::new)
    .map_err(|error| SessionError::Decode { session: type_name::<T>(), source: error.into() })
}

#[inline]
pub(crate) fn has_timed_out(layer: &LayerContext, meta: &Meta) -> bool {
    layer.deadline(meta).is_some_and(|deadline| deadline <= Timestamp::now())
}
