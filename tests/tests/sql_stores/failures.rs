//! Locks, lost connections, pools without a free connection.

use std::future::poll_fn;
use std::pin::pin;
use std::str::FromStr;
use std::task::Poll;
use std::time::Duration;

use session::store::{Created, IndexKey, Renewal, Updated};
use session::{MySqlStore, PostgresStore, SqliteStore, Store};
use sqlx::mysql::MySqlPoolOptions;
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{ConnectOptions as _, Connection as _};

use super::contract::{ahead, create, id, load, record, text};
use session_tests::database::{AnyStore, Database, Kind};
use tokio::time::sleep;

pub(crate) async fn sqlite_survives_a_restart() {
    let database = Database::new(Kind::Sqlite).await;
    let store = database.store().await;
    let revision = create(&*store.shared(), "a", record("1"), ahead(60_000)).await;
    let AnyStore::Sqlite(sqlite) = &store else { unreachable!() };
    sqlite.pool().close().await;
    drop(store);
    let store = database.store().await.shared();
    let loaded = load(&*store, "a").await.unwrap();
    assert_eq!((text(&loaded), loaded.revision.clone()), ("1", revision.clone()));
    assert!(matches!(store.update(&id("a"), revision, record("2"), ahead(1)).await.unwrap(), Updated::Replaced(_)));
}

pub(crate) async fn a_server_that_is_not_there_is_named() {
    // Nobody listens on a port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let [postgres, mysql] = ["postgres", "mysql"].map(|scheme| format!("{scheme}://nobody@127.0.0.1:{port}/nothing"));
    let (postgres, mysql) = tokio::join!(PostgresStore::connect(&postgres), MySqlStore::connect(&mysql));
    for error in [postgres.unwrap_err(), mysql.unwrap_err()] {
        let mut causes = String::new();
        let mut next: Option<&dyn std::error::Error> = Some(&error);
        while let Some(error) = next {
            causes += &error.to_string();
            next = error.source();
        }
        assert!(causes.contains("refused"), "{causes}");
    }
}

pub(crate) async fn sqlite_waits_for_a_lock() {
    let database = Database::new(Kind::Sqlite).await;
    let revision = create(&*database.store().await.shared(), "a", record("1"), ahead(60_000)).await;
    let options = SqliteConnectOptions::from_str(&database.url).unwrap().busy_timeout(Duration::from_millis(300));
    let store = SqliteStore::new(SqlitePoolOptions::new().connect_with(options.clone()).await.unwrap());
    let mut other = options.connect().await.unwrap();
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    store.touch(&id("a"), ahead(90_000)).await.unwrap_err();
    assert_eq!(text(&load(&store, "a").await.unwrap()), "1", "readers don't wait for a writer");
    sqlx::raw_sql("COMMIT").execute(&mut other).await.unwrap();
    let updated = store.update(&id("a"), revision, record("2"), ahead(90_000)).await.unwrap();
    assert!(matches!(updated, Updated::Replaced(_)));

    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let a = id("a");
    let (touched, ()) = tokio::join!(store.touch(&a, ahead(90_000)), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        sqlx::raw_sql("COMMIT").execute(&mut other).await.unwrap();
    });
    assert!(touched.unwrap(), "the lock was free in time");
}

pub(crate) async fn an_exhausted_pool_is_an_error() {
    let database = Database::new(Kind::Postgres).await;
    drop(database.store().await);
    let pool = PgPoolOptions::new().max_connections(2).acquire_timeout(Duration::from_millis(300));
    let store = PostgresStore::new(pool.connect(&database.url).await.unwrap());
    let held = [store.pool().acquire().await.unwrap(), store.pool().acquire().await.unwrap()];
    store.create(&id("a"), record("{}"), ahead(60_000)).await.unwrap_err();
    drop(held);
    assert!(matches!(store.create(&id("a"), record("{}"), ahead(60_000)).await.unwrap(), Created::Stored(_)));
    assert!(load(&store, "a").await.is_some());
}

