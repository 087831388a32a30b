//! Operations that write what they must not, or don't write what they must.

use session::store::{Created, Loaded, Record, Renamed, Renewal, Revision, StoreFuture, Updated};
use session::{MemoryStore, SessionId, Store, StoreError, Timestamp};

use super::{Flaw, Memory};

#[derive(Clone, Default)]
pub(crate) struct CreateOverwrites;

impl Flaw for CreateOverwrites {
    fn create<'a>(
        &'a self,
        store: &'a MemoryStore,
        id: &'a SessionId,
        record: Record,
        expires: Timestamp,
    ) -> StoreFuture<'a, Created> {
        StoreFuture::new(async move {
            store.destroy(id).await?;
            store.create(id, record, expires).await
        })
    }
}

#[derive(Clone, Default)]
pub(crate) struct CreateFailsOnTaken;

impl Flaw for CreateFailsOnTaken {
    fn create<'a>(
        &'a self,
        store: &'a MemoryStore,
        id: &'a SessionId,
        record: Record,
        expires: Timestamp,
    ) -> StoreFuture<'a, Created> {
        StoreFuture::new(async move {
            match store.create(id, record, expires).await? {
                Created::Taken => Err(StoreError::new("unique constraint violated")),
                created => Ok(created),
            }
        })
    }
}

#[derive(Clone, Default)]
pub(crate) struct UpdateUpserts;

impl Flaw for UpdateUpserts {
    fn update<'a>(
        &'a self,
        store: &'a MemoryStore,
        id: &'a SessionId,
        expected: Revision,
        record: Record,
        expires: Timestamp,
    ) -> StoreFuture<'a, Updated> {
        StoreFuture::new(async move {
            match store.update(id, expected, record.clone(), expires).await? {
                Updated::Gone => match store.create(id, record, expires).await? {
                    Created::Stored(revision) => Ok(Updated::Replaced(revision)),
                    Created::Taken => Ok(Updated::Gone),
                },
                updated => Ok(updated),
            }
        })
    }
}

#[derive(Clone, Default)]
pub(crate) struct UpdateIgnoresRevision;

impl Flaw for UpdateIgnoresRevision {
    fn update<'a>(
        &'a self,
        store: &'a MemoryStore,
        id: &'a SessionId,
        _: Revision,
        record: Record,
        expires: Timestamp,
    ) -> StoreFuture<'a, Updated> {
        StoreFuture::new(async move {
            match store.load(id, None).await? {
                Some(current) => store.update(id, current.revision, record, expires).await,
                None => Ok(Updated::Gone),
            }
        })
    }
}

#[derive(Clone, Default)]
pub(crate) struct UpdateKeepsExpiry;

impl Flaw for UpdateKeepsExpiry {
    fn update<'a>(
        &'a self,
        store: &'a MemoryStore,
        id: &'a SessionId,
        expected: Revision,
        record: Record,
        expires: Timestamp,
    ) -> StoreFuture<'a, Updated> {
        StoreFuture::new(async move {
            let current = store.load(id, None).await?;
            store.update(id, expected, record, current.map_or(expires, |current| current.expires)).await
        })
    }
}

/// Gives out the first revision of a record for all that follow.
#[derive(Clone, Default)]
pub(crate) struct UpdateKeepsRevision(Memory<Revision>);

impl Flaw for UpdateKeepsRevision {
    fn load<'a>(
        &'a self,
        store: &'a MemoryStore,
        id: &'a SessionId,
        renewal: Option<Renewal>,
    ) -> StoreFuture<'a, Option<Loaded>> {
        StoreFuture::new(async move {
            let loaded = store.load(id, renewal).await?;
            Ok(loaded.map(|loaded| Loaded {
                revision: self.0.lock().entry(id.clone()).or_insert(loaded.revision).clone(),
                ..loaded
            }))
        })
    }

    fn update<'a>(
        &'a self,
        store: &'a MemoryStore,
        id: &'a SessionId,
        expected: Revision,
        record: Record,
        expires: Timestamp,
    ) -> StoreFuture<'a, Updated> {
        StoreFuture::new(async move {
            let current = store.load(id, None).await?.map_or_else(|| expected.clone(), |current| current.revision);
            let first = self.0.lock().entry(id.clone()).or_insert_with(|| current.clone()).clone();
            let expected = if expected == first { current } else { expected };
            match store.update(id, expected, record, expires).await? {
                Updated::Replaced(_) => Ok(Updated::Replaced(first)),
                updated => Ok(updated),
            }
        })
    }
}

