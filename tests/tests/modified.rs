//! "Modified" is exact: what was set to the same value, or changed and changed back, writes nothing.

#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use session::{MemoryStore, Options, Session, SessionLayer, Store};
use session_tests::{FaultyStore, Operation, secret, serve};

#[derive(Session)]
struct Cart {
    number: i64,
    ratio: f64,
    note: Option<String>,
    items: Vec<String>,
    counts: BTreeMap<String, u32>,
    hashed: HashMap<String, u32>,
    seen: HashSet<u32>,
}

type Change = fn(&mut Session<Cart>);

/// Runs the change on a stored session and tells whether the session called itself modified, and whether it was written.
async fn outcome(change: Change) -> (bool, bool) {
    let store = FaultyStore::new(MemoryStore::new());
    let layer = SessionLayer::<Cart>::new(store.clone(), secret());
    let fill = async |mut session: Session<Cart>| {
        session.set_number(1);
        session.set_items(vec!["a".to_owned(), "b".to_owned()]);
        session.counts_mut().extend([("x".to_owned(), 1), ("y".to_owned(), 2)]);
        session.hashed_mut().extend((0..50).map(|number| (number.to_string(), number)));
        session.seen_mut().extend(0..50);
    };
    let run = async move |mut session: Session<Cart>| {
        change(&mut session);
        session.is_modified().to_string()
    };
    let app = Router::new().route("/fill", get(fill)).route("/run", get(run)).layer(layer);
    let mut client = serve(app).await;
    client.get("/fill").await;
    store.take_log();
    let reply = client.get("/run").await;
    assert_eq!(reply.status, 200);
    (reply.body == "true", store.take_log().contains(&Operation::Update))
}

#[tokio::test]
async fn what_ends_as_it_began_is_not_modified() {
    let changes: [(&str, Change); 12] = [
        ("nothing", |_| {}),
        ("the same number", |session| session.set_number(1)),
        ("there and back", |session| {
            session.set_number(2);
            session.set_number(1);
        }),
        ("a look through _mut", |session| {
            session.items_mut();
        }),
        ("pushed and popped", |session| {
            session.items_mut().push("c".to_owned());
            session.items_mut().pop();
        }),
        ("the same list", |session| session.set_items(vec!["a".to_owned(), "b".to_owned()])),
        ("inserted and removed in a map", |session| {
            session.counts_mut().insert("z".to_owned(), 3);
            session.counts_mut().remove("z");
        }),
        ("a hash map built anew", |session| {
            session.set_hashed((0..50).rev().map(|number| (number.to_string(), number)).collect());
        }),
        ("a hash set built anew", |session| session.set_seen((0..50).rev().collect())),
        ("a hash set that grew and shrank", |session| {
            session.seen_mut().extend(100..1000);
            session.seen_mut().retain(|number| *number < 50);
        }),
        ("taken from nothing", |session| assert_eq!(session.take_note(), None)),
        ("set and taken", |session| {
            session.set_note(Some("x".to_owned()));
            session.take_note();
        }),
    ];
    for (name, change) in changes {
        assert_eq!(outcome(change).await, (false, false), "{name}");
    }
}

#[tokio::test]
async fn what_differs_is_modified_and_written() {
    let changes: [(&str, Change); 8] = [
        ("a number", |session| session.set_number(2)),
        ("another sign", |session| session.set_ratio(-0.5)),
        ("some text", |session| session.set_note(Some(String::new()))),
        ("a longer list", |session| session.items_mut().push("c".to_owned())),
        ("a list in another order", |session| session.items_mut().reverse()),
        ("a value in a map", |session| *session.counts_mut().get_mut("x").unwrap() = 9),
        ("a value in a hash map", |session| *session.hashed_mut().get_mut("7").unwrap() = 8),
        ("an element of a set", |session| {
            session.seen_mut().remove(&7);
            session.seen_mut().insert(99);
        }),
    ];
    for (name, change) in changes {
        assert_eq!(outcome(change).await, (true, true), "{name}");
    }
}

#[tokio::test]
async fn a_new_session_that_was_changed_back_is_not_stored() {
    let store = MemoryStore::new();
    let layer = SessionLayer::<Cart>::new(store.clone(), secret());
    let app = Router::new()
        .route(
            "/",
            get(async |mut session: Session<Cart>| {
                session.set_number(5);
                session.items_mut().push("x".to_owned());
                session.set_number(0);
                session.items_mut().clear();
            }),
        )
        .layer(layer);
    let reply = serve(app).await.get("/").await;
    assert!(reply.set_cookies().is_empty());
    assert_eq!(store.len().await.unwrap(), 0);
}

#[tokio::test]
async fn after_a_save_modified_still_means_since_the_session_was_loaded() {
    let store = FaultyStore::new(MemoryStore::new());
    let layer = SessionLayer::<Cart>::with_options(store.clone(), secret(), Options::default()).unwrap();
    let states = Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = Arc::clone(&states);
    let app = Router::new()
        .route(
            "/",
            get(async move |mut session: Session<Cart>| {
                session.set_number(5);
                session.save().await.unwrap();
                seen.lock().unwrap().push(session.is_modified());
                session.set_number(0);
                seen.lock().unwrap().push(session.is_modified());
            }),
        )
        .layer(layer);
    serve(app).await.get("/").await;
    assert_eq!(*states.lock().unwrap(), [true, false]);
    assert_eq!(store.take_log(), [Operation::Create, Operation::Update], "what was saved is taken back");
}
