//! A save that got no answer: whether it was done, the end of the request finds out, and nothing is counted twice. A change
//! of the id that got none: whoever had the session has it afterwards.

#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

use std::time::Duration;

use axum::Router;
use axum::extract::Path;
use axum::routing::{get, post};
use session::{MemoryStore, Options, Session, SessionError, SessionId, SessionLayer, Store};
use session_tests::{Fault, FaultyStore, Gate, Operation, Visitor, secret};
use tokio::time::timeout;

#[derive(Session)]
struct Counter {
    views: u32,
    #[session(merge = sum)]
    hits: u32,
}

type Watched = FaultyStore<MemoryStore>;

/// In memory, and in another process.
fn stores() -> [Watched; 2] {
    let store = || FaultyStore::new(MemoryStore::new());
    [store(), store().apart()]
}

fn router() -> Router {
    Router::new()
        .route("/hit", post(async |mut session: Session<Counter>| *session.hits_mut() += 1))
        .route("/read", get(async |session: Session<Counter>| format!("{} {}", session.views, session.hits)))
}

/// Saves a hit without an answer.
async fn hit(session: &mut Session<Counter>, store: &Watched, fault: Fault) {
    *session.hits_mut() += 1;
    store.inject(Operation::Update, fault);
    let saved = timeout(Duration::from_millis(20), session.save()).await;
    assert!(!matches!(saved, Ok(Ok(()))));
    store.heal();
}

#[tokio::test]
async fn a_change_that_was_stored_without_an_answer_is_not_stored_again() {
    let faults = [Fault::Error, Fault::LostReply, Fault::LateReply(Duration::from_secs(2))];
    for (store, fault) in stores().into_iter().flat_map(|store| faults.map(|fault| (store.clone(), fault))) {
        // How often a save gets no answer, what follows, and what is stored then.
        for (times, then, reads) in
            [(1, "end", "0 2"), (2, "end", "0 3"), (1, "hit", "0 3"), (1, "see", "1 2"), (1, "save", "1 3")]
        {
            let watched = store.clone();
            let handler = async move |Path(then): Path<String>, mut session: Session<Counter>| {
                for _ in 0..times {
                    hit(&mut session, &watched, fault).await;
                }
                match then.as_str() {
                    "hit" => *session.hits_mut() += 1,
                    "see" => session.set_views(1),
                    "save" => {
                        session.set_views(1);
                        session.save().await?;
                        *session.hits_mut() += 1;
                    }
                    _ => {}
                }
                Ok::<_, SessionError>(())
            };
            let layer = SessionLayer::<Counter>::new(store.clone(), secret());
            let mut visitor = Visitor::new(router().route("/then/{then}", post(handler)).layer(layer));
            visitor.post("/hit").await;
            assert_eq!(visitor.post(&format!("/then/{then}")).await.status, 200);
            assert_eq!(visitor.get("/read").await.body, reads, "{fault:?}, {times} times, then {then}");
        }
    }
}

#[tokio::test]
async fn where_nobody_can_know_whether_a_change_was_stored_it_is_an_error() {
    for store in stores() {
        for (fault, reads) in [(Fault::Error, "0 2"), (Fault::LostReply, "0 3")] {
            let (watched, gate) = (store.clone(), Gate::default());
            let at = gate.clone();
            let handler = async move |mut session: Session<Counter>| {
                hit(&mut session, &watched, fault).await;
                at.pass().await;
            };
            let layer = SessionLayer::<Counter>::new(store.clone(), secret());
            let mut visitor = Visitor::new(router().route("/", post(handler)).layer(layer));
            visitor.post("/hit").await;
            let mut late = visitor.clone();
            let late = tokio::spawn(async move { late.post("/").await });
            gate.wait_for(1).await;
            visitor.post("/hit").await;
            gate.open(1);
            assert_eq!(late.await.unwrap().status, 503, "{fault:?}");
            assert_eq!(visitor.get("/read").await.body, reads, "{fault:?}");
        }
    }
}

#[derive(Session)]
struct Account {
    #[session(rotate)]
    user: Option<String>,
    #[session(merge = sum)]
    logins: u32,
}

const LATE: Fault = Fault::LateReply(Duration::from_secs(2));

/// With handlers that change the id: by itself, at the end of the request, and with a save.
fn accounts(store: &Watched, options: Options) -> (Visitor, Gate) {
    let (gate, options) = (Gate::default(), options.store_timeout(Duration::from_millis(30)));
    let at = gate.clone();
    let app = Router::new()
        .route("/begin", post(async |mut session: Session<Account>| session.set_logins(1)))
        .route("/read", get(async |session: Session<Account>| format!("{:?} {}", session.user, session.logins)))
        .route("/id", get(async |session: Session<Account>| session.id().map(|id| id.as_str().to_owned())))
        .route("/rotate", post(async |mut session: Session<Account>| session.rotate_id().await))
        .route("/login", post(async |mut session: Session<Account>| log_in(&mut session)))
        .route(
            "/login-and-save",
            post(async |mut session: Session<Account>| {
                log_in(&mut session);
                session.save().await?;
                *session.logins_mut() += 1;
                Ok::<_, SessionError>(())
            }),
        )
        .route(
            "/slow-login",
            post(async move |mut session: Session<Account>| {
                log_in(&mut session);
                at.pass().await;
            }),
        )
        .route("/count", post(async |mut session: Session<Account>| *session.logins_mut() += 1))
        .layer(SessionLayer::<Account>::with_options(store.clone(), secret(), options).unwrap());
    (Visitor::new(app), gate)
}