#[derive(Clone, Default)]
pub(crate) struct ConflictShowsMine;

impl Flaw for ConflictShowsMine {
    fn update<'a>(
        &'a self,
        store: &'a MemoryStore,
        id: &'a SessionId,
        expected: Revision,
        record: Record,
        expires: Timestamp,
    ) -> StoreFuture<'a, Updated> {
        StoreFuture::new(async move {
            match store.update(id, expected, record.clone(), expires).await? {
                Updated::Conflict(current) => Ok(Updated::Conflict(Loaded { record, ..current })),
                updated => Ok(updated),
            }
        })
    }
}

/// The first revision of every record is number one.
#[derive(Clone, Default)]
pub(crate) struct RevisionsStartAgain(Memory<Revision>);

impl RevisionsStartAgain {
    const ONE: [u8; 32] = [1; 32];

    fn shown(&self, id: &SessionId, revision: Revision) -> Revision {
        if self.0.lock().get(id) == Some(&revision) { Self::ONE.into() } else { revision }
    }
}

impl Flaw for RevisionsStartAgain {
    fn load<'a>(
        &'a self,
        store: &'a MemoryStore,
        id: &'a SessionId,
        renewal: Option<Renewal>,
    ) -> StoreFuture<'a, Option<Loaded>> {
        StoreFuture::new(async move {
            let loaded = store.load(id, renewal).await?;
            Ok(loaded.map(|loaded| Loaded { revision: self.shown(id, loaded.revision), ..loaded }))
        })
    }

    fn create<'a>(
        &'a self,
        store: &'a MemoryStore,
        id: &'a SessionId,
        record: Record,
        expires: Timestamp,
    ) -> StoreFuture<'a, Created> {
        StoreFuture::new(async move {
            let created = store.create(id, record, expires).await?;
            if let Created::Stored(revision) = created {
                self.0.lock().insert(id.clone(), revision);
                return Ok(Created::Stored(Self::ONE.into()));
            }
            Ok(created)
        })
    }

    fn update<'a>(
        &'a self,
        store: &'a MemoryStore,
        id: &'a SessionId,
        expected: Revision,
        record: Record,
        expires: Timestamp,
    ) -> StoreFuture<'a, Updated> {
        let first = self.0.lock().get(id).cloned();
        let expected = if expected == Self::ONE.into() { first.unwrap_or(expected) } else { expected };
        store.update(id, expected, record, expires)
    }

    fn rename<'a>(
        &'a self,
        store: &'a MemoryStore,
        old: (&'a SessionId, Revision),
        new: &'a SessionId,
        record: Record,
        expires: Timestamp,
    ) -> StoreFuture<'a, Renamed> {
        let first = self.0.lock().get(old.0).cloned();
        let expected = if old.1 == Self::ONE.into() { first.unwrap_or(old.1) } else { old.1 };
        store.rename(old.0, expected, new, record, expires)
    }
}

#[derive(Clone, Default)]
pub(crate) struct TouchUpserts;

impl Flaw for TouchUpserts {
    fn touch<'a>(&'a self, store: &'a MemoryStore, id: &'a SessionId, expires: Timestamp) -> StoreFuture<'a, bool> {
        StoreFuture::new(async move {
            if !store.touch(id, expires).await? {
                store.create(id, Record::from_json("{}"), expires).await?;
            }
            Ok(true)
        })
    }
}

#[derive(Clone, Default)]
pub(crate) struct TouchForgets;

impl Flaw for TouchForgets {
    fn touch<'a>(&'a self, store: &'a MemoryStore, id: &'a SessionId, _: Timestamp) -> StoreFuture<'a, bool> {
        StoreFuture::new(async move { Ok(store.load(id, None).await?.is_some()) })
    }
}

#[derive(Clone, Default)]
pub(crate) struct TouchRewrites;

