//! Operations that are not one step, and handles that are not one store.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use session::store::{Created, Loaded, Record, Renamed, Renewal, Revision, StoreFuture, Updated};
use session::{MemoryStore, SessionId, Store, StoreError, Timestamp};
use tokio::time::sleep;

use super::Flaw;

/// As long as servers take between two steps: others come between, however busy this machine is.
async fn others_come_between() {
    sleep(Duration::from_millis(1)).await;
}

#[derive(Clone, Default)]
pub(crate) struct CreateInTwoSteps;

impl Flaw for CreateInTwoSteps {
    fn create<'a>(
        &'a self,
        store: &'a MemoryStore,
        id: &'a SessionId,
        record: Record,
        expires: Timestamp,
    ) -> StoreFuture<'a, Created> {
        StoreFuture::new(async move {
            if store.load(id, None).await?.is_some() {
                return Ok(Created::Taken);
            }
            others_come_between().await;
            store.destroy(id).await?;
            store.create(id, record, expires).await
        })
    }
}

#[derive(Clone, Default)]
pub(crate) struct UpdateInTwoSteps;

impl Flaw for UpdateInTwoSteps {
    fn update<'a>(
        &'a self,
        store: &'a MemoryStore,
        id: &'a SessionId,
        expected: Revision,
        record: Record,
        expires: Timestamp,
    ) -> StoreFuture<'a, Updated> {
        StoreFuture::new(async move {
            match store.load(id, None).await? {
                None => return Ok(Updated::Gone),
                Some(current) if current.revision != expected => return Ok(Updated::Conflict(current)),
                Some(_) => others_come_between().await,
            }
            match store.load(id, None).await? {
                None => Ok(Updated::Gone),
                Some(current) => store.update(id, current.revision, record, expires).await,
            }
        })
    }
}

#[derive(Clone, Default)]
pub(crate) struct UpdateByDestroying;

impl Flaw for UpdateByDestroying {
    fn update<'a>(
        &'a self,
        store: &'a MemoryStore,
        id: &'a SessionId,
        expected: Revision,
        record: Record,
        expires: Timestamp,
    ) -> StoreFuture<'a, Updated> {
        StoreFuture::new(async move {
            match store.load(id, None).await? {
                None => return Ok(Updated::Gone),
                Some(current) if current.revision != expected => return Ok(Updated::Conflict(current)),
                Some(_) => store.destroy(id).await?,
            }
            others_come_between().await;
            match store.create(id, record, expires).await? {
                Created::Stored(revision) => Ok(Updated::Replaced(revision)),
                Created::Taken => Ok(Updated::Gone),
            }
        })
    }
}

#[derive(Clone, Default)]
pub(crate) struct TouchInTwoSteps;

impl Flaw for TouchInTwoSteps {
    fn touch<'a>(&'a self, store: &'a MemoryStore, id: &'a SessionId, expires: Timestamp) -> StoreFuture<'a, bool> {
        StoreFuture::new(async move {
            let Some(current) = store.load(id, None).await? else { return Ok(false) };
            others_come_between().await;
            if !store.touch(id, expires).await? {
                store.create(id, current.record, expires).await?;
            }
            Ok(true)
        })
    }
}

#[derive(Clone, Default)]
pub(crate) struct IndexReplacedInTwoSteps;

impl Flaw for IndexReplacedInTwoSteps {
    fn update<'a>(
        &'a self,
        store: &'a MemoryStore,
        id: &'a SessionId,
        expected: Revision,
        record: Record,
        expires: Timestamp,
    ) -> StoreFuture<'a, Updated> {
        StoreFuture::new(async move {
            let updated = store.update(id, expected, record.clone().with_index([]), expires).await?;
            let Updated::Replaced(revision) = updated else { return Ok(updated) };
            others_come_between().await;
            store.update(id, revision, record, expires).await
        })
    }
}

#[derive(Clone, Default)]
pub(crate) struct IndexMovedInTwoSteps;

impl Flaw for IndexMovedInTwoSteps {
    fn rename<'a>(
        &'a self,
        store: &'a MemoryStore,
        old: (&'a SessionId, Revision),
        new: &'a SessionId,
        record: Record,
        expires: Timestamp,
    ) -> StoreFuture<'a, Renamed> {
        StoreFuture::new(async move {
            let renamed = store.rename(old.0, old.1, new, record.clone().with_index([]), expires).await?;
            let Renamed::Stored(revision) = renamed else { return Ok(renamed) };
            others_come_between().await;
            match store.update(new, revision, record, expires).await? {
                Updated::Replaced(revision) => Ok(Renamed::Stored(revision)),
                Updated::Conflict(_) | Updated::Gone => Ok(Renamed::Gone),
            }
        })
    }
}

