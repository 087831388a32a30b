//! Sessions are found by their index keys.

use redis::cmd;
use session::store::{IndexKey, Record, RedisServer, Renamed, Revision, Updated};
use session::{RedisStore, Store, Timestamp};

use session_tests::redis::Program;

use crate::support::{DAY, HOUR, Scene, after, created, id, loaded, raw, renewal, views};

fn key(user: &str) -> IndexKey {
    IndexKey::new("user", format!("\"{user}\"").as_bytes())
}

fn of_user(user: &str) -> Record {
    views(1).with_index([key(user)])
}

pub(crate) async fn found<C: RedisServer>(store: &RedisStore<C>, key: &IndexKey) -> Vec<String> {
    let (mut ids, mut after) = (Vec::new(), None);
    loop {
        let page = store.find(key, after, 10).await.unwrap();
        ids.extend(page.sessions.iter().map(|(id, _)| id.as_str().to_owned()));
        after = page.next;
        if after.is_none() {
            ids.sort_unstable();
            return ids;
        }
    }
}

/// Also for clusters.
pub(crate) async fn sessions_of_a_user<C: RedisServer>(store: &RedisStore<C>) {
    assert!(found(store, &key("ada")).await.is_empty());
    let revision = created(store, "a1", of_user("ada")).await;
    created(store, "a2", of_user("ada")).await;
    created(store, "b1", of_user("bob")).await;
    created(store, "none", views(1)).await;
    assert_eq!(found(store, &key("ada")).await, ["a1", "a2"]);

    // Written without keys, as from a store, a record keeps those that it has.
    let Updated::Replaced(revision) = store.update(&id("a1"), revision, views(2), after(HOUR)).await.unwrap() else {
        panic!("it is as it was")
    };
    assert_eq!(found(store, &key("ada")).await, ["a1", "a2"]);
    let renamed = store.rename(&id("a1"), revision, &id("a3"), of_user("ada"), after(HOUR)).await.unwrap();
    let Renamed::Stored(revision) = renamed else { panic!("it is as it was: {renamed:?}") };
    assert_eq!(found(store, &key("ada")).await, ["a2", "a3"]);
    store.update(&id("a3"), revision, of_user("bob"), after(HOUR)).await.unwrap();
    assert_eq!(found(store, &key("bob")).await, ["a3", "b1"]);
    store.destroy(&id("a2")).await.unwrap();
    store.destroy(&id("a3")).await.unwrap();
    assert_eq!(found(store, &key("ada")).await, Vec::<String>::new());
    assert_eq!(found(store, &key("bob")).await, ["b1"]);
    store.destroy(&id("b1")).await.unwrap();
    store.destroy(&id("none")).await.unwrap();
}

pub(crate) fn sessions_are_found_by_their_keys(program: Program) {
    Scene::play(program, "find", async |mut scene| {
        sessions_of_a_user(&scene.store).await;
        let names: Vec<_> = (0..300).map(|number| format!("{number:03}")).collect();
        for name in &names {
            created(&scene.store, name, of_user("ada")).await;
        }
        assert_eq!(found(&scene.store, &key("ada")).await, names);
        let life = scene.pttl(&scene.index_set(&key("ada"))).await;
        assert!(life > 3_600_000, "nothing stays for ever: {life}");
        assert_eq!(scene.store.len().await.unwrap(), 300);

        // Two ids of somebody's own making: without its end, the second one's list of keys is called as the first one's.
        let session = scene.key("u");
        let (one, other) = (format!("u}}{}{{{session}", scene.prefix), format!("{{{session}}}"));
        created(&scene.store, &one, of_user("cy")).await;
        created(&scene.store, &other, of_user("bob")).await;
        assert_eq!(found(&scene.store, &key("cy")).await, [one]);
        assert_eq!(found(&scene.store, &key("bob")).await, [other]);
    });
}

