//! Writing a session: saving it, and what happens at the end of a request.

mod announce;
mod record;
mod write;

use std::any::type_name;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::Arc;

use http::HeaderValue;

pub(crate) use self::announce::{Committed, Failed, removal};
use self::announce::{announce, give};
pub(crate) use self::record::upgraded as upgraded_record;
use self::write::{Writing, Written};
use crate::content::{Found, first_id, follow, found, initial, moved_to};
use crate::context::LayerContext;
use crate::cookie::{CookieOptions, SessionCookie};
use crate::data::{Changes, Content, SessionData, Special, Tracked, Tries, Wanted};
use crate::error::SessionError;
use crate::id::SessionId;
use crate::lifecycle::{Actions, Announce, Ending, Facts, Rules, Write, decide};
use crate::record::{self as records, Decoded, Frame, Moved, Record};
use crate::state::State;
use crate::status::{Status, Stored};
use crate::store::answer;
use crate::timestamp::{Timestamp, millis};

/// What the end of a request asks for.
pub(crate) struct Plan {
    facts: Facts,
    actions: Actions,
    changes: Changes,
}

impl Plan {
    /// Decides what to do with a session at the end of its request. Nothing is written yet.
    pub(crate) fn new<T: SessionData, S: State>(
        layer: &LayerContext,
        content: &Content<T, S>,
    ) -> Result<Self, SessionError> {
        let changes = unsaved(layer, content.tracked(), content.status())?;
        let facts = content.facts(layer, &changes);
        let actions = decide(facts, layer.options.policy);
        if !facts.sendable && facts.ending == Ending::Open && !facts.stored && (facts.modified || facts.initialized) {
            tracing::warn!(
                session = type_name::<T>(),
                stored = actions.write == Write::Create,
                "a new session can't be announced: its cookie is Secure and the connection is not; behind a proxy, see \
                 `Options::proxy`"
            );
        }
        if facts.unsaved {
            warn_of_lost_changes::<T>(facts.ending);
        }
        Ok(Self { facts, actions, changes })
    }

    /// Whether the store has nothing to do.
    pub(crate) fn is_idle(&self) -> bool {
        self.actions.write == Write::Nothing
    }

    /// Does what the store has to do; gives the header for the response.
    pub(crate) async fn carry_out<T: SessionData>(
        &self,
        layer: &LayerContext,
        content: &mut Content<T>,
    ) -> Result<Option<HeaderValue>, SessionError> {
        let (tracked, status) = content.parts_mut();
        let written = match self.actions.write {
            Write::Nothing => Ok(None),
            Write::Create | Write::Update => {
                let mine = tracked.take();
                write(layer, tracked.tries(false), status, mine, (&self.changes, None)).await.map(Some)
            }
            Write::Touch => touch(layer, tracked, status).await.map(|()| None),
            Write::Destroy => destroy::<T>(layer, status).await.map(|()| None),
        };
        let mut facts = self.facts;
        let written = match written {
            Ok(written) => {
                // The commit itself may have changed the id.
                facts.known &= status.is_known();
                written
            }
            Err(SessionError::Gone) => {
                facts.ending = if status.moved_to.is_some() { Ending::Moved } else { Ending::Gone };
                warn_of_lost_changes::<T>(facts.ending);
                None
            }
            Err(error) => return Err(error),
        };
        let actions = if facts == self.facts { self.actions } else { decide(facts, layer.options.policy) };
        let Some(written) = written else { return announce(layer, status, &tracked.base().cookie, actions.announce) };
        let header = match actions.announce {
            Announce::Set => give(layer, status, &written.content.cookie, written.content.cookie.expires_at()),
            other => announce(layer, status, &tracked.base().cookie, other),
        };
        if let Some(left) = &written.left {
            leave_behind(layer, status, (left, written.content.cookie.attributes())).await;
        }
        header
    }

    /// The header for the response, when the store has nothing to do.
    pub(crate) fn announce<T: SessionData, S: State>(
        &self,
        layer: &LayerContext,
        content: &Content<T, S>,
    ) -> Result<Option<HeaderValue>, SessionError> {
        announce(layer, content.status(), &content.tracked().base().cookie, self.actions.announce)
    }
}

/// Reports changes that are dropped because of how the session has ended.
fn warn_of_lost_changes<T>(ending: Ending) {
    let session = type_name::<T>();
    match ending {
        Ending::Gone => tracing::warn!(
            session,
            "a session was destroyed, or has expired, while a request used it: its changes are dropped"
        ),
        Ending::Moved => {
            tracing::warn!(session, "a request came with an id that the session had before: its changes are dropped")
        }
        Ending::Open | Ending::Unset | Ending::Destroyed => {}
    }
}

