//! Writing a session: saving it, and what happens at the end of a request.

mod record;
mod write;

use std::any::type_name;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;

pub(crate) use self::record::upgraded as upgraded_record;
use self::write::Writing;
use crate::content::{decode, first_id, initial, renewed};
use crate::context::LayerContext;
use crate::cookie::SessionCookie;
use crate::data::{Changes, Content, SessionData, Special, Tracked, Wanted};
use crate::error::SessionError;
use crate::id::SessionId;
use crate::lifecycle::{Actions, Announce, Ending, Facts, Rules, Write, decide};
use crate::record::{self as records, Decoded, Frame, Moved, Record};
use crate::status::{Status, Stored};
use crate::timestamp::{Timestamp, millis};

/// What the end of a request asks for.
pub(crate) struct Plan {
    facts: Facts,
    actions: Actions,
    changes: Changes,
}

impl Plan {
    /// Decides what to do with a session at the end of its request. Nothing is written yet.
    pub(crate) fn new<T: SessionData>(layer: &LayerContext, content: &Content<T>) -> Result<Self, SessionError> {
        let changes = unsaved(content.tracked(), content.status())?;
        let facts = content.facts(layer, &changes);
        let actions = decide(facts, layer.options.policy);
        if !facts.sendable && facts.ending == Ending::Open && !facts.stored && (facts.modified || facts.initialized) {
            tracing::warn!(
                session = type_name::<T>(),
                stored = actions.write == Write::Create,
                "a new session can't be announced: its cookie is Secure and the connection is not"
            );
        }
        if facts.ending == Ending::Gone && facts.unsaved {
            warn_of_lost_changes::<T>();
        }
        if facts.ending == Ending::Moved && facts.unsaved {
            tracing::warn!(
                session = type_name::<T>(),
                "a request came with an id that the session had before: its changes are dropped"
            );
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
            Write::Nothing => Ok(()),
            Write::Create | Write::Update => {
                let mine = tracked.take();
                match write(layer, tracked.base(), status, mine, (&self.changes, None)).await {
                    Ok(saved) => {
                        saved.settle(layer, status).await;
                        Ok(())
                    }
                    Err(error) => Err(error),
                }
            }
            Write::Touch => touch(layer, tracked, status).await,
            Write::Destroy => destroy(layer, status).await,
        };
        match written {
            // The commit itself may have changed the id.
            Ok(()) if self.facts.known && !status.is_known() => {
                let facts = Facts { known: false, ..self.facts };
                announce(layer, status, decide(facts, layer.options.policy).announce)
            }
            Ok(()) => announce(layer, status, self.actions.announce),
            Err(SessionError::Gone) => {
                warn_of_lost_changes::<T>();
                let facts = Facts { ending: Ending::Gone, ..self.facts };
                announce(layer, status, decide(facts, layer.options.policy).announce)
            }
            Err(error) => Err(error),
        }
    }

    /// The header for the response, when the store has nothing to do.
    pub(crate) fn announce<T: SessionData>(
        &self,
        layer: &LayerContext,
        content: &mut Content<T>,
    ) -> Result<Option<HeaderValue>, SessionError> {
        announce(layer, content.parts_mut().1, self.actions.announce)
    }
}

fn warn_of_lost_changes<T>() {
    tracing::warn!(
        session = type_name::<T>(),
        "a session was destroyed, or has expired, while a request used it: its changes are dropped"
    );
}

/// Saves the session now, with what was changed since it was loaded or saved last.
pub(crate) async fn save<T: SessionData>(
    layer: &LayerContext,
    tracked: &mut Tracked<T>,
    status: &mut Status,
) -> Result<(), SessionError> {
    let changes = unsaved(tracked, status)?;
    let saved = write(layer, tracked.base(), status, tracked.current(), (&changes, None)).await?;
    tracked.saved(Arc::clone(&saved.content));
    saved.settle(layer, status).await;
    Ok(())
}

