//! A store whose sessions are read from memory for a moment.

use std::collections::HashMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::{
    Created, Cursor, IndexKey, Loaded, Page, Record, Renamed, Renewal, Revision, Store, StoreFuture, Timestamp, Updated,
};
use crate::id::SessionId;

/// A store in front of which this process keeps the sessions that it has read, each for a short time: of the requests
/// of that time, the first alone asks the store. Clones share what they keep.
///
/// ```
/// use std::time::Duration;
///
/// use session::{Cached, MemoryStore};
///
/// let slow = MemoryStore::new(); // a RedisStore, a PostgresStore …
/// let store = Cached::new(slow, Duration::from_secs(2));
/// ```
///
/// # What is given up
///
/// What **another process** does to a session may go unnoticed here by requests that only read, until the bound is over:
/// they see its old data, and a session that was destroyed, rotated or logged out everywhere is still **read** here. The
/// bound counts from the moment when the store was asked, so that it is never exceeded. What this process does, through
/// any clone, is seen at once. If a logout has to hold everywhere from the first moment on, use the store alone.
///
/// Nothing is given up for writes. They go to the store, which alone compares revisions: a session that is gone there is
/// not written again, parallel changes are merged, and none is lost.
///
/// # What is asked of the store
///
/// | operation | the store is asked |
/// |---|---|
/// | `load` with a renewal, as each request makes | unless a copy within the bound is there, is not expired, and no renewal is due |
/// | `load` without one, as [`Session::reload`](crate::Session::reload) makes | always |
/// | everything else | always |
///
/// A renewal is due by [`Options::touch_after`](crate::Options::touch_after). With zero, as in `Options::express()`, it
/// always is, so that this store saves nothing.
#[derive(Clone)]
pub struct Cached<S> {
    store: S,
    staleness: Duration,
    max_sessions: usize,
    copies: Arc<[Mutex<Shard>; SHARDS]>,
}

/// Enough that threads rarely meet.
const SHARDS: usize = 64;

#[derive(Default)]
struct Shard {
    copies: HashMap<SessionId, Copy>,
    /// Counts the writes that began and ended, so that what was loaded meanwhile is not kept.
    writes: u64,
}

struct Copy {
    loaded: Loaded,
    /// When the store was asked for it, or told it.
    since: Instant,
}

impl<S> Cached<S> {
    /// A store in front of `store`. A copy is read for at most `staleness`; zero: never.
    #[must_use]
    pub fn new(store: S, staleness: Duration) -> Self {
        Self { store, staleness, max_sessions: 10_000, copies: Arc::new(std::array::from_fn(|_| Mutex::default())) }
    }

    /// About how many sessions are kept at most. Others have to go for new ones. Default: 10 000.
    #[must_use]
    pub const fn max_sessions(mut self, max_sessions: usize) -> Self {
        self.max_sessions = max_sessions;
        self
    }

    /// The store behind.
    #[must_use]
    pub const fn store(&self) -> &S {
        &self.store
    }

    fn shard(&self, id: &SessionId) -> MutexGuard<'_, Shard> {
        let mut hasher = DefaultHasher::new();
        id.hash(&mut hasher);
        lock(&self.copies[usize::try_from(hasher.finish() % SHARDS as u64).unwrap_or_default()])
    }

    /// A copy that may be read in place of the session.
    fn copy(&self, id: &SessionId, renewal: Renewal) -> Option<Loaded> {
        let shard = self.shard(id);
        let Copy { loaded, since } = shard.copies.get(id)?;
        let now = Timestamp::now();
        let is_good = since.elapsed() < self.staleness
            && loaded.expires > now
            && renewal.expires(loaded.record.max_age(), now, loaded.expires).is_none();
        is_good.then(|| loaded.clone())
    }

    /// Keeps what the store holds, unless somebody here wrote the session since.
    fn keep(&self, id: &SessionId, asked: Asked, loaded: Loaded) {
        let mut shard = self.shard(id);
        if shard.writes != asked.writes || self.staleness.is_zero() {
            return;
        }
        let room = self.max_sessions.div_ceil(SHARDS);
        if shard.copies.len() >= room && !shard.copies.contains_key(id) {
            shard.copies.retain(|_, copy| copy.since.elapsed() < self.staleness);
        }
        while shard.copies.len() >= room {
            let Some(other) = shard.copies.keys().find(|other| *other != id).cloned() else { break };
            shard.copies.remove(&other);
        }
        if room > 0 {
            shard.copies.insert(id.clone(), Copy { loaded, since: asked.at });
        }
    }

    fn asked(&self, id: &SessionId) -> Asked {
        Asked { at: Instant::now(), writes: self.shard(id).writes }
    }

    /// From here until the value is dropped, the session is being written: nothing that is loaded meanwhile is kept.
    fn writing<'a>(&'a self, id: &'a SessionId) -> Writing<'a, S> {
        self.forget(id);
        Writing { cached: self, id }
    }

    /// The same for all sessions.
    fn clearing(&self) -> Clearing<'_, S> {
        self.forget_all();
        Clearing { cached: self }
    }

    fn forget(&self, id: &SessionId) {
        let mut shard = self.shard(id);
        shard.copies.remove(id);
        shard.writes = shard.writes.wrapping_add(1);
    }

    fn forget_all(&self) {
        for shard in &*self.copies {
            let mut shard = lock(shard);
            shard.copies.clear();
            shard.writes = shard.writes.wrapping_add(1);
        }
    }
}

