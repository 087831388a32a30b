//! Expiries that are kept wrongly, and renewals.

use std::time::Duration;

use session::store::{Created, Loaded, Record, Renamed, Renewal, Revision, StoreFuture, Updated};
use session::{MemoryStore, SessionId, Store, Timestamp};

use super::{Flaw, Memory};

/// Keeps another expiry than it was given.
macro_rules! keeps_expiry_as {
    ($flaw:ident, $map:expr) => {
        #[derive(Clone, Default)]
        pub(crate) struct $flaw;

        impl Flaw for $flaw {
            fn create<'a>(
                &'a self,
                store: &'a MemoryStore,
                id: &'a SessionId,
                record: Record,
                expires: Timestamp,
            ) -> StoreFuture<'a, Created> {
                store.create(id, record, $map(expires))
            }

            fn update<'a>(
                &'a self,
                store: &'a MemoryStore,
                id: &'a SessionId,
                expected: Revision,
                record: Record,
                expires: Timestamp,
            ) -> StoreFuture<'a, Updated> {
                store.update(id, expected, record, $map(expires))
            }

            fn touch<'a>(
                &'a self,
                store: &'a MemoryStore,
                id: &'a SessionId,
                expires: Timestamp,
            ) -> StoreFuture<'a, bool> {
                store.touch(id, $map(expires))
            }
        }
    };
}

keeps_expiry_as!(RoundedDownToSeconds, |expires: Timestamp| {
    Timestamp::from_millis(expires.as_millis().div_euclid(1000) * 1000)
});
keeps_expiry_as!(EndsIn2038, |expires: Timestamp| expires.min(Timestamp::from_millis(i64::from(i32::MAX) * 1000)));
keeps_expiry_as!(WrapsAround, |expires: Timestamp| {
    Timestamp::from_millis(expires.as_millis().wrapping_mul(1000) / 1000)
});

/// Hands out what it has stored until it is destroyed.
#[derive(Clone, Default)]
pub(crate) struct LoadsExpired(Memory<Loaded>);

impl Flaw for LoadsExpired {
    fn load<'a>(
        &'a self,
        store: &'a MemoryStore,
        id: &'a SessionId,
        renewal: Option<Renewal>,
    ) -> StoreFuture<'a, Option<Loaded>> {
        StoreFuture::new(async move {
            let loaded = store.load(id, renewal).await?;
            Ok(loaded.or_else(|| self.0.lock().get(id).cloned()))
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
            let created = store.create(id, record.clone(), expires).await?;
            if let Created::Stored(revision) = created.clone() {
                self.0.lock().insert(id.clone(), Loaded { record, revision, expires });
            }
            Ok(created)
        })
    }

    fn rename<'a>(
        &'a self,
        store: &'a MemoryStore,
        old: (&'a SessionId, Revision),
        new: &'a SessionId,
        record: Record,
        expires: Timestamp,
    ) -> StoreFuture<'a, Renamed> {
        self.0.lock().remove(old.0);
        store.rename(old.0, old.1, new, record, expires)
    }

    fn destroy<'a>(&'a self, store: &'a MemoryStore, id: &'a SessionId) -> StoreFuture<'a, ()> {
        self.0.lock().remove(id);
        store.destroy(id)
    }
}

/// A row that has expired is still a row.
#[derive(Clone, Default)]
pub(crate) struct ExpiredBlocksCreate(Memory<()>);

impl Flaw for ExpiredBlocksCreate {
    fn create<'a>(
        &'a self,
        store: &'a MemoryStore,
        id: &'a SessionId,
        record: Record,
        expires: Timestamp,
    ) -> StoreFuture<'a, Created> {
        if self.0.lock().insert(id.clone(), ()).is_some() {
            return StoreFuture::ready(Ok(Created::Taken));
        }
        store.create(id, record, expires)
    }

    fn rename<'a>(
        &'a self,
        store: &'a MemoryStore,
        old: (&'a SessionId, Revision),
        new: &'a SessionId,
        record: Record,
        expires: Timestamp,
    ) -> StoreFuture<'a, Renamed> {
        StoreFuture::new(async move {
            let is_row = self.0.lock().contains_key(new);
            if is_row && store.load(old.0, None).await?.is_some_and(|current| current.revision == old.1) {
                return Ok(Renamed::Taken);
            }
            let renamed = store.rename(old.0, old.1, new, record, expires).await?;
            if matches!(renamed, Renamed::Stored(_)) {
                self.0.lock().remove(old.0);
                self.0.lock().insert(new.clone(), ());
            }
            Ok(renamed)
        })
    }

    fn destroy<'a>(&'a self, store: &'a MemoryStore, id: &'a SessionId) -> StoreFuture<'a, ()> {
        self.0.lock().remove(id);
        store.destroy(id)
    }
}