/// Whether a save would give the session another id.
pub(crate) fn changes_id<T: SessionData>(tracked: &Tracked<T>) -> Result<bool, SessionError> {
    tracked.has_unsaved(Special::<T>::FIELDS.rotating).map_err(encode_error::<T>)
}

/// Saves the session now, with what was changed since it was loaded or saved last.
pub(crate) async fn save<T: SessionData>(
    layer: &LayerContext,
    tracked: &mut Tracked<T>,
    status: &mut Status,
) -> Result<(), SessionError> {
    save_as(layer, tracked, status, None).await
}

/// The same, under another id, if there is one.
async fn save_as<T: SessionData>(
    layer: &LayerContext,
    tracked: &mut Tracked<T>,
    status: &mut Status,
    next: Option<Box<SessionId>>,
) -> Result<(), SessionError> {
    let changes = unsaved(layer, tracked, status)?;
    // A copy, since the session stays as it was if this is given up half-way.
    let mine = tracked.current();
    let written = write(layer, tracked.tries(true), status, mine, (&changes, next)).await?;
    status.cookie_saved |= status.has_changed_cookie(&tracked.base().cookie);
    let stored = Stored { record: None, revision: written.revision.clone() };
    status.loaded_again(stored, None, &tracked.base().cookie);
    status.saved = true;
    status.id_changed |= written.left.is_some();
    tracked.saved(Arc::clone(&written.content));
    if let Some(left) = &written.left {
        leave_behind(layer, status, (left, written.content.cookie.attributes())).await;
    }
    Ok(())
}

/// Gives the session another id; in the store, too, if it is there.
pub(crate) async fn rename<T: SessionData>(
    layer: &LayerContext,
    tracked: &mut Tracked<T>,
    status: &mut Status,
) -> Result<(), SessionError> {
    if status.stored.is_some() {
        let next = Some(Box::new(layer.new_id(&status.request)?));
        return save_as(layer, tracked, status, next).await;
    }
    status.set_id(layer.new_id(&status.request)?);
    status.id_changed = true;
    Ok(())
}

/// Destroys the stored session, if there is one; and where its id leads, if another request has changed that meanwhile.
pub(crate) async fn destroy<T: SessionData>(layer: &LayerContext, status: &mut Status) -> Result<(), SessionError> {
    if status.stored.is_some() {
        if status.moved_to.is_none() {
            status.moved_to = moved_to::<T>(layer, &status.request, status.id(layer)?).await?;
        }
        if let Some(key) = &status.moved_to {
            layer.destroy_key(key).await?;
        }
        answer!(layer.destroy(status.id(layer)?))?;
        status.stored = None;
    }
    Ok(())
}

/// Destroys the stored session, if there is one, and begins another one in its place.
pub(crate) async fn regenerate<T: SessionData>(
    layer: &LayerContext,
    tracked: &mut Tracked<T>,
    status: &mut Status,
) -> Result<(), SessionError> {
    destroy::<T>(layer, status).await?;
    let id = first_id(layer, &status.request)?;
    status.begin_again(id, &tracked.base().cookie);
    *tracked = Tracked::new(initial(layer, &status.request));
    Ok(())
}

/// Replaces the session's content by what is stored now.
pub(crate) async fn reload<T: SessionData>(
    layer: &LayerContext,
    tracked: &mut Tracked<T>,
    status: &mut Status,
) -> Result<(), SessionError> {
    if status.stored.is_none() {
        return Err(SessionError::Gone);
    }
    let Some(found) = stored_now::<T>(layer, status).await? else {
        status.gone = true;
        return Err(SessionError::Gone);
    };
    let Found { decoded, stored, kept_until, moved_to } = found;
    if moved_to.is_some() {
        status.moved_to = moved_to;
    }
    status.loaded_again(stored, kept_until, &tracked.base().cookie);
    tracked.reloaded(decoded, status.saved);
    Ok(())
}

/// The session as it is stored now, under whatever id.
async fn stored_now<T: SessionData>(layer: &LayerContext, status: &Status) -> Result<Option<Found<T>>, SessionError> {
    let loaded = match &status.moved_to {
        Some(key) => layer.load_key(key).await?,
        None => layer.load(status.id(layer)?, false).await?,
    };
    let Some(loaded) = loaded else { return Ok(None) };
    let found = found::<T>(layer, &status.request, loaded)?;
    match found.decoded.moved() {
        Some(moved) => Box::pin(follow(layer, &status.request, moved.clone())).await.map_err(|error| *error),
        None => Ok(Some(found)),
    }
}

