//! Databases of a test's own, which end with it.

use std::path::PathBuf;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use session::{MySqlStore, PostgresStore, SessionId, SqliteStore, Store};
use sqlx::{AssertSqlSafe, Connection as _};

/// Which database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A file of its own.
    Sqlite,
    /// At `POSTGRES_URL`, or on its port of this machine.
    Postgres,
    /// MySQL or MariaDB, at `MYSQL_URL`, or on its port of this machine.
    Mysql,
}

/// A database of its own, empty at first. It is removed with the value.
#[derive(Debug)]
pub struct Database {
    /// Which one.
    pub kind: Kind,
    /// Of the database.
    pub url: String,
    server: String,
    name: String,
}

/// A store, its kind still known.
#[derive(Debug)]
#[expect(missing_docs, reason = "they are named as their kinds")]
pub enum AnyStore {
    Sqlite(SqliteStore),
    Postgres(PostgresStore),
    Mysql(MySqlStore),
}

/// Does the same with each kind of store.
macro_rules! each {
    ($store:expr, $inner:ident => $work:expr) => {
        match $store {
            AnyStore::Sqlite($inner) => $work,
            AnyStore::Postgres($inner) => $work,
            AnyStore::Mysql($inner) => $work,
        }
    };
}

impl Database {
    /// Makes one.
    ///
    /// # Panics
    /// If the server refuses.
    pub async fn new(kind: Kind) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let random = SessionId::random().unwrap();
        let random: String = random.as_str().chars().filter(char::is_ascii_alphanumeric).take(12).collect();
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("session_test_{}_{number}_{}", process::id(), random.to_lowercase());
        let server = match kind {
            Kind::Sqlite => String::new(),
            Kind::Postgres => url("POSTGRES_URL", "postgres://postgres@127.0.0.1:5432/postgres"),
            Kind::Mysql => url("MYSQL_URL", "mysql://root@127.0.0.1:3306/mysql"),
        };
        let url = match kind {
            Kind::Sqlite => format!("sqlite:{}", file(&name).display()),
            _ => on_the_same_server(&server, &name),
        };
        let database = Self { kind, url, server, name };
        database.administer(&format!("CREATE DATABASE {}", database.name)).await;
        if kind == Kind::Postgres {
            // No test pulls the plug, and waiting for the disk takes most of the time.
            database.administer(&format!("ALTER DATABASE {} SET synchronous_commit = off", database.name)).await;
        }
        database
    }

    /// Another store on the database, without tables if it is the first one.
    ///
    /// # Panics
    /// If the server refuses.
    pub async fn open(&self) -> AnyStore {
        match self.kind {
            Kind::Sqlite => AnyStore::Sqlite(SqliteStore::open(&self.url).await.unwrap()),
            Kind::Postgres => AnyStore::Postgres(PostgresStore::connect(&self.url).await.unwrap()),
            Kind::Mysql => AnyStore::Mysql(MySqlStore::connect(&self.url).await.unwrap()),
        }
    }

    /// Another store on the database.
    pub async fn store(&self) -> AnyStore {
        let store = self.open().await;
        store.migrate().await;
        store
    }

    /// Runs statements on the server, outside the database; again for a while if it refuses, as a busy server does.
    ///
    /// # Panics
    /// If they fail.
    pub async fn administer(&self, sql: &str) {
        let begin = Instant::now();
        while let Err(error) = self.try_to_administer(sql).await {
            assert!(begin.elapsed() < Duration::from_secs(20), "`{sql}` failed: {error}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    async fn try_to_administer(&self, sql: &str) -> Result<(), sqlx::Error> {
        let sql = AssertSqlSafe(sql);
        match self.kind {
            Kind::Sqlite => Ok(()),
            Kind::Postgres => {
                let mut connection = sqlx::PgConnection::connect(&self.server).await?;
                sqlx::raw_sql(sql).execute(&mut connection).await.map(drop)
            }
            Kind::Mysql => {
                let mut connection = sqlx::MySqlConnection::connect(&self.server).await?;
                sqlx::raw_sql(sql).execute(&mut connection).await.map(drop)
            }
        }
    }

    /// The name of the database.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    async fn remove(&self) {
        match self.kind {
            Kind::Sqlite => ["", "-wal", "-shm"].iter().for_each(|end| {
                let _ = fs::remove_file(file(&format!("{}{end}", self.name)));
            }),
            Kind::Postgres => self.administer(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name)).await,
            Kind::Mysql => self.administer(&format!("DROP DATABASE IF EXISTS {}", self.name)).await,
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let removed = thread::scope(|scope| scope.spawn(|| run(self.remove())).join());
        // A test that fails for a reason of its own says that one.
        assert!(removed.is_ok() || thread::panicking(), "the database could not be removed");
    }
}