/// Gives the session another id; in the store, too, if it is there.
pub(crate) async fn rename<T: SessionData>(
    layer: &LayerContext,
    tracked: &mut Tracked<T>,
    status: &mut Status,
) -> Result<(), SessionError> {
    if status.stored.is_some() {
        let changes = unsaved(tracked, status)?;
        let next = Some(Box::new(layer.new_id(&status.request)?));
        let saved = write(layer, tracked.base(), status, tracked.current(), (&changes, next)).await?;
        tracked.saved(Arc::clone(&saved.content));
        saved.settle(layer, status).await;
        return Ok(());
    }
    status.set_id(layer.new_id(&status.request)?);
    status.id_changed = true;
    Ok(())
}

/// Destroys the stored session, if there is one.
pub(crate) async fn destroy(layer: &LayerContext, status: &mut Status) -> Result<(), SessionError> {
    if status.stored.is_some() {
        if let Some(key) = &status.moved_to {
            layer.destroy_key(key).await?;
        }
        layer.destroy(status.id(layer)?).await?;
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
    destroy(layer, status).await?;
    let id = first_id(layer, &status.request)?;
    let base = initial(layer, &status.request);
    status.begin_again(id, base.cookie.clone());
    *tracked = Tracked::new(base);
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
    let loaded = match &status.moved_to {
        Some(key) => layer.load_key(key).await?,
        None => layer.load(status.id(layer)?, false).await?,
    };
    let Some(loaded) = loaded else {
        status.gone = true;
        return Err(SessionError::Gone);
    };
    let decoded = decode::<T>(layer, &status.request, &loaded.record)?;
    *status.cookie_mut() = renewed(layer, decoded.cookie.clone(), loaded.expires);
    status.stored = Some(Stored { record: loaded.record, revision: loaded.revision });
    tracked.reloaded(decoded, status.saved);
    Ok(())
}

/// The header that takes the cookie of a destroyed session away, if it should be.
pub(crate) fn removal(layer: &LayerContext, status: &mut Status) -> Option<HeaderValue> {
    let wanted = layer.options.policy.clear_cookie && status.presented.is_some() && status.is_sendable(layer);
    if wanted { announce(layer, status, Announce::Remove).ok()? } else { None }
}

/// The header that tells the client about its session.
pub(crate) fn announce(
    layer: &LayerContext,
    status: &mut Status,
    announce: Announce,
) -> Result<Option<HeaderValue>, SessionError> {
    if !layer.options.transport.is_cookie() {
        return announce_token(layer, status, announce);
    }
    let secure_connection = status.request.secure_connection;
    match announce {
        Announce::Nothing => Ok(None),
        Announce::Remove => Ok(layer.remove_cookie(status.sent(), secure_connection)),
        Announce::Set => {
            if layer.options.policy.rules == Rules::Express {
                status.cookie.renew(Timestamp::now());
            }
            Ok(layer.set_cookie(status.id(layer)?, &status.cookie, secure_connection))
        }
    }
}

/// A token that the client has is not sent again, and one that leads nowhere is the client's to forget.
fn announce_token(
    layer: &LayerContext,
    status: &Status,
    announce: Announce,
) -> Result<Option<HeaderValue>, SessionError> {
    if announce != Announce::Set || status.is_known() || !layer.options.send_token {
        return Ok(None);
    }
    Ok(layer.set_token(status.id(layer)?))
}

async fn touch<T: SessionData>(
    layer: &LayerContext,
    tracked: &Tracked<T>,
    status: &mut Status,
) -> Result<(), SessionError> {
    let now = Timestamp::now();
    status.cookie.renew(now);
    let expires = layer.expiry(&status.cookie, tracked.base().meta, now);
    if layer.touch(status.id(layer)?, expires).await? { Ok(()) } else { Err(SessionError::Gone) }
}

/// What is to be written. A new session is written as a whole, if anything of it changed.
fn unsaved<T: SessionData>(tracked: &Tracked<T>, status: &Status) -> Result<Changes, SessionError> {
    let wanted = if status.stored.is_some() { Wanted::All } else { Wanted::Whole };
    tracked.unsaved(wanted).map_err(encode_error::<T>)
}

/// What was written.
struct Saved<T> {
    content: Arc<Decoded<T>>,
    /// The id that the session had before.
    left: Option<Box<SessionId>>,
}

/// Creates or replaces the record; under the id `next`, if there is one. Nothing is changed here before the store has
/// answered, so that a save that is given up half-way leaves the session as it was.
async fn write<T: SessionData>(
    layer: &LayerContext,
    base: &Arc<Decoded<T>>,
    status: &mut Status,
    mine: Arc<Decoded<T>>,
    (changes, next): (&Changes, Option<Box<SessionId>>),
) -> Result<Saved<T>, SessionError> {
    if status.moved_to.is_some() {
        return Err(SessionError::Gone);
    }
    let (writing, mine) = prepared(layer, base, status, (mine, changes))?;
    let mut left = None;
    let written = if status.stored.is_none() {
        writing.create(status, mine).await?
    } else {
        let rotates = changes.fields.intersects(Special::<T>::FIELDS.rotating);
        let next = match next {
            None if rotates => Some(Box::new(layer.new_id(&status.request)?)),
            next => next,
        };
        if next.is_some() {
            left = Some(Box::new(status.id(layer)?.clone()));
        }
        let written = writing.replace(status, mine, next).await;
        // A handler that goes on in spite of the error has no session to announce.
        status.gone = matches!(written, Err(SessionError::Gone));
        written?
    };
    *status.cookie_mut() = written.content.cookie.clone();
    status.stored = Some(written.stored);
    status.saved = true;
    status.id_changed |= left.is_some();
    Ok(Saved { content: written.content, left })
}

/// The content as it is to be stored, with its renewed cookie.
fn prepared<'a, T: SessionData>(
    layer: &'a LayerContext,
    base: &'a Arc<Decoded<T>>,
    status: &Status,
    (mut mine, changes): (Arc<Decoded<T>>, &'a Changes),
) -> Result<(Writing<'a, T>, Arc<Decoded<T>>), SessionError> {
    if status.cookie.differs_from(&base.cookie) {
        layer.options.check_cookie(status.cookie.attributes()).map_err(SessionError::Cookie)?;
    }
    let now = Timestamp::now();
    let mut cookie = status.cookie.clone();
    cookie.renew(now);
    if layer.options.policy.rules == Rules::Express {
        // express-session knows `auto` in its options only; in a record it would fail on it.
        cookie.resolve(status.request.secure_connection);
    }
    // A store in this process loses no reply.
    let adds = changes.fields.intersects(Special::<T>::FIELDS.accumulating) && !layer.shares_records;
    let mark = (adds && status.stored.is_some()).then(getrandom::u32).transpose();
    let mark = mark.map_err(|error| SessionError::Random(error.into()))?.map(|number| NonZeroU32::MIN | number);
    let content = Arc::make_mut(&mut mine);
    (content.cookie, content.meta) = (cookie, base.meta.with_mark(mark));
    Ok((Writing { layer, base, changes, now, mark }, mine))
}

impl<T: SessionData> Saved<T> {
    /// What is still to be done.
    async fn settle(self, layer: &LayerContext, status: &Status) {
        if let (Some(left), Some(grace)) = (self.left, layer.options.rotate_grace) {
            Box::pin(leave_behind(layer, status, &left, grace)).await;
        }
    }
}

/// Has the id that a session had lead to it for a moment, if the options say so. That is a courtesy: without it, requests
/// that are under way find no session.
async fn leave_behind(layer: &LayerContext, status: &Status, left: &SessionId, grace: Duration) {
    let Ok(id) = status.id(layer) else { return };
    let until = Timestamp::now().saturating_add(grace);
    let cookie = SessionCookie::stored(Arc::clone(status.cookie.attributes()), Some(millis(grace)), Some(until));
    let frame = Frame { cookie: &cookie, absent: layer.absent(&status.request), meta: records::Meta::default() };
    let moved = Moved { to: layer.key(id).as_str().to_owned(), until: until.as_millis() };
    let Ok(json) = records::moved(&frame, &moved) else { return };
    if let Err(error) = layer.create(left, Record::from_json(json), until).await {
        tracing::warn!(error = &error as &dyn std::error::Error, "a session's old id has no grace");
    }
}

fn encode_error<T>(error: serde_json::Error) -> SessionError {
    SessionError::Encode { session: type_name::<T>(), source: error.into() }
}
