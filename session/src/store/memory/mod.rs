//! Sessions in the memory of this process: the embedded default, for development, tests and sites of one process.

mod index;
mod packed_id;
mod sessions;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use self::sessions::Sessions;
use super::{Created, Cursor, IndexKey, Loaded, Page, Renamed, Renewal, Store, StoreFuture, Updated};
use crate::error::StoreError;
use crate::id::SessionId;
use crate::record::{Record, Revision};
use crate::timestamp::Timestamp;

/// A store in the memory of this process. Its sessions end with the process, and other processes don't see them.
///
/// Expired sessions are removed by themselves. Clones share their sessions.
///
/// ```
/// use session::MemoryStore;
///
/// let store = MemoryStore::new().max_sessions(100_000);
/// ```
#[derive(Clone)]
pub struct MemoryStore {
    settings: Settings,
    sessions: Arc<Sessions>,
}

#[derive(Clone, Copy)]
struct Settings {
    max_sessions: usize,
    sweep_interval: Duration,
}

impl MemoryStore {
    /// An empty store without a limit.
    #[must_use]
    pub fn new() -> Self {
        Self {
            settings: Settings { max_sessions: usize::MAX, sweep_interval: Duration::from_secs(60) },
            sessions: Arc::new(Sessions::default()),
        }
    }

    /// The most sessions that the store may hold. When it is full of living sessions, creating another one fails with
    /// [`StoreError::Full`]; no session is dropped for it. Default: no limit.
    #[must_use]
    pub const fn max_sessions(mut self, max_sessions: usize) -> Self {
        self.settings.max_sessions = max_sessions;
        self
    }

    /// How often expired sessions are looked for. They are never handed out; this is about the memory that they take.
    /// Zero: never, so that they stay until somebody asks for them, or the store is full. Default: 60 s.
    #[must_use]
    pub const fn sweep_interval(mut self, interval: Duration) -> Self {
        self.settings.sweep_interval = interval;
        self
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore")
            .field("stored", &self.sessions.stored())
            .field("max_sessions", &self.settings.max_sessions)
            .finish_non_exhaustive()
    }
}

impl Store for MemoryStore {
    fn load<'a>(&'a self, id: &'a SessionId, renewal: Option<Renewal>) -> StoreFuture<'a, Option<Loaded>> {
        StoreFuture::ready(Ok(self.sessions.load(id, renewal)))
    }

    fn create<'a>(&'a self, id: &'a SessionId, record: Record, expires: Timestamp) -> StoreFuture<'a, Created> {
        StoreFuture::ready(self.create_now(id, record, expires))
    }

    fn update<'a>(
        &'a self,
        id: &'a SessionId,
        expected: Revision,
        record: Record,
        expires: Timestamp,
    ) -> StoreFuture<'a, Updated> {
        StoreFuture::ready(Ok(self.sessions.update(id, expected, record, expires)))
    }

    fn touch<'a>(&'a self, id: &'a SessionId, expires: Timestamp) -> StoreFuture<'a, bool> {
        StoreFuture::ready(Ok(self.sessions.touch(id, expires)))
    }

    fn rename<'a>(
        &'a self,
        old: &'a SessionId,
        expected: Revision,
        new: &'a SessionId,
        record: Record,
        expires: Timestamp,
    ) -> StoreFuture<'a, Renamed> {
        StoreFuture::ready(Ok(self.sessions.rename(old, expected, new, record, expires)))
    }

    fn destroy<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, ()> {
        self.sessions.destroy(id);
        StoreFuture::ready(Ok(()))
    }

    fn all(&self, after: Option<Cursor>, limit: usize) -> StoreFuture<'_, Page> {
        StoreFuture::ready(self.sessions.page(after.as_ref(), limit.max(1)))
    }

    fn find<'a>(&'a self, key: &'a IndexKey, after: Option<Cursor>, limit: usize) -> StoreFuture<'a, Page> {
        StoreFuture::ready(self.sessions.find(key, after.as_ref(), limit.max(1)))
    }

    fn len(&self) -> StoreFuture<'_, usize> {
        StoreFuture::ready(Ok(self.sessions.count(Timestamp::now())))
    }

    fn clear(&self) -> StoreFuture<'_, ()> {
        self.sessions.clear();
        StoreFuture::ready(Ok(()))
    }

    fn shares_records(&self) -> bool {
        true
    }
}

impl MemoryStore {
    fn create_now(&self, id: &SessionId, record: Record, expires: Timestamp) -> Result<Created, StoreError> {
        self.sessions.sweep_in_background(self.settings.sweep_interval);
        let limit = self.settings.max_sessions;
        let created = self.sessions.create(id, record, expires, limit).or_else(|record| {
            self.sessions.sweep_when_full();
            self.sessions.create(id, record, expires, limit)
        });
        created.map_err(|_| StoreError::Full { limit })
    }
}
