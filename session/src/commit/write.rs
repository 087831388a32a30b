//! A session on its way into the store: created, or merged into what is there.

use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::Arc;

use super::record::Replacement;
use super::{encode_error, record};
use crate::content::decode;
use crate::context::{ID_TRIES, LayerContext};
use crate::data::{Changes, SessionData, Special, Tries, Wanted, texts};
use crate::error::{SessionError, StoreError};
use crate::field::FieldSet;
use crate::id::SessionId;
use crate::record::{Decoded, Form, Record, Revision};
use crate::status::Status;
use crate::store::{Created, Loaded, Renamed, Updated, answer};
use crate::timestamp::Timestamp;
use crate::turns::Place;

/// How often a save is merged with what other requests stored meanwhile.
const MERGE_TRIES: u32 = 128;

/// A session on its way into the store.
pub(super) struct Writing<'a, T> {
    pub(super) layer: &'a LayerContext,
    /// What this request loaded.
    pub(super) base: &'a Arc<Decoded<T>>,
    /// What it changed of that.
    pub(super) changes: &'a Changes,
    pub(super) now: Timestamp,
    /// A random number, if the changes add to what is stored.
    pub(super) mark: Option<NonZeroU32>,
}

pub(super) struct Written<T> {
    pub(super) content: Arc<Decoded<T>>,
    pub(super) revision: Revision,
    /// The id that the session had before.
    pub(super) left: Option<Box<SessionId>>,
}

