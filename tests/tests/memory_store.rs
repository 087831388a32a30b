//! The memory store keeps the contract of `Store`.

#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

use std::collections::BTreeSet;
use std::hint::spin_loop;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use session::store::{Created, IndexKey, Record, Renamed, Renewal, Revision, Updated};
use session::{MemoryStore, SessionId, Store, StoreError, Timestamp};

const HOUR: Duration = Duration::from_secs(3600);

fn id(text: &str) -> SessionId {
    SessionId::new(text).unwrap()
}

fn record(text: &str) -> Record {
    Record::from_json(text.to_owned())
}

fn in_an_hour() -> Timestamp {
    Timestamp::now().saturating_add(HOUR)
}

fn past() -> Timestamp {
    Timestamp::from_millis(Timestamp::now().as_millis() - 1)
}

async fn json(store: &MemoryStore, id: &SessionId) -> Option<String> {
    let loaded = store.load(id, None).await.unwrap()?;
    Some(String::from_utf8(loaded.record.json().to_vec()).unwrap())
}

async fn created(store: &MemoryStore, id: &SessionId, text: &str, expires: Timestamp) -> Revision {
    match store.create(id, record(text), expires).await.unwrap() {
        Created::Stored(revision) => revision,
        Created::Taken => unreachable!("the id is free"),
    }
}

#[tokio::test]
async fn create_never_overwrites_a_living_session() {
    let store = MemoryStore::new();
    created(&store, &id("a"), "one", in_an_hour()).await;
    assert_eq!(store.create(&id("a"), record("two"), in_an_hour()).await.unwrap(), Created::Taken);
    assert_eq!(json(&store, &id("a")).await.as_deref(), Some("one"));
}

#[tokio::test]
async fn create_takes_the_id_of_an_expired_session() {
    let store = MemoryStore::new();
    created(&store, &id("a"), "one", past()).await;
    assert_eq!(json(&store, &id("a")).await, None);
    created(&store, &id("a"), "two", in_an_hour()).await;
    assert_eq!(json(&store, &id("a")).await.as_deref(), Some("two"));
}

#[tokio::test]
async fn update_replaces_what_was_loaded_and_reports_what_was_not() {
    let store = MemoryStore::new();
    let first = created(&store, &id("a"), "one", in_an_hour()).await;
    let Updated::Replaced(second) = store.update(&id("a"), first.clone(), record("two"), in_an_hour()).await.unwrap()
    else {
        unreachable!("the revision is the current one")
    };
    assert_ne!(first, second);
    match store.update(&id("a"), first, record("three"), in_an_hour()).await.unwrap() {
        Updated::Conflict(current) => {
            assert_eq!(&current.record.json()[..], b"two");
            assert_eq!(current.revision, second);
        }
        other => unreachable!("{other:?}"),
    }
    assert_eq!(json(&store, &id("a")).await.as_deref(), Some("two"));
}

#[tokio::test]
async fn nothing_brings_back_a_session_that_was_destroyed_or_has_expired() {
    let store = MemoryStore::new();
    let destroyed = created(&store, &id("destroyed"), "x", in_an_hour()).await;
    store.destroy(&id("destroyed")).await.unwrap();
    let expired = created(&store, &id("expired"), "x", past()).await;
    for (gone, revision) in [(id("destroyed"), destroyed), (id("expired"), expired)] {
        assert!(matches!(
            store.update(&gone, revision.clone(), record("y"), in_an_hour()).await.unwrap(),
            Updated::Gone
        ));
        assert!(!store.touch(&gone, in_an_hour()).await.unwrap());
        let renamed = store.rename(&gone, revision, &id("new"), record("y"), in_an_hour()).await.unwrap();
        assert!(matches!(renamed, Renamed::Gone));
        assert_eq!(json(&store, &gone).await, None);
        assert_eq!(json(&store, &id("new")).await, None);
    }
    assert_eq!(store.len().await.unwrap(), 0);
}

