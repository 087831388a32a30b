//! A firewall forgets connections: what is sent over them arrives nowhere, and nobody is told.

use session::{MySqlStore, PostgresStore, RedisStore, Store};
use session_tests::Proxy;
use session_tests::backend::random_prefix;
use session_tests::database::{Database, Kind, run};
use session_tests::redis::Program;

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
