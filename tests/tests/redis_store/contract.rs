//! What a server adds to what every store promises.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use redis::cmd;
use session::store::{Created, IndexKey, Renamed, Revision, Updated};
use session::{RedisStore, Store, Timestamp};
use session_tests::redis::Program;

use crate::support::{
    DAY, HOUR, Lossy, Repeating, Scene, after, close_to, created, id, listed, loaded, past, record, renewal, views,
    views_of,
};

/// Its answers have other shapes. With the older one, the conformance kit holds, in the tests `stores`.
pub(crate) fn the_newer_protocol_is_understood(program: Program) {
    Scene::play(program, "resp3", async |scene| {
        let url = format!("{}/?protocol=resp3", scene.url.trim_end_matches('/'));
        let store = RedisStore::connect(url).await.unwrap().prefix(&scene.prefix);
        life_of_a_session(&store).await;
        crate::index::sessions_of_a_user(&store).await;
        assert_eq!(listed(&store, 10).await, Vec::<String>::new());
    });
}

/// Also for clusters.
pub(crate) async fn life_of_a_session(store: &impl Store) {
    assert!(loaded(store, "a").await.is_none());
    assert!(!store.touch(&id("a"), after(HOUR)).await.unwrap());
    let made_up = Revision::from([7; 32]);
    assert!(matches!(store.update(&id("a"), made_up.clone(), views(1), after(HOUR)).await.unwrap(), Updated::Gone));
    assert!(matches!(store.rename(&id("a"), made_up, &id("b"), views(1), after(HOUR)).await.unwrap(), Renamed::Gone));
    store.destroy(&id("a")).await.unwrap();
    assert!(loaded(store, "a").await.is_none() && loaded(store, "b").await.is_none());

    let first = created(store, "a", views(1)).await;
    assert_eq!(store.create(&id("a"), views(9), after(HOUR)).await.unwrap(), Created::Taken);
    assert_eq!(store.create(&id("a"), views(1), after(HOUR)).await.unwrap(), Created::Taken, "not even the same again");
    assert_eq!(store.create(&id("a"), views(9), past()).await.unwrap(), Created::Taken);
    let found = loaded(store, "a").await.unwrap();
    assert_eq!((views_of(&found), found.revision), (1, first.clone()));

    let Updated::Replaced(second) = store.update(&id("a"), first.clone(), views(2), after(HOUR)).await.unwrap() else {
        panic!("nobody else changed it")
    };
    let Updated::Conflict(theirs) = store.update(&id("a"), first.clone(), views(3), after(HOUR)).await.unwrap() else {
        panic!("it was changed")
    };
    assert_eq!((views_of(&theirs), theirs.revision), (2, second.clone()));
    assert!(close_to(theirs.expires.as_millis(), after(HOUR).as_millis()));
    let Updated::Conflict(_) = store.update(&id("a"), first.clone(), views(2), after(HOUR)).await.unwrap() else {
        panic!("it was changed, to what it would be changed to now")
    };

    created(store, "taken", views(7)).await;
    let rename = async |from: &str, expected, to: &str, to_views| {
        store.rename(&id(from), expected, &id(to), views(to_views), after(HOUR)).await.unwrap()
    };
    assert!(matches!(rename("a", second.clone(), "taken", 8).await, Renamed::Taken));
    assert!(matches!(rename("a", first, "b", 8).await, Renamed::Conflict(theirs) if views_of(&theirs) == 2));
    assert!(loaded(store, "b").await.is_none(), "nothing is left of a try");
    let Renamed::Stored(third) = rename("a", second.clone(), "b", 3).await else { panic!("it is as it was loaded") };
    assert!(loaded(store, "a").await.is_none());
    assert_eq!(loaded(store, "b").await.map(|found| (views_of(&found), found.revision)), Some((3, third.clone())));
    assert!(matches!(rename("a", second, "c", 4).await, Renamed::Gone));
    assert!(loaded(store, "c").await.is_none());

    store.destroy(&id("b")).await.unwrap();
    store.destroy(&id("b")).await.unwrap();
    assert!(matches!(store.update(&id("b"), third, views(4), after(HOUR)).await.unwrap(), Updated::Gone));
    assert!(!store.touch(&id("b"), after(HOUR)).await.unwrap());
    assert!(store.load(&id("b"), Some(renewal(HOUR))).await.unwrap().is_none());
    assert_eq!(store.len().await.unwrap(), 1);
    store.destroy(&id("taken")).await.unwrap();
}

