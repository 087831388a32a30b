//! How many statements the operations take, by sqlx's own log.

use std::cell::Cell;
use std::sync::Once;
use std::time::Duration;

use session::store::{IndexKey, Renewal};
use tracing::span::{Attributes, Id, Record as SpanRecord};
use tracing::{Event, Metadata, Subscriber};

use super::contract::{ahead, create, id, load, record};
use session_tests::database::{Database, Kind};

thread_local! {
    static COUNT: Cell<u32> = const { Cell::new(0) };
}

struct Counter;

impl Subscriber for Counter {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "sqlx::query"
    }

    fn event(&self, _: &Event<'_>) {
        COUNT.set(COUNT.get() + 1);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &SpanRecord<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// On one thread, to which the count belongs.
pub(crate) fn are_as_few_as_promised(kind: Kind) {
    static SUBSCRIBED: Once = Once::new();
    SUBSCRIBED.call_once(|| tracing::subscriber::set_global_default(Counter).unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let database = Database::new(kind).await;
        let opened = database.store().await;
        let store = opened.shared();
        create(&*store, "first", record("{}"), ahead(60_000)).await;
        // An operation's next statement may find the connection of the one before still on its way back to the pool. A
        // connection that was opened for it would count as a statement, too.
        let _ = tokio::join!(store.len(), store.len(), store.len(), store.len());
        opened.rest().await;
        COUNT.set(0);
        // PostgreSQL's `COMMIT` isn't logged.
        let commit = u32::from(kind == Kind::Mysql);
        let took = async |what: &'static str, expected: u32| {
            assert_eq!(COUNT.take(), expected, "{kind:?}: {what}");
            opened.rest().await;
        };
        let renewal = Renewal { ttl: Duration::from_secs(600), usual: Duration::ZERO, after: Duration::from_secs(60) };

        let usual = record(r#"{"cookie":{"originalMaxAge":null,"expires":null,"httpOnly":true,"path":"/"},"count":1}"#);
        let revision = create(&*store, "a", usual, ahead(600_000)).await;
        took("create", 1).await;
        let _ = store.create(&id("a"), record("{}"), ahead(600_000)).await.unwrap();
        took("create, taken", 3).await;
        let _ = store.load(&id("missing"), Some(renewal)).await.unwrap();
        took("load, no record", 1).await;
        load(&*store, "a").await;
        took("load", 1).await;
        let _ = store.load(&id("a"), Some(renewal)).await.unwrap();
        took("load, no renewal due", 1).await;
        let _ = store.touch(&id("a"), ahead(300_000)).await.unwrap();
        took("touch", 1).await;
        for (name, what) in [("a", "load, renewal due"), ("first", "load, renewal due, no cookie")] {
            let _ = store.load(&id(name), Some(renewal)).await.unwrap();
            took(what, if kind == Kind::Postgres { 1 } else { 2 }).await;
        }
        let _ = store.update(&id("a"), revision.clone(), record("1"), ahead(600_000)).await.unwrap();
        took("update", 1).await;
        let _ = store.update(&id("a"), revision, record("2"), ahead(600_000)).await.unwrap();
        took("update, conflict", 2).await;
        let revision = load(&*store, "a").await.unwrap().revision;
        took("load", 1).await;
        let _ = store.rename(&id("a"), revision, &id("b"), record("3"), ahead(600_000)).await.unwrap();
        took("rename", 1).await;
        store.destroy(&id("b")).await.unwrap();
        took("destroy", 1).await;
        let indexed = record("{}").with_index([IndexKey::new("user", b"1")]);
        let revision = create(&*store, "c", indexed.clone(), ahead(600_000)).await;
        took("create, one key", 4 + commit).await;
        let _ = store.update(&id("c"), revision, indexed, ahead(600_000)).await.unwrap();
        took("update, the same key", 3 + commit).await;
        let _ = store.len().await.unwrap();
        took("len", 1).await;
        let _ = store.all(None, 10).await.unwrap();
        took("all", 1).await;
        let _ = store.find(&IndexKey::new("user", b"1"), None, 10).await.unwrap();
        took("find", 1).await;
        store.destroy(&id("c")).await.unwrap();
        took("destroy, one key", 1).await;
        store.clear().await.unwrap();
        took("clear", 1).await;
    });
}
