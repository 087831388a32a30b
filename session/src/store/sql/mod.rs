//! What the SQL stores share. Each database's own part, in a file of its name, is what differs: types, a few words of
//! SQL, how it is connected to.

mod attempts;
mod dialect;
mod driver;
#[cfg(feature = "mysql")]
mod mysql;
mod operations;
#[cfg(feature = "postgres")]
mod postgres;
mod shared;
#[cfg(feature = "sqlite")]
mod sqlite;

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use sqlx::{Error, Pool};

#[cfg(feature = "mysql")]
pub use self::mysql::{MySql, MySqlStore};
#[cfg(feature = "postgres")]
pub use self::postgres::{Postgres, PostgresStore};
#[cfg(feature = "sqlite")]
pub use self::sqlite::{Sqlite, SqliteStore};

use self::driver::Driver;
use self::operations::Writing;
use self::shared::{Settings, Shared, Sweeper};
use super::{Created, Cursor, IndexKey, Loaded, Page, Renamed, Renewal, Store, StoreFuture, Updated};
use crate::error::{ConfigError, StoreError};
use crate::id::SessionId;
use crate::record::{Record, Revision};
use crate::timestamp::Timestamp;

/// A store in an SQL database: see [`SqliteStore`], [`PostgresStore`], [`MySqlStore`].
///
/// Clones share everything. Settings come before the first operation.
///
/// # Statements
///
/// | operation | statements |
/// |---|---|
/// | `load` | one; where a renewal is due, PostgreSQL does it in the same statement, the others in a second one |
/// | `create`, `update`, `rename` | one; where there was nothing to do, up to two more tell why |
/// | the same, of a record with [index keys](Record::index) | a transaction: these, one for all keys, one a change |
/// | `touch`, `destroy`, `all`, `find`, `len`, `clear` | one |
///
/// A load whose renewal isn't due writes nothing. The rows of index keys hang on their session by a foreign key that
/// follows it, so that they go when anybody removes the session.
///
/// # Failures
///
/// What the server gave up for another transaction's sake (a deadlock, a serialization failure) is done again, up to
/// ten times. A lost connection is replaced, and the operation is done again; a write whose reply was lost is known
/// by its revision. If somebody else has written since, nobody knows, and an update that adds to what was stored
/// ([`Record::accumulates`]) is an error. All else is an error, with sqlx's as its source: no connection within the pool's `acquire_timeout`, a lock that wasn't
/// free in time, a server that can't be reached.
pub struct SqlStore<D: Driver> {
    shared: Arc<Shared<D>>,
    sweeper: Arc<Sweeper>,
}

impl<D: Driver> SqlStore<D> {
    /// A store on a pool of the application's own.
    #[must_use]
    pub fn new(pool: Pool<D::Database>) -> Self {
        let settings = Settings { table: "session".into(), sweep_interval: Duration::from_secs(300), time_zone: None };
        Self { shared: Shared::new(pool, settings), sweeper: Arc::default() }
    }

    /// The name of the table. A second one, for index keys, has the same name followed by `_index`. Default: `session`.
    ///
    /// # Errors
    /// [`ConfigError::Table`] if it isn't made of 1 to 50 letters, digits and underscores, or begins with a digit.
    pub fn table(self, table: &str) -> Result<Self, ConfigError> {
        let table = D::DIALECT.checked(table)?;
        Ok(self.with(|settings| settings.table = table))
    }

    /// How often expired sessions are removed, in steps of 1000. They are never handed out; this is about the room that
    /// they take. Zero: never, because somebody else calls [`sweep`](Self::sweep). Default: five minutes.
    #[must_use]
    pub fn sweep_interval(self, interval: Duration) -> Self {
        self.with(|settings| settings.sweep_interval = interval)
    }

