//! The store under test, with its answers looked at.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use super::case::{Checked, Failure};
use super::sample::{LATE, SHORT, id, record, same, within};
use crate::id::SessionId;
use crate::store::{
    Created, Cursor, IndexKey, Loaded, Page, Record, Renamed, Renewal, Revision, Store, StoreFuture, Timestamp, Updated,
};

/// More pages than a listing of a case can have.
const MANY_PAGES: usize = 100_000;

/// A handle on the store under test. A clone is a clone of the store.
pub(super) struct Probe(Box<dyn Handle>);

trait Handle: Store {
    fn cloned(&self) -> Box<dyn Handle>;
}

impl<S: Store + Clone> Handle for S {
    fn cloned(&self) -> Box<dyn Handle> {
        Box::new(self.clone())
    }
}

impl Clone for Probe {
    fn clone(&self) -> Self {
        Self(self.0.cloned())
    }
}

/// The operations; an error is a failure of the case.
impl Probe {
    pub(super) fn new(store: impl Store + Clone) -> Self {
        Self(Box::new(store))
    }

    pub(super) fn store(&self) -> &dyn Store {
        &*self.0
    }

    pub(super) async fn load(&self, id: &SessionId) -> Checked<Option<Loaded>> {
        answer("load", self.0.load(id, None)).await
    }

    pub(super) async fn renew(&self, id: &SessionId, renewal: Renewal) -> Checked<Option<Loaded>> {
        answer("load", self.0.load(id, Some(renewal))).await
    }

    pub(super) async fn create(&self, id: &SessionId, record: &Record, expires: Timestamp) -> Checked<Created> {
        answer("create", self.0.create(id, record.clone(), expires)).await
    }

    pub(super) async fn update(
        &self,
        id: &SessionId,
        expected: Revision,
        record: &Record,
        expires: Timestamp,
    ) -> Checked<Updated> {
        answer("update", self.0.update(id, expected, record.clone(), expires)).await
    }

    pub(super) async fn touch(&self, id: &SessionId, expires: Timestamp) -> Checked<bool> {
        answer("touch", self.0.touch(id, expires)).await
    }

    pub(super) async fn rename(
        &self,
        (old, expected): (&SessionId, Revision),
        new: &SessionId,
        record: &Record,
        expires: Timestamp,
    ) -> Checked<Renamed> {
        answer("rename", self.0.rename(old, expected, new, record.clone(), expires)).await
    }

    pub(super) async fn destroy(&self, id: &SessionId) -> Checked {
        answer("destroy", self.0.destroy(id)).await
    }

    pub(super) async fn len(&self) -> Checked<usize> {
        answer("len", self.0.len()).await
    }

    pub(super) async fn clear(&self) -> Checked {
        answer("clear", self.0.clear()).await
    }

    /// A page of all sessions, or of those with a key.
    pub(super) async fn page(&self, key: Option<&IndexKey>, after: Option<Cursor>, limit: usize) -> Checked<Page> {
        match key {
            None => answer("all", self.0.all(after, limit)).await,
            Some(key) => answer("find", self.0.find(key, after, limit)).await,
        }
    }
}

/// Steps that succeed with a store that keeps the contract.
impl Probe {
    /// Creates a record under a free id.
    pub(super) async fn stored(&self, id: &SessionId, record: &Record, expires: Timestamp) -> Checked<Revision> {
        match self.create(id, record, expires).await? {
            Created::Stored(revision) => Ok(revision),
            Created::Taken => Err(Failure::new("`create` reports a free id as taken")),
        }
    }

    /// Replaces a record that has this revision.
    pub(super) async fn replaced(
        &self,
        id: &SessionId,
        expected: Revision,
        record: &Record,
        expires: Timestamp,
    ) -> Checked<Revision> {
        match self.update(id, expected, record, expires).await? {
            Updated::Replaced(revision) => Ok(revision),
            Updated::Conflict(_) => Err(Failure::new("`update` reports a conflict where there is none")),
            Updated::Gone => Err(Failure::new("`update` reports a living record as gone")),
        }
    }

    /// Renames a record that has this revision, to a free id.
    pub(super) async fn renamed(
        &self,
        old: (&SessionId, Revision),
        new: &SessionId,
        record: &Record,
        expires: Timestamp,
    ) -> Checked<Revision> {
        match self.rename(old, new, record, expires).await? {
            Renamed::Stored(revision) => Ok(revision),
            other => Err(Failure::new(format!("`rename` of a living record to a free id answers {other:?}"))),
        }
    }

