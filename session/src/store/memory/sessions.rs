//! The sessions of a memory store, in maps that threads share.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use super::index::Index;
use super::packed_id::{IdHashing, PackedId};
use crate::error::StoreError;
use crate::id::SessionId;
use crate::record::{IndexKey, Record, Revision};
use crate::store::{Created, Cursor, Loaded, Page, Renamed, Renewal, Updated};
use crate::timestamp::Timestamp;

/// Enough that threads rarely meet and a sweep holds one for a moment only; so many that a million sessions fill their
/// maps well, which grow by doubling.
const SHARDS: usize = 320;

/// A stored session. Which record it is, is its revision.
struct Session {
    record: Record,
    expires: Timestamp,
}

impl Session {
    fn loaded(&self) -> Loaded {
        Loaded { record: self.record.clone(), revision: Revision::identity(self.record.clone()), expires: self.expires }
    }
}

type Shard = HashMap<PackedId, Session, IdHashing>;

/// A shard in a cache line of its own: threads that use its neighbours don't slow it down.
#[derive(Default)]
#[repr(align(64))]
struct Place(Mutex<Shard>);

/// The sessions, spread over maps of their own so that threads don't wait for each other.
pub(super) struct Sessions {
    shards: [Place; SHARDS],
    stored: AtomicUsize,
    index: Index,
    last_full_sweep: AtomicI64,
    sweeper: OnceLock<Sender<()>>,
}

impl Default for Sessions {
    fn default() -> Self {
        Self {
            shards: std::array::from_fn(|_| Place::default()),
            stored: AtomicUsize::new(0),
            index: Index::default(),
            last_full_sweep: AtomicI64::new(i64::MIN),
            sweeper: OnceLock::new(),
        }
    }
}

impl Sessions {
    /// How many are kept; some of them may have expired.
    pub(super) fn stored(&self) -> usize {
        self.stored.load(Ordering::Relaxed)
    }

    pub(super) fn load(&self, id: &SessionId, renewal: Option<Renewal>) -> Option<Loaded> {
        let (id, now) = (PackedId::of(id), Timestamp::now());
        self.living(&mut self.shard_of(&id), &id, now, |session| {
            if let Some(renewal) = renewal {
                let renewed = renewal.expires(session.record.max_age(), now, session.expires);
                session.expires = renewed.unwrap_or(session.expires);
            }
            session.loaded()
        })
    }

    /// Gives the record back if as many sessions are kept as may be.
    pub(super) fn create(
        &self,
        id: &SessionId,
        record: Record,
        expires: Timestamp,
        limit: usize,
    ) -> Result<Created, Record> {
        let id = PackedId::of(id);
        let mut shard = self.shard_of(&id);
        // Nearly always nobody has the id, and no clock is needed.
        if shard.contains_key(&id) && self.living(&mut shard, &id, Timestamp::now(), |_| ()).is_some() {
            return Ok(Created::Taken);
        }
        if !self.take_place(limit) {
            return Err(record);
        }
        let revision = Revision::identity(record.clone());
        self.index.insert(&id, &record);
        shard.insert(id, Session { record, expires });
        Ok(Created::Stored(revision))
    }

    /// Counts a session before it is put where none is, unless there are as many as may be.
    fn take_place(&self, limit: usize) -> bool {
        if limit == usize::MAX {
            self.stored.fetch_add(1, Ordering::Relaxed);
            return true;
        }
        let one_more = |stored| (stored < limit).then_some(stored + 1);
        self.stored.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok()
    }

    pub(super) fn update(&self, id: &SessionId, expected: Revision, record: Record, expires: Timestamp) -> Updated {
        let id = PackedId::of(id);
        let mut shard = self.shard_of(&id);
        let updated = self.living(&mut shard, &id, Timestamp::now(), |session| {
            if !expected.is_identity_of(&session.record) {
                return (Updated::Conflict(session.loaded()), None);
            }
            self.index.replace(&id, &session.record, &record);
            let revision = Revision::identity(record.clone());
            session.expires = expires;
            let old = std::mem::replace(&mut session.record, record);
            (Updated::Replaced(revision), Some(old))
        });
        // The old record is let go when the shard is free again.
        drop(shard);
        updated.map_or(Updated::Gone, |(updated, _old)| updated)
    }