/// Renews in a way of its own.
macro_rules! renews_as {
    ($flaw:ident, $expires:expr) => {
        #[derive(Clone, Default)]
        pub(crate) struct $flaw;

        impl Flaw for $flaw {
            fn load<'a>(
                &'a self,
                store: &'a MemoryStore,
                id: &'a SessionId,
                renewal: Option<Renewal>,
            ) -> StoreFuture<'a, Option<Loaded>> {
                StoreFuture::new(async move {
                    let expires: fn(Renewal, &Loaded) -> Option<Timestamp> = $expires;
                    let Some(mut loaded) = store.load(id, None).await? else { return Ok(None) };
                    if let Some(expires) = renewal.and_then(|renewal| expires(renewal, &loaded)) {
                        store.touch(id, expires).await?;
                        loaded.expires = expires;
                    }
                    Ok(Some(loaded))
                })
            }
        }
    };
}

renews_as!(RenewalIgnored, |_, _| None);
renews_as!(RenewalIgnoresMaxAge, |renewal, loaded| renewal.expires(None, Timestamp::now(), loaded.expires));
renews_as!(RenewalIsTheUsual, |renewal, loaded| {
    renewal.expires(Some(renewal.usual), Timestamp::now(), loaded.expires)
});
renews_as!(RenewalOnlyLengthens, |renewal, loaded| {
    let renewed = renewal.expires(loaded.record.max_age(), Timestamp::now(), loaded.expires);
    renewed.filter(|renewed| *renewed > loaded.expires)
});
renews_as!(RenewalWaitsForTheWholeTime, |renewal, loaded| {
    let renewed = Renewal { after: Duration::ZERO, ..renewal };
    let renewed = renewed.expires(loaded.record.max_age(), Timestamp::now(), loaded.expires)?;
    let is_due = renewed <= loaded.expires || renewed.saturating_since(loaded.expires) >= renewal.after;
    is_due.then_some(renewed)
});
renews_as!(RenewalMovesByTheLeast, |renewal, loaded| {
    let renewed = renewal.expires(loaded.record.max_age(), Timestamp::now(), loaded.expires);
    renewed.or_else(|| Some(loaded.expires.saturating_add(renewal.after)))
});

#[derive(Clone, Default)]
pub(crate) struct RenewalIsNotStored;

impl Flaw for RenewalIsNotStored {
    fn load<'a>(
        &'a self,
        store: &'a MemoryStore,
        id: &'a SessionId,
        renewal: Option<Renewal>,
    ) -> StoreFuture<'a, Option<Loaded>> {
        StoreFuture::new(async move {
            let Some(mut loaded) = store.load(id, None).await? else { return Ok(None) };
            let renew = |renewal: Renewal| renewal.expires(loaded.record.max_age(), Timestamp::now(), loaded.expires);
            loaded.expires = renewal.and_then(renew).unwrap_or(loaded.expires);
            Ok(Some(loaded))
        })
    }
}

#[derive(Clone, Default)]
pub(crate) struct RenewalChangesRevision;

impl Flaw for RenewalChangesRevision {
    fn load<'a>(
        &'a self,
        store: &'a MemoryStore,
        id: &'a SessionId,
        renewal: Option<Renewal>,
    ) -> StoreFuture<'a, Option<Loaded>> {
        StoreFuture::new(async move {
            let Some(loaded) = store.load(id, renewal).await? else { return Ok(None) };
            if renewal.is_some() {
                let record = Record::from_json(loaded.record.json().clone());
                store.update(id, loaded.revision, record, loaded.expires).await?;
            }
            store.load(id, None).await
        })
    }
}