#[derive(Clone, Default)]
pub(crate) struct RenameInTwoSteps;

impl Flaw for RenameInTwoSteps {
    fn rename<'a>(
        &'a self,
        store: &'a MemoryStore,
        (old, expected): (&'a SessionId, Revision),
        new: &'a SessionId,
        record: Record,
        expires: Timestamp,
    ) -> StoreFuture<'a, Renamed> {
        StoreFuture::new(async move {
            match store.load(old, None).await? {
                None => return Ok(Renamed::Gone),
                Some(current) if current.revision != expected => return Ok(Renamed::Conflict(current)),
                Some(_) => {}
            }
            match store.create(new, record, expires).await? {
                Created::Taken => Ok(Renamed::Taken),
                Created::Stored(revision) => {
                    others_come_between().await;
                    store.destroy(old).await?;
                    Ok(Renamed::Stored(revision))
                }
            }
        })
    }
}

/// An operation that is dropped keeps its connection, and there are few.
#[derive(Clone, Default)]
pub(crate) struct ConnectionsLost(Arc<AtomicUsize>);

impl Flaw for ConnectionsLost {
    fn load<'a>(
        &'a self,
        store: &'a MemoryStore,
        id: &'a SessionId,
        renewal: Option<Renewal>,
    ) -> StoreFuture<'a, Option<Loaded>> {
        StoreFuture::new(async move {
            if self.0.fetch_add(1, Ordering::SeqCst) > 10 {
                return Err(StoreError::new("all connections are in use"));
            }
            others_come_between().await;
            let loaded = store.load(id, renewal).await;
            self.0.fetch_sub(1, Ordering::SeqCst);
            loaded
        })
    }
}

/// Answers come in the order of the questions, to whoever asks next.
#[derive(Clone, Default)]
pub(crate) struct AnswersOutOfStep(Arc<Mutex<VecDeque<Option<Loaded>>>>);

impl Flaw for AnswersOutOfStep {
    fn load<'a>(
        &'a self,
        store: &'a MemoryStore,
        id: &'a SessionId,
        renewal: Option<Renewal>,
    ) -> StoreFuture<'a, Option<Loaded>> {
        StoreFuture::new(async move {
            let answer = store.load(id, renewal).await?;
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(answer);
            others_come_between().await;
            Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front().flatten())
        })
    }
}

/// A clone is a new store.
#[derive(Default)]
pub(crate) struct ClonesApart(MemoryStore);

impl Clone for ClonesApart {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Flaw for ClonesApart {
    fn load<'a>(
        &'a self,
        _: &'a MemoryStore,
        id: &'a SessionId,
        renewal: Option<Renewal>,
    ) -> StoreFuture<'a, Option<Loaded>> {
        self.0.load(id, renewal)
    }

    fn create<'a>(
        &'a self,
        _: &'a MemoryStore,
        id: &'a SessionId,
        record: Record,
        expires: Timestamp,
    ) -> StoreFuture<'a, Created> {
        self.0.create(id, record, expires)
    }

    fn update<'a>(
        &'a self,
        _: &'a MemoryStore,
        id: &'a SessionId,
        expected: Revision,
        record: Record,
        expires: Timestamp,
    ) -> StoreFuture<'a, Updated> {
        self.0.update(id, expected, record, expires)
    }

    fn touch<'a>(&'a self, _: &'a MemoryStore, id: &'a SessionId, expires: Timestamp) -> StoreFuture<'a, bool> {
        self.0.touch(id, expires)
    }

    fn rename<'a>(
        &'a self,
        _: &'a MemoryStore,
        old: (&'a SessionId, Revision),
        new: &'a SessionId,
        record: Record,
        expires: Timestamp,
    ) -> StoreFuture<'a, Renamed> {
        self.0.rename(old.0, old.1, new, record, expires)
    }

    fn destroy<'a>(&'a self, _: &'a MemoryStore, id: &'a SessionId) -> StoreFuture<'a, ()> {
        self.0.destroy(id)
    }
}

/// A store that panics fails its case, and ends no other.
#[derive(Clone, Default)]
pub(crate) struct Panics;

impl Flaw for Panics {
    fn len<'a>(&'a self, _: &'a MemoryStore) -> StoreFuture<'a, usize> {
        unreachable!("this store panics")
    }
}
