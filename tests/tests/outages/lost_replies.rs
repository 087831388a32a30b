//! The connection breaks between a request and its reply.

use session::{MySqlStore, PostgresStore, RedisStore, Store};
use session_tests::backend::random_prefix;
use session_tests::database::{Database, Kind, run};
use session_tests::redis::Program;
use session_tests::{Gate, Loss, Proxy};

use super::servers::behind_a_proxy;
use super::visitors::{begun, served};

pub(crate) fn redis_replies_get_lost() {
    replies_get_lost_on(Program::Redis);
}

pub(crate) fn valkey_replies_get_lost() {
    replies_get_lost_on(Program::Valkey);
}

fn replies_get_lost_on(program: Program) {
    run(async {
        let server = program.shared_url().expect("a server");
        let (proxy, url) = behind_a_proxy(&server, 6379).await;
        let prefix = random_prefix();
        let store = RedisStore::connect(url).await.unwrap().prefix(&prefix);
        let direct = RedisStore::connect(server).await.unwrap().prefix(prefix);
        writes_happen_once(store.clone(), &proxy).await;
        what_nobody_knows_is_refused(store.clone(), direct, &proxy).await;
        store.clear().await.unwrap();
    });
}

pub(crate) fn postgres_replies_get_lost() {
    run(async {
        let database = Database::new(Kind::Postgres).await;
        let direct = database.store().await.shared();
        let (proxy, url) = behind_a_proxy(&database.url, 5432).await;
        let store = PostgresStore::connect(&url).await.unwrap();
        writes_happen_once(store.clone(), &proxy).await;
        what_nobody_knows_is_refused(store, direct, &proxy).await;
    });
}

pub(crate) fn mysql_replies_get_lost() {
    run(async {
        let database = Database::new(Kind::Mysql).await;
        let direct = database.store().await.shared();
        let (proxy, url) = behind_a_proxy(&database.url, 3306).await;
        let store = MySqlStore::connect(&url).await.unwrap();
        writes_happen_once(store.clone(), &proxy).await;
        what_nobody_knows_is_refused(store, direct, &proxy).await;
    });
}

/// A request that creates or updates a session succeeds, and does it once, whichever half of the way was lost.
async fn writes_happen_once(store: impl Store + Clone, proxy: &Proxy) {
    let app = served(store.clone()).await;
    // What is prepared by the first request of its kind is prepared.
    begun(&app).await.post("/add").await;
    let mut sessions = store.len().await.unwrap();
    for loss in [Loss::Reply, Loss::Request] {
        proxy.lose(loss, r#""count":0"#);
        let mut visitor = begun(&app).await;
        assert!(proxy.has_lost(), "{loss:?}: create");
        sessions += 1;
        assert_eq!(store.len().await.unwrap(), sessions, "{loss:?}: one session for one visitor");

        for count in 1..=3 {
            proxy.lose(loss, &format!(r#""count":{count}"#));
            let reply = visitor.post("/add").await;
            assert!(proxy.has_lost(), "{loss:?}: update");
            assert_eq!((reply.status, reply.body), (200, count.to_string()), "{loss:?}");
            assert_eq!(visitor.get("/count").await.body, count.to_string(), "{loss:?}: added once");
        }
        proxy.lose(loss, r#""a":1"#);
        assert_eq!(visitor.post("/set/0").await.status, 200, "{loss:?}");
        assert!(proxy.has_lost());
        assert_eq!(visitor.get("/show").await.body, "1 fields, 0 keys");
    }
}

/// Two apps count from zero to one at the same time, and one of them gets no answer before the other one is done. What it
/// finds then says nothing about its own step: it is refused, and is neither dropped in silence nor made twice.
async fn what_nobody_knows_is_refused(store: impl Store, direct: impl Store, proxy: &Proxy) {
    let (app, mut other) = (served(store).await, served(direct).await);
    begun(&app).await.post("/add").await;
    for (loss, counted) in [(Loss::Request, "1"), (Loss::Reply, "2")] {
        let mut visitor = begun(&app).await;
        other.jar.clone_from(&visitor.jar);
        let gate = Gate::default();
        proxy.lose_late(loss, r#""count":1"#, &gate);
        let meanwhile = async {
            gate.wait_for(1).await;
            assert_eq!(other.post("/add").await.status, 200);
            gate.open(1);
        };
        let (reply, ()) = tokio::join!(visitor.post("/add"), meanwhile);
        assert_eq!((reply.status, visitor.get("/count").await.body.as_str()), (503, counted), "{loss:?}");
    }
}