    /// Makes the tables and indexes that don't exist yet. Several processes may do that at the same time.
    ///
    /// # Errors
    /// If the database can't be reached, or doesn't allow it.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        let table = &self.shared.settings.table;
        let mut connection = self.shared.pool.acquire().await.map_err(StoreError::new)?;
        if let Some(exists) = D::DIALECT.schema_exists {
            let exists = sqlx::AssertSqlSafe(exists.replace("{table}", table));
            let found = D::number(&mut connection, &sqlx::SqlSafeStr::into_sql_str(exists), &[]).await;
            if found.map_err(StoreError::new)? > 0 {
                return Ok(());
            }
        }
        let before = D::DIALECT.before_schema.replace("{table}", table);
        D::define(&mut connection, before + &D::DIALECT.schema(table)).await.map_err(StoreError::new)
    }

    /// The statements that [`migrate`](Self::migrate) runs, for those who run them by hand.
    #[must_use]
    pub fn schema(&self) -> String {
        D::DIALECT.schema(&self.shared.settings.table)
    }

    /// Removes all expired sessions now; tells how many there were.
    ///
    /// # Errors
    /// If the database fails. What was removed before stays removed.
    pub async fn sweep(&self) -> Result<u64, StoreError> {
        self.shared.sweep_all().await.map_err(StoreError::new)
    }

    /// The pool on which the store works.
    #[must_use]
    pub fn pool(&self) -> &Pool<D::Database> {
        &self.shared.pool
    }

    fn with(self, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = self.shared.settings.clone();
        change(&mut settings);
        Self { shared: Shared::new(self.shared.pool.clone(), settings), sweeper: Arc::default() }
    }

    /// The operation's future is made where it is awaited: there would be room for it twice if it were moved in.
    fn answer<'a, T, F>(&'a self, operation: impl FnOnce() -> F + Send + 'a) -> StoreFuture<'a, T>
    where
        F: Future<Output = Result<T, Error>> + Send + 'a,
    {
        StoreFuture::new(async move {
            self.sweeper.start(&self.shared);
            operation().await.map_err(Self::failure)
        })
    }

    #[cold]
    fn failure(error: Error) -> StoreError {
        match error.as_database_error() {
            Some(reason) if (D::DIALECT.lacks_table)(reason) => StoreError::new(NoTable(error)),
            _ => StoreError::new(error),
        }
    }
}

impl<D: Driver> Clone for SqlStore<D> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), sweeper: Arc::clone(&self.sweeper) }
    }
}

impl<D: Driver> fmt::Debug for SqlStore<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Settings { table, sweep_interval, .. } = &self.shared.settings;
        f.debug_struct("SqlStore")
            .field("database", &<D::Database as sqlx::Database>::NAME)
            .field("table", table)
            .field("sweep_interval", sweep_interval)
            .finish_non_exhaustive()
    }
}

impl<D: Driver> Store for SqlStore<D> {
    fn load<'a>(&'a self, id: &'a SessionId, renewal: Option<Renewal>) -> StoreFuture<'a, Option<Loaded>> {
        self.answer(move || self.shared.load(id, renewal))
    }

    fn create<'a>(&'a self, id: &'a SessionId, record: Record, expires: Timestamp) -> StoreFuture<'a, Created> {
        self.answer(move || async move { self.shared.create(&Writing::new::<D>(id, &record, expires)?).await })
    }

    fn update<'a>(
        &'a self,
        id: &'a SessionId,
        expected: Revision,
        record: Record,
        expires: Timestamp,
    ) -> StoreFuture<'a, Updated> {
        self.answer(
            move || async move { self.shared.update(expected, &Writing::new::<D>(id, &record, expires)?).await },
        )
    }

    fn touch<'a>(&'a self, id: &'a SessionId, expires: Timestamp) -> StoreFuture<'a, bool> {
        self.answer(move || self.shared.touch(id, expires))
    }

    fn rename<'a>(
        &'a self,
        old: &'a SessionId,
        expected: Revision,
        new: &'a SessionId,
        record: Record,
        expires: Timestamp,
    ) -> StoreFuture<'a, Renamed> {
        self.answer(move || async move {
            self.shared.rename(old, expected, &Writing::new::<D>(new, &record, expires)?).await
        })
    }

    fn destroy<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, ()> {
        self.answer(move || self.shared.destroy(id))
    }

    fn all(&self, after: Option<Cursor>, limit: usize) -> StoreFuture<'_, Page> {
        self.answer(move || async move { self.shared.page(None, after.as_ref(), limit.max(1)).await })
    }

    fn find<'a>(&'a self, key: &'a IndexKey, after: Option<Cursor>, limit: usize) -> StoreFuture<'a, Page> {
        self.answer(move || async move { self.shared.page(Some(key), after.as_ref(), limit.max(1)).await })
    }

    fn len(&self) -> StoreFuture<'_, usize> {
        self.answer(move || self.shared.len())
    }

    fn clear(&self) -> StoreFuture<'_, ()> {
        self.answer(move || self.shared.clear())
    }
}

/// An error that is the application's, and not the database's.
#[derive(Debug, thiserror::Error)]
#[error("the store's tables are not there: call its `migrate()` before the first request")]
struct NoTable(#[source] Error);
