//! Parallel requests on one session lose no update, and none of them fails because of the others.

use session::{Options, Store};
use tokio::task::JoinSet;

use super::board::{self, FIELDS};
use crate::Visitor;

const TASKS: u64 = 64;

/// 64 tasks add one to a field a hundred times each: 6400.
///
/// # Panics
/// If an increment is lost, or a request fails.
pub async fn no_update_is_lost(store: impl Store + Clone) {
    const EACH: u64 = 100;
    let mut visitor = begun(store).await;
    together(&visitor, |mut visitor, _| async move {
        for _ in 0..EACH {
            let reply = visitor.post("/add").await;
            assert_eq!(reply.status, 200, "{}", reply.body);
        }
    })
    .await;
    assert_eq!(visitor.get("/count").await.body, (TASKS * EACH).to_string());
}

/// 64 tasks set a field, or a key of a map, each its own: all are there.
///
/// # Panics
/// If one is lost, or a request fails.
pub async fn own_fields_all_survive(store: impl Store + Clone) {
    for _ in 0..10 {
        let mut visitor = begun(store.clone()).await;
        together(&visitor, |mut visitor, number| async move {
            let reply = visitor.post(&format!("/set/{number}")).await;
            assert_eq!(reply.status, 200, "{}", reply.body);
        })
        .await;
        let keys = TASKS - FIELDS;
        assert_eq!(visitor.get("/show").await.body, format!("{FIELDS} fields, {keys} keys"));
    }
}

async fn begun(store: impl Store) -> Visitor {
    let mut visitor = Visitor::new(board::app(store, Options::default()));
    visitor.post("/begin").await;
    assert!(visitor.cookie.is_some());
    visitor
}

async fn together<F>(visitor: &Visitor, task: impl Fn(Visitor, u64) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut tasks = JoinSet::new();
    for number in 0..TASKS {
        tasks.spawn(task(visitor.clone(), number));
    }
    tasks.join_all().await;
}
