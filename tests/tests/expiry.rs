//! How long a session lives: since it was used last, and since it began.

#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use session::store::Record;
use session::{MemoryStore, Options, Session, SessionId, SessionLayer, Store, Timestamp};
use session_tests::{Client, secret, serve};

#[derive(Session)]
struct Visit {
    views: u32,
}

async fn app(options: Options) -> (Client, MemoryStore) {
    let store = MemoryStore::new();
    let layer = SessionLayer::<Visit>::with_options(store.clone(), secret(), options).unwrap();
    let see = async |mut session: Session<Visit>| {
        *session.views_mut() += 1;
        session.views.to_string()
    };
    let app = Router::new()
        .route("/see", get(see))
        .route("/read", get(async |session: Session<Visit>| session.views.to_string()))
        .route("/id", get(async |session: Session<Visit>| session.id().unwrap().as_str().to_owned()))
        .layer(layer);
    (serve(app).await, store)
}

#[tokio::test]
async fn an_expired_session_is_a_new_one() {
    let (mut client, _) = app(Options::default().ttl(Duration::from_millis(200))).await;
    assert_eq!(client.get("/see").await.body, "1");
    let before = client.get("/id").await.body;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(client.get("/see").await.body, "1");
    assert_ne!(client.get("/id").await.body, before);
}

#[tokio::test]
async fn reading_keeps_a_session_alive() {
    let (mut client, _) = app(Options::default().ttl(Duration::from_millis(600))).await;
    client.get("/see").await;
    for _ in 0..6 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(client.get("/read").await.body, "1");
    }
}

#[tokio::test]
async fn an_absolute_timeout_ends_a_session_whatever_its_activity() {
    let options = Options::default().absolute_timeout(Duration::from_millis(700));
    let (mut client, store) = app(options).await;
    client.get("/see").await;
    let start = Timestamp::now();
    while client.get("/see").await.body != "1" {
        assert!(start.saturating_since(Timestamp::now()) < Duration::from_secs(30));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let lived = Timestamp::now().saturating_since(start);
    assert!(lived >= Duration::from_millis(600), "{lived:?}");
    assert_eq!(store.len().await.unwrap(), 1);
}

#[tokio::test]
async fn a_session_that_does_not_say_when_it_began_begins_for_an_absolute_timeout_with_its_next_save() {
    let timeout = Duration::from_millis(300);
    let (mut client, store) = app(Options::default().absolute_timeout(timeout).genid(|_| "fixed".to_owned())).await;
    client.get("/see").await;
    plant(&store, r#"{"cookie":{"originalMaxAge":null,"httpOnly":true,"path":"/"},"views":1}"#).await;
    tokio::time::sleep(timeout).await;
    assert_eq!(client.get("/see").await.body, "2", "nothing tells that it is older");
    tokio::time::sleep(timeout).await;
    assert_eq!(client.get("/see").await.body, "1");
}

/// Puts a record in the place of the session `fixed`.
async fn plant(store: &MemoryStore, json: &'static str) {
    let id = SessionId::new("fixed").unwrap();
    store.destroy(&id).await.unwrap();
    store.create(&id, Record::from_json(json), Timestamp::now().saturating_add(Duration::from_secs(60))).await.unwrap();
}
