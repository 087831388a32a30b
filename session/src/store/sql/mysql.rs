//! Sessions in MySQL or MariaDB.

use sqlx::Executor as _;
use sqlx::MySqlConnection;
use sqlx::error::DatabaseError;
use sqlx::mysql::{MySqlDatabaseError, MySqlPoolOptions};

use super::SqlStore;
use super::dialect::Dialect;
use super::driver::{self, Driver};
use super::shared::{CONNECT_TIMEOUT, cause};
use crate::error::StoreError;

/// A store in MySQL 8 or MariaDB 10.5, or later ones: for many machines.
///
/// ```no_run
/// use session::MySqlStore;
///
/// # async fn example() -> Result<(), session::StoreError> {
/// let store = MySqlStore::connect("mysql://app@db.example/app").await?;
/// store.migrate().await?;
/// # Ok(()) }
/// ```
///
/// Neither database returns what an `UPDATE` found, so a load whose renewal is due takes two statements. A record has
/// to fit into the server's `max_allowed_packet`. Where the server's `autocommit` is off, a pool of the application's own
/// has to switch it on: what is written would be lost otherwise, though it was answered.
///
/// # Schema
///
/// ```sql
#[doc = include_str!("mysql.sql")]
/// ```
pub type MySqlStore = SqlStore<MySql>;

/// The database of [`MySqlStore`].
#[derive(Debug)]
pub enum MySql {}

impl MySqlStore {
    /// Connects, with up to ten connections, for each of which is waited 5 s. They read what is committed, so that
    /// writers don't lock the gaps between sessions; for a pool of your own that is advised, too. And they commit each
    /// statement, whatever the server's `autocommit` says. For TLS, switch on one of the features of `sqlx`.
    ///
    /// # Errors
    /// If the server can't be reached.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        let pool = MySqlPoolOptions::new()
            .max_connections(10)
            .acquire_timeout(CONNECT_TIMEOUT)
            .test_before_acquire(false)
            .after_connect(|connection, _| {
                Box::pin(async move {
                    connection.execute("SET SESSION autocommit = 1").await?;
                    let isolation = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED";
                    connection.execute(isolation).await.map(|_| ())
                })
            })
            .connect(url);
        match pool.await {
            Ok(pool) => Ok(Self::new(pool)),
            Err(error) => Err(cause::<MySqlConnection>(url, error).await),
        }
    }
}

impl Driver for MySql {
    type Database = sqlx::MySql;

    const DIALECT: Dialect = Dialect {
        quote: '`',
        numbered: false,
        id: "CONVERT(s.sid USING utf8mb4)",
        json: "sess",
        json_value: "?",
        revision: "revision",
        revision_is_stored: true,
        // Where MariaDB is in the mode ORACLE, `BEGIN` is something else.
        begin: "START TRANSACTION",
        closes_dropped: true,
        has_time_zone: false,
        millis: "expire",
        expire_value: "?",
        lives: "expire > ?",
        has_expired: "expire <= ?",
        single_writer: false,
        sweep: "DELETE FROM {sessions} WHERE expire <= {now} ORDER BY expire LIMIT ?",
        load_renewed: None,
        schema: include_str!("mysql.sql"),
        before_schema: "",
        schema_exists: None,
        lacks_table: |error| error.code().as_deref() == Some("42S02"),
    };

    driver::statements!(sqlx::MySql);

    /// A deadlock (1213), or a record that changed since the transaction first looked (1020, MariaDB).
    fn is_transient(error: &dyn DatabaseError) -> bool {
        matches!(number(error), 1213 | 1020)
    }

    /// By an administrator's command (SQLSTATE 70100, 3169), or after a while without a statement (4031).
    fn is_lost(error: &dyn DatabaseError) -> bool {
        let code = error.code().unwrap_or_default();
        matches!(number(error), 3169 | 4031) || code == "70100" || code.starts_with("08")
    }

    /// By `read_only` (1290), a transaction's or a session's mode (1792), `innodb_read_only` (1836).
    fn is_demoted(error: &dyn DatabaseError) -> bool {
        matches!(number(error), 1290 | 1792 | 1836)
    }
}

fn number(error: &dyn DatabaseError) -> u16 {
    error.try_downcast_ref::<MySqlDatabaseError>().map_or(0, MySqlDatabaseError::number)
}

driver::query!(sqlx::MySql);