    pub(super) fn touch(&self, id: &SessionId, expires: Timestamp) -> bool {
        let touch = |session: &mut Session| session.expires = expires;
        let id = PackedId::of(id);
        self.living(&mut self.shard_of(&id), &id, Timestamp::now(), touch).is_some()
    }

    pub(super) fn rename(
        &self,
        old: &SessionId,
        expected: Revision,
        new: &SessionId,
        record: Record,
        expires: Timestamp,
    ) -> Renamed {
        let (old, new) = (PackedId::of(old), PackedId::of(new));
        let (from, to) = (old.shard_of(SHARDS), new.shard_of(SHARDS));
        // Two shards are locked in the order of their place, so that two renamings never wait for each other.
        let mut lower = self.shard(from.min(to));
        let mut upper = (from != to).then(|| self.shard(from.max(to)));
        let (source, mut target): (&mut Shard, Option<&mut Shard>) = match upper.as_deref_mut() {
            Some(upper) if from > to => (upper, Some(&mut lower)),
            upper => (&mut lower, upper),
        };
        let now = Timestamp::now();
        let conflict = |session: &mut Session| {
            (!expected.is_identity_of(&session.record)).then(|| Renamed::Conflict(session.loaded()))
        };
        match self.living(source, &old, now, conflict) {
            None => return Renamed::Gone,
            Some(Some(conflict)) => return conflict,
            Some(None) => {}
        }
        if self.living(target.as_deref_mut().unwrap_or(source), &new, now, |_| ()).is_some() {
            return Renamed::Taken;
        }
        // Whoever looks for the session meanwhile finds one of its ids, and waits for the shard.
        self.index.insert(&new, &record);
        if let Some(session) = source.remove(&old) {
            self.index.remove(&old, &session.record);
        }
        let revision = Revision::identity(record.clone());
        target.unwrap_or(source).insert(new, Session { record, expires });
        Renamed::Stored(revision)
    }

    pub(super) fn destroy(&self, id: &SessionId) {
        let id = PackedId::of(id);
        let removed = self.remove(&mut self.shard_of(&id), &id);
        // When the shard is free again.
        drop(removed);
    }

    pub(super) fn find(&self, key: &IndexKey, after: Option<&Cursor>, limit: usize) -> Result<Page, StoreError> {
        let after = after.map(|cursor| SessionId::new(cursor.as_str())).transpose().map_err(StoreError::new)?;
        let ids = self.index.ids(key, after.as_ref().map(PackedId::of).as_ref(), limit);
        let last = ids.last().filter(|_| ids.len() == limit);
        let next = last.map(|id| Cursor::new(id.unpacked().as_str()));
        let now = Timestamp::now();
        let loaded = |id: PackedId| {
            let loaded = self.living(&mut self.shard_of(&id), &id, now, |session| session.loaded())?;
            Some((id.unpacked(), loaded))
        };
        Ok(Page { sessions: ids.into_iter().filter_map(loaded).collect(), next })
    }

    pub(super) fn page(&self, after: Option<&Cursor>, limit: usize) -> Result<Page, StoreError> {
        let (mut index, mut last) = match after {
            None => (0, None),
            Some(cursor) => position(cursor)?,
        };
        let mut sessions = Vec::new();
        let now = Timestamp::now();
        while let Some(shard) = self.shards.get(index) {
            let shard = lock(shard);
            let living = shard
                .iter()
                .filter(|(id, session)| session.expires > now && last.as_ref().is_none_or(|last| *id > last));
            let mut rest: Vec<_> = living.map(|(id, session)| (id.clone(), session.loaded())).collect();
            drop(shard);
            rest.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
            let room = limit - sessions.len();
            let is_cut = rest.len() > room;
            sessions.extend(rest.into_iter().take(room).map(|(id, loaded)| (id.unpacked(), loaded)));
            if is_cut || (sessions.len() == limit && index + 1 < SHARDS) {
                let (shard, id) =
                    if is_cut { (index, sessions.last().map(|(id, _)| id.as_str())) } else { (index + 1, None) };
                return Ok(Page { next: Some(Cursor::new(format!("{shard}:{}", id.unwrap_or_default()))), sessions });
            }
            (index, last) = (index + 1, None);
        }
        Ok(Page { sessions, next: None })
    }

