//! Listings, counts and indexes that are not what is stored.

use session::store::{Created, Cursor, IndexKey, Loaded, Page, Record, Renamed, Revision, StoreFuture, Updated};
use session::{MemoryStore, SessionId, Store, StoreError, Timestamp};

use super::{Flaw, Memory};

/// All living sessions, in order.
async fn sorted(store: &MemoryStore) -> Result<Vec<(SessionId, Loaded)>, StoreError> {
    let mut sessions = store.all(None, usize::MAX).await?.sessions;
    sessions.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(sessions)
}

/// The sessions from one place on, and the place where the next page begins.
fn cut(sessions: Vec<(SessionId, Loaded)>, from: usize, limit: usize, next: usize) -> Page {
    let next = (from.saturating_add(limit) < sessions.len()).then(|| Cursor::new(next.to_string()));
    Page { sessions: sessions.into_iter().skip(from).take(limit).collect(), next }
}

fn place(cursor: Option<Cursor>) -> usize {
    cursor.and_then(|cursor| cursor.as_str().parse().ok()).unwrap_or(0)
}

/// Pages through all sessions in a way of its own: where a page begins, and its limit, give where the next one does.
macro_rules! pages_as {
    ($flaw:ident, $next:expr) => {
        #[derive(Clone, Default)]
        pub(crate) struct $flaw;

        impl Flaw for $flaw {
            fn all<'a>(&'a self, store: &'a MemoryStore, after: Option<Cursor>, limit: usize) -> StoreFuture<'a, Page> {
                StoreFuture::new(async move {
                    let next: fn(usize, usize) -> usize = $next;
                    let (from, limit) = (place(after), limit.max(1));
                    Ok(cut(sorted(store).await?, from, limit, next(from, limit)))
                })
            }
        }
    };
}

pages_as!(PagesSkip, |from, limit| from + limit + 1);
pages_as!(CursorsAreNumbers, |from, limit| from.saturating_add(limit));

#[derive(Clone, Default)]
pub(crate) struct PagesRepeat;

impl Flaw for PagesRepeat {
    fn all<'a>(&'a self, store: &'a MemoryStore, after: Option<Cursor>, limit: usize) -> StoreFuture<'a, Page> {
        StoreFuture::new(async move {
            let mut page = store.all(after, limit).await?;
            page.sessions.extend(page.sessions.first().cloned());
            Ok(page)
        })
    }
}

#[derive(Clone, Default)]
pub(crate) struct PagesWithoutLimit;

impl Flaw for PagesWithoutLimit {
    fn all<'a>(&'a self, store: &'a MemoryStore, after: Option<Cursor>, _: usize) -> StoreFuture<'a, Page> {
        store.all(after, usize::MAX)
    }
}

#[derive(Clone, Default)]
pub(crate) struct LimitOfZeroIsTheEnd;

impl Flaw for LimitOfZeroIsTheEnd {
    fn all<'a>(&'a self, store: &'a MemoryStore, after: Option<Cursor>, limit: usize) -> StoreFuture<'a, Page> {
        if limit == 0 {
            return StoreFuture::ready(Ok(Page { sessions: Vec::new(), next: None }));
        }
        store.all(after, limit)
    }

    fn find<'a>(
        &'a self,
        store: &'a MemoryStore,
        key: &'a IndexKey,
        after: Option<Cursor>,
        limit: usize,
    ) -> StoreFuture<'a, Page> {
        if limit == 0 {
            return StoreFuture::ready(Ok(Page { sessions: Vec::new(), next: None }));
        }
        store.find(key, after, limit)
    }
}

#[derive(Clone, Default)]
pub(crate) struct LimitsAreSmall;

impl Flaw for LimitsAreSmall {
    fn all<'a>(&'a self, store: &'a MemoryStore, after: Option<Cursor>, limit: usize) -> StoreFuture<'a, Page> {
        match i32::try_from(limit) {
            Ok(_) => store.all(after, limit),
            Err(error) => StoreFuture::ready(Err(StoreError::new(error))),
        }
    }
}

/// Remembers what has expired.
#[derive(Clone, Default)]
pub(crate) struct LenCountsExpired(Memory<()>);

impl Flaw for LenCountsExpired {
    fn create<'a>(
        &'a self,
        store: &'a MemoryStore,
        id: &'a SessionId,
        record: Record,
        expires: Timestamp,
    ) -> StoreFuture<'a, Created> {
        self.0.lock().insert(id.clone(), ());
        store.create(id, record, expires)
    }

    fn destroy<'a>(&'a self, store: &'a MemoryStore, id: &'a SessionId) -> StoreFuture<'a, ()> {
        self.0.lock().remove(id);
        store.destroy(id)
    }

    fn len<'a>(&'a self, _: &'a MemoryStore) -> StoreFuture<'a, usize> {
        StoreFuture::ready(Ok(self.0.lock().len()))
    }
}

/// Remembers what has expired.
#[derive(Clone, Default)]
pub(crate) struct ListsExpired(Memory<Loaded>);

