//! How many commands an operation costs, by the server's own count.

use std::collections::BTreeMap;

use redis::aio::MultiplexedConnection;
use redis::cmd;
use session::store::{IndexKey, Renewal, Updated};
use session::{RedisStore, Store};
use session_tests::redis::Program;

use crate::support::{DAY, HOUR, after, block_on, created, id, past, raw, record, renewal, views, views_of};

/// The commands since the last call, by name. Those that a script calls count too.
async fn counted(raw: &mut MultiplexedConnection) -> BTreeMap<String, u64> {
    let info: String = cmd("INFO").arg("commandstats").query_async(raw).await.unwrap();
    cmd("CONFIG").arg("RESETSTAT").exec_async(raw).await.unwrap();
    let lines = info.lines().filter_map(|line| line.strip_prefix("cmdstat_")?.split_once(":calls="));
    let counts = lines.map(|(name, rest)| (name.to_owned(), rest.split(',').next().unwrap().parse().unwrap()));
    counts.filter(|(name, _)| !name.starts_with("info") && !name.starts_with("config")).collect()
}

/// Whether `SET` compares there.
async fn compares(raw: &mut MultiplexedConnection) -> bool {
    cmd("SET").arg("none").arg("").arg("IFEQ").arg("").query_async::<Option<String>>(raw).await.is_ok()
}

pub(crate) fn commands_are_as_few_as_promised(program: Program) {
    block_on(async {
        let server = program.start(&[]);
        let mut raw = raw(&server.url()).await;
        let store = RedisStore::connect(server.url()).await.unwrap();
        // Brings the scripts along.
        crate::contract::life_of_a_session(&store).await;
        let keyless = || views(1).with_index([]);
        store.update(&id("none"), [7; 32].into(), keyless(), after(HOUR)).await.unwrap();
        store.update(&id("none"), [7; 32].into(), views(1), past()).await.unwrap();
        let short = record(r#"{"cookie":{"originalMaxAge":60000,"expires":null}}"#);
        created(&store, "short", short).await;
        store.load(&id("short"), Some(renewal(DAY))).await.unwrap();
        let compares = compares(&mut raw).await;
        counted(&mut raw).await;

        macro_rules! costs {
            ($operation:expr, $($name:literal: $calls:literal),*) => {{
                let answer = $operation.await.unwrap();
                let expected = BTreeMap::from([$(($name.to_owned(), $calls)),*]);
                assert_eq!(counted(&mut raw).await, expected, stringify!($operation));
                answer
            }};
        }
        costs!(store.create(&id("a"), views(1), after(HOUR)), "set": 1);
        costs!(store.create(&id("a"), views(1), after(HOUR)), "set": 1);
        let found = costs!(store.load(&id("a"), Some(renewal(DAY))), "getex": 1).unwrap();
        costs!(store.load(&id("missing"), Some(renewal(DAY))), "getex": 1);
        // One command, and those that its script calls.
        costs!(store.load(&id("a"), None), "evalsha": 1, "get": 1, "pttl": 1);
        let a = id("a");
        let update = store.update(&a, found.revision.clone(), views(2), after(HOUR));
        let outdated = store.update(&a, found.revision, views(3), after(HOUR));
        let updated = if compares {
            costs!(update, "set": 1);
            costs!(outdated, "set": 1, "evalsha": 1, "get": 1, "pttl": 1)
        } else {
            costs!(update, "evalsha": 1, "get": 1, "set": 1);
            costs!(outdated, "evalsha": 1, "get": 1, "pttl": 1)
        };
        let Updated::Conflict(theirs) = updated else { panic!("it was changed: {updated:?}") };
        assert_eq!(views_of(&theirs), 2);
        costs!(store.touch(&id("a"), after(DAY)), "pexpire": 1);
        costs!(
            store.rename(&id("a"), theirs.revision, &id("b"), views(4), after(HOUR)),
            "evalsha": 1, "get": 1, "exists": 1, "set": 1, "del": 1
        );
        costs!(store.destroy(&id("b")), "evalsha": 1, "hget": 1, "unlink": 1);
        let expected = created(&store, "over", views(1)).await;
        counted(&mut raw).await;
        costs!(store.update(&id("over"), expected, views(2), past()), "evalsha": 1, "get": 1, "del": 1);
        // A life that is not the usual one costs one more.
        costs!(store.load(&id("short"), Some(renewal(DAY))), "getex": 1, "evalsha": 1, "get": 1, "pexpire": 1);
        let usual = Renewal { usual: std::time::Duration::from_secs(60), ..renewal(DAY) };
        costs!(store.load(&id("short"), Some(usual)), "getex": 1);
        // So does an index key; the first one of its kind is planned to be cleaned. Sets of the index are looked
        // through at the first such write of a process, and then once a minute.
        let keyed = || views(1).with_index([IndexKey::new("user", b"7")]);
        let revision = created(&store, "indexed", keyed()).await;
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        counted(&mut raw).await;
        costs!(
            store.create(&id("another"), keyed(), after(HOUR)),
            "evalsha": 2, "zadd": 1, "pttl": 1, "zcard": 1, "pexpire": 2, "set": 1, "hget": 1, "hset": 1
        );
        // No key costs nothing more; one that is taken away costs two more.
        let expected = created(&store, "keyless", keyless()).await;
        counted(&mut raw).await;
        costs!(store.update(&id("keyless"), expected, keyless(), after(HOUR)), "evalsha": 1, "get": 1, "set": 1, "hget": 1);
        let updated = costs!(
            store.update(&id("indexed"), revision, keyless(), after(HOUR)),
            "evalsha": 2, "get": 1, "set": 1, "hget": 1, "hset": 1, "zadd": 2, "pttl": 1, "zcard": 1, "pexpire": 1
        );
        assert!(matches!(updated, Updated::Replaced(_)));
    });
}

pub(crate) fn scripts_that_the_server_lost_come_back(program: Program) {
    block_on(async {
        let server = program.start(&[]);
        let mut raw = raw(&server.url()).await;
        let store = RedisStore::connect(server.url()).await.unwrap();
        for _ in 0..3 {
            crate::contract::life_of_a_session(&store).await;
            let revision = created(&store, "a", views(1)).await;
            cmd("SCRIPT").arg("FLUSH").exec_async(&mut raw).await.unwrap();
            let updated = store.update(&id("a"), revision, views(2), after(HOUR)).await.unwrap();
            assert!(matches!(updated, Updated::Replaced(_)));
            cmd("SCRIPT").arg("FLUSH").exec_async(&mut raw).await.unwrap();
            assert!(store.load(&id("a"), None).await.unwrap().is_some());
            store.destroy(&id("a")).await.unwrap();
        }
    });
}