    pub(super) fn count(&self, now: Timestamp) -> usize {
        let living = |shard| lock(shard).values().filter(|session| session.expires > now).count();
        self.shards.iter().map(living).sum()
    }

    pub(super) fn clear(&self) {
        for shard in &self.shards {
            let mut shard = lock(shard);
            let sessions = std::mem::take(&mut *shard);
            self.stored.fetch_sub(sessions.len(), Ordering::Relaxed);
            sessions.iter().for_each(|(id, session)| self.index.remove(id, &session.record));
        }
    }

    fn shard(&self, index: usize) -> MutexGuard<'_, Shard> {
        lock(&self.shards[index % SHARDS])
    }

    fn shard_of(&self, id: &PackedId) -> MutexGuard<'_, Shard> {
        self.shard(id.shard_of(SHARDS))
    }

    /// Does something with the session of `id`; one that has expired is removed.
    fn living<R>(
        &self,
        shard: &mut Shard,
        id: &PackedId,
        now: Timestamp,
        act: impl FnOnce(&mut Session) -> R,
    ) -> Option<R> {
        match shard.get_mut(id) {
            None => return None,
            Some(session) if session.expires > now => return Some(act(session)),
            Some(_) => {}
        }
        self.remove(shard, id);
        None
    }

    fn remove(&self, shard: &mut Shard, id: &PackedId) -> Option<Session> {
        let session = shard.remove(id)?;
        self.index.remove(id, &session.record);
        self.stored.fetch_sub(1, Ordering::Relaxed);
        Some(session)
    }

    /// Removes what has expired, one shard at a time, so that no request waits long.
    fn sweep(&self) {
        for shard in &self.shards {
            let now = Timestamp::now();
            let mut shard = lock(shard);
            let expired: Vec<_> = shard.extract_if(|_, session| session.expires <= now).collect();
            expired.iter().for_each(|(id, session)| self.index.remove(id, &session.record));
            self.stored.fetch_sub(expired.len(), Ordering::Relaxed);
            if shard.capacity() > 4 * shard.len() + 64 {
                shard.shrink_to_fit();
            }
            // What takes longest is done when the shard is free again.
            drop(shard);
            drop(expired);
        }
    }

    /// A store that stays full is swept once a second at most.
    pub(super) fn sweep_when_full(&self) {
        let now = Timestamp::now().as_millis();
        let last = self.last_full_sweep.load(Ordering::Relaxed);
        let due = now.saturating_sub(last) >= 1000;
        let swap = || self.last_full_sweep.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed);
        if due && swap().is_ok() {
            self.sweep();
        }
    }

    /// Starts the thread that sweeps, with the first session. It ends with the store. An interval of zero: none.
    pub(super) fn sweep_in_background(self: &Arc<Self>, interval: Duration) {
        if interval.is_zero() {
            return;
        }
        self.sweeper.get_or_init(|| {
            let (stop, stopped) = channel();
            let sessions = Arc::downgrade(self);
            let spawned = thread::Builder::new()
                .name("session-sweeper".to_owned())
                .spawn(move || sweep_repeatedly(&sessions, &stopped, interval));
            if let Err(error) = spawned {
                tracing::error!(%error, "expired sessions stay in memory: no thread to remove them");
            }
            stop
        });
    }
}

fn sweep_repeatedly(sessions: &Weak<Sessions>, stopped: &Receiver<()>, interval: Duration) {
    while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(interval) {
        let Some(sessions) = sessions.upgrade() else { return };
        sessions.sweep();
    }
}

/// A panic in another thread leaves a shard whole: every change of it is one step.
fn lock(Place(shard): &Place) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A cursor names a shard, and the last id that was listed of it.
fn position(cursor: &Cursor) -> Result<(usize, Option<PackedId>), StoreError> {
    let (shard, id) = cursor.as_str().split_once(':').unwrap_or((cursor.as_str(), ""));
    let index = shard.parse().map_err(StoreError::new)?;
    Ok((index, SessionId::new(id).ok().as_ref().map(PackedId::of)))
}
