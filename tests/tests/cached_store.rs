//! A store in front of which sessions are read from memory for a moment.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that can't go on fails")]

use std::time::Duration;

use session::store::{Created, Record, Renewal, Revision, Updated, conformance};
use session::{Cached, MemoryStore, SessionId, Store, Timestamp};
use session_tests::Operation::{self, Load};
use session_tests::{Fault, FaultyStore};
use tokio::time::advance;

const BOUND: Duration = Duration::from_secs(2);
const HOUR: Duration = Duration::from_secs(3600);
/// Not due for a session that was just stored.
const RENEWAL: Renewal = Renewal { ttl: HOUR, usual: HOUR, after: Duration::from_secs(60) };

type Behind = FaultyStore<MemoryStore>;

/// A session, in a store that tells what it is asked.
struct Scene {
    behind: Behind,
    store: Cached<Behind>,
    id: SessionId,
    revision: Revision,
}

impl Scene {
    async fn new() -> Self {
        let behind = FaultyStore::new(MemoryStore::new());
        let (store, id) = (Cached::new(behind.clone(), BOUND), SessionId::new("a").unwrap());
        let Created::Stored(revision) = store.create(&id, record("old"), after(HOUR)).await.unwrap() else {
            panic!("the id is free")
        };
        behind.take_log();
        Self { behind, store, id, revision }
    }

    async fn read(&self) -> Option<String> {
        let loaded = self.store.load(&self.id, Some(RENEWAL)).await.unwrap()?;
        Some(String::from_utf8(loaded.record.json().to_vec()).unwrap())
    }

    /// Whether a read asks the store behind.
    async fn asks(&self) -> bool {
        self.behind.take_log();
        self.read().await;
        self.behind.take_log() == [Load]
    }
}

fn record(text: &str) -> Record {
    Record::from_json(text.to_owned())
}

fn after(life: Duration) -> Timestamp {
    Timestamp::now().saturating_add(life)
}

#[tokio::test(flavor = "multi_thread")]
async fn it_keeps_the_contract() {
    conformance::run(async || Cached::new(MemoryStore::new(), HOUR)).await.assert();
}

#[tokio::test(start_paused = true)]
async fn of_the_reads_within_the_bound_the_first_asks_the_store() {
    let scene = Scene::new().await;
    assert!(scene.asks().await);
    assert!(!scene.asks().await);
    advance(BOUND - Duration::from_millis(1)).await;
    assert!(!scene.asks().await);
    advance(Duration::from_millis(1)).await;
    assert!(scene.asks().await);
    assert!(!scene.asks().await);
}

/// What somebody does to a session, and what a read finds afterwards.
const CHANGES: [(Operation, Option<&str>); 3] =
    [(Operation::Update, Some("new")), (Operation::Rename, None), (Operation::Destroy, None)];

async fn change(scene: &Scene, store: &impl Store, operation: Operation) {
    let (id, other) = (&scene.id, SessionId::new("b").unwrap());
    match operation {
        Operation::Update => drop(store.update(id, scene.revision.clone(), record("new"), after(HOUR)).await.unwrap()),
        Operation::Rename => {
            drop(store.rename(id, scene.revision.clone(), &other, record("new"), after(HOUR)).await.unwrap())
        }
        _ => store.destroy(id).await.unwrap(),
    }
}

