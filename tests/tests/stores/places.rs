//! Where the stores under test live: each case gets one that is empty, and nobody else's.

use std::collections::BTreeMap;
use std::env;
use std::future::Future;
use std::process;
use std::sync::{Arc, Mutex, OnceLock};

use session::store::RedisClusterStore;
use session::{RedisStore, SqliteStore, Store};
use session_tests::database::{Database, Kind};
use session_tests::redis::{self, Program, RedisServer};
use tokio::sync::{OnceCell, Semaphore};

/// Where the stores of a kind live, from the first case to the last.
pub(crate) trait Place: Send + Sync + 'static {
    type Store: Store + Clone;

    /// A store for the case with this number.
    fn open(&self, case: usize) -> impl Future<Output = Self::Store>;

    /// Removes what the case left behind, where that doesn't go with the store or the place.
    fn clean(&self, case: usize) -> impl Future<Output = ()> {
        let _ = case;
        async {}
    }
}

/// A store that is gone with its last clone.
pub(crate) struct InMemory<S>(pub(crate) fn() -> S);

impl<S: Store + Clone> Place for InMemory<S> {
    type Store = S;

    async fn open(&self, _: usize) -> S {
        (self.0)()
    }
}

/// The same in SQLite.
pub(crate) struct SqliteInMemory;

impl Place for SqliteInMemory {
    type Store = SqliteStore;

    async fn open(&self, _: usize) -> SqliteStore {
        let store = SqliteStore::open("sqlite::memory:").await.expect("it needs no file");
        store.migrate().await.expect("there are no tables yet");
        store
    }
}

/// A file for each case, since those who write to one take turns.
#[derive(Default)]
pub(crate) struct SqliteFiles(Mutex<BTreeMap<usize, Database>>);

impl Place for SqliteFiles {
    type Store = Arc<dyn Store>;

    async fn open(&self, case: usize) -> Arc<dyn Store> {
        let file = Database::new(Kind::Sqlite).await;
        let store = file.store().await.shared();
        self.0.lock().expect("nobody panics with it").insert(case, file);
        store
    }

    async fn clean(&self, case: usize) {
        self.0.lock().expect("nobody panics with it").remove(&case);
    }
}

/// A table for each case, in one database.
pub(crate) struct Tables {
    kind: Kind,
    database: OnceCell<Database>,
    /// So many cases at a time: each has ten connections, and a server a hundred.
    free: Semaphore,
}

impl Tables {
    pub(crate) fn of(kind: Kind) -> Self {
        Self { kind, database: OnceCell::new(), free: Semaphore::new(6) }
    }
}

impl Place for Tables {
    type Store = Arc<dyn Store>;

    async fn open(&self, case: usize) -> Arc<dyn Store> {
        self.free.acquire().await.expect("it is never closed").forget();
        let database = self.database.get_or_init(|| Database::new(self.kind)).await;
        let store = database.open().await.table(&format!("case_{case}"));
        store.migrate().await;
        store.shared()
    }

    async fn clean(&self, _: usize) {
        self.free.add_permits(1);
    }
}

/// Keys with a prefix for each case, on a server of their own, since a listing looks at all keys of its server; on the
/// shared one if that was asked for, or is all that there is.
pub(crate) struct Keys {
    program: Program,
    own: OnceLock<Option<RedisServer>>,
}

impl Keys {
    pub(crate) fn of(program: Program) -> Self {
        Self { program, own: OnceLock::new() }
    }

    fn url(&self) -> String {
        let start = || {
            let is_asked_for = self.program == Program::Redis && env::var_os("REDIS_URL").is_some();
            (!is_asked_for && self.program.can_be_started()).then(|| self.program.start(&[]))
        };
        let own = self.own.get_or_init(start).as_ref().map(RedisServer::url);
        own.or_else(|| self.program.shared_url()).expect("a server")
    }

    /// None is the beginning of another, or of its index.
    fn prefix(case: usize) -> String {
        format!("session-test-{}-case-{case:03}:", process::id())
    }
}

impl Place for Keys {
    type Store = RedisStore;

    async fn open(&self, case: usize) -> RedisStore {
        RedisStore::connect(self.url()).await.expect("it answers").prefix(Self::prefix(case))
    }

    async fn clean(&self, case: usize) {
        redis::remove_keys(&self.url(), &Self::prefix(case)).await;
    }
}

/// Keys with a prefix for each case, on a cluster that ends with the last one.
#[derive(Default)]
pub(crate) struct ClusterKeys(OnceLock<Vec<RedisServer>>);

impl Place for ClusterKeys {
    type Store = RedisClusterStore;

    async fn open(&self, case: usize) -> RedisClusterStore {
        let servers = self.0.get_or_init(|| Program::Redis.start_cluster());
        let store = RedisStore::connect_cluster(servers.iter().map(RedisServer::url)).await.expect("it answers");
        store.prefix(Keys::prefix(case))
    }

    async fn clean(&self, case: usize) {
        for server in self.0.get().into_iter().flatten() {
            redis::remove_keys(&server.url(), &Keys::prefix(case)).await;
        }
    }
}
