//! A store that lists as some servers do: they rearrange what they list, so that a later page has sessions again, and a
//! session that changes its id in between is on no page.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use session::store::{
    Created, Cursor, IndexKey, Loaded, Page, Record, Renamed, Renewal, Revision, StoreFuture, Updated,
};
use session::{MemoryStore, Session, SessionId, SessionLayer, Sessions, Store, StoreError, Timestamp};
use session_tests::secret;

#[derive(Clone, Default)]
struct Rearranging {
    inner: MemoryStore,
    /// What is found by the next `find` changes its id before it is listed.
    moves_next: Arc<AtomicBool>,
}

impl Rearranging {
    /// The page, and all that come before it.
    async fn again(&self, key: Option<&IndexKey>, after: Option<Cursor>, limit: usize) -> Result<Page, StoreError> {
        let pages = after.map_or(1, |cursor| cursor.as_str().parse().unwrap());
        let limit = pages * limit;
        let mut page = match key {
            Some(key) => self.inner.find(key, None, limit).await?,
            None => self.inner.all(None, limit).await?,
        };
        page.next = page.next.map(|_| Cursor::new((pages + 1).to_string()));
        Ok(page)
    }

    async fn find_while_it_moves(&self, key: &IndexKey) -> Result<Page, StoreError> {
        for (id, found) in self.inner.find(key, None, usize::MAX).await?.sessions {
            let new = SessionId::random().unwrap();
            let renamed = self.inner.rename(&id, found.revision, &new, found.record, found.expires).await?;
            assert!(matches!(renamed, Renamed::Stored(_)));
        }
        Ok(Page { sessions: Vec::new(), next: None })
    }
}

impl Store for Rearranging {
    fn load<'a>(&'a self, id: &'a SessionId, renewal: Option<Renewal>) -> StoreFuture<'a, Option<Loaded>> {
        self.inner.load(id, renewal)
    }

    fn create<'a>(&'a self, id: &'a SessionId, record: Record, expires: Timestamp) -> StoreFuture<'a, Created> {
        self.inner.create(id, record, expires)
    }

    fn update<'a>(
        &'a self,
        id: &'a SessionId,
        expected: Revision,
        record: Record,
        expires: Timestamp,
    ) -> StoreFuture<'a, Updated> {
        self.inner.update(id, expected, record, expires)
    }

    fn touch<'a>(&'a self, id: &'a SessionId, expires: Timestamp) -> StoreFuture<'a, bool> {
        self.inner.touch(id, expires)
    }

    fn rename<'a>(
        &'a self,
        old: &'a SessionId,
        expected: Revision,
        new: &'a SessionId,
        record: Record,
        expires: Timestamp,
    ) -> StoreFuture<'a, Renamed> {
        self.inner.rename(old, expected, new, record, expires)
    }

    fn destroy<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, ()> {
        self.inner.destroy(id)
    }

    fn all(&self, after: Option<Cursor>, limit: usize) -> StoreFuture<'_, Page> {
        StoreFuture::new(self.again(None, after, limit))
    }

    fn find<'a>(&'a self, key: &'a IndexKey, after: Option<Cursor>, limit: usize) -> StoreFuture<'a, Page> {
        if self.moves_next.swap(false, Ordering::SeqCst) {
            return StoreFuture::new(self.find_while_it_moves(key));
        }
        StoreFuture::new(self.again(Some(key), after, limit))
    }

    fn len(&self) -> StoreFuture<'_, usize> {
        self.inner.len()
    }

    fn clear(&self) -> StoreFuture<'_, ()> {
        self.inner.clear()
    }
}

#[derive(Session)]
struct OldVisit {
    #[session(index)]
    user: String,
}

#[derive(Session)]
#[session(version = 2, previous = OldVisit)]
struct Visit {
    #[session(index)]
    user: String,
    number: u32,
}

impl From<OldVisit> for Visit {
    fn from(old: OldVisit) -> Self {
        Self { user: old.user, number: 7 }
    }
}

/// So many sessions of Ada, in the form of the older version.
async fn filled(number: usize) -> (Rearranging, Sessions<Visit>) {
    let store = Rearranging::default();
    for _ in 0..number {
        let record = Record::from_json(r#"{"cookie":{"originalMaxAge":null},"user":"ada"}"#);
        let record = record.with_index([IndexKey::new("user", br#""ada""#)]);
        let expires = Timestamp::now().saturating_add(std::time::Duration::from_secs(60));
        store.create(&SessionId::random().unwrap(), record, expires).await.unwrap();
    }
    let sessions = SessionLayer::<Visit>::new(store.clone(), secret()).sessions();
    (store, sessions)
}

#[tokio::test]
async fn what_is_found_comes_once() {
    let (_, sessions) = filled(25).await;
    let (mut found, mut number) = (sessions.find(Visit::by_user("ada")).page_size(10), 0);
    while let Some(session) = found.next().await.unwrap() {
        assert_eq!(session.number, 7);
        number += 1;
    }
    assert_eq!(number, 25);
    assert_eq!(sessions.len().await.unwrap(), 25);
}

#[tokio::test]
async fn a_session_that_is_listed_again_is_upgraded_once() {
    let (_, sessions) = filled(25).await;
    let done = sessions.migrate_all().page_size(10).run().await.unwrap();
    assert_eq!((done.upgraded, done.unreadable), (25, 0));
    assert!(done.seen > 25, "the pages overlap");
    let done = sessions.migrate_all().page_size(10).run().await.unwrap();
    assert_eq!(done.upgraded, 0);
}

#[tokio::test]
async fn a_session_that_is_listed_again_is_destroyed_once() {
    let (_, sessions) = filled(600).await;
    assert_eq!(sessions.destroy_all(&Visit::by_user("ada")).await.unwrap(), 600);
    assert_eq!(sessions.len().await.unwrap(), 0);
}

#[tokio::test]
async fn a_session_that_changes_its_id_while_it_is_looked_for_is_destroyed() {
    let (store, sessions) = filled(3).await;
    store.moves_next.store(true, Ordering::SeqCst);
    assert_eq!(sessions.destroy_all(&Visit::by_user("ada")).await.unwrap(), 3);
    assert_eq!(sessions.len().await.unwrap(), 0);
}