#[tokio::test(start_paused = true)]
async fn what_another_process_does_is_seen_when_the_bound_is_over() {
    for (operation, then) in CHANGES {
        let scene = Scene::new().await;
        assert_eq!(scene.read().await.as_deref(), Some("old"));
        change(&scene, &scene.behind, operation).await;
        assert_eq!(scene.read().await.as_deref(), Some("old"), "{operation:?}: within the bound");
        advance(BOUND).await;
        assert_eq!(scene.read().await.as_deref(), then, "{operation:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_this_process_does_is_seen_at_once() {
    for (operation, then) in CHANGES {
        let scene = Scene::new().await;
        assert_eq!(scene.read().await.as_deref(), Some("old"));
        change(&scene, &scene.store.clone(), operation).await;
        assert_eq!(scene.read().await.as_deref(), then, "{operation:?}");
    }
    let scene = Scene::new().await;
    scene.read().await;
    scene.store.clear().await.unwrap();
    assert_eq!(scene.read().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_stale_copy_is_never_written() {
    for (operation, is_living) in [(Operation::Update, true), (Operation::Destroy, false)] {
        let scene = Scene::new().await;
        let copy = scene.store.load(&scene.id, Some(RENEWAL)).await.unwrap().unwrap();
        change(&scene, &scene.behind, operation).await;
        match scene.store.update(&scene.id, copy.revision, record("late"), after(HOUR)).await.unwrap() {
            Updated::Conflict(theirs) => assert!(is_living && &theirs.record.json()[..] == b"new"),
            other => assert!(!is_living && matches!(other, Updated::Gone), "{other:?}"),
        }
        assert_eq!(scene.read().await.is_some(), is_living, "a refusal is a reason to look");
        assert_eq!(scene.store.touch(&scene.id, after(HOUR)).await.unwrap(), is_living);
    }
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_is_due_asks_the_store() {
    let scene = Scene::new().await;
    scene.read().await;
    let due = Renewal { ttl: 2 * HOUR, ..RENEWAL };
    let renewed = scene.store.load(&scene.id, Some(due)).await.unwrap().unwrap();
    assert_eq!(scene.behind.take_log(), [Load, Load]);
    assert!(renewed.expires > after(HOUR));
    let copy = scene.store.load(&scene.id, Some(due)).await.unwrap().unwrap();
    assert_eq!((scene.behind.take_log(), copy.expires), (vec![], renewed.expires), "it is not due any more");
}

#[tokio::test(start_paused = true)]
async fn a_load_without_a_renewal_asks_the_store() {
    let scene = Scene::new().await;
    scene.read().await;
    scene.behind.destroy(&scene.id).await.unwrap();
    assert!(scene.store.load(&scene.id, None).await.unwrap().is_none());
    assert_eq!(scene.read().await, None, "and what it finds counts from then on");
}

/// A read in the middle of a destruction finds the session, and does not keep it.
#[tokio::test(start_paused = true)]
async fn what_is_loaded_during_a_write_is_not_kept() {
    let scene = Scene::new().await;
    scene.behind.inject(Operation::Destroy, Fault::Delay(Duration::from_millis(500)));
    let read = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        scene.read().await
    };
    let (destroyed, found) = tokio::join!(scene.store.destroy(&scene.id), read);
    destroyed.unwrap();
    assert_eq!(found.as_deref(), Some("old"));
    assert_eq!(scene.read().await, None);
}

/// Whether the sessions are gone then, nobody knows.
#[tokio::test(start_paused = true)]
async fn nothing_is_kept_of_what_was_cleared_even_if_that_is_given_up() {
    let scene = Scene::new().await;
    scene.read().await;
    assert!(!scene.asks().await);
    scene.behind.inject(Operation::Clear, Fault::Delay(HOUR));
    scene.store.clear().within(Duration::from_millis(100)).await.unwrap_err();
    assert!(scene.asks().await);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_is_an_error_once_the_bound_is_over() {
    let scene = Scene::new().await;
    scene.read().await;
    scene.behind.inject(Load, Fault::Error);
    assert_eq!(scene.read().await.as_deref(), Some("old"));
    advance(BOUND).await;
    scene.store.load(&scene.id, Some(RENEWAL)).await.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn the_number_of_copies_is_limited() {
    let behind = FaultyStore::new(MemoryStore::new());
    let store = Cached::new(behind.clone(), BOUND).max_sessions(64);
    let ids: Vec<_> = (0..1000).map(|number| SessionId::new(number.to_string()).unwrap()).collect();
    for id in &ids {
        store.create(id, record("{}"), after(HOUR)).await.unwrap();
        store.load(id, Some(RENEWAL)).await.unwrap();
    }
    behind.take_log();
    for id in ids.iter().rev() {
        assert!(store.load(id, Some(RENEWAL)).await.unwrap().is_some());
    }
    let kept = ids.len() - behind.take_log().len();
    assert!((1..=64).contains(&kept), "{kept} were kept");
}