#[tokio::test]
async fn destroying_twice_is_no_error() {
    let store = MemoryStore::new();
    store.destroy(&id("never")).await.unwrap();
}

#[tokio::test]
async fn rename_moves_the_session_in_one_step() {
    let store = MemoryStore::new();
    // Ids of the same shard and of different ones.
    for number in 0..200 {
        let (old, new) = (id(&format!("old-{number}")), id(&format!("new-{number}")));
        let revision = created(&store, &old, "one", in_an_hour()).await;
        let renamed = store.rename(&old, revision, &new, record("two"), in_an_hour()).await.unwrap();
        assert!(matches!(renamed, Renamed::Stored(_)));
        assert_eq!(json(&store, &old).await, None);
        assert_eq!(json(&store, &new).await.as_deref(), Some("two"));
    }
    assert_eq!(store.len().await.unwrap(), 200);
}

#[tokio::test]
async fn rename_leaves_everything_as_it_was_if_the_id_is_taken_or_the_revision_is_old() {
    let store = MemoryStore::new();
    let revision = created(&store, &id("a"), "a", in_an_hour()).await;
    created(&store, &id("b"), "b", in_an_hour()).await;
    let renamed = store.rename(&id("a"), revision.clone(), &id("b"), record("c"), in_an_hour()).await.unwrap();
    assert!(matches!(renamed, Renamed::Taken));
    store.update(&id("a"), revision.clone(), record("a2"), in_an_hour()).await.unwrap();
    let renamed = store.rename(&id("a"), revision, &id("c"), record("c"), in_an_hour()).await.unwrap();
    assert!(matches!(renamed, Renamed::Conflict(_)));
    let stored = [json(&store, &id("a")).await, json(&store, &id("b")).await, json(&store, &id("c")).await];
    assert_eq!(stored, [Some("a2".to_owned()), Some("b".to_owned()), None]);
}

