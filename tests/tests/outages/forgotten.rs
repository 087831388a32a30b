//! A firewall forgets connections: what is sent over them arrives nowhere, and nobody is told.

use std::time::Duration;

use session::{MySqlStore, PostgresStore, RedisStore, Store};
use session_tests::backend::random_prefix;
use session_tests::database::{Database, Kind, run};
use session_tests::redis::Program;
use session_tests::{Gate, Loss, Proxy};
use sqlx::postgres::{PgPool, PgPoolOptions};

use super::servers::behind_a_proxy;
use super::visitors::{begun, recovered, served};

pub(crate) fn redis_connections_are_forgotten() {
    run(async {
        let (proxy, url) = behind_a_proxy(&Program::Redis.shared_url().expect("a server"), 6379).await;
        let store = RedisStore::connect(url).await.unwrap().prefix(random_prefix());
        new_connections_are_made(store.clone(), &proxy).await;
        store.clear().await.unwrap();
    });
}

pub(crate) fn postgres_connections_are_forgotten() {
    run(async {
        let database = Database::new(Kind::Postgres).await;
        database.store().await;
        let (proxy, url) = behind_a_proxy(&database.url, 5432).await;
        new_connections_are_made(PostgresStore::connect(&url).await.unwrap(), &proxy).await;
    });
}

pub(crate) fn mysql_connections_are_forgotten() {
    run(async {
        let database = Database::new(Kind::Mysql).await;
        database.store().await;
        let (proxy, url) = behind_a_proxy(&database.url, 3306).await;
        new_connections_are_made(MySqlStore::connect(&url).await.unwrap(), &proxy).await;
    });
}

/// Though every request is given up long before the network would report anything, and one at a time at that.
async fn new_connections_are_made(store: impl Store, proxy: &Proxy) {
    let app = served(store).await;
    let mut visitor = begun(&app).await;
    assert_eq!(visitor.post("/add").await.body, "1");
    for _ in 0..2 {
        let before: u64 = visitor.get("/count").await.body.parse().unwrap();
        proxy.forget();
        recovered(&visitor).await;
        let count: u64 = visitor.get("/count").await.body.parse().unwrap();
        assert_eq!(count, before + 1, "what was refused was not done");
    }
}

/// The server ends one connection; the next one is asked whether it is there, and says nothing until that is given up.
pub(crate) fn postgres_silence_costs_no_place_in_the_pool() {
    run(async {
        let database = Database::new(Kind::Postgres).await;
        let direct = database.store().await;
        let (proxy, url) = behind_a_proxy(&database.url, 5432).await;
        let pool = PgPoolOptions::new().max_connections(2).test_before_acquire(false).connect(&url).await.unwrap();
        let store = PostgresStore::new(pool.clone());
        store.len().await.unwrap();
        let (mut first, second) = (pool.acquire().await.unwrap(), pool.acquire().await.unwrap());
        let process: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut *first).await.unwrap();
        drop(first);
        idle(&pool, 1).await;
        drop(second);
        idle(&pool, 2).await;

        direct.number(&format!("SELECT pg_terminate_backend({process})::int::bigint")).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        // The message with which sqlx asks: `Sync`.
        proxy.lose_late(Loss::Request, "S\0\0\0\u{4}", &Gate::default());
        store.len().within(Duration::from_millis(500)).await.unwrap_err();
        assert!(proxy.has_lost());
        let both = async { (pool.acquire().await.unwrap(), pool.acquire().await.unwrap()) };
        tokio::time::timeout(Duration::from_secs(3), both).await.expect("two connections, as ever");
    });
}

/// Waits until this many connections are in the pool, in the order in which they are taken from it.
async fn idle(pool: &PgPool, connections: usize) {
    while pool.num_idle() < connections {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
