//! A store as a server may be: its answers take a while, its revisions are digests, its clock counts whole seconds, its
//! pages show sessions again.

use std::hash::{DefaultHasher, Hash, Hasher};

use session::store::{
    Created, Cursor, IndexKey, Loaded, Page, Record, Renamed, Renewal, Revision, StoreFuture, Updated,
};
use session::{MemoryStore, SessionId, Store, StoreError, Timestamp};
use tokio::task::yield_now;

#[derive(Clone, Default)]
pub(crate) struct Served(MemoryStore);

fn digest(record: &Record) -> Revision {
    let mut hasher = DefaultHasher::new();
    record.json().hash(&mut hasher);
    hasher.finish().into()
}

fn digested(loaded: Loaded) -> Loaded {
    Loaded { revision: digest(&loaded.record), ..loaded }
}

fn rounded_up(expires: Timestamp) -> Timestamp {
    Timestamp::from_millis(expires.as_millis().saturating_add(999).div_euclid(1000) * 1000)
}

/// Each page that is not the last one is followed by one with its first session again, or none if it is gone.
fn shown(page: Page) -> Page {
    let first = page.sessions.first().map_or("", |(id, _)| id.as_str());
    let next = page.next.map(|next| Cursor::new(format!("again {} {first}{}", first.len(), next.as_str())));
    let sessions = page.sessions.into_iter().map(|(id, loaded)| (id, digested(loaded))).collect();
    Page { sessions, next }
}

/// The session that a page shows again, and where the next one begins.
fn again(after: Option<&Cursor>) -> Option<(&str, Cursor)> {
    let (length, rest) = after?.as_str().strip_prefix("again ")?.split_once(' ')?;
    let (id, next) = rest.split_at_checked(length.parse().ok()?)?;
    Some((id, Cursor::new(next)))
}

impl Served {
    async fn page(&self, key: Option<&IndexKey>, after: Option<Cursor>, limit: usize) -> Result<Page, StoreError> {
        if let Some((id, next)) = again(after.as_ref()) {
            let found = match SessionId::new(id) {
                Ok(id) => self.0.load(&id, None).await?.map(|loaded| (id, digested(loaded))),
                Err(_) => None,
            };
            let is_wanted = |(_, loaded): &(SessionId, Loaded)| {
                key.is_none_or(|key| loaded.record.index().unwrap_or_default().contains(key))
            };
            return Ok(Page { sessions: found.filter(is_wanted).into_iter().collect(), next: Some(next) });
        }
        match key {
            None => self.0.all(after, limit).await.map(shown),
            Some(key) => self.0.find(key, after, limit).await.map(shown),
        }
    }

    async fn renewed(&self, id: &SessionId, renewal: Renewal) -> Result<Option<Loaded>, StoreError> {
        let Some(mut loaded) = self.0.load(id, None).await? else { return Ok(None) };
        if let Some(expires) = renewal.expires(loaded.record.max_age(), Timestamp::now(), loaded.expires) {
            loaded.expires = rounded_up(expires);
            if !self.0.touch(id, loaded.expires).await? {
                return Ok(None);
            }
        }
        Ok(Some(loaded))
    }

    async fn updated(
        &self,
        id: &SessionId,
        expected: Revision,
        record: Record,
        expires: Timestamp,
    ) -> Result<Updated, StoreError> {
        loop {
            match self.0.load(id, None).await? {
                None => return Ok(Updated::Gone),
                Some(current) if digest(&current.record) != expected => {
                    return Ok(Updated::Conflict(digested(current)));
                }
                Some(current) => {
                    match self.0.update(id, current.revision, record.clone(), rounded_up(expires)).await? {
                        Updated::Replaced(_) => return Ok(Updated::Replaced(digest(&record))),
                        Updated::Gone => return Ok(Updated::Gone),
                        Updated::Conflict(_) => yield_now().await,
                    }
                }
            }
        }
    }

    async fn renamed(
        &self,
        (old, expected): (&SessionId, Revision),
        new: &SessionId,
        record: Record,
        expires: Timestamp,
    ) -> Result<Renamed, StoreError> {
        loop {
            let current = match self.0.load(old, None).await? {
                None => return Ok(Renamed::Gone),
                Some(current) if digest(&current.record) != expected => {
                    return Ok(Renamed::Conflict(digested(current)));
                }
                Some(current) => current.revision,
            };
            match self.0.rename(old, current, new, record.clone(), rounded_up(expires)).await? {
                Renamed::Stored(_) => return Ok(Renamed::Stored(digest(&record))),
                Renamed::Conflict(_) => yield_now().await,
                renamed => return Ok(renamed),
            }
        }
    }
}

/// The question travels, and the answer does.
macro_rules! later {
    ($answer:expr) => {
        StoreFuture::new(async move {
            yield_now().await;
            let answer = $answer;
            yield_now().await;
            answer
        })
    };
}

impl Store for Served {
    fn load<'a>(&'a self, id: &'a SessionId, renewal: Option<Renewal>) -> StoreFuture<'a, Option<Loaded>> {
        later!(
            match renewal {
                None => self.0.load(id, None).await,
                Some(renewal) => self.renewed(id, renewal).await,
            }
            .map(|loaded| loaded.map(digested))
        )
    }

    fn create<'a>(&'a self, id: &'a SessionId, record: Record, expires: Timestamp) -> StoreFuture<'a, Created> {
        later!(self.0.create(id, record.clone(), rounded_up(expires)).await.map(|created| match created {
            Created::Stored(_) => Created::Stored(digest(&record)),
            Created::Taken => Created::Taken,
        }))
    }

    fn update<'a>(
        &'a self,
        id: &'a SessionId,
        expected: Revision,
        record: Record,
        expires: Timestamp,
    ) -> StoreFuture<'a, Updated> {
        later!(self.updated(id, expected, record, expires).await)
    }

    fn touch<'a>(&'a self, id: &'a SessionId, expires: Timestamp) -> StoreFuture<'a, bool> {
        later!(self.0.touch(id, rounded_up(expires)).await)
    }

    fn rename<'a>(
        &'a self,
        old: &'a SessionId,
        expected: Revision,
        new: &'a SessionId,
        record: Record,
        expires: Timestamp,
    ) -> StoreFuture<'a, Renamed> {
        later!(self.renamed((old, expected), new, record, expires).await)
    }

    fn destroy<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, ()> {
        later!(self.0.destroy(id).await)
    }

    fn all(&self, after: Option<Cursor>, limit: usize) -> StoreFuture<'_, Page> {
        later!(self.page(None, after, limit).await)
    }

    fn find<'a>(&'a self, key: &'a IndexKey, after: Option<Cursor>, limit: usize) -> StoreFuture<'a, Page> {
        later!(self.page(Some(key), after, limit).await)
    }

    fn len(&self) -> StoreFuture<'_, usize> {
        later!(self.0.len().await)
    }

    fn clear(&self) -> StoreFuture<'_, ()> {
        later!(self.0.clear().await)
    }
}