/// A server with more to do than it can refuses statements. It would have still more to do if each cost a connection.
pub(crate) async fn a_refused_statement_costs_no_connection(kind: Kind) {
    let database = Database::new(kind).await;
    let other = database.store().await;
    let any = over_one_connection(&database).await;
    let store = any.shared();
    let (limit, connection) = match kind {
        Kind::Postgres => ("SET lock_timeout = 100", "SELECT pg_backend_pid()::bigint"),
        _ => ("SET innodb_lock_wait_timeout = 1", "SELECT CAST(CONNECTION_ID() AS SIGNED)"),
    };
    create(&*store, "a", record("0"), ahead(60_000)).await;
    any.run(limit).await;
    let before = any.number(connection).await;

    other.rest().await;
    other.run("BEGIN; UPDATE session SET expire = expire").await;
    let renewal = Renewal { ttl: Duration::from_secs(600), usual: Duration::ZERO, after: Duration::ZERO };
    let refused = store.load(&id("a"), Some(renewal)).await;
    other.rest().await;
    other.run("ROLLBACK").await;

    refused.unwrap_err();
    assert_eq!(any.number(connection).await, before);
    assert!(load(&*store, "a").await.is_some());
}

/// A server that is no primary any more refuses writes for good; its name may lead to another one by now.
pub(crate) async fn connections_to_a_server_without_writes_are_let_go(kind: Kind) {
    let database = Database::new(kind).await;
    drop(database.store().await);
    let any = over_one_connection(&database).await;
    let store = any.shared();
    let revision = create(&*store, "a", record("0"), ahead(60_000)).await;
    let renewal = Renewal { ttl: Duration::from_secs(600), usual: Duration::ZERO, after: Duration::ZERO };
    for operation in 0..3 {
        any.run(match kind {
            Kind::Postgres => "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
            _ => "SET SESSION TRANSACTION READ ONLY",
        })
        .await;
        let refused = match operation {
            0 => store.touch(&id("a"), ahead(90_000)).await.map(drop),
            1 => store.load(&id("a"), Some(renewal)).await.map(drop),
            _ => {
                let indexed = record("1").with_index([IndexKey::new("user", b"1")]);
                store.update(&id("a"), revision.clone(), indexed, ahead(90_000)).await.map(drop)
            }
        };
        refused.unwrap_err();
        assert!(store.touch(&id("a"), ahead(60_000)).await.unwrap(), "{operation}");
    }
}

/// Not only those that break, but those of which the server says first why it ends them (PostgreSQL from 14 on, MySQL).
pub(crate) async fn connections_that_idled_too_long_are_replaced(kind: Kind) {
    let database = Database::new(kind).await;
    drop(database.store().await);
    let any = over_one_connection(&database).await;
    let store = any.shared();
    create(&*store, "a", record("0"), ahead(60_000)).await;
    any.run(match kind {
        Kind::Postgres => "SET idle_session_timeout = 100",
        _ => "SET SESSION wait_timeout = 1",
    })
    .await;
    sleep(Duration::from_millis(if kind == Kind::Postgres { 400 } else { 2000 })).await;
    assert!(load(&*store, "a").await.is_some());
}

/// Those of MariaDB, in which the empty text is null, and `BEGIN` is no statement. MySQL has neither.
pub(crate) async fn modes_of_the_server_change_nothing() {
    for mode in ["EMPTY_STRING_IS_NULL", "ORACLE"] {
        let database = Database::new(Kind::Mysql).await;
        drop(database.store().await);
        let any = over_one_connection(&database).await;
        any.run(&format!("SET SESSION sql_mode = CONCAT(@@sql_mode /*M!, ',{mode}' */)")).await;
        super::contract::pages(&*any.shared()).await;
    }
}