impl Flaw for TouchRewrites {
    fn touch<'a>(&'a self, store: &'a MemoryStore, id: &'a SessionId, expires: Timestamp) -> StoreFuture<'a, bool> {
        StoreFuture::new(async move {
            let Some(current) = store.load(id, None).await? else { return Ok(false) };
            let record = Record::from_json(current.record.json().clone());
            store.update(id, current.revision, record, expires).await?;
            Ok(true)
        })
    }
}

#[derive(Clone, Default)]
pub(crate) struct TouchOnlyLengthens;

impl Flaw for TouchOnlyLengthens {
    fn touch<'a>(&'a self, store: &'a MemoryStore, id: &'a SessionId, expires: Timestamp) -> StoreFuture<'a, bool> {
        StoreFuture::new(async move {
            let Some(current) = store.load(id, None).await? else { return Ok(false) };
            store.touch(id, expires.max(current.expires)).await
        })
    }
}

#[derive(Clone, Default)]
pub(crate) struct RenameKeepsOld;

impl Flaw for RenameKeepsOld {
    fn rename<'a>(
        &'a self,
        store: &'a MemoryStore,
        old: (&'a SessionId, Revision),
        new: &'a SessionId,
        record: Record,
        expires: Timestamp,
    ) -> StoreFuture<'a, Renamed> {
        StoreFuture::new(async move {
            let before = store.load(old.0, None).await?;
            let renamed = store.rename(old.0, old.1, new, record, expires).await?;
            if let (Renamed::Stored(_), Some(before)) = (&renamed, before) {
                store.create(old.0, before.record, before.expires).await?;
            }
            Ok(renamed)
        })
    }
}

#[derive(Clone, Default)]
pub(crate) struct RenameOverwrites;

impl Flaw for RenameOverwrites {
    fn rename<'a>(
        &'a self,
        store: &'a MemoryStore,
        old: (&'a SessionId, Revision),
        new: &'a SessionId,
        record: Record,
        expires: Timestamp,
    ) -> StoreFuture<'a, Renamed> {
        StoreFuture::new(async move {
            if store.load(old.0, None).await?.is_some_and(|current| current.revision == old.1) && old.0 != new {
                store.destroy(new).await?;
            }
            store.rename(old.0, old.1, new, record, expires).await
        })
    }
}

#[derive(Clone, Default)]
pub(crate) struct RenameMakesFromNothing;

impl Flaw for RenameMakesFromNothing {
    fn rename<'a>(
        &'a self,
        store: &'a MemoryStore,
        old: (&'a SessionId, Revision),
        new: &'a SessionId,
        record: Record,
        expires: Timestamp,
    ) -> StoreFuture<'a, Renamed> {
        StoreFuture::new(async move {
            match store.rename(old.0, old.1, new, record.clone(), expires).await? {
                Renamed::Gone => match store.create(new, record, expires).await? {
                    Created::Stored(revision) => Ok(Renamed::Stored(revision)),
                    Created::Taken => Ok(Renamed::Taken),
                },
                renamed => Ok(renamed),
            }
        })
    }
}

#[derive(Clone, Default)]
pub(crate) struct RenameIgnoresRevision;

impl Flaw for RenameIgnoresRevision {
    fn rename<'a>(
        &'a self,
        store: &'a MemoryStore,
        (old, _): (&'a SessionId, Revision),
        new: &'a SessionId,
        record: Record,
        expires: Timestamp,
    ) -> StoreFuture<'a, Renamed> {
        StoreFuture::new(async move {
            match store.load(old, None).await? {
                Some(current) => store.rename(old, current.revision, new, record, expires).await,
                None => Ok(Renamed::Gone),
            }
        })
    }
}

#[derive(Clone, Default)]
pub(crate) struct DestroyDoesNothing;

impl Flaw for DestroyDoesNothing {
    fn destroy<'a>(&'a self, _: &'a MemoryStore, _: &'a SessionId) -> StoreFuture<'a, ()> {
        StoreFuture::ready(Ok(()))
    }
}

#[derive(Clone, Default)]
pub(crate) struct DestroyFailsWithoutRecord;

impl Flaw for DestroyFailsWithoutRecord {
    fn destroy<'a>(&'a self, store: &'a MemoryStore, id: &'a SessionId) -> StoreFuture<'a, ()> {
        StoreFuture::new(async move {
            match store.load(id, None).await? {
                Some(_) => store.destroy(id).await,
                None => Err(StoreError::new("no row was deleted")),
            }
        })
    }
}
