//! A save that got no answer: whether it was done, the end of the request finds out, and nothing is counted twice.

#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

use std::time::Duration;

use axum::Router;
use axum::extract::Path;
use axum::routing::{get, post};
use session::{MemoryStore, Session, SessionError, SessionLayer};
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