/// Writes that are given up at any moment leave no transaction behind, in which later writes would end up.
pub(crate) async fn what_is_answered_after_a_dropped_write_is_stored(kind: Kind) {
    let database = Database::new(kind).await;
    let others = database.store().await.shared();
    let store = over_one_connection(&database).await.shared();
    create(&*store, "a", record("0"), ahead(600_000)).await;
    for polls in 1..60 {
        let before = load(&*store, "a").await.unwrap().revision;
        let indexed = record("1").with_index([IndexKey::new("round", polls.to_string().as_bytes())]);
        polled(store.update(&id("a"), before, indexed, ahead(600_000)), 1 + polls % 12).await;
        let next = polls.to_string();
        loop {
            let expected = load(&*store, "a").await.unwrap().revision;
            match store.update(&id("a"), expected, record(&next), ahead(600_000)).await.unwrap() {
                Updated::Replaced(_) => break,
                // The dropped write was still on its way.
                Updated::Conflict(_) => {}
                Updated::Gone => panic!("{polls}: the session is gone"),
            }
        }
        assert_eq!(text(&load(&*others, "a").await.unwrap()), next, "{polls}");
    }
}

/// A store whose operations have the same connection.
async fn over_one_connection(database: &Database) -> AnyStore {
    match database.kind {
        Kind::Mysql => {
            let pool = MySqlPoolOptions::new().max_connections(1).test_before_acquire(false);
            AnyStore::Mysql(MySqlStore::new(pool.connect(&database.url).await.unwrap()))
        }
        Kind::Postgres => {
            let pool = PgPoolOptions::new().max_connections(1).test_before_acquire(false);
            AnyStore::Postgres(PostgresStore::new(pool.connect(&database.url).await.unwrap()))
        }
        Kind::Sqlite => {
            let pool = SqlitePoolOptions::new().max_connections(1).test_before_acquire(false);
            AnyStore::Sqlite(SqliteStore::new(pool.connect(&database.url).await.unwrap()))
        }
    }
}

/// Polls a future so often, and drops it.
async fn polled<F: Future>(future: F, times: u32) {
    let (mut future, mut polls) = (pin!(future), 0);
    poll_fn(|context| {
        polls += 1;
        let is_ready = future.as_mut().poll(context).is_ready();
        if is_ready || polls == times { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// The server ends all connections before the first operation, between operations, and while they run.
pub(crate) async fn lost_connections_are_replaced(kind: Kind) {
    let database = Database::new(kind).await;
    let store = database.store().await.shared();
    end_connections(&database).await;
    let a = id("a");
    let mut revision = create(&*store, "a", record("0"), ahead(600_000)).await;
    for round in 1..20 {
        // Several connections idle.
        let _ = tokio::join!(store.len(), store.len(), store.len(), store.len());
        let next = record(&round.to_string());
        let write = store.update(&a, revision, next, ahead(600_000));
        let updated = if round % 2 == 0 {
            end_connections(&database).await;
            write.await
        } else {
            tokio::join!(write, end_connections(&database)).0
        };
        match updated {
            Ok(Updated::Replaced(replaced)) => revision = replaced,
            // PostgreSQL's revision doesn't tell whose write it was, so the store doesn't either.
            Err(_) if kind == Kind::Postgres => revision = load(&*store, "a").await.unwrap().revision,
            other => panic!("round {round}: {other:?}"),
        }
        end_connections(&database).await;
        assert_eq!(load(&*store, "a").await.unwrap().revision, revision);
    }
}

async fn end_connections(database: &Database) {
    let name = database.name();
    if database.kind == Kind::Postgres {
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = ";
        database.administer(&format!("{end}'{name}'")).await;
        return;
    }
    let mut connection = sqlx::MySqlConnection::connect(&database.url).await.unwrap();
    let version: String = sqlx::query_scalar("SELECT VERSION()").fetch_one(&mut connection).await.unwrap();
    // MariaDB has the one of `performance_schema` switched off; MySQL's older one fails on statements with binary values.
    let schema = if version.contains("MariaDB") { "information_schema" } else { "performance_schema" };
    let others =
        format!("SELECT CAST(id AS SIGNED) FROM {schema}.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()");
    let ids: Vec<i64> = sqlx::query_scalar(sqlx::AssertSqlSafe(others)).fetch_all(&mut connection).await.unwrap();
    for id in ids {
        // It may have ended by itself.
        let _ = sqlx::raw_sql(sqlx::AssertSqlSafe(format!("KILL {id}"))).execute(&mut connection).await;
    }
}
