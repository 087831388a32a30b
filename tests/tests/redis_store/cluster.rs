//! The store on a cluster of three servers.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use session::store::{IndexKey, RedisClusterStore, Renamed, Updated};
use session::{RedisStore, Store};
use session_tests::redis::{Program, RedisServer, cli, start_replica, wait_until};

use crate::index::found;
use crate::support::{HOUR, after, block_on, created, id, listed, loaded, renewal, views, views_of};

async fn connect(servers: &[RedisServer]) -> RedisClusterStore {
    RedisStore::connect_cluster(servers.iter().map(RedisServer::url)).await.unwrap()
}

pub(crate) fn a_cluster_does_all_that_one_server_does(program: Program) {
    block_on(async {
        let servers = program.start_cluster();
        let store = connect(&servers[..1]).await;
        crate::contract::life_of_a_session(&store).await;
        crate::index::sessions_of_a_user(&store).await;
        let names: Vec<_> = (0..200).map(|number| format!("{number:03}")).collect();
        for name in &names {
            created(&store, name, views(1)).await;
        }
        braces_in_keys_are_no_trouble(&store).await;
        for server in &servers {
            assert_ne!(cli(server.port(), &["DBSIZE"]).trim(), "0", "the sessions are spread");
        }
        assert_eq!(listed(&store, 7).await, names);
        assert_eq!(store.len().await.unwrap(), 200);
        store.clear().await.unwrap();
        assert_eq!(store.len().await.unwrap(), 0);
    });
}

/// What stands in braces decides on a key's slot, and a session's index keys are kept in the slot of the session.
async fn braces_in_keys_are_no_trouble(store: &RedisClusterStore) {
    let key = |user: &str| IndexKey::new("user", user.as_bytes());
    for prefix in ["braces:", "{shop}:", "shop{:", "shop}:", "{}:"] {
        let store = store.clone().prefix(prefix);
        for name in ["plain", "a{b}c", "{b}", "a}b", "a{b", "{}", "}{", "{{a}}"] {
            let revision = created(&store, name, views(1).with_index([key("ada")])).await;
            let next = views(2).with_index([key("bob")]);
            let updated = store.update(&id(name), revision, next.clone(), after(HOUR)).await.unwrap();
            let Updated::Replaced(revision) = updated else { panic!("{prefix}{name}: {updated:?}") };
            assert_eq!(found(&store, &key("bob")).await, [name], "{prefix}");
            if prefix == "braces:" && !name.contains('}') {
                assert!(found(&store, &key("ada")).await.is_empty(), "{name}");
            }
            let renamed = store.rename(&id(name), revision, &id("new"), next, after(HOUR)).await.unwrap();
            assert!(matches!(renamed, Renamed::Stored(_)), "{prefix}{name}: {renamed:?}");
            assert_eq!(found(&store, &key("bob")).await, ["new"], "{prefix}{name}");
            store.destroy(&id("new")).await.unwrap();
        }
    }
}

/// What a task made of the counter: increments that were acknowledged, and those of which nothing is known.
struct Increments {
    done: u64,
    unknown: u64,
}

/// Increments the counter until it is told to stop.
async fn increment(store: RedisClusterStore, stop: Arc<AtomicBool>) -> Increments {
    let mut made = Increments { done: 0, unknown: 0 };
    let mut current = None;
    while !stop.load(Ordering::Relaxed) {
        let Some(found) = current.take() else {
            // A busy machine may be slower than the store waits; that there is no session is never right.
            if let Ok(found) = store.load(&id("counter"), Some(renewal(HOUR))).await {
                current = Some(found.expect("nobody destroyed it"));
            }
            continue;
        };
        let next = views(views_of(&found) + 1);
        match store.update(&id("counter"), found.revision, next, after(HOUR)).await {
            Ok(Updated::Replaced(_)) => made.done += 1,
            Ok(Updated::Conflict(theirs)) => current = Some(theirs),
            Ok(Updated::Gone) => panic!("nobody destroyed it"),
            Err(_) => made.unknown += 1,
        }
    }
    made
}

/// Has four tasks increment the counter during `meanwhile`; no update may be lost. Gives the counter.
async fn increments_during(store: &RedisClusterStore, meanwhile: impl Future<Output = ()>) -> u64 {
    let stop = Arc::new(AtomicBool::new(false));
    let tasks: Vec<_> = (0..4).map(|_| tokio::spawn(increment(store.clone(), Arc::clone(&stop)))).collect();
    meanwhile.await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    stop.store(true, Ordering::Relaxed);
    let (mut done, mut unknown) = (0, 0);
    for task in tasks {
        let made = task.await.unwrap();
        (done, unknown) = (done + made.done, unknown + made.unknown);
    }
    let count = views_of(&loaded(store, "counter").await.expect("it was stored"));
    assert!(done > 0 && (done..=done + unknown).contains(&count), "{done} and perhaps {unknown}, but {count}");
    count
}

pub(crate) fn a_slot_moves_while_its_sessions_are_used(program: Program) {
    block_on(async {
        let servers = program.start_cluster();
        let store = connect(&servers).await;
        created(&store, "counter", views(0)).await;
        let ports: Vec<_> = servers.iter().map(RedisServer::port).collect();
        increments_during(&store, async move {
            tokio::task::spawn_blocking(move || move_slot(&ports)).await.unwrap();
        })
        .await;
    });
}

