//! A session on its way into the store: created, or merged into what is there.

use std::sync::Arc;

use super::{decode_error, encode_error};
use crate::content::{Status, Stored, decode};
use crate::context::{ID_TRIES, LayerContext, RequestFacts};
use crate::data::{Changes, SessionData, Special, index_of, texts};
use crate::error::SessionError;
use crate::field::FieldSet;
use crate::id::SessionId;
use crate::record::{self, Decoded, Frame, Record, Revision};
use crate::store::{Created, Loaded, Renamed, Updated};
use crate::timestamp::Timestamp;

/// How often a save is merged with what other requests stored meanwhile.
const MERGE_TRIES: u32 = 128;

/// A session on its way into the store.
pub(super) struct Writing<'a, T> {
    pub(super) layer: &'a LayerContext,
    /// What this request loaded.
    pub(super) base: Arc<Decoded<T>>,
    /// What it made of that.
    pub(super) mine: Arc<Decoded<T>>,
    pub(super) changes: Changes,
    pub(super) now: Timestamp,
}

pub(super) struct Written<T> {
    pub(super) content: Arc<Decoded<T>>,
    pub(super) stored: Stored,
}

impl<T: SessionData> Writing<'_, T> {
    /// Stores a new session. An id that is taken is replaced by another one.
    pub(super) async fn create(self, status: &mut Status) -> Result<Written<T>, SessionError> {
        let texts = texts(&self.mine.value, FieldSet::ALL).map_err(encode_error::<T>)?;
        let json = record::write(T::FIELDS, &texts, &self.frame(&self.mine, status)).map_err(encode_error::<T>)?;
        let record = self.record(json, &self.mine)?;
        for _ in 0..ID_TRIES {
            let id = status.id(self.layer)?.clone();
            match self.layer.create(&id, record.clone(), self.expires(&self.mine)).await? {
                Created::Stored(revision) => {
                    return Ok(Written { content: self.mine, stored: Stored { record, revision } });
                }
                Created::Taken => status.set_id(self.layer.new_id(&status.request)?),
            }
        }
        Err(SessionError::IdTaken { tries: ID_TRIES })
    }

    /// Replaces the stored session, merged with what other requests stored meanwhile; under the id `next`, if there is
    /// one.
    pub(super) async fn replace(
        self,
        status: &mut Status,
        stored: Stored,
        next: Option<SessionId>,
    ) -> Result<Written<T>, SessionError> {
        let (id, turns) = (status.id(self.layer)?.clone(), &self.layer.turns);
        let mut draft = Draft { content: Arc::clone(&self.mine), is_outdated: self.base.is_outdated, stored, next };
        let place = match turns.contested(&id) {
            Some(place) => place,
            None => match self.attempt(&id, &mut draft, status).await? {
                Some(written) => return Ok(written),
                None => turns.join(&id),
            },
        };
        let mut turn = place.turn().await;
        if let Some((record, revision)) = turn.latest() {
            self.merge(&mut draft, Stored { record, revision }, status)?;
        }
        for _ in 0..MERGE_TRIES {
            match self.attempt(&id, &mut draft, status).await {
                Ok(Some(written)) => {
                    turn.stored(written.stored.record.clone(), written.stored.revision);
                    return Ok(written);
                }
                Ok(None) => {}
                Err(error) => {
                    if matches!(error, SessionError::Store(_)) {
                        turn.failed();
                    }
                    return Err(error);
                }
            }
        }
        Err(SessionError::Contended { tries: MERGE_TRIES })
    }

    /// One try; none if somebody got in the way, with what is to be tried next in the draft.
    async fn attempt(
        &self,
        id: &SessionId,
        draft: &mut Draft<T>,
        status: &mut Status,
    ) -> Result<Option<Written<T>>, SessionError> {
        let record = self.spliced(&draft.content, (&draft.stored.record, draft.is_outdated), status)?;
        match self.put((id, draft.next.as_ref()), &draft.stored, record.clone(), &draft.content).await? {
            Put::Stored(revision) => {
                draft.next.take().into_iter().for_each(|id| status.set_id(id));
                Ok(Some(Written { content: Arc::clone(&draft.content), stored: Stored { record, revision } }))
            }
            Put::Taken => {
                draft.next = Some(self.layer.new_id(&status.request)?);
                Ok(None)
            }
            Put::Conflict(theirs) => {
                let theirs = Stored { record: theirs.record, revision: theirs.revision };
                self.merge(draft, theirs, status).map(|()| None)
            }
            Put::Gone => Err(SessionError::Gone),
        }
    }

    /// Begins again, with what another request stored.
    fn merge(&self, draft: &mut Draft<T>, theirs: Stored, status: &Status) -> Result<(), SessionError> {
        let decoded = decode::<T>(self.layer, &status.request, &theirs.record)?;
        if decoded.moved.is_some() {
            return Err(SessionError::Gone);
        }
        draft.content = self.merged(&decoded).map_err(encode_error::<T>)?;
        draft.is_outdated = decoded.is_outdated;
        draft.stored = theirs;
        Ok(())
    }

    async fn put(
        &self,
        (id, next): (&SessionId, Option<&SessionId>),
        stored: &Stored,
        record: Record,
        content: &Decoded<T>,
    ) -> Result<Put, SessionError> {
        let expires = self.expires(content);
        Ok(match next {
            None => match self.layer.update(id, stored.revision, record, expires).await? {
                Updated::Replaced(revision) => Put::Stored(revision),
                Updated::Conflict(theirs) => Put::Conflict(theirs),
                Updated::Gone => Put::Gone,
            },
            Some(next) => match self.layer.rename((id, next), stored.revision, record, expires).await? {
                Renamed::Stored(revision) => Put::Stored(revision),
                Renamed::Taken => Put::Taken,
                Renamed::Conflict(theirs) => Put::Conflict(theirs),
                Renamed::Gone => Put::Gone,
            },
        })
    }

    /// What this request changed, merged into what another one stored meanwhile.
    fn merged(&self, theirs: &Decoded<T>) -> Result<Arc<Decoded<T>>, serde_json::Error> {
        let contested = Changes::between(&self.base.value, &theirs.value, self.changes.fields)?.fields;
        let mut value = theirs.value.duplicate();
        for field in self.changes.fields.iter() {
            T::merge(field, contested.contains(field), &self.base.value, &self.mine.value, &mut value);
        }
        let changed = self.mine.cookie.differs_from(&self.base.cookie);
        let mut cookie = if changed { self.mine.cookie.clone() } else { theirs.cookie.clone() };
        cookie.renew(self.now);
        Ok(Arc::new(Decoded { value, cookie, meta: theirs.meta, is_outdated: false, moved: None }))
    }

    /// The record `old` with this request's changes; with all fields, if it has the form of an older version. Its other
    /// fields stay, for a version that knows them.
    fn spliced(
        &self,
        content: &Arc<Decoded<T>>,
        (old, is_outdated): (&Record, bool),
        status: &Status,
    ) -> Result<Record, SessionError> {
        let old = str::from_utf8(old.json()).map_err(decode_error::<T>)?;
        let changed = if is_outdated { FieldSet::ALL } else { self.changes.fields };
        let frame = self.frame(content, status);
        let json = if Arc::ptr_eq(content, &self.mine) && !is_outdated {
            record::splice(old, T::FIELDS, changed, &self.changes.texts, &frame)
        } else {
            // A merged field is neither mine nor theirs.
            texts(&content.value, changed).and_then(|texts| record::splice(old, T::FIELDS, changed, &texts, &frame))
        };
        self.record(json.map_err(encode_error::<T>)?, content)
    }

    fn frame<'a>(&'a self, content: &'a Decoded<T>, status: &'a Status) -> Frame<'a> {
        Frame { cookie: &content.cookie, absent: self.layer.absent(&status.request), meta: content.meta }
    }

    fn record(&self, json: Vec<u8>, content: &Arc<Decoded<T>>) -> Result<Record, SessionError> {
        record_of(self.layer, json, content)
    }

    fn expires(&self, content: &Decoded<T>) -> Timestamp {
        self.layer.expiry(&content.cookie, content.meta, self.now)
    }
}