#[tokio::test]
async fn loading_renews_the_expiry_and_changes_nothing_else() {
    let store = MemoryStore::new();
    let soon = Timestamp::now().saturating_add(Duration::from_secs(5));
    let revision = created(&store, &id("a"), r#"{"cookie":{}}"#, soon).await;
    let renewal = Renewal { ttl: HOUR, usual: HOUR, after: Duration::ZERO };
    let loaded = store.load(&id("a"), Some(renewal)).await.unwrap().unwrap();
    assert!(loaded.expires.saturating_since(Timestamp::now()) > Duration::from_secs(3500));
    assert_eq!(loaded.revision, revision);
    assert_eq!(store.load(&id("a"), None).await.unwrap().unwrap().expires, loaded.expires);
}

#[tokio::test]
async fn a_record_with_a_max_age_is_renewed_by_that() {
    let store = MemoryStore::new();
    let soon = Timestamp::now().saturating_add(Duration::from_secs(5));
    created(&store, &id("a"), r#"{"cookie":{"originalMaxAge":60000}}"#, soon).await;
    let renewal = Renewal { ttl: HOUR, usual: HOUR, after: Duration::ZERO };
    let left = store.load(&id("a"), Some(renewal)).await.unwrap().unwrap().expires.saturating_since(Timestamp::now());
    assert!(left > Duration::from_secs(58) && left <= Duration::from_secs(60), "{left:?}");
}

#[test]
fn a_renewal_waits_until_it_is_worth_it_and_never_lengthens_a_life() {
    let now = Timestamp::from_millis(1_000_000);
    let minute = Duration::from_secs(60);
    let renewal = Renewal { ttl: HOUR, usual: HOUR, after: minute };
    let full = now.saturating_add(HOUR);
    let case =
        |max_age, seconds_left| renewal.expires(max_age, now, now.saturating_add(Duration::from_secs(seconds_left)));
    assert_eq!(case(None, 3600), None);
    assert_eq!(case(None, 3541), None, "59 s is less than a minute");
    assert_eq!(case(None, 3540), Some(full));
    assert_eq!(case(None, 4000), Some(full), "a life that was longer is cut");
    assert_eq!(case(Some(minute), 55), None, "5 s is less than a tenth of a minute");
    assert_eq!(case(Some(minute), 54), Some(now.saturating_add(minute)));
}

#[tokio::test]
async fn expired_sessions_are_removed_by_themselves() {
    let store = MemoryStore::new().sweep_interval(Duration::from_millis(20));
    for number in 0..1000 {
        created(&store, &id(&format!("{number}")), "x", past()).await;
    }
    created(&store, &id("alive"), "x", in_an_hour()).await;
    // `Debug` counts what takes memory, `len` what lives.
    let swept = || format!("{store:?}").contains("stored: 1,");
    for _ in 0..500 {
        if swept() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(swept(), "{store:?}");
    assert_eq!(store.len().await.unwrap(), 1);
}

#[tokio::test]
async fn without_an_interval_no_thread_looks_for_expired_sessions() {
    let store = MemoryStore::new().sweep_interval(Duration::ZERO);
    created(&store, &id("a"), "a", past()).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(format!("{store:?}").contains("stored: 1,"), "{store:?}");
    assert_eq!(store.len().await.unwrap(), 0);
}

#[tokio::test]
async fn a_full_store_refuses_new_sessions_and_keeps_the_old_ones() {
    let store = MemoryStore::new().max_sessions(2);
    let revision = created(&store, &id("a"), "a", in_an_hour()).await;
    created(&store, &id("b"), "b", in_an_hour()).await;
    let refused = store.create(&id("c"), record("c"), in_an_hour()).await;
    assert!(matches!(refused, Err(StoreError::Full { limit: 2 })), "{refused:?}");
    assert_eq!(store.len().await.unwrap(), 2);
    assert!(matches!(
        store.update(&id("a"), revision, record("a2"), in_an_hour()).await.unwrap(),
        Updated::Replaced(_)
    ));
    store.destroy(&id("b")).await.unwrap();
    created(&store, &id("c"), "c", in_an_hour()).await;
}

#[test]
fn threads_that_create_sessions_at_once_never_pass_the_limit() {
    const THREADS: usize = 4;
    let store = &MemoryStore::new().max_sessions(1);
    let (living, destroyed) = (&AtomicUsize::new(0), &AtomicUsize::new(0));
    let come_and_go = |thread: usize| {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for number in 0..10_000 {
            // Each second id is one that another thread may have.
            let id = id(&format!("{}", if number % 2 == 0 { thread } else { thread / 2 }));
            let before = destroyed.load(Ordering::SeqCst);
            match runtime.block_on(store.create(&id, record("x"), in_an_hour())) {
                Ok(Created::Stored(_)) => {
                    assert_eq!(living.fetch_add(1, Ordering::SeqCst), 0);
                    thread::yield_now();
                    living.fetch_sub(1, Ordering::SeqCst);
                    runtime.block_on(store.destroy(&id)).unwrap();
                    destroyed.fetch_add(1, Ordering::SeqCst);
                }
                // Once there is room, all come at the same moment.
                Ok(Created::Taken) | Err(StoreError::Full { .. }) => {
                    (0..200).take_while(|_| destroyed.load(Ordering::SeqCst) == before).for_each(|_| spin_loop());
                }
                Err(error) => unreachable!("{error}"),
            }
        }
    };
    thread::scope(|scope| (0..THREADS).for_each(|thread| drop(scope.spawn(move || come_and_go(thread)))));
    for is_free in [true, false] {
        let created = now(store.create(&SessionId::random().unwrap(), record("x"), in_an_hour()));
        assert_eq!(created.is_ok(), is_free, "no place is lost");
    }
}

#[tokio::test]
async fn an_id_that_is_taken_takes_no_place() {
    let store = MemoryStore::new().max_sessions(2);
    created(&store, &id("a"), "a", in_an_hour()).await;
    for _ in 0..3 {
        assert_eq!(store.create(&id("a"), record("b"), in_an_hour()).await.unwrap(), Created::Taken);
    }
    created(&store, &id("b"), "b", in_an_hour()).await;
    assert_eq!(store.create(&id("a"), record("b"), in_an_hour()).await.unwrap(), Created::Taken, "nor needs one");
}

#[tokio::test]
async fn a_full_store_makes_room_where_sessions_have_expired() {
    let store = MemoryStore::new().max_sessions(1);
    created(&store, &id("a"), "a", past()).await;
    created(&store, &id("b"), "b", in_an_hour()).await;
    assert_eq!(json(&store, &id("b")).await.as_deref(), Some("b"));
}

#[tokio::test]
async fn a_listing_has_every_living_session_once_whatever_the_size_of_a_page() {
    let store = MemoryStore::new();
    let made = (0..150).map(|number| id(&format!("session-{number}")));
    let ids: BTreeSet<_> = made.chain((0..150).map(|_| SessionId::random().unwrap())).collect();
    for id in &ids {
        created(&store, id, "x", in_an_hour()).await;
    }
    created(&store, &id("expired"), "x", past()).await;
    for limit in [0, 1, 7, 100, 300, 1000] {
        let (mut listed, mut next) = (Vec::new(), None);
        loop {
            let page = store.all(next, limit).await.unwrap();
            assert!(page.sessions.len() <= limit.max(1));
            listed.extend(page.sessions.into_iter().map(|(id, _)| id));
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        assert_eq!(listed.len(), ids.len(), "pages of {limit}");
        assert_eq!(listed.into_iter().collect::<BTreeSet<_>>(), ids, "pages of {limit}");
    }
    store.clear().await.unwrap();
    assert_eq!(store.len().await.unwrap(), 0);
}

#[tokio::test]
async fn ids_of_every_kind_are_kept_apart_and_listed_as_they_are() {
    let store = MemoryStore::new();
    let made = ["a", "-", "ein Käse", "nobody-knows-why", &"x".repeat(31), &"x".repeat(33), &"y".repeat(2048)];
    // As long as a generated one: in its letters, with nothing but zeros in them, and with other letters.
    let usual = ["d41d8cd98f00b204e9800998ecf8427e", &"A".repeat(32), &format!("{}B", "A".repeat(31)), &"_".repeat(32)];
    let other = [&"+".repeat(32), &"/".repeat(32), &".".repeat(32), &"é".repeat(16), &format!("{}=", "A".repeat(31))];
    let mut ids: BTreeSet<SessionId> = (0..100).map(|_| SessionId::random().unwrap()).collect();
    ids.extend(made.iter().chain(&usual).map(|text| id(text)));
    ids.extend(other.iter().map(|text| id(text)));
    for id in &ids {
        created(&store, id, id.as_str(), in_an_hour()).await;
    }
    for id in &ids {
        assert_eq!(json(&store, id).await.as_deref(), Some(id.as_str()));
    }
    let listed: BTreeSet<_> = store.all(None, 1000).await.unwrap().sessions.into_iter().map(|(id, _)| id).collect();
    assert_eq!(listed, ids);
    for (left, id) in ids.iter().enumerate().rev() {
        store.destroy(id).await.unwrap();
        assert_eq!((json(&store, id).await, store.len().await.unwrap()), (None, left));
    }
}

#[tokio::test]
async fn a_revision_is_over_once_another_record_was_stored_even_if_the_text_is_the_same_again() {
    let store = MemoryStore::new();
    let first = created(&store, &id("a"), "one", in_an_hour()).await;
    let mut latest = first.clone();
    for text in ["two", "one"] {
        let updated = store.update(&id("a"), latest, record(text), in_an_hour()).await.unwrap();
        let Updated::Replaced(revision) = updated else { unreachable!("{updated:?}") };
        latest = revision;
    }
    let updated = store.update(&id("a"), first, record("three"), in_an_hour()).await.unwrap();
    assert!(matches!(updated, Updated::Conflict(current) if current.revision == latest));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_parallel_updates_of_one_revision_one_wins() {
    let store = MemoryStore::new();
    let revision = created(&store, &id("a"), "0", in_an_hour()).await;
    let updates = (0..64).map(|number| {
        let (store, revision) = (store.clone(), revision.clone());
        tokio::spawn(async move { store.update(&id("a"), revision, record(&number.to_string()), in_an_hour()).await })
    });
    let mut replaced = 0;
    for update in updates.collect::<Vec<_>>() {
        replaced += usize::from(matches!(update.await.unwrap().unwrap(), Updated::Replaced(_)));
    }
    assert_eq!(replaced, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_parallel_renamings_of_one_session_one_wins_and_one_session_is_left() {
    for _ in 0..200 {
        let store = MemoryStore::new();
        let revision = created(&store, &id("a"), "0", in_an_hour()).await;
        let renamings = (0..8).map(|number| {
            let (store, revision) = (store.clone(), revision.clone());
            let new = id(&format!("new-{number}"));
            tokio::spawn(async move { store.rename(&id("a"), revision, &new, record("x"), in_an_hour()).await })
        });
        for renaming in renamings.collect::<Vec<_>>() {
            renaming.await.unwrap().unwrap();
        }
        assert_eq!(store.len().await.unwrap(), 1);
    }
}

fn now<T>(answer: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(answer)
}

#[test]
fn a_session_is_found_by_a_key_that_it_keeps_while_others_change() {
    const UPDATES: usize = 20_000;
    let (store, id, key) = (MemoryStore::new(), id("a"), |name: &str| IndexKey::new("user", name.as_bytes()));
    let keyed = |other| record("{}").with_index([key("kept"), key(other)]);
    now(store.create(&id, keyed("first"), in_an_hour())).unwrap();
    thread::scope(|scope| {
        let changes = scope.spawn(|| {
            for number in 0..UPDATES {
                let revision = now(store.load(&id, None)).unwrap().unwrap().revision;
                let other = if number % 2 == 0 { "second" } else { "third" };
                now(store.update(&id, revision, keyed(other), in_an_hour())).unwrap();
            }
        });
        let mut missed = 0;
        while !changes.is_finished() {
            missed += usize::from(now(store.find(&key("kept"), None, 10)).unwrap().sessions.is_empty());
        }
        assert_eq!(missed, 0);
    });
}

#[test]
fn a_session_that_changes_its_id_once_is_not_missed_twice() {
    const MOVES: usize = 20_000;
    let (store, key) = (MemoryStore::new(), IndexKey::new("user", b"7"));
    let keyed = || record("{}").with_index([key.clone()]);
    let Created::Stored(mut revision) = now(store.create(&id("0"), keyed(), in_an_hour())).unwrap() else {
        unreachable!("the id is free")
    };
    let (begun, ended) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let is_missed = || now(store.find(&key, None, 10)).unwrap().sessions.is_empty();
    thread::scope(|scope| {
        let changes = scope.spawn(|| {
            for number in 0..MOVES {
                let (old, new) = (id(&number.to_string()), id(&(number + 1).to_string()));
                begun.fetch_add(1, Ordering::SeqCst);
                let renamed = now(store.rename(&old, revision.clone(), &new, keyed(), in_an_hour())).unwrap();
                ended.fetch_add(1, Ordering::SeqCst);
                let Renamed::Stored(next) = renamed else { unreachable!("nobody else changes it") };
                revision = next;
            }
        });
        let mut missed = 0;
        while !changes.is_finished() {
            let before = ended.load(Ordering::SeqCst);
            let is_missed_twice = is_missed() && is_missed();
            let moves = begun.load(Ordering::SeqCst) - before;
            missed += usize::from(is_missed_twice && moves <= 1);
        }
        assert_eq!(missed, 0);
    });
}