fn log_in(session: &mut Session<Account>) {
    session.set_user(Some("ada".to_owned()));
    *session.logins_mut() += 1;
}

#[tokio::test]
async fn a_change_of_the_id_that_was_made_without_an_answer_is_one() {
    let faults = [Fault::LostReply, LATE].into_iter().flat_map(|fault| [(fault, false), (fault, true)]);
    for (fault, hash_ids) in faults {
        for (path, reads) in
            [("/rotate", "None 1"), ("/login", r#"Some("ada") 2"#), ("/login-and-save", r#"Some("ada") 3"#)]
        {
            for store in stores() {
                let (mut visitor, _) = accounts(&store, Options::default().hash_ids(hash_ids));
                visitor.post("/begin").await;
                let mut before = visitor.clone();
                store.inject(Operation::Rename, fault);
                let reply = visitor.post(path).await;
                assert_eq!((reply.status, reply.set_cookies().len()), (200, 1), "{path}, {fault:?}");
                assert_ne!(visitor.cookie, before.cookie);
                assert_eq!(visitor.get("/read").await.body, reads, "{path}, {fault:?}");
                assert_eq!(before.get("/read").await.body, "None 0", "the old id is dead");
                assert_eq!(store.len().await.unwrap(), 1);
            }
        }
    }
}

#[tokio::test]
async fn a_change_of_the_id_without_an_answer_counts_once_what_was_merged_with_others() {
    for store in stores() {
        let (mut visitor, gate) = accounts(&store, Options::default());
        visitor.post("/begin").await;
        let mut late = visitor.clone();
        let late = tokio::spawn(async move {
            let reply = late.post("/slow-login").await;
            (late, reply.status)
        });
        gate.wait_for(1).await;
        visitor.post("/count").await;
        store.inject_after(1, Operation::Rename, Fault::LostReply);
        gate.open(1);
        let (mut late, status) = late.await.unwrap();
        assert_eq!(status, 200);
        assert_eq!(late.get("/read").await.body, r#"Some("ada") 3"#);
        assert_eq!(store.len().await.unwrap(), 1);
    }
}

#[tokio::test]
async fn a_change_of_the_id_that_was_not_made_is_an_error_and_the_old_id_lives() {
    for fault in [Fault::Error, Fault::Delay(Duration::from_secs(2))] {
        for (store, path) in stores().into_iter().flat_map(|store| [(store.clone(), "/rotate"), (store, "/login")]) {
            let (mut visitor, _) = accounts(&store, Options::default());
            visitor.post("/begin").await;
            store.inject(Operation::Rename, fault);
            let reply = visitor.post(path).await;
            assert_eq!((reply.status, reply.set_cookies().len()), (503, 0), "{path}, {fault:?}");
            assert_eq!(visitor.get("/read").await.body, "None 1");
            store.heal();
        }
    }
}

#[tokio::test]
async fn a_change_of_the_id_of_which_nothing_can_be_found_out_is_an_error() {
    for store in stores() {
        let (mut visitor, _) = accounts(&store, Options::default());
        visitor.post("/begin").await;
        store.inject(Operation::Rename, Fault::LostReply);
        store.inject_after(1, Operation::Load, Fault::Error);
        let reply = visitor.post("/login").await;
        assert_eq!((reply.status, reply.set_cookies().len()), (503, 0));
    }
}

#[tokio::test]
async fn an_id_is_not_taken_for_changed_while_the_old_one_has_the_session() {
    for store in stores() {
        let options = Options::default().genid(|parts| parts.uri.path().to_owned());
        let (mut visitor, _) = accounts(&store, options);
        visitor.post("/begin").await;
        // As a store leaves it that stopped between two steps, or somebody who has the id and the very same data.
        let id = visitor.get("/id").await.body;
        let stored = store.load(&SessionId::new(id).unwrap(), None).await.unwrap().unwrap();
        store.create(&SessionId::new("/rotate").unwrap(), stored.record, stored.expires).await.unwrap();
        store.inject(Operation::Rename, Fault::Error);
        let reply = visitor.post("/rotate").await;
        assert_eq!((reply.status, reply.set_cookies().len()), (503, 0));
        store.heal();
        assert_eq!(visitor.get("/read").await.body, "None 1");
    }
}