impl Flaw for ListsExpired {
    fn create<'a>(
        &'a self,
        store: &'a MemoryStore,
        id: &'a SessionId,
        record: Record,
        expires: Timestamp,
    ) -> StoreFuture<'a, Created> {
        self.0.lock().insert(id.clone(), Loaded { record: record.clone(), revision: 0.into(), expires });
        store.create(id, record, expires)
    }

    fn all<'a>(&'a self, store: &'a MemoryStore, after: Option<Cursor>, limit: usize) -> StoreFuture<'a, Page> {
        StoreFuture::new(async move {
            let mut page = store.all(after, limit).await?;
            if page.next.is_none() {
                let now = Timestamp::now();
                let expired = self.0.lock().clone().into_iter().filter(|(_, loaded)| loaded.expires <= now);
                page.sessions.extend(expired);
            }
            Ok(page)
        })
    }
}

#[derive(Clone, Default)]
pub(crate) struct ClearDoesNothing;

impl Flaw for ClearDoesNothing {
    fn clear<'a>(&'a self, _: &'a MemoryStore) -> StoreFuture<'a, ()> {
        StoreFuture::ready(Ok(()))
    }
}

/// Lists living sessions by every key that their id ever had.
#[derive(Clone, Default)]
pub(crate) struct FindNeverForgets(Memory<Vec<IndexKey>>);

impl FindNeverForgets {
    fn remember(&self, id: &SessionId, record: &Record) {
        self.0.lock().entry(id.clone()).or_default().extend_from_slice(record.index().unwrap_or_default());
    }
}

impl Flaw for FindNeverForgets {
    fn create<'a>(
        &'a self,
        store: &'a MemoryStore,
        id: &'a SessionId,
        record: Record,
        expires: Timestamp,
    ) -> StoreFuture<'a, Created> {
        self.remember(id, &record);
        store.create(id, record, expires)
    }

    fn update<'a>(
        &'a self,
        store: &'a MemoryStore,
        id: &'a SessionId,
        expected: Revision,
        record: Record,
        expires: Timestamp,
    ) -> StoreFuture<'a, Updated> {
        self.remember(id, &record);
        store.update(id, expected, record, expires)
    }

    fn find<'a>(
        &'a self,
        store: &'a MemoryStore,
        key: &'a IndexKey,
        after: Option<Cursor>,
        limit: usize,
    ) -> StoreFuture<'a, Page> {
        StoreFuture::new(async move {
            let mut sessions = sorted(store).await?;
            sessions.retain(|(id, _)| self.0.lock().get(id).is_some_and(|keys| keys.contains(key)));
            let (from, limit) = (place(after), limit.max(1));
            Ok(cut(sessions, from, limit, from.saturating_add(limit)))
        })
    }
}

#[derive(Clone, Default)]
pub(crate) struct FindShowsNoRecord;

impl Flaw for FindShowsNoRecord {
    fn find<'a>(
        &'a self,
        store: &'a MemoryStore,
        key: &'a IndexKey,
        after: Option<Cursor>,
        limit: usize,
    ) -> StoreFuture<'a, Page> {
        StoreFuture::new(async move {
            let mut page = store.find(key, after, limit).await?;
            page.sessions.iter_mut().for_each(|(_, loaded)| loaded.record = Record::from_json("{}"));
            Ok(page)
        })
    }
}

/// What is indexed lives as long as the record was to live when it was created.
#[derive(Clone, Default)]
pub(crate) struct IndexKeepsFirstExpiry(Memory<Timestamp>);

impl Flaw for IndexKeepsFirstExpiry {
    fn create<'a>(
        &'a self,
        store: &'a MemoryStore,
        id: &'a SessionId,
        record: Record,
        expires: Timestamp,
    ) -> StoreFuture<'a, Created> {
        self.0.lock().insert(id.clone(), expires);
        store.create(id, record, expires)
    }

    fn find<'a>(
        &'a self,
        store: &'a MemoryStore,
        key: &'a IndexKey,
        after: Option<Cursor>,
        limit: usize,
    ) -> StoreFuture<'a, Page> {
        StoreFuture::new(async move {
            let mut page = store.find(key, after, limit).await?;
            let now = Timestamp::now();
            page.sessions.retain(|(id, _)| self.0.lock().get(id).is_none_or(|expires| *expires > now));
            Ok(page)
        })
    }
}

#[derive(Clone, Default)]
pub(crate) struct RenameLosesIndex;

impl Flaw for RenameLosesIndex {
    fn rename<'a>(
        &'a self,
        store: &'a MemoryStore,
        old: (&'a SessionId, Revision),
        new: &'a SessionId,
        record: Record,
        expires: Timestamp,
    ) -> StoreFuture<'a, Renamed> {
        store.rename(old.0, old.1, new, record.with_index([]), expires)
    }
}

#[derive(Clone, Default)]
pub(crate) struct OneKeyARecord;

impl Flaw for OneKeyARecord {
    fn create<'a>(
        &'a self,
        store: &'a MemoryStore,
        id: &'a SessionId,
        record: Record,
        expires: Timestamp,
    ) -> StoreFuture<'a, Created> {
        let first: Vec<_> = record.index().unwrap_or_default().first().cloned().into_iter().collect();
        store.create(id, record.with_index(first), expires)
    }
}