async fn touch<T: SessionData>(
    layer: &LayerContext,
    tracked: &Tracked<T>,
    status: &mut Status,
) -> Result<(), SessionError> {
    let (now, base) = (Timestamp::now(), tracked.base());
    let cookie = status.cookie_mut(&base.cookie);
    cookie.renew(now);
    let expires = layer.expiry(cookie, base.meta, now);
    if layer.touch(status.id(layer)?, expires).await? { Ok(()) } else { Err(SessionError::Gone) }
}

/// What is to be written. A new session is written as a whole, if anything of it changed; kept as it is, it needs no texts.
fn unsaved<T: SessionData>(
    layer: &LayerContext,
    tracked: &Tracked<T>,
    status: &Status,
) -> Result<Changes, SessionError> {
    let wanted = match status.stored {
        Some(_) => Wanted::All,
        None if record::is_shared::<T>(layer) => Wanted::Any,
        None => Wanted::Whole,
    };
    tracked.unsaved(wanted).map_err(encode_error::<T>)
}

/// Creates or replaces the record; under the id `next`, if there is one. Of the session itself only its id is changed, once
/// the store has answered, so that a save that is given up half-way leaves it as it was.
async fn write<T: SessionData>(
    layer: &LayerContext,
    (base, tries): (&Arc<Decoded<T>>, Tries<'_, T>),
    status: &mut Status,
    mine: Box<Decoded<T>>,
    (changes, next): (&Changes, Option<Box<SessionId>>),
) -> Result<Written<T>, SessionError> {
    if status.moved_to.is_some() {
        return Err(SessionError::Gone);
    }
    let (writing, mine) = prepared(layer, base, status, (mine, changes))?;
    if status.stored.is_none() {
        return writing.create(status, mine).await;
    }
    let rotates = changes.fields.intersects(Special::<T>::FIELDS.rotating);
    let next = match next {
        None if rotates => Some(Box::new(layer.new_id(&status.request)?)),
        next => next,
    };
    let left = if next.is_some() { Some(Box::new(status.id(layer)?.clone())) } else { None };
    let written = writing.replace(status, mine, (next, tries)).await;
    // A handler that goes on in spite of the error has no session to announce.
    status.gone = matches!(written, Err(SessionError::Gone)) && status.moved_to.is_none();
    Ok(Written { left, ..written? })
}

/// The content as it is to be stored, with its renewed cookie.
fn prepared<'a, T: SessionData>(
    layer: &'a LayerContext,
    base: &'a Arc<Decoded<T>>,
    status: &Status,
    (mut mine, changes): (Box<Decoded<T>>, &'a Changes),
) -> Result<(Writing<'a, T>, Box<Decoded<T>>), SessionError> {
    if let Some(own) = status.own_cookie().filter(|own| own.differs_from(&base.cookie)) {
        layer.options.check_cookie(own.attributes()).map_err(SessionError::Cookie)?;
        mine.cookie = own.clone();
    }
    let now = Timestamp::now();
    mine.cookie.renew(now);
    if layer.options.policy.rules == Rules::Express {
        // express-session knows `auto` in its options only; in a record it would fail on it.
        mine.cookie.resolve(status.request.secure_connection);
    }
    // A store in this process loses no reply.
    let adds = changes.fields.intersects(Special::<T>::FIELDS.accumulating) && !layer.shares_records;
    let mark = (adds && status.stored.is_some()).then(getrandom::u32).transpose();
    let mark = mark.map_err(|error| SessionError::Random(error.into()))?.map(|number| NonZeroU32::MIN | number);
    mine.meta = layer.dated(base.meta, now).with_mark(mark);
    Ok((Writing { layer, base, changes, now, mark }, mine))
}

/// Has the id that a session had lead to it for a moment, if the options say so. That is a courtesy: without it, requests
/// that are under way find no session.
fn leave_behind<'a>(
    layer: &'a LayerContext,
    status: &'a Status,
    (left, attributes): (&'a SessionId, &'a Arc<CookieOptions>),
) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
    Box::pin(async move {
        let (Some(grace), Ok(id)) = (layer.options.rotate_grace, status.id(layer)) else { return };
        let until = Timestamp::now().saturating_add(grace);
        let cookie = SessionCookie::stored(Arc::clone(attributes), Some(millis(grace)), Some(until));
        let absent = layer.absent(&status.request);
        let frame = Frame { cookie: &cookie, absent, meta: records::Meta::default() };
        let moved = Moved { to: layer.key(id).as_str().to_owned(), until: until.as_millis() };
        let Ok(json) = records::moved(&frame, &moved) else { return };
        if let Err(error) = layer.create(left, Record::from_json(json), until).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "a session's old id has no grace");
        }
    })
}

fn encode_error<T>(error: serde_json::Error) -> SessionError {
    SessionError::Encode { session: type_name::<T>(), source: error.into() }
}
