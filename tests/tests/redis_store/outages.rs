//! A server that is away, full, stuck or not the primary is an error, and never an answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use redis::cmd;
use session::store::{Created, Updated};
use session::{RedisStore, Store, StoreError};
use session_tests::redis::{Program, cli, wait_until};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{HOUR, after, block_on, created, id, loaded, raw, renewal, views, views_of};

/// Every operation is an error, without a long wait.
async fn everything_fails(store: &RedisStore) {
    let begin = Instant::now();
    store.load(&id("a"), Some(renewal(HOUR))).await.unwrap_err();
    store.load(&id("a"), None).await.unwrap_err();
    store.create(&id("new"), views(1), after(HOUR)).await.unwrap_err();
    store.update(&id("a"), [7; 32].into(), views(1), after(HOUR)).await.unwrap_err();
    store.touch(&id("a"), after(HOUR)).await.unwrap_err();
    store.rename(&id("a"), [7; 32].into(), &id("b"), views(1), after(HOUR)).await.unwrap_err();
    store.destroy(&id("a")).await.unwrap_err();
    store.all(None, 10).await.unwrap_err();
    store.len().await.unwrap_err();
    store.clear().await.unwrap_err();
    assert!(begin.elapsed() < Duration::from_secs(5), "it took {:?}", begin.elapsed());
}