    pub(super) async fn living(&self, id: &SessionId) -> Checked<Loaded> {
        self.load(id).await?.ok_or_else(|| Failure::new("`load` finds none, but there is a living record"))
    }

    pub(super) async fn holds(
        &self,
        id: &SessionId,
        record: &Record,
        revision: &Revision,
        expires: Timestamp,
    ) -> Checked {
        same(&self.living(id).await?, record, revision, expires)
    }

    /// Neither loaded, nor renewed, nor touched.
    pub(super) async fn is_none(&self, id: &SessionId) -> Checked {
        ensure!(self.load(id).await?.is_none(), "`load` finds a record where there is none");
        ensure!(!self.touch(id, within(SHORT)).await?, "`touch` finds a record where there is none");
        ensure!(self.load(id).await?.is_none(), "`touch` created a record");
        Ok(())
    }

    /// Stores a record and waits until it has expired. It is not looked at meanwhile: a store may do its tidying then.
    pub(super) async fn expired(&self, id: &SessionId, record: &Record) -> Checked<Revision> {
        let expires = within(SHORT);
        let revision = self.stored(id, record, expires).await?;
        self.outlast(expires).await?;
        Ok(revision)
    }

    /// Waits until another record with this expiry is none.
    pub(super) async fn outlast(&self, expires: Timestamp) -> Checked {
        let other = id()?;
        self.stored(&other, &record(0), expires).await?;
        loop {
            let asked = Timestamp::now();
            if self.load(&other).await?.is_none() {
                break;
            }
            ensure!(asked <= expires.saturating_add(LATE), "a record lives on more than 1 s after its expiry");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        Ok(())
    }

    /// Stores so many records; with a key, if there is one.
    pub(super) async fn filled(&self, number: u64, keys: &[&IndexKey]) -> Checked<Vec<SessionId>> {
        let mut ids = Vec::new();
        for number in 0..number {
            let id = id()?;
            let record = if keys.is_empty() { record(number) } else { super::sample::indexed(number, keys) };
            self.stored(&id, &record, within(Duration::from_secs(3600))).await?;
            ids.push(id);
        }
        Ok(ids)
    }

    /// All pages of a listing, to its end. A session that is on several is as the last of them says.
    pub(super) async fn listed(&self, key: Option<&IndexKey>, limit: usize) -> Checked<BTreeMap<SessionId, Loaded>> {
        let mut listed = BTreeMap::new();
        let mut after = None;
        for _ in 0..MANY_PAGES {
            let page = self.page(key, after, limit).await?;
            let length = page.sessions.len();
            let sessions: BTreeMap<_, _> = page.sessions.into_iter().collect();
            ensure!(sessions.len() == length, "a page of {limit} has a session twice");
            listed.extend(sessions);
            // A cursor outlives the handle, and the process, that it came from.
            after = page.next.map(|cursor| Cursor::new(cursor.as_str()));
            if after.is_none() {
                return Ok(listed);
            }
        }
        Err(Failure::new(format!("the listing in pages of {limit} does not end")))
    }

    pub(super) async fn finds(&self, key: &IndexKey, id: &SessionId) -> Checked<bool> {
        Ok(self.listed(Some(key), 100).await?.contains_key(id))
    }
}

async fn answer<T>(operation: &str, future: StoreFuture<'_, T>) -> Checked<T> {
    future.await.map_err(|error| Failure::of_operation(operation, &error))
}

/// Runs all of them at the same time.
pub(super) async fn together<T, F>(tasks: impl IntoIterator<Item = F>) -> Checked<Vec<T>>
where
    T: Send + 'static,
    F: Future<Output = Checked<T>> + Send + 'static,
{
    let tasks: Vec<_> = tasks.into_iter().map(tokio::spawn).collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await??);
    }
    Ok(answers)
}

/// Runs both at the same time. From round to round, one gets another start on the other.
pub(super) async fn both<T, U>(
    round: u64,
    one: impl Future<Output = Checked<T>> + Send + 'static,
    other: impl Future<Output = Checked<U>> + Send + 'static,
) -> Checked<(T, U)>
where
    T: Send + 'static,
    U: Send + 'static,
{
    let one = tokio::spawn(later(round / 4 % 4, one));
    let other = tokio::spawn(later(round % 4, other));
    Ok((one.await??, other.await??))
}

async fn later<T>(turns: u64, future: impl Future<Output = T>) -> T {
    for _ in 0..turns {
        tokio::task::yield_now().await;
    }
    future.await
}
