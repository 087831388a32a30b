//! The contract, and what is said beyond it, on each database.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use session::store::{Created, IndexKey, Loaded, Page, Record, Renamed, Renewal, Revision, Updated};
use session::{SessionId, Store, Timestamp};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use session_tests::database::{Database, Kind};

const HOUR: Duration = Duration::from_secs(3600);

pub(crate) fn id(text: &str) -> SessionId {
    SessionId::new(text).unwrap()
}

pub(crate) fn record(json: &str) -> Record {
    Record::from_json(json.to_owned())
}

/// A moment so many milliseconds ahead.
pub(crate) fn ahead(millis: i64) -> Timestamp {
    Timestamp::from_millis(Timestamp::now().as_millis() + millis)
}

pub(crate) async fn create(store: &dyn Store, name: &str, record: Record, expires: Timestamp) -> Revision {
    match store.create(&id(name), record, expires).await.unwrap() {
        Created::Stored(revision) => revision,
        Created::Taken => panic!("`{name}` is taken"),
    }
}

pub(crate) async fn load(store: &dyn Store, name: &str) -> Option<Loaded> {
    store.load(&id(name), None).await.unwrap()
}

pub(crate) fn text(loaded: &Loaded) -> &str {
    str::from_utf8(loaded.record.json()).unwrap()
}

/// All of it, on one database after the other part.
pub(crate) async fn keeps_the_contract(kind: Kind) {
    let database = Database::new(kind).await;
    let any = database.store().await;
    let store = &*any.shared();

    single_operations(store).await;
    expired_is_none(store).await;
    renewal(store).await;
    odd_ids_and_large_records(store, kind).await;
    index(store).await;
    pages(store).await;
    let table = any.table("other_1");
    table.migrate().await;
    single_operations(&*table.shared()).await;
}