/// Waits until the store works again.
async fn recovered(store: &impl Store) -> Duration {
    let begin = Instant::now();
    while let Err(error) = store.load(&id("a"), Some(renewal(HOUR))).await {
        assert!(begin.elapsed() < Duration::from_secs(20), "it does not recover: {error:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    begin.elapsed()
}

pub(crate) fn a_server_that_comes_back_is_used_again(program: Program) {
    block_on(async {
        let mut server = program.start(&["--appendonly yes", "--appendfsync always"]);
        let store = RedisStore::connect(server.url()).await.unwrap();
        let revision = created(&store, "a", views(1)).await;
        for round in 0..3 {
            server.kill();
            everything_fails(&store).await;
            if round == 0 {
                RedisStore::connect(server.url()).await.unwrap_err();
            }
            // Many at once wait for nobody.
            let begin = Instant::now();
            let mut tasks = tokio::task::JoinSet::new();
            for _ in 0..100 {
                let store = store.clone();
                tasks.spawn(async move { store.load(&id("a"), Some(renewal(HOUR))).await.unwrap_err() });
            }
            tasks.join_all().await;
            assert!(begin.elapsed() < Duration::from_secs(5));
            server.restart();
            let took = recovered(&store).await;
            assert!(took < Duration::from_secs(3), "it took {took:?}");
            let found = loaded(&store, "a").await.unwrap();
            assert_eq!((views_of(&found), found.revision), (1, revision.clone()));
        }
        // A restart between two commands goes unnoticed.
        server.kill();
        server.restart();
        let updated = store.update(&id("a"), revision, views(2), after(HOUR)).await.unwrap();
        assert!(matches!(updated, Updated::Replaced(_)));
    });
}

/// It takes connections and commands, and answers none, as a machine behind a broken network.
pub(crate) fn a_server_that_is_stuck_is_given_up(program: Program) {
    block_on(async {
        let server = program.start(&[]);
        let client = redis::Client::open(server.url()).unwrap();
        let timeout = Some(Duration::from_millis(200));
        let config = redis::AsyncConnectionConfig::new().set_response_timeout(timeout).set_connection_timeout(timeout);
        let connection = session::store::RedisConnection::connect_with(client, config).await.unwrap();
        let store = RedisStore::new(connection);
        created(&store, "a", views(1)).await;
        let _ = cli(server.port(), &["CLIENT", "PAUSE", "2000", "ALL"]);
        for _ in 0..4 {
            assert!(matches!(store.load(&id("a"), Some(renewal(HOUR))).await, Err(StoreError::Backend(_))));
        }
        recovered(&store).await;
        assert_eq!(loaded(&store, "a").await.map(|found| views_of(&found)), Some(1));
    });
}

pub(crate) fn a_server_without_room_for_connections_is_an_outage(program: Program) {
    block_on(async {
        let server = program.start(&[]);
        let store = RedisStore::connect(server.url()).await.unwrap();
        created(&store, "a", views(1)).await;
        let mut raw = raw(&server.url()).await;
        cmd("CONFIG").arg("SET").arg("maxclients").arg(1).exec_async(&mut raw).await.unwrap();
        cmd("CLIENT").arg("KILL").arg("SKIPME").arg("yes").exec_async(&mut raw).await.unwrap();
        for _ in 0..3 {
            store.load(&id("a"), Some(renewal(HOUR))).await.unwrap_err();
            tokio::time::sleep(Duration::from_millis(60)).await;
        }
        cmd("CONFIG").arg("SET").arg("maxclients").arg(100).exec_async(&mut raw).await.unwrap();
        recovered(&store).await;
        assert_eq!(loaded(&store, "a").await.map(|found| views_of(&found)), Some(1));
    });
}

pub(crate) fn a_full_server_refuses_new_sessions_and_shows_old_ones(program: Program) {
    block_on(async {
        let server = program.start(&["--maxmemory-policy noeviction"]);
        let store = RedisStore::connect(server.url()).await.unwrap();
        let revision = created(&store, "a", views(1)).await;
        assert!(store.load(&id("a"), None).await.unwrap().is_some());
        let mut raw = raw(&server.url()).await;
        cmd("CONFIG").arg("SET").arg("maxmemory").arg("1").exec_async(&mut raw).await.unwrap();
        store.create(&id("b"), views(1), after(HOUR)).await.unwrap_err();
        store.update(&id("a"), revision.clone(), views(2), after(HOUR)).await.unwrap_err();
        store.rename(&id("a"), revision.clone(), &id("b"), views(2), after(HOUR)).await.unwrap_err();
        let found = store.load(&id("a"), Some(renewal(HOUR))).await.unwrap().unwrap();
        assert_eq!((views_of(&found), found.revision), (1, revision));
        assert!(store.touch(&id("a"), after(HOUR)).await.unwrap());
        assert!(store.load(&id("b"), Some(renewal(HOUR))).await.unwrap().is_none());
        cmd("CONFIG").arg("SET").arg("maxmemory").arg("0").exec_async(&mut raw).await.unwrap();
        assert!(matches!(store.create(&id("b"), views(1), after(HOUR)).await.unwrap(), Created::Stored(_)));
        store.destroy(&id("a")).await.unwrap();
    });
}

pub(crate) fn a_replica_refuses(program: Program) {
    block_on(async {
        let primary = program.start(&["--repl-diskless-sync-delay 0"]);
        created(&RedisStore::connect(primary.url()).await.unwrap(), "a", views(1)).await;
        let replica = program.start(&[&format!("--replicaof 127.0.0.1 {}", primary.port())]);
        wait_until("the replica has the session", || cli(replica.port(), &["GET", "sess:a"]).contains("views"));
        let store = RedisStore::connect(replica.url()).await.unwrap();
        store.load(&id("a"), Some(renewal(HOUR))).await.unwrap_err();
        store.create(&id("b"), views(1), after(HOUR)).await.unwrap_err();
        store.touch(&id("a"), after(HOUR)).await.unwrap_err();
        store.destroy(&id("a")).await.unwrap_err();
        let found = loaded(&store, "a").await.unwrap();
        store.update(&id("a"), found.revision, views(2), after(HOUR)).await.unwrap_err();
        assert_eq!(loaded(&store, "a").await.map(|found| views_of(&found)), Some(1), "it can be read");

        // A name that leads to another server from now on is followed, although the connection never broke.
        let port = Arc::new(AtomicU16::new(replica.port()));
        let name = redirected(Arc::clone(&port)).await;
        let store = RedisStore::connect(format!("redis://{name}")).await.unwrap();
        store.load(&id("a"), Some(renewal(HOUR))).await.unwrap_err();
        store.load(&id("a"), Some(renewal(HOUR))).await.unwrap_err();
        port.store(primary.port(), Ordering::Relaxed);
        assert!(store.load(&id("a"), Some(renewal(HOUR))).await.unwrap().is_some());
    });
}

/// An address that leads to whichever server has the port when a connection is made.
async fn redirected(port: Arc<AtomicU16>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let server = ("127.0.0.1", port.load(Ordering::Relaxed));
            tokio::spawn(async move {
                let mut server = TcpStream::connect(server).await.unwrap();
                tokio::io::copy_bidirectional(&mut client, &mut server).await
            });
        }
    });
    address
}