/// The URL of another database on the server of this one, which may name none.
fn on_the_same_server(url: &str, name: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap();
    let (server, parameters) = rest.split_once('?').unwrap_or((rest, ""));
    let server = server.split('/').next().unwrap_or_default();
    format!("{scheme}://{server}/{name}?{parameters}")
}

fn url(name: &str, otherwise: &str) -> String {
    env::var(name).unwrap_or_else(|_| otherwise.to_owned())
}

fn file(name: &str) -> PathBuf {
    env::temp_dir().join(name)
}

/// Runs a test's future on threads of its own.
///
/// # Panics
/// If there are none.
pub fn run<T>(test: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.worker_threads(2).enable_all().build().unwrap().block_on(test)
}

impl AnyStore {
    /// Makes the tables.
    ///
    /// # Panics
    /// If that fails.
    pub async fn migrate(&self) {
        each!(self, store => store.migrate().await.unwrap());
    }

    /// The statements that make the tables.
    #[must_use]
    pub fn schema(&self) -> String {
        each!(self, store => store.schema())
    }

    /// The store with this interval.
    #[must_use]
    pub fn sweep_interval(self, interval: Duration) -> Self {
        match self {
            Self::Sqlite(store) => Self::Sqlite(store.sweep_interval(interval)),
            Self::Postgres(store) => Self::Postgres(store.sweep_interval(interval)),
            Self::Mysql(store) => Self::Mysql(store.sweep_interval(interval)),
        }
    }

    /// The store with this table.
    ///
    /// # Panics
    /// If that is no name.
    #[must_use]
    pub fn table(self, table: &str) -> Self {
        match self {
            Self::Sqlite(store) => Self::Sqlite(store.table(table).unwrap()),
            Self::Postgres(store) => Self::Postgres(store.table(table).unwrap()),
            Self::Mysql(store) => Self::Mysql(store.table(table).unwrap()),
        }
    }

    /// What is left of a store when only its pool is kept.
    #[must_use]
    pub fn pool_alone(self) -> Box<dyn Send> {
        each!(self, store => Box::new(store.pool().clone()))
    }

    /// Removes what has expired; tells how much.
    ///
    /// # Panics
    /// If that fails.
    pub async fn sweep(&self) -> u64 {
        each!(self, store => store.sweep().await.unwrap())
    }

    /// Through the contract only.
    #[must_use]
    pub fn shared(&self) -> Arc<dyn Store> {
        each!(self, store => Arc::new(store.clone()))
    }

    /// Waits until all connections are back in the pool, so that the next operation opens no other one.
    ///
    /// # Panics
    /// If that takes more than 20 s.
    pub async fn rest(&self) {
        let begin = Instant::now();
        while !each!(self, store => store.pool().num_idle() == store.pool().size() as usize) {
            assert!(begin.elapsed() < Duration::from_secs(20), "connections don't come back to the pool");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Runs statements.
    ///
    /// # Panics
    /// If they fail.
    pub async fn run(&self, sql: &str) {
        each!(self, store => sqlx::raw_sql(AssertSqlSafe(sql)).execute(store.pool()).await.map(drop).unwrap());
    }

    /// The one number that a statement gives.
    ///
    /// # Panics
    /// If it fails.
    pub async fn number(&self, sql: &str) -> i64 {
        let sql = AssertSqlSafe(sql);
        each!(self, store => sqlx::query_scalar(sql).fetch_one(store.pool()).await.unwrap())
    }
}