/// Moves the counter's slot from server to server, by hand.
fn move_slot(ports: &[u16]) {
    let slot = cli(ports[0], &["CLUSTER", "KEYSLOT", "sess:counter"]).trim().to_owned();
    let names: Vec<_> = ports.iter().map(|port| cli(*port, &["CLUSTER", "MYID"]).trim().to_owned()).collect();
    let owner = ports.iter().position(|port| cli(*port, &["GET", "sess:counter"]).contains("views")).unwrap();
    for step in 0..4 {
        let (from, to) = ((owner + step) % 3, (owner + step + 1) % 3);
        let (from_port, to_port) = (ports[from], ports[to]);
        let _ = cli(to_port, &["CLUSTER", "SETSLOT", &slot, "IMPORTING", &names[from]]);
        let _ = cli(from_port, &["CLUSTER", "SETSLOT", &slot, "MIGRATING", &names[to]]);
        std::thread::sleep(Duration::from_millis(50));
        let target = to_port.to_string();
        let _ = cli(from_port, &["MIGRATE", "127.0.0.1", &target, "sess:counter", "0", "5000"]);
        // For a while the old server redirects each command for itself.
        std::thread::sleep(Duration::from_millis(100));
        for port in [to_port, from_port, ports[3 - from - to]] {
            let _ = cli(port, &["CLUSTER", "SETSLOT", &slot, "NODE", &names[to]]);
        }
        wait_until("the slot has moved", || cli(to_port, &["GET", "sess:counter"]).contains("views"));
        std::thread::sleep(Duration::from_millis(50));
    }
}

pub(crate) fn a_replica_takes_over(program: Program) {
    block_on(async {
        let mut servers = program.start_cluster();
        let store = connect(&servers).await;
        created(&store, "counter", views(0)).await;
        let has_counter = |server: &RedisServer| cli(server.port(), &["GET", "sess:counter"]).contains("views");
        let owner = servers.iter().position(has_counter).unwrap();
        let replica = start_replica(&servers[owner]);
        let role = || cli(replica.port(), &["ROLE"]);

        // By order, nothing is lost.
        let name = cli(replica.port(), &["CLUSTER", "MYID"]).trim().to_owned();
        let is_known = |server: &RedisServer| cli(server.port(), &["CLUSTER", "NODES"]).contains(&name);
        wait_until("all servers know the replica", || servers.iter().all(is_known));
        let count = increments_during(&store, async {
            let mut last_order = None;
            wait_until("the replica is the primary", || {
                // An order that comes too early expires after five seconds.
                if last_order.is_none_or(|at: Instant| at.elapsed() > Duration::from_secs(6)) {
                    last_order = Some(Instant::now());
                    let _ = cli(replica.port(), &["CLUSTER", "FAILOVER"]);
                }
                role().starts_with("master")
            });
        })
        .await;

        // By accident, it takes a while, and nobody is told that there is no session.
        let former = &servers[owner];
        wait_until("they have changed places", || {
            let info = cli(former.port(), &["INFO", "replication"]);
            info.contains("role:slave") && info.contains("master_link_status:up")
        });
        drop(replica);
        let begin = Instant::now();
        let mut errors = 0;
        let found = loop {
            match store.load(&id("counter"), Some(renewal(HOUR))).await {
                Ok(found) => break found.expect("it was stored"),
                Err(error) => {
                    assert!(begin.elapsed() < Duration::from_secs(40), "it does not recover: {error:?}");
                    errors += 1;
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        };
        assert!(errors > 0);
        assert_eq!(views_of(&found), count);
        servers.clear();
    });
}

pub(crate) fn the_cluster_is_an_error_while_a_server_is_away(program: Program) {
    block_on(async {
        let mut servers = program.start_cluster();
        let store = connect(&servers).await;
        let mut revisions = Vec::new();
        for number in 0..30 {
            revisions.push(created(&store, &number.to_string(), views(number)).await);
        }
        servers[1].kill();
        let begin = Instant::now();
        let mut answers = Vec::new();
        for number in 0..30 {
            let store = store.clone();
            answers.push(tokio::spawn(async move {
                let name = id(&number.to_string());
                tokio::time::timeout(Duration::from_secs(20), store.load(&name, Some(renewal(HOUR)))).await.unwrap()
            }));
        }
        let (mut failed, mut found) = (0, 0);
        for answer in answers {
            match answer.await.unwrap() {
                Ok(answer) => {
                    answer.expect("a server that is away is never an answer");
                    found += 1;
                }
                Err(_) => failed += 1,
            }
        }
        assert!(failed > 0 && found > 0, "{failed} failed, {found} were found");
        assert!(begin.elapsed() < Duration::from_secs(20), "it took {:?}", begin.elapsed());

        servers[1].restart();
        let begin = Instant::now();
        for number in 0..30 {
            let name = id(&number.to_string());
            let found = loop {
                match store.load(&name, Some(renewal(HOUR))).await {
                    Ok(found) => break found.expect("it was stored"),
                    Err(error) => {
                        assert!(begin.elapsed() < Duration::from_secs(30), "it does not recover: {error:?}");
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                }
            };
            let updated = store.update(&name, found.revision, views(100), after(HOUR)).await.unwrap();
            assert!(matches!(updated, Updated::Replaced(_)));
        }
    });
}
