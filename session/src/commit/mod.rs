//! Writing a session: saving it, and what happens at the end of a request.

mod record;
mod write;

use std::any::type_name;
use std::sync::Arc;

use http::HeaderValue;

pub(crate) use self::record::upgraded as upgraded_record;
use self::write::Writing;
use crate::content::{Content, Status, decode};
use crate::context::LayerContext;
use crate::cookie::{CookieOptions, SessionCookie, response};
use crate::data::{Changes, SessionData, Special, Tracked};
use crate::error::SessionError;
use crate::id::SessionId;
use crate::lifecycle::{Actions, Announce, Ending, Facts, Rules, Write, decide};
use crate::record::{self as records, Decoded, Frame, Moved, Record};
use crate::state::State;
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
        let changes = unsaved(&content.tracked)?;
        let facts = content.status.facts(layer, &content.tracked, &changes);
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
        self,
        layer: &LayerContext,
        content: &mut Content<T>,
    ) -> Result<Option<HeaderValue>, SessionError> {
        let Content { tracked, status } = content;
        let written = match self.actions.write {
            Write::Nothing => Ok(()),
            Write::Create | Write::Update => {
                let mine = tracked.take();
                write(layer, tracked, status, (mine, self.changes), None).await
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
    pub(crate) fn announce<T>(
        &self,
        layer: &LayerContext,
        content: &mut Content<T>,
    ) -> Result<Option<HeaderValue>, SessionError> {
        announce(layer, &mut content.status, self.actions.announce)
    }
}

fn warn_of_lost_changes<T>() {
    tracing::warn!(
        session = type_name::<T>(),
        "a session was destroyed, or has expired, while a request used it: its changes are dropped"
    );
}

/// Saves the session now, with what was changed since it was loaded or saved last.
pub(crate) async fn save<T: SessionData, S: State>(
    layer: &LayerContext,
    tracked: &mut Tracked<T, S>,
    status: &mut Status,
) -> Result<(), SessionError> {
    let changes = unsaved(tracked)?;
    let mine = tracked.current();
    write(layer, tracked, status, (mine, changes), None).await
}

/// Gives the session another id; in the store, too, if it is there.
pub(crate) async fn rename<T: SessionData, S: State>(
    layer: &LayerContext,
    tracked: &mut Tracked<T, S>,
    status: &mut Status,
) -> Result<(), SessionError> {
    if status.stored.is_some() {
        let changes = unsaved(tracked)?;
        let (mine, next) = (tracked.current(), layer.new_id(&status.request)?);
        return write(layer, tracked, status, (mine, changes), Some(next)).await;
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
pub(crate) async fn regenerate<T: SessionData, S: State>(
    layer: &LayerContext,
    tracked: &mut Tracked<T, S>,
    status: &mut Status,
) -> Result<(), SessionError> {
    destroy(layer, status).await?;
    let base = status.begin_again(layer)?;
    *tracked = Tracked::new(base);
    Ok(())
}

/// Replaces the session's content by what is stored now.
pub(crate) async fn reload<T: SessionData, S: State>(
    layer: &LayerContext,
    tracked: &mut Tracked<T, S>,
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
    status.reloaded(layer, decoded.cookie.clone(), loaded);
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
    let name = &layer.options.name;
    let resolved = |attributes: &CookieOptions| attributes.resolved(status.request.secure_connection);
    match announce {
        Announce::Nothing => Ok(None),
        Announce::Remove => Ok(response::remove(name, &resolved(&status.sent))),
        Announce::Set => {
            if layer.options.policy.rules == Rules::Express {
                status.cookie.renew(Timestamp::now());
            }
            let attributes = resolved(status.cookie.attributes());
            let signed = layer.sign(status.id(layer)?);
            Ok(response::set(name, &signed, &attributes, status.cookie.expires_at()))
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
    Ok(layer.options.transport.header_value(&layer.sign(status.id(layer)?)))
}

async fn touch<T: SessionData, S: State>(
    layer: &LayerContext,
    tracked: &Tracked<T, S>,
    status: &mut Status,
) -> Result<(), SessionError> {
    let now = Timestamp::now();
    status.cookie.renew(now);
    let expires = layer.expiry(&status.cookie, tracked.base().meta, now);
    if layer.touch(status.id(layer)?, expires).await? { Ok(()) } else { Err(SessionError::Gone) }
}

fn unsaved<T: SessionData, S: State>(tracked: &Tracked<T, S>) -> Result<Changes, SessionError> {
    tracked.unsaved().map_err(encode_error::<T>)
}

/// Creates or replaces the record; under the id `next`, if there is one. Nothing is changed here before the store has
/// answered, so that a save that is given up half-way leaves the session as it was.
async fn write<T: SessionData, S: State>(
    layer: &LayerContext,
    tracked: &mut Tracked<T, S>,
    status: &mut Status,
    (mut mine, changes): (Arc<Decoded<T>>, Changes),
    next: Option<SessionId>,
) -> Result<(), SessionError> {
    if status.moved_to.is_some() {
        return Err(SessionError::Gone);
    }
    let base = Arc::clone(tracked.base());
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
    let content = Arc::make_mut(&mut mine);
    let rotates = changes.fields.intersects(Special::<T>::FIELDS.rotating);
    // A store in this process loses no reply.
    let adds = changes.fields.intersects(Special::<T>::FIELDS.accumulating) && !layer.shares_records;
    let mark = (adds && status.stored.is_some()).then(getrandom::u32).transpose();
    let mark = mark.map_err(|error| SessionError::Random(error.into()))?;
    (content.cookie, content.meta) = (cookie, base.meta.with_mark(mark));
    let writing = Writing { layer, base, changes, now, mark };
    let (written, left) = match status.stored.clone() {
        None => (writing.create(status, mine).await?, None),
        Some(stored) => {
            let next = match next {
                None if rotates => Some(layer.new_id(&status.request)?),
                next => next,
            };
            let left = next.is_some().then(|| status.id(layer).cloned()).transpose()?;
            let written = writing.replace(status, mine, (stored, next)).await;
            // A handler that goes on in spite of the error has no session to announce.
            status.gone = matches!(written, Err(SessionError::Gone));
            (written?, left)
        }
    };
    tracked.saved(written.content);
    status.cookie = tracked.base().cookie.clone();
    status.stored = Some(written.stored);
    status.saved = true;
    if let Some(left) = left {
        status.id_changed = true;
        Box::pin(leave_behind(layer, status, &left, now)).await;
    }
    Ok(())
}

/// Has the id that a session had lead to it for a moment, if the options say so. That is a courtesy: without it, requests
/// that are under way find no session.
async fn leave_behind(layer: &LayerContext, status: &Status, left: &SessionId, now: Timestamp) {
    let (Some(grace), Ok(id)) = (layer.options.rotate_grace, status.id(layer)) else { return };
    let until = now.saturating_add(grace);
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