/// A long value is compared by its digest.
pub(crate) fn sessions_of_any_length_are_compared(program: Program) {
    Scene::play(program, "lengths", async |mut scene| {
        let store = scene.store.clone();
        let of = |length: usize, letter: &str| {
            let (life, text) = (r#"{"originalMaxAge":60000,"expires":null}"#, letter.repeat(length));
            record(&format!(r#"{{"cookie":{life},"text":"{text}"}}"#))
        };
        for length in (1..4).chain(16_318..16_330).chain([1000, 100_000]) {
            let (a, b) = (id(&format!("a{length}")), id(&format!("b{length}")));
            let first = created(&store, a.as_str(), of(length, "x")).await;
            let found = store.load(&a, Some(renewal(DAY))).await.unwrap().unwrap();
            assert_eq!(found.revision, first);
            assert!(close_to(scene.pttl(&scene.key(a.as_str())).await, 60_000), "{length}");
            let updated = store.update(&a, first.clone(), of(length, "yy"), after(HOUR)).await.unwrap();
            let Updated::Replaced(second) = updated else { panic!("{length}: nobody else changed it") };
            let updated = store.update(&a, first.clone(), of(length, "z"), after(HOUR)).await.unwrap();
            let is_conflict = matches!(&updated, Updated::Conflict(theirs) if theirs.revision == second);
            assert!(is_conflict, "{length}");
            let renamed = store.rename(&a, second, &b, of(length, "z"), after(HOUR)).await.unwrap();
            assert!(matches!(renamed, Renamed::Stored(_)), "{length}");
            let updated = store.update(&a, first, of(length, "z"), after(HOUR)).await.unwrap();
            assert!(matches!(updated, Updated::Gone), "{length}");
        }
    });
}

pub(crate) fn the_expiry_is_what_it_should_be(program: Program) {
    Scene::play(program, "expiry", async |mut scene| {
        let store = scene.store.clone();
        let revision = created(&store, "a", views(1)).await;
        let key = scene.key("a");
        let expires = |life: Duration| after(life).as_millis();
        assert!(close_to(scene.pttl(&key).await, 3_600_000));

        let found = store.load(&id("a"), Some(renewal(DAY))).await.unwrap().unwrap();
        assert!(close_to(found.expires.as_millis(), expires(DAY)) && close_to(scene.pttl(&key).await, 86_400_000));
        let found = loaded(&store, "a").await.unwrap();
        assert!(close_to(found.expires.as_millis(), expires(DAY)), "looking moves nothing");

        let usual_is_not_the_ttl = session::store::Renewal { usual: HOUR, ..renewal(DAY) };
        let found = store.load(&id("a"), Some(usual_is_not_the_ttl)).await.unwrap().unwrap();
        assert!(close_to(found.expires.as_millis(), expires(DAY)) && close_to(scene.pttl(&key).await, 86_400_000));

        assert!(store.touch(&id("a"), after(HOUR)).await.unwrap());
        assert!(close_to(scene.pttl(&key).await, 3_600_000));
        let own_life = record(r#"{"cookie":{"originalMaxAge":60000,"expires":null},"views":1}"#);
        store.update(&id("a"), revision, own_life, after(DAY)).await.unwrap();
        assert!(close_to(scene.pttl(&key).await, 86_400_000));
        let found = store.load(&id("a"), Some(renewal(DAY))).await.unwrap().unwrap();
        assert!(close_to(found.expires.as_millis(), expires(Duration::from_secs(60))));
        assert!(close_to(scene.pttl(&key).await, 60_000));

        // An expiry that has passed is the end, whichever way it comes.
        assert!(store.touch(&id("a"), past()).await.unwrap());
        assert!(loaded(&store, "a").await.is_none());
        assert!(matches!(store.create(&id("a"), views(1), past()).await.unwrap(), Created::Stored(_)));
        assert!(loaded(&store, "a").await.is_none());
        let revision = created(&store, "a", views(1)).await;
        assert!(matches!(store.update(&id("a"), revision, views(2), past()).await.unwrap(), Updated::Replaced(_)));
        assert!(loaded(&store, "a").await.is_none());
        created(&store, "a", record(r#"{"cookie":{"originalMaxAge":0}}"#)).await;
        assert!(store.load(&id("a"), Some(renewal(DAY))).await.unwrap().is_none());
        let forever = Timestamp::from_millis(i64::MAX);
        assert!(matches!(store.create(&id("a"), views(1), forever).await.unwrap(), Created::Stored(_)));
        assert!(store.touch(&id("a"), forever).await.unwrap());

        store.touch(&id("a"), after(Duration::from_millis(30))).await.unwrap();
        tokio::time::sleep(Duration::from_millis(60)).await;
        assert!(store.load(&id("a"), Some(renewal(DAY))).await.unwrap().is_none());
        assert!(!store.touch(&id("a"), after(DAY)).await.unwrap());
    });
}

pub(crate) fn all_sessions_are_listed_page_by_page(program: Program) {
    Scene::play(program, "list-[a*?]\\", async |mut scene| {
        let store = scene.store.clone();
        let names: Vec<_> = (0..250).map(|number| format!("{number:03}")).collect();
        for name in &names {
            let keyed = views(1).with_index([IndexKey::new("user", b"7")]);
            created(&store, name, keyed).await;
        }
        let lookalike = format!("{}x", scene.prefix.replace("[a*?]\\", "a"));
        cmd("SET").arg(&lookalike).arg("not ours").arg("EX").arg(60).exec_async(&mut scene.raw).await.unwrap();
        cmd("RPUSH").arg(scene.key("list")).arg("not ours").exec_async(&mut scene.raw).await.unwrap();
        assert_eq!(store.len().await.unwrap(), 250);
        assert_eq!(listed(&store, 10).await, names);
        assert_eq!(listed(&store, 1_000_000).await, names);

        let bare = RedisStore::connect(&scene.url).await.unwrap();
        assert_eq!(bare.prefix(format!("{}2", scene.prefix)).len().await.unwrap(), 50);
        store.clear().await.unwrap();
        assert_eq!(store.len().await.unwrap(), 0);
        let kept: i64 = cmd("EXISTS").arg(&lookalike).query_async(&mut scene.raw).await.unwrap();
        assert_eq!(kept, 1, "the prefix is no pattern");
        let _: i64 = cmd("DEL").arg(lookalike).query_async(&mut scene.raw).await.unwrap();
    });
}

pub(crate) fn sessions_that_a_scan_repeats_are_counted_once(program: Program) {
    Scene::play(program, "repeated", async |scene| {
        let key = IndexKey::new("user", b"7");
        let names: BTreeSet<_> = (0..300).map(|number| format!("{number:03}")).collect();
        for name in &names {
            created(&scene.store, name, views(1).with_index([key.clone()])).await;
        }
        let repeating = || RedisStore::new(Repeating::new(scene.raw.clone())).prefix(&scene.prefix);
        assert_eq!(repeating().len().await.unwrap(), names.len());
        for key in [None, Some(&key)] {
            let store = repeating();
            let (mut seen, mut shown, mut after) = (BTreeSet::new(), 0, None);
            loop {
                let page = match key {
                    None => store.all(after, 50).await.unwrap(),
                    Some(key) => store.find(key, after, 50).await.unwrap(),
                };
                let ids: BTreeSet<_> = page.sessions.iter().map(|(id, _)| id.as_str().to_owned()).collect();
                assert_eq!(ids.len(), page.sessions.len(), "a page has a session twice");
                shown += ids.len();
                seen.extend(ids);
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(seen, names);
            assert!(shown > names.len(), "the scan does repeat them");
        }
        repeating().clear().await.unwrap();
        assert_eq!(scene.store.len().await.unwrap(), 0);
    });
}

pub(crate) fn a_lost_reply_is_recognised(program: Program) {
    Scene::play(program, "lost-reply", async |scene| {
        let connection = Lossy::new(scene.raw.clone());
        let store = RedisStore::new(connection.clone()).prefix(&scene.prefix);
        // The server has the scripts.
        life_of_a_session(&store).await;

        connection.lose_next();
        let revision = created(&store, "a", views(1)).await;
        connection.lose_next();
        let updated = store.update(&id("a"), revision, views(2), after(HOUR)).await.unwrap();
        let Updated::Replaced(revision) = updated else { panic!("its own write is no conflict: {updated:?}") };
        connection.lose_next();
        let renamed = store.rename(&id("a"), revision, &id("b"), views(3), after(HOUR)).await.unwrap();
        let Renamed::Stored(revision) = renamed else { panic!("its own write is no conflict: {renamed:?}") };
        assert_eq!(loaded(&store, "b").await.map(|found| found.revision), Some(revision));
        connection.lose_next();
        assert!(store.load(&id("b"), Some(renewal(HOUR))).await.unwrap().is_some());
        connection.lose_next();
        assert!(store.touch(&id("b"), after(HOUR)).await.unwrap());

        // What others wrote is a conflict, also then.
        connection.lose_next();
        let updated = store.update(&id("b"), Revision::from([7; 32]), views(9), after(HOUR)).await.unwrap();
        assert!(matches!(updated, Updated::Conflict(theirs) if views_of(&theirs) == 3));
        connection.lose_next();
        assert_eq!(store.create(&id("b"), views(9), after(HOUR)).await.unwrap(), Created::Taken);
        connection.lose_next();
        store.destroy(&id("b")).await.unwrap();
        assert!(loaded(&store, "b").await.is_none());
    });
}

pub(crate) fn a_value_of_another_type_is_an_error(program: Program) {
    Scene::play(program, "type", async |mut scene| {
        cmd("RPUSH").arg(scene.key("a")).arg("x").exec_async(&mut scene.raw).await.unwrap();
        let (store, revision) = (scene.store.clone(), Revision::from([7; 32]));
        let error = store.load(&id("a"), Some(renewal(HOUR))).await.unwrap_err();
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.contains("WRONGTYPE") && !source.contains(&scene.prefix), "{source}");
        store.load(&id("a"), None).await.unwrap_err();
        store.update(&id("a"), revision.clone(), views(1), after(HOUR)).await.unwrap_err();
        store.rename(&id("a"), revision, &id("b"), views(1), after(HOUR)).await.unwrap_err();
        assert_eq!(store.create(&id("a"), views(1), after(HOUR)).await.unwrap(), Created::Taken);
        assert!(loaded(&store, "b").await.is_none());
    });
}

/// In between the two commands of an unusual session's load, its expiry is the usual one.
pub(crate) fn a_load_that_is_dropped_leaves_the_right_expiry(program: Program) {
    Scene::play(program, "dropped-load", async |mut scene| {
        created(&scene.store, "a", record(r#"{"cookie":{"originalMaxAge":60000,"expires":null}}"#)).await;
        let key = scene.key("a");
        for _ in 0..20 {
            let connection = Lossy::new(scene.raw.clone());
            let store = RedisStore::new(connection.clone()).prefix(&scene.prefix);
            connection.hang_next();
            let (id, wait) = (id("a"), Duration::from_millis(20));
            tokio::time::timeout(wait, store.load(&id, Some(renewal(DAY)))).await.unwrap_err();
            let begin = Instant::now();
            while scene.pttl(&key).await > 60_000 {
                assert!(begin.elapsed() < Duration::from_secs(5), "it has the usual life, and not its own");
            }
        }
    });
}

pub(crate) fn dropped_operations_leave_the_connection_usable(program: Program) {
    Scene::play(program, "dropped", async |scene| {
        let store = scene.store.clone();
        let revision = created(&store, "a", views(1)).await;
        let done = Arc::new(AtomicBool::new(false));
        let dropping = tokio::spawn({
            let (store, done) = (store.clone(), Arc::clone(&done));
            async move {
                let mut micros = 0;
                while !done.load(Ordering::Relaxed) {
                    micros = (micros + 7) % 600;
                    let wait = Duration::from_micros(micros);
                    let _ = tokio::time::timeout(wait, store.load(&id("a"), Some(renewal(HOUR)))).await;
                    let (other, revision) = (id("b"), revision.clone());
                    let _ = tokio::time::timeout(wait, store.update(&other, revision, views(7), after(HOUR))).await;
                    let _ = tokio::time::timeout(wait, store.all(None, 10)).await;
                }
            }
        });
        for number in 0..1000 {
            let name = format!("c{number}");
            created(&store, &name, views(number)).await;
            let found = loaded(&store, &name).await.unwrap();
            assert_eq!(views_of(&found), number, "an answer went to somebody else");
            store.destroy(&id(&name)).await.unwrap();
        }
        done.store(true, Ordering::Relaxed);
        dropping.await.unwrap();
        assert_eq!(loaded(&store, "a").await.map(|found| views_of(&found)), Some(1));
    });
}