/// When the store was asked, and how many writes there were until then.
#[derive(Clone, Copy)]
struct Asked {
    at: Instant,
    writes: u64,
}

/// Also at its end a write forgets what was kept: it may have been carried out at any moment in between.
struct Writing<'a, S> {
    cached: &'a Cached<S>,
    id: &'a SessionId,
}

impl<S> Drop for Writing<'_, S> {
    fn drop(&mut self) {
        self.cached.forget(self.id);
    }
}

struct Clearing<'a, S> {
    cached: &'a Cached<S>,
}

impl<S> Drop for Clearing<'_, S> {
    fn drop(&mut self) {
        self.cached.forget_all();
    }
}

/// A panic in another thread leaves a shard whole.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<S: Store> Store for Cached<S> {
    fn load<'a>(&'a self, id: &'a SessionId, renewal: Option<Renewal>) -> StoreFuture<'a, Option<Loaded>> {
        if let Some(copy) = renewal.and_then(|renewal| self.copy(id, renewal)) {
            return StoreFuture::ready(Ok(Some(copy)));
        }
        StoreFuture::new(async move {
            let asked = self.asked(id);
            let loaded = self.store.load(id, renewal).await?;
            match &loaded {
                Some(loaded) => self.keep(id, asked, loaded.clone()),
                None => self.forget(id),
            }
            Ok(loaded)
        })
    }

    fn create<'a>(&'a self, id: &'a SessionId, record: Record, expires: Timestamp) -> StoreFuture<'a, Created> {
        StoreFuture::new(async move {
            let _writing = self.writing(id);
            self.store.create(id, record, expires).await
        })
    }

    fn update<'a>(
        &'a self,
        id: &'a SessionId,
        expected: Revision,
        record: Record,
        expires: Timestamp,
    ) -> StoreFuture<'a, Updated> {
        StoreFuture::new(async move {
            let _writing = self.writing(id);
            self.store.update(id, expected, record, expires).await
        })
    }

    fn touch<'a>(&'a self, id: &'a SessionId, expires: Timestamp) -> StoreFuture<'a, bool> {
        StoreFuture::new(async move {
            let _writing = self.writing(id);
            self.store.touch(id, expires).await
        })
    }

    fn rename<'a>(
        &'a self,
        old: &'a SessionId,
        expected: Revision,
        new: &'a SessionId,
        record: Record,
        expires: Timestamp,
    ) -> StoreFuture<'a, Renamed> {
        StoreFuture::new(async move {
            let _writing = (self.writing(old), self.writing(new));
            self.store.rename(old, expected, new, record, expires).await
        })
    }

    fn destroy<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, ()> {
        StoreFuture::new(async move {
            let _writing = self.writing(id);
            self.store.destroy(id).await
        })
    }

    fn all(&self, after: Option<Cursor>, limit: usize) -> StoreFuture<'_, Page> {
        self.store.all(after, limit)
    }

    fn find<'a>(&'a self, key: &'a IndexKey, after: Option<Cursor>, limit: usize) -> StoreFuture<'a, Page> {
        self.store.find(key, after, limit)
    }

    fn len(&self) -> StoreFuture<'_, usize> {
        self.store.len()
    }

    fn clear(&self) -> StoreFuture<'_, ()> {
        StoreFuture::new(async move {
            let _clearing = self.clearing();
            self.store.clear().await
        })
    }
}

impl<S: fmt::Debug> fmt::Debug for Cached<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cached")
            .field("store", &self.store)
            .field("staleness", &self.staleness)
            .field("max_sessions", &self.max_sessions)
            .finish_non_exhaustive()
    }
}