/// What is to take the place of a stored session.
struct Draft<T> {
    content: Arc<Decoded<T>>,
    /// What it is to replace, and whether that has the form of an older version.
    stored: Stored,
    is_outdated: bool,
    /// The new id.
    next: Option<SessionId>,
}

/// What became of a replacement.
enum Put {
    Stored(Revision),
    Taken,
    Conflict(Loaded),
    Gone,
}

/// The record `old`, of an older version, in the form of the present one.
pub(crate) fn upgraded_record<T: SessionData>(
    layer: &LayerContext,
    request: &RequestFacts,
    old: &Record,
    decoded: &Arc<Decoded<T>>,
) -> Result<Record, SessionError> {
    let old = str::from_utf8(old.json()).map_err(decode_error::<T>)?;
    let frame = Frame { cookie: &decoded.cookie, absent: layer.absent(request), meta: decoded.meta };
    let texts = texts(&decoded.value, FieldSet::ALL).map_err(encode_error::<T>)?;
    let json = record::splice(old, T::FIELDS, FieldSet::ALL, &texts, &frame).map_err(encode_error::<T>)?;
    record_of(layer, json, decoded)
}

fn record_of<T: SessionData>(
    layer: &LayerContext,
    json: Vec<u8>,
    content: &Arc<Decoded<T>>,
) -> Result<Record, SessionError> {
    if let Some(limit) = layer.options.max_size.filter(|limit| json.len() > *limit) {
        return Err(SessionError::TooLarge { size: json.len(), limit });
    }
    let record = if Special::<T>::FIELDS.has_skipped || content.is_outdated {
        // The next request begins with what the text says, as it would with a store in another process.
        Record::from_json(json)
    } else {
        Record::with_decoded(json, Arc::clone(content))
    };
    let index = index_of(&content.value).map_err(encode_error::<T>)?;
    Ok(match index {
        Some(index) => record.with_index(index),
        None => record,
    })
}
