//! Sessions in an SQLite file.

use std::str::FromStr;
use std::time::{Duration, Instant};

use sqlx::error::DatabaseError;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use super::SqlStore;
use super::dialect::Dialect;
use super::driver::{self, Driver};
use crate::error::StoreError;

/// A store in an SQLite file: for one machine, and sessions that survive a restart.
///
/// ```no_run
/// use session::SqliteStore;
///
/// # async fn example() -> Result<(), session::StoreError> {
/// let store = SqliteStore::open("sqlite:sessions.db").await?;
/// store.migrate().await?;
/// # Ok(()) }
/// ```
///
/// Its writers take turns, within this store and its clones; other processes wait up to the busy timeout. A pool of the
/// application's own has foreign keys switched on, as sqlx does by itself; WAL mode is advised. An operation that is given
/// up while it waits for another process's lock keeps its connection until the busy timeout ends: one shorter than
/// [`Options::store_timeout`](crate::Options::store_timeout) leaves the other connections to readers.
///
/// # Schema
///
/// ```sql
#[doc = include_str!("sqlite.sql")]
/// ```
pub type SqliteStore = SqlStore<Sqlite>;

/// The database of [`SqliteStore`].
#[derive(Debug)]
pub enum Sqlite {}

/// How long an operation waits while another process writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

impl SqliteStore {
    /// Opens the file that the URL names (`sqlite:sessions.db`, `sqlite:///var/lib/app.db`), or makes it.
    ///
    /// In WAL mode, with `synchronous = NORMAL`: a crash of the machine may undo the last writes, and never damages the
    /// file. Other processes are waited for up to 5 s. The file is made as the process's umask says: whoever may read it
    /// sees the sessions.
    ///
    /// # Errors
    /// If the URL isn't one, or the file can't be opened.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::from_str(url).map_err(StoreError::new)?;
        let options = options
            .create_if_missing(true)
            .foreign_keys(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(BUSY_TIMEOUT);
        let pool = SqlitePoolOptions::new()
            .max_connections(4)
            .acquire_timeout(BUSY_TIMEOUT)
            .test_before_acquire(false)
            .idle_timeout(None)
            .max_lifetime(None);
        let start = Instant::now();
        loop {
            match pool.clone().connect_with(options.clone()).await {
                Ok(pool) => return Ok(Self::new(pool)),
                // SQLite does not wait by itself while another process switches a new file to WAL mode.
                Err(error) if is_busy(&error) && start.elapsed() < BUSY_TIMEOUT => {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                Err(error) => return Err(StoreError::new(error)),
            }
        }
    }
}

fn is_busy(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(DatabaseError::code).is_some_and(|code| code == "5" || code == "261")
}

impl Driver for Sqlite {
    type Database = sqlx::Sqlite;

    const DIALECT: Dialect = Dialect {
        quote: '"',
        numbered: false,
        id: "s.sid",
        json: "sess",
        json_value: "?",
        revision: "revision",
        revision_is_stored: true,
        begin: "BEGIN",
        closes_dropped: false,
        has_time_zone: false,
        millis: "expire",
        expire_value: "?",
        lives: "expire > ?",
        has_expired: "expire <= ?",
        single_writer: true,
        sweep: "DELETE FROM {sessions} WHERE rowid IN \
            (SELECT rowid FROM {sessions} WHERE expire <= {now} ORDER BY expire LIMIT ?)",
        load_renewed: None,
        schema: include_str!("sqlite.sql"),
        before_schema: "",
        schema_exists: None,
        lacks_table: |error| error.message().starts_with("no such table"),
    };

    driver::statements!(sqlx::Sqlite);

    /// Another process wrote after this transaction's first look, recovers the file, or changed the schema.
    fn is_transient(error: &dyn DatabaseError) -> bool {
        error.code().is_some_and(|code| matches!(&*code, "517" | "261" | "262" | "17"))
    }
}

driver::query!(sqlx::Sqlite);