impl<T: SessionData> Writing<'_, T> {
    /// Stores a new session. An id that is taken is replaced by another one.
    pub(super) async fn create(&self, status: &mut Status, mine: Box<Decoded<T>>) -> Result<Written<T>, SessionError> {
        let content = record::created(self.layer, &status.request, mine, self.changes)?;
        for _ in 0..ID_TRIES {
            let id = status.settled_id(self.layer)?;
            let created = answer!(self.layer.create(id, record::of(&content), self.expires(&content)))?;
            match created {
                Created::Stored(revision) => return Ok(Written { content, revision, left: None }),
                Created::Taken => status.set_id(self.layer.new_id(&status.request)?),
            }
        }
        Err(SessionError::IdTaken { tries: ID_TRIES })
    }

    /// Replaces the stored session, merged with what other requests stored meanwhile; under the id `next`, if there is
    /// one.
    pub(super) async fn replace(
        &self,
        status: &mut Status,
        mine: Box<Decoded<T>>,
        (next, tries): (Option<Box<SessionId>>, Tries<'_, T>),
    ) -> Result<Written<T>, SessionError> {
        let stored = status.stored.as_ref().ok_or(SessionError::Gone)?;
        let is_outdated = self.base.is_outdated();
        let old = stored.record.as_ref().map_or(&**self.base as &dyn Form, Record::form);
        let content = if is_outdated {
            self.ready(status, mine, (old, self.base))?
        } else {
            let (changed, texts) = (self.changes.fields, &self.changes.texts);
            let replacement = Replacement { old, old_meta: Some(self.base.meta), changed, texts };
            record::replaced(self.layer, &status.request, mine, replacement)?
        };
        let mut draft = Draft { content, mine: None, base: None, expected: stored.revision.clone(), next, tries };
        let turns = &self.layer.turns;
        if let Some(place) = turns.contested(status.id(self.layer)?) {
            return self.in_turn(place, draft, status).await;
        }
        match self.attempt(&mut draft, status).await? {
            Some(written) => Ok(written),
            None => self.in_turn(turns.join(status.id(self.layer)?), draft, status).await,
        }
    }

    /// The same after those who came before. It is boxed, since few requests get here.
    fn in_turn<'s>(
        &'s self,
        place: Place<'s>,
        mut draft: Draft<'s, T>,
        status: &'s mut Status,
    ) -> Pin<Box<dyn Future<Output = Result<Written<T>, SessionError>> + Send + 's>> {
        Box::pin(async move {
            let mut turn = place.turn().await;
            if let Some((record, revision)) = turn.latest() {
                self.merge(&mut draft, (record, revision), status)?;
            }
            for _ in 0..MERGE_TRIES {
                match self.attempt(&mut draft, status).await {
                    Ok(Some(written)) => {
                        turn.stored(record::of(&written.content), written.revision.clone());
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
        })
    }

    /// One try; none if somebody got in the way, with what is to be tried next in the draft.
    async fn attempt(&self, draft: &mut Draft<'_, T>, status: &mut Status) -> Result<Option<Written<T>>, SessionError> {
        let adds = self.adds();
        if adds {
            draft.tries.begin(&draft.content, draft.mine.as_ref());
        }
        let (id, expected) = (status.id(self.layer)?, draft.expected.clone());
        let (record, expires) = (record::of(&draft.content), self.expires(&draft.content));
        let put = match &draft.next {
            None => answer!(self.layer.update(id, expected, record, expires))?.into(),
            Some(next) => match self.layer.rename((id, next), expected, record, expires).await {
                Ok(renamed) => renamed.into(),
                Err(error) => self.renamed_unanswered((id, next), &draft.content, error).await?,
            },
        };
        if adds {
            draft.tries.answered();
        }
        match put {
            Put::Stored(revision) => {
                draft.next.take().into_iter().for_each(|id| status.set_id(*id));
                Ok(Some(Written { content: Arc::clone(&draft.content), revision, left: None }))
            }
            Put::Taken => {
                draft.next = Some(Box::new(self.layer.new_id(&status.request)?));
                Ok(None)
            }
            Put::Conflict(theirs) => self.merge(draft, (theirs.record, theirs.revision), status).map(|()| None),
            Put::Gone => Err(SessionError::Gone),
        }
    }

    /// A change of the id that got no answer may have been made, and the visitor's id is dead then: who has it must be told
    /// of the new one. It was made if that has what was to be stored, which nobody else knows, and the old one has nothing
    /// any more. The error stays if it can't be known. It is boxed, since few requests get here.
    #[cold]
    fn renamed_unanswered<'s>(
        &'s self,
        (old, new): (&'s SessionId, &'s SessionId),
        content: &'s Arc<Decoded<T>>,
        error: StoreError,
    ) -> Pin<Box<dyn Future<Output = Result<Put, StoreError>> + Send + 's>> {
        Box::pin(async move {
            let Ok(Some(Loaded { record, revision, .. })) = self.layer.load(new, false).await else {
                return Err(error);
            };
            let is_mine = match record.into_decoded::<T>() {
                Ok(stored) => Arc::ptr_eq(&stored, content),
                Err(stored) => stored.json() == content.json(),
            };
            let is_made = is_mine && matches!(self.layer.load(old, false).await, Ok(None));
            if is_made { Ok(Put::Stored(revision)) } else { Err(error) }
        })
    }

    /// Begins again, with what another request stored.
    fn merge(
        &self,
        draft: &mut Draft<'_, T>,
        (record, revision): (Record, Revision),
        status: &mut Status,
    ) -> Result<(), SessionError> {
        let theirs = decode::<T>(self.layer, &status.request, &record)?;
        if let Some(moved) = theirs.moved() {
            // It lives on, under an id whose cookie is with whoever changed it.
            status.moved_to = Some(Box::new(SessionId::new(&moved.to)?));
            return Err(SessionError::Gone);
        }
        if draft.base.is_none() {
            draft.base = self.written_before(&theirs, &draft.tries)?;
        }
        let base = draft.base.as_deref().unwrap_or(self.base);
        let mine = draft.mine.get_or_insert_with(|| Arc::clone(&draft.content));
        let merged = self.merged(base, mine, &theirs).map_err(encode_error::<T>)?;
        draft.content = self.ready(status, merged, (record.form(), &theirs))?;
        draft.expected = revision;
        Ok(())
    }

    /// The content to be stored in the place of `old`, when the texts of the changes are not those of its fields: a merged
    /// field is neither mine nor theirs, and what has the form of an older version is written with all fields.
    fn ready(
        &self,
        status: &Status,
        content: Box<Decoded<T>>,
        (old, decoded): (&dyn Form, &Decoded<T>),
    ) -> Result<Arc<Decoded<T>>, SessionError> {
        // That of an outdated record was brought up to date when it was read.
        let (changed, old_meta) =
            if decoded.is_outdated() { (FieldSet::ALL, None) } else { (self.changes.fields, Some(decoded.meta)) };
        let texts = texts(&content.value, changed).map_err(encode_error::<T>)?;
        record::replaced(self.layer, &status.request, content, Replacement { old, old_meta, changed, texts: &texts })
    }

    /// Whether the changes add to what is stored, so that it matters how often they are.
    fn adds(&self) -> bool {
        self.changes.fields.intersects(Special::<T>::FIELDS.accumulating)
    }

    /// What this request had made of the session when it wrote what is stored, if that got no answer: what it changed since
    /// then is all that is not stored yet.
    fn written_before(
        &self,
        stored: &Arc<Decoded<T>>,
        tries: &Tries<'_, T>,
    ) -> Result<Option<Arc<Decoded<T>>>, SessionError> {
        let own = tries.find(stored);
        if own.is_none() && self.adds() && !tries.is_empty() {
            return Err(SessionError::Store(StoreError::new(
                "a save got no answer, and somebody else has written since: nobody knows whether it was done",
            )));
        }
        Ok(own.map(|own| Arc::clone(&own.mine)))
    }

    /// What this request changed since `base`, merged into what another one stored meanwhile.
    fn merged(
        &self,
        base: &Decoded<T>,
        mine: &Decoded<T>,
        theirs: &Decoded<T>,
    ) -> Result<Box<Decoded<T>>, serde_json::Error> {
        let contested = Changes::between(&base.value, &theirs.value, (self.changes.fields, Wanted::All))?.fields;
        let mut value = theirs.value.duplicate();
        for field in self.changes.fields.iter() {
            T::merge(field, contested.contains(field), &base.value, &mine.value, &mut value);
        }
        let changed = mine.cookie.differs_from(&self.base.cookie);
        let mut cookie = if changed { mine.cookie.clone() } else { theirs.cookie.clone() };
        cookie.renew(self.now);
        let meta = self.layer.dated(theirs.meta, self.now).with_mark(self.mark);
        Ok(Box::new(Decoded::new(value, cookie, meta)))
    }

    fn expires(&self, content: &Decoded<T>) -> Timestamp {
        self.layer.expiry(&content.cookie, content.meta, self.now)
    }
}

/// What is to take the place of a stored session.
struct Draft<'a, T> {
    content: Arc<Decoded<T>>,
    /// What this request made of the session, once the content is merged with what others did.
    mine: Option<Arc<Decoded<T>>>,
    /// What that begins with, if it isn't what was loaded.
    base: Option<Arc<Decoded<T>>>,
    /// What it is to replace.
    expected: Revision,
    /// The new id.
    next: Option<Box<SessionId>>,
    tries: Tries<'a, T>,
}

/// What became of a replacement.
enum Put {
    Stored(Revision),
    Taken,
    Conflict(Loaded),
    Gone,
}

impl From<Updated> for Put {
    fn from(updated: Updated) -> Self {
        match updated {
            Updated::Replaced(revision) => Self::Stored(revision),
            Updated::Conflict(theirs) => Self::Conflict(theirs),
            Updated::Gone => Self::Gone,
        }
    }
}

impl From<Renamed> for Put {
    fn from(renamed: Renamed) -> Self {
        match renamed {
            Renamed::Stored(revision) => Self::Stored(revision),
            Renamed::Taken => Self::Taken,
            Renamed::Conflict(theirs) => Self::Conflict(theirs),
            Renamed::Gone => Self::Gone,
        }
    }
}