async fn single_operations(store: &dyn Store) {
    let soon = ahead(60_000);
    let first = create(store, "a", record(r#"{"n":1}"#), soon).await;
    let loaded = load(store, "a").await.unwrap();
    assert_eq!((text(&loaded), loaded.revision.clone(), loaded.expires), (r#"{"n":1}"#, first.clone(), soon));
    assert_eq!(store.create(&id("a"), record("{}"), soon).await.unwrap(), Created::Taken);
    assert_eq!(load(store, "a").await.unwrap().revision, first);

    let later = ahead(120_000);
    let Updated::Replaced(second) = store.update(&id("a"), first.clone(), record(r#"{"n":2}"#), later).await.unwrap()
    else {
        panic!("not replaced");
    };
    assert_ne!(first, second);
    let Updated::Conflict(theirs) = store.update(&id("a"), first.clone(), record(r#"{"n":3}"#), later).await.unwrap()
    else {
        panic!("no conflict");
    };
    assert_eq!((text(&theirs), theirs.revision.clone(), theirs.expires), (r#"{"n":2}"#, second.clone(), later));
    // The same text, and nothing changed, is a replacement too.
    let Updated::Replaced(second) = store.update(&id("a"), second, record(r#"{"n":2}"#), later).await.unwrap() else {
        panic!("not replaced");
    };
    assert!(store.touch(&id("a"), later).await.unwrap(), "an expiry that stays the same");
    assert!(store.touch(&id("a"), soon).await.unwrap());
    assert_eq!(load(store, "a").await.unwrap().expires, soon);
    assert_eq!(load(store, "a").await.unwrap().revision, second);
    assert_eq!(store.len().await.unwrap(), 1);

    create(store, "taken", record("{}"), soon).await;
    let rename = |old: &'static str, expected, new: &'static str| async move {
        store.rename(&id(old), expected, &id(new), record(r#"{"n":4}"#), later).await.unwrap()
    };
    assert!(matches!(rename("a", second.clone(), "taken").await, Renamed::Taken));
    assert!(matches!(rename("a", second.clone(), "a").await, Renamed::Taken));
    assert!(matches!(rename("a", first, "b").await, Renamed::Conflict(theirs) if theirs.revision == second));
    assert!(matches!(rename("none", second.clone(), "b").await, Renamed::Gone));
    assert!(load(store, "b").await.is_none());
    let Renamed::Stored(third) = rename("a", second, "b").await else { panic!("not renamed") };
    assert!(load(store, "a").await.is_none());
    let loaded = load(store, "b").await.unwrap();
    assert_eq!((text(&loaded), loaded.revision.clone(), loaded.expires), (r#"{"n":4}"#, third.clone(), later));

    store.destroy(&id("b")).await.unwrap();
    store.destroy(&id("b")).await.unwrap();
    assert!(load(store, "b").await.is_none());
    assert!(!store.touch(&id("b"), later).await.unwrap());
    assert!(matches!(store.update(&id("b"), third, record("{}"), later).await.unwrap(), Updated::Gone));
    assert!(load(store, "b").await.is_none());
    store.clear().await.unwrap();
    assert_eq!(store.len().await.unwrap(), 0);
    assert!(store.create(&id("x"), Record::from_json(vec![b'"', 0xff, b'"']), later).await.is_err());
}

async fn expired_is_none(store: &dyn Store) {
    let revision = create(store, "old", record(r#"{"n":1}"#), ahead(-1)).await;
    create(store, "new", record("{}"), ahead(60_000)).await;
    assert!(load(store, "old").await.is_none());
    assert!(!store.touch(&id("old"), ahead(60_000)).await.unwrap());
    let updated = store.update(&id("old"), revision.clone(), record("{}"), ahead(60_000)).await.unwrap();
    assert!(matches!(updated, Updated::Gone));
    let renamed = store.rename(&id("old"), revision, &id("b"), record("{}"), ahead(60_000)).await.unwrap();
    assert!(matches!(renamed, Renamed::Gone));
    assert_eq!(store.len().await.unwrap(), 1);
    assert_eq!(store.all(None, 10).await.unwrap().sessions.len(), 1);
    // Its id is free again, for a creation and for a renaming.
    let revision = create(store, "old", record(r#"{"n":2}"#), ahead(60_000)).await;
    create(store, "gone", record("{}"), ahead(-1)).await;
    let renamed = store.rename(&id("old"), revision, &id("gone"), record(r#"{"n":3}"#), ahead(400)).await.unwrap();
    assert!(matches!(renamed, Renamed::Stored(_)), "{renamed:?}");
    assert_eq!(text(&load(store, "gone").await.unwrap()), r#"{"n":3}"#);
    sleep(Duration::from_millis(420)).await;
    assert!(load(store, "gone").await.is_none(), "an expiry counts in milliseconds");
    create(store, "for ever", record("{}"), Timestamp::from_millis(i64::MAX)).await;
    create(store, "never", record("{}"), Timestamp::from_millis(i64::MIN)).await;
    assert!(load(store, "for ever").await.is_some());
    assert!(load(store, "never").await.is_none());
    store.clear().await.unwrap();
}

async fn renewal(store: &dyn Store) {
    let renewal = Renewal { ttl: HOUR, usual: HOUR, after: Duration::from_secs(60) };
    let with_age =
        |age: &str| record(&format!(r#"{{"cookie":{{"originalMaxAge":{age},"expires":null}},"x":"\u0000"}}"#));
    let cases = [
        ("null", 3_590_000, None, "not due"),
        ("null", 1_000_000, Some(3_600_000), "due"),
        ("null", 7_200_000, Some(3_600_000), "shortened"),
        ("7200000", 7_190_000, None, "its own life: not due"),
        ("7200000", 3_600_000, Some(7_200_000), "its own life: due"),
        ("1000", 990, None, "a tenth of a short life: not due"),
        ("10000", 5_000, Some(10_000), "a tenth of a short life: due"),
        ("1.5e6", 5_000, Some(1_500_000), "a number written in another way"),
        ("99999999999999999", 5_000, Some(253_402_300_799_999), "longer than any"),
    ];
    for (age, left, renewed, why) in cases {
        let expires = ahead(left);
        create(store, "r", with_age(age), expires).await;
        let (before, loaded) = (Timestamp::now(), store.load(&id("r"), Some(renewal)).await.unwrap().unwrap());
        match renewed {
            None => assert_eq!(loaded.expires, expires, "{why}"),
            Some(life) if life > 253_000_000_000_000 => assert_eq!(loaded.expires.as_millis(), life, "{why}"),
            Some(life) => {
                let off = loaded.expires.as_millis() - before.as_millis() - life;
                assert!((0..1000).contains(&off), "{why}: off by {off} ms");
            }
        }
        assert_eq!(load(store, "r").await.unwrap().expires, loaded.expires, "{why}");
        store.destroy(&id("r")).await.unwrap();
    }
    assert!(store.load(&id("r"), Some(renewal)).await.unwrap().is_none());
    create(store, "r", with_age("null"), ahead(-1)).await;
    assert!(store.load(&id("r"), Some(renewal)).await.unwrap().is_none(), "an expired record isn't renewed");
    let always = Renewal { after: Duration::ZERO, ..renewal };
    create(store, "s", with_age("null"), ahead(1000)).await;
    let one = store.load(&id("s"), Some(always)).await.unwrap().unwrap().expires;
    sleep(Duration::from_millis(3)).await;
    assert!(store.load(&id("s"), Some(always)).await.unwrap().unwrap().expires > one);
    store.clear().await.unwrap();
}

async fn odd_ids_and_large_records(store: &dyn Store, kind: Kind) {
    let soon = ahead(60_000);
    let mut long = "ü".repeat(1023);
    long.push_str("ab");
    let mut ids: Vec<String> =
        ["a", "A", "a ", " a", "ä", "a\u{308}", "'; --", "%_\\", "\u{1f600}", "$1 ? {zone}"].map(str::to_owned).into();
    ids.extend([long.clone(), long.replace("ab", "aB")]);
    if kind != Kind::Postgres {
        ids.push("a\0".to_owned());
    }
    for (number, name) in ids.iter().enumerate() {
        create(store, name, record(&format!("{{\"n\":{number}}}")), soon).await;
    }
    for (number, name) in ids.iter().enumerate() {
        assert_eq!(text(&load(store, name).await.unwrap()), format!("{{\"n\":{number}}}"), "{name:?}");
    }
    let mut listed: Vec<_> = store.all(None, 100).await.unwrap().sessions.into_iter().map(|(id, _)| id).collect();
    listed.sort();
    let mut expected: Vec<_> = ids.iter().map(|name| id(name)).collect();
    expected.sort();
    assert_eq!(listed, expected);

    let odd = r#"{ "é": "☃😀\u0000\ud800", "b" : [1.0, 1e3 ,-0], "a": {}, "a": null }"#;
    create(store, "odd", record(odd), soon).await;
    assert_eq!(text(&load(store, "odd").await.unwrap()), odd, "to the byte");
    let large = format!("{{\"x\":\"{}\"}}", "y".repeat(5 << 20));
    let revision = create(store, "large", record(&large), soon).await;
    assert_eq!(text(&load(store, "large").await.unwrap()), large);
    let updated = store.update(&id("large"), revision, record("{}"), soon).await.unwrap();
    assert!(matches!(updated, Updated::Replaced(_)));
    store.clear().await.unwrap();
}

async fn index(store: &dyn Store) {
    let soon = ahead(60_000);
    let key = |user: u32| IndexKey::new("user", user.to_string().as_bytes());
    let indexed = |users: &[u32]| record("{}").with_index(users.iter().map(|user| key(*user)).collect::<Vec<_>>());
    let found = |user: u32| async move {
        let page = store.find(&key(user), None, 100).await.unwrap();
        page.sessions.iter().map(|(id, _)| id.as_str().to_owned()).collect::<Vec<_>>()
    };
    let revision = create(store, "a", indexed(&[1, 2, 2]), soon).await;
    create(store, "b", record(r#"{"n":2}"#).with_index([key(1)]), soon).await;
    create(store, "late", indexed(&[1]), ahead(-1)).await;
    assert_eq!(found(1).await, ["a", "b"]);
    assert_eq!(found(2).await, ["a"]);
    let stale = store.update(&id("b"), revision.clone(), indexed(&[7]), soon).await.unwrap();
    assert!(matches!(stale, Updated::Conflict(_)));
    assert!(found(7).await.is_empty(), "a conflict changes no key");
    let Updated::Replaced(revision) = store.update(&id("a"), revision, indexed(&[2, 3]), soon).await.unwrap() else {
        panic!("not replaced");
    };
    assert_eq!((found(1).await, found(3).await), (vec!["b".to_owned()], vec!["a".to_owned()]));
    let Updated::Replaced(revision) = store.update(&id("a"), revision, record(r#"{"n":1}"#), soon).await.unwrap()
    else {
        panic!("not replaced");
    };
    assert_eq!(found(3).await, ["a"], "a record that says nothing about keys leaves them");
    let renamed = store.rename(&id("a"), revision, &id("c"), indexed(&[3, 4]), soon).await.unwrap();
    assert!(matches!(renamed, Renamed::Stored(_)), "{renamed:?}");
    assert_eq!((found(3).await, found(4).await), (vec!["c".to_owned()], vec!["c".to_owned()]));
    assert!(found(2).await.is_empty());
    store.destroy(&id("c")).await.unwrap();
    assert!(found(3).await.is_empty());
    create(store, "c", record("{}"), soon).await;
    assert!(found(3).await.is_empty(), "the keys went with the session");
    store.clear().await.unwrap();
    assert!(found(1).await.is_empty());
}

pub(crate) async fn pages(store: &dyn Store) {
    let key = IndexKey::new("user", b"1");
    for number in 0..25 {
        let record = record("{}").with_index([key.clone()]);
        create(store, &format!("id {number}"), record, ahead(60_000)).await;
    }
    for key in [None, Some(&key)] {
        let (mut after, mut listed, mut rounds) = (None, Vec::new(), 0);
        loop {
            let Page { sessions, next } = match key {
                Some(key) => store.find(key, after, 10).await.unwrap(),
                None => store.all(after, 10).await.unwrap(),
            };
            assert!(sessions.len() <= 10);
            listed.extend(sessions.into_iter().map(|(id, _)| id));
            rounds += 1;
            after = next;
            if after.is_none() {
                break;
            }
        }
        listed.sort();
        listed.dedup();
        assert_eq!((listed.len(), rounds), (25, 3));
    }
    store.clear().await.unwrap();
}

/// Of those that create or rename to one id at the same time, one succeeds.
pub(crate) async fn has_one_winner(kind: Kind) {
    let database = Database::new(kind).await;
    let store = database.store().await.shared();
    for round in 0..100 {
        let name = format!("round {round}");
        if round % 2 == 0 {
            create(&*store, &name, record("{}"), ahead(-1)).await;
        }
        let mut tasks = JoinSet::new();
        for task in 0..8 {
            let (store, target) = (Arc::clone(&store), id(&name));
            tasks.spawn(async move {
                let mine = record(&format!("{{\"n\":{task}}}"));
                if task % 2 == 0 {
                    return matches!(store.create(&target, mine, ahead(60_000)).await.unwrap(), Created::Stored(_));
                }
                let old = format!("{round} {task}");
                let revision = create(&*store, &old, record("{}"), ahead(60_000)).await;
                let renamed = store.rename(&id(&old), revision, &target, mine, ahead(60_000)).await.unwrap();
                let is_stored = matches!(renamed, Renamed::Stored(_));
                assert_eq!(load(&*store, &old).await.is_none(), is_stored, "{renamed:?}");
                is_stored
            });
        }
        let won = tasks.join_all().await.into_iter().filter(|won| *won).count();
        assert_eq!(won, 1, "{kind:?}, round {round}");
    }
}

/// Dropped operations happen wholly or not at all, and the pool works afterwards.
pub(crate) async fn survives_dropped_futures(kind: Kind) {
    let database = Database::new(kind).await;
    let store = database.store().await.shared();
    let soon = ahead(600_000);
    let key = IndexKey::new("user", b"1");
    let mut revision = create(&*store, "d", record("0").with_index([key.clone()]), soon).await;
    for round in 1_u64..400 {
        let patience = Duration::from_micros(round * 37 % 3000);
        let json = round.to_string();
        let next = record(&json).with_index([key.clone(), IndexKey::new("round", json.as_bytes())]);
        let _ = timeout(patience, store.update(&id("d"), revision, next, soon)).await;
        let _ = timeout(patience, store.load(&id("d"), None)).await;
        if round % 10 == 0 {
            // What was dropped may still be on its way.
            sleep(Duration::from_millis(20)).await;
        }
        let stored = load(&*store, "d").await.unwrap();
        revision = stored.revision.clone();
        let of_round = store.find(&IndexKey::new("round", stored.record.json()), None, 10).await.unwrap();
        let is_whole = text(&stored) == "0" || of_round.sessions.len() == 1;
        let has_moved = || async { load(&*store, "d").await.unwrap().revision != revision };
        assert!(is_whole || has_moved().await, "round {round}");
    }
    let expected = load(&*store, "d").await.unwrap().revision;
    assert!(matches!(store.update(&id("d"), expected, record("1"), soon).await.unwrap(), Updated::Replaced(_)));
}

pub(crate) async fn migrates_at_once(kind: Kind) {
    let database = Database::new(kind).await;
    let stores: Vec<_> = {
        let mut tasks = JoinSet::new();
        let database = Arc::new(database);
        for _ in 0..6 {
            let database = Arc::clone(&database);
            tasks.spawn(async move { database.store().await });
        }
        let stores = tasks.join_all().await;
        create(&*stores[0].shared(), "a", record("{}"), ahead(60_000)).await;
        stores[1].migrate().await;
        assert!(load(&*stores[5].shared(), "a").await.is_some(), "migrating again keeps what is there");
        // By hand, with what the documentation shows.
        stores[2].run(&stores[2].schema()).await;
        stores
    };
    drop(stores);
}

pub(crate) async fn a_missing_table_is_named(kind: Kind) {
    let database = Database::new(kind).await;
    let store = database.open().await.shared();
    let stored = store.create(&id("a"), record("{}"), ahead(60_000)).await.map(drop);
    for result in [store.load(&id("a"), None).await.map(drop), stored] {
        let error = result.unwrap_err();
        let cause = error.source().unwrap();
        assert!(cause.to_string().contains("`migrate()`"), "{cause}");
        assert!(cause.source().is_some(), "what the database said");
    }
}

pub(crate) async fn sweeps_in_steps(kind: Kind) {
    let database = Database::new(kind).await;
    let store = database.store().await.sweep_interval(Duration::ZERO);
    let shared = store.shared();
    create(&*shared, "old", record("{}").with_index([IndexKey::new("user", b"1")]), ahead(-5000)).await;
    create(&*shared, "new", record("{}").with_index([IndexKey::new("user", b"1")]), ahead(60_000)).await;
    create(&*shared, "x", record("{}"), ahead(-5000)).await;
    for step in 0..11 {
        let sid = if kind == Kind::Mysql { "CONCAT(sid, '#')" } else { "sid || '#'" };
        let sid = sid.replace('#', &char::from(b'a' + step).to_string());
        let rest = if kind == Kind::Postgres { "sess, expire" } else { "sess, expire, revision" };
        store.run(&format!("INSERT INTO session SELECT {sid}, {rest} FROM session WHERE sid LIKE 'x%'")).await;
    }
    let rows = || async { (store.number("SELECT COUNT(*) FROM session").await, shared.len().await.unwrap()) };
    let before = rows().await;
    assert_eq!(before, (2050, 1));
    assert_eq!(store.sweep().await, 2049);
    assert_eq!(rows().await, (1, 1));
    assert_eq!(store.number("SELECT COUNT(*) FROM session_index").await, 1);

    // Not at all after the store was dropped, though its pool lives.
    let clone = database.open().await.sweep_interval(Duration::from_millis(20));
    let _ = clone.shared().len().await;
    let pool = clone.pool_alone();
    create(&*shared, "old", record("{}"), ahead(20)).await;
    sleep(Duration::from_millis(150)).await;
    assert_eq!(rows().await, (2, 1));
    drop(pool);

    // By itself, and through errors: the table is away for a while.
    let store = database.store().await.sweep_interval(Duration::from_millis(30));
    let shared = store.shared();
    let _ = shared.len().await;
    store.run("ALTER TABLE session RENAME TO away").await;
    sleep(Duration::from_millis(150)).await;
    store.run("ALTER TABLE away RENAME TO session").await;
    create(&*shared, "old", record("{}"), ahead(-1)).await;
    let mut tries = 0;
    while store.number("SELECT COUNT(*) FROM session").await != 1 {
        sleep(Duration::from_millis(50)).await;
        tries += 1;
        assert!(tries < 100, "nothing was removed");
    }
}