/// Whenever a session can be loaded, it can be found.
pub(crate) fn entries_are_there_before_their_session(program: Program) {
    Scene::play(program, "before", async |scene| {
        let watch = {
            let store = scene.store.clone();
            tokio::spawn(async move {
                for round in 0..300 {
                    let name = format!("s{round}");
                    while loaded(&store, &name).await.is_none() {}
                    assert!(found(&store, &key(&name)).await.contains(&name), "a session without an entry");
                }
            })
        };
        for round in 0..300 {
            let name = format!("s{round}");
            created(&scene.store, &name, of_user(&name)).await;
        }
        watch.await.unwrap();
    });
}

/// Whatever an entry outlived: it is not found by, is looked at soon, and is gone a minute later, when somebody looks.
pub(crate) fn entries_that_are_over_are_dropped(program: Program) {
    Scene::play(program, "over", async |mut scene| {
        let store = scene.store.clone();
        let set = scene.index_set(&key("ada"));
        for way in ["updated", "updated to none", "destroyed", "renamed", "refused", "never stored"] {
            let (id, stays) = (id(way), id("stays"));
            let revision = match way {
                "refused" | "never stored" => Revision::from([7; 32]),
                _ => created(&store, way, of_user("ada")).await,
            };
            match way {
                "updated" => drop(store.update(&id, revision, of_user("bob"), after(HOUR)).await.unwrap()),
                "updated to none" => {
                    drop(store.update(&id, revision, views(1).with_index([]), after(HOUR)).await.unwrap())
                }
                "destroyed" => store.destroy(&id).await.unwrap(),
                "renamed" => drop(store.rename(&id, revision, &stays, of_user("eve"), after(HOUR)).await.unwrap()),
                "refused" => {
                    created(&store, way, of_user("bob")).await;
                    drop(store.update(&id, revision, of_user("ada"), after(HOUR)).await.unwrap());
                }
                _ => {
                    drop(store.update(&id, revision, of_user("ada"), after(HOUR)).await.unwrap());
                    created(&store, way, views(1).with_index([])).await;
                }
            }
            assert_eq!(found(&store, &key("ada")).await, Vec::<String>::new(), "{way}");
            let score: f64 = cmd("ZSCORE").arg(&set).arg(way).query_async(&mut scene.raw).await.unwrap();
            assert!(score <= Timestamp::now().as_millis() as f64, "{way}: the entry has its time");
            let old = Timestamp::now().as_millis() - 61_000;
            cmd("ZADD").arg(&set).arg(old).arg(way).exec_async(&mut scene.raw).await.unwrap();
            assert_eq!(found(&store, &key("ada")).await, Vec::<String>::new(), "{way}");
            let left: i64 = cmd("ZCARD").arg(&set).query_async(&mut scene.raw).await.unwrap();
            assert_eq!(left, 0, "{way}");
            store.destroy(&stays).await.unwrap();
        }
        // What Node writes says nothing about keys.
        created(&store, "node", of_user("ada")).await;
        scene.node_writes("node", r#"{"cookie":{"originalMaxAge":null},"views":2}"#).await;
        assert_eq!(found(&store, &key("ada")).await, ["node"]);
        // Nobody is left out when the list has ended before its session.
        let list = format!("{}-index:{{{}}}", scene.prefix.trim_end_matches(':'), scene.key("node"));
        let life = scene.pttl(&list).await;
        assert!(life > 3_600_000, "nothing stays for ever: {life}");
        let removed: i64 = cmd("DEL").arg(&list).query_async(&mut scene.raw).await.unwrap();
        assert_eq!(removed, 1);
        assert_eq!(found(&store, &key("ada")).await, ["node"]);
    });
}

pub(crate) fn the_index_is_cleaned(program: Program) {
    Scene::play(program, "sweep", async |mut scene| {
        let store = scene.store.clone();
        let set = scene.index_set(&key("ada"));
        let plan = format!("{}-index:", scene.prefix.trim_end_matches(':'));
        for name in ["lives", "gone", "coming"] {
            created(&store, name, of_user("ada")).await;
        }
        let revision = created(&store, "eve's", of_user("ada")).await;
        store.update(&id("eve's"), revision, of_user("eve"), after(HOUR)).await.unwrap();
        created(&store, "alone", of_user("bob")).await;
        for name in ["gone", "coming", "alone"] {
            store.destroy(&id(name)).await.unwrap();
        }
        // Two hours later: the session that lives was renewed meanwhile, and its entry was not.
        let old = Timestamp::now().as_millis() - 7_200_000;
        let bobs = scene.index_set(&key("bob"));
        let age = [(&set, "lives"), (&set, "gone"), (&set, "eve's"), (&bobs, "alone")].map(|(set, name)| {
            let mut age = cmd("ZADD");
            age.arg(set).arg(old).arg(name);
            age
        });
        for age in age {
            age.exec_async(&mut scene.raw).await.unwrap();
        }
        for user in ["ada", "bob"] {
            cmd("ZADD").arg(&plan).arg(old).arg(key(user).as_str()).exec_async(&mut scene.raw).await.unwrap();
        }
        store.load(&id("lives"), Some(renewal(DAY))).await.unwrap().unwrap();

        // Another process comes by.
        let other = RedisStore::new(raw(&scene.url).await).prefix(&scene.prefix);
        created(&other, "other", of_user("eve")).await;
        let mut left: Vec<String> = Vec::new();
        for _ in 0..100 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            left = cmd("ZRANGE").arg(&set).arg(0).arg(-1).query_async(&mut scene.raw).await.unwrap();
            let planned: Vec<String> =
                cmd("ZRANGE").arg(&plan).arg(0).arg(-1).query_async(&mut scene.raw).await.unwrap();
            if left.len() == 2 && !planned.contains(&key("bob").as_str().to_owned()) {
                break;
            }
        }
        assert_eq!(left, ["coming".to_owned(), "lives".to_owned()], "an entry in the future is left alone");
        let score: f64 = cmd("ZSCORE").arg(&set).arg("lives").query_async(&mut scene.raw).await.unwrap();
        assert!(score > (Timestamp::now().as_millis() + 80_000_000) as f64, "its entry follows the session");
        let gone: i64 = cmd("EXISTS").arg(scene.index_set(&key("bob"))).query_async(&mut scene.raw).await.unwrap();
        assert_eq!(gone, 0);
        assert_eq!(found(&store, &key("ada")).await, ["lives"]);

        // Who looks cleans up, too.
        cmd("ZADD").arg(&set).arg(old).arg("coming").exec_async(&mut scene.raw).await.unwrap();
        assert_eq!(found(&store, &key("ada")).await, ["lives"]);
        let size: i64 = cmd("ZCARD").arg(&set).query_async(&mut scene.raw).await.unwrap();
        assert_eq!(size, 1);
    });
}

pub(crate) fn each_prefix_is_cleaned(program: Program) {
    Scene::play(program, "prefixes", async |mut scene| {
        let set = scene.index_set(&key("ada"));
        let plan = format!("{}-index:", scene.prefix.trim_end_matches(':'));
        let old = Timestamp::now().as_millis() - 7_200_000;
        cmd("ZADD").arg(&set).arg(old).arg("gone").exec_async(&mut scene.raw).await.unwrap();
        cmd("ZADD").arg(&plan).arg(old).arg(key("ada").as_str()).exec_async(&mut scene.raw).await.unwrap();

        // A store with another prefix, over the same connection, has just cleaned its own.
        let other = scene.store.clone().prefix(format!("{}-other:", scene.prefix.trim_end_matches(':')));
        created(&other, "other", of_user("eve")).await;
        let store = other.prefix(&scene.prefix);
        created(&store, "lives", of_user("ada")).await;
        let mut left = 0;
        for _ in 0..100 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            left = cmd("ZCARD").arg(&set).query_async(&mut scene.raw).await.unwrap();
            if left == 1 {
                break;
            }
        }
        assert_eq!(left, 1);
    });
}
