//! Every store of the library, each with sessions of its own for a test.

use std::sync::Arc;

use session::{MemoryStore, RedisStore, SessionId, Store};

use crate::database::{Database, Kind, run};
use crate::redis::{Program, shared_cluster};
use crate::requirements::Requirement;

/// What a store keeps its sessions in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are named as the stores")]
pub enum Backend {
    Memory,
    Sqlite,
    Postgres,
    Mysql,
    Redis,
    Valkey,
    RedisCluster,
}

impl Backend {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Memory, Self::Sqlite, Self::Postgres, Self::Mysql, Self::Redis, Self::Valkey, Self::RedisCluster];

    /// Its name, for names of tests.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
            Self::Mysql => "mysql",
            Self::Redis => "redis",
            Self::Valkey => "valkey",
            Self::RedisCluster => "redis_cluster",
        }
    }

    /// What a test on it needs.
    #[must_use]
    pub const fn needs(self) -> &'static [Requirement] {
        match self {
            Self::Memory | Self::Sqlite => &[],
            Self::Postgres => &[Requirement::Postgres],
            Self::Mysql => &[Requirement::Mysql],
            Self::Redis => &[Requirement::Redis],
            Self::Valkey => &[Requirement::Valkey],
            Self::RedisCluster => &[Requirement::RedisServer],
        }
    }

    /// Runs a test on an empty store that nobody else uses, and removes what it leaves behind.
    ///
    /// # Panics
    /// If there is no such server, or the test panics.
    pub fn play<F>(self, test: impl FnOnce(Arc<dyn Store>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        run(async {
            let kind = match self {
                Self::Memory => return play_on(Arc::new(MemoryStore::new()), test).await,
                Self::Redis => return play_on_server(Program::Redis, test).await,
                Self::Valkey => return play_on_server(Program::Valkey, test).await,
                Self::RedisCluster => {
                    let store = RedisStore::connect_cluster(shared_cluster()).await.expect("it answers");
                    return play_on(Arc::new(store.prefix(random_prefix())), test).await;
                }
                Self::Sqlite => Kind::Sqlite,
                Self::Postgres => Kind::Postgres,
                Self::Mysql => Kind::Mysql,
            };
            let database = Database::new(kind).await;
            play_on(database.store().await.shared(), test).await;
        });
    }
}

/// A prefix for the keys of one test.
///
/// # Panics
/// If the system has no random bytes.
#[must_use]
pub fn random_prefix() -> String {
    format!("session-test-{}:", SessionId::random().expect("random bytes").as_str())
}

/// The keys of a test on a server that others use, which are removed with the value: those of the index, too.
struct RedisKeys {
    url: String,
    prefix: String,
}

impl RedisKeys {
    fn remove(&self) -> ::redis::RedisResult<()> {
        let mut connection = ::redis::Client::open(self.url.as_str())?.get_connection()?;
        let (pattern, mut cursor) = (format!("{}*", self.prefix.trim_end_matches(':')), 0);
        loop {
            let mut scan = ::redis::cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(1000);
            let (next, keys): (u64, Vec<Vec<u8>>) = scan.query(&mut connection)?;
            if !keys.is_empty() {
                ::redis::cmd("UNLINK").arg(keys).exec(&mut connection)?;
            }
            if next == 0 {
                return Ok(());
            }
            cursor = next;
        }
    }
}

impl Drop for RedisKeys {
    fn drop(&mut self) {
        let removed = self.remove();
        // A test that fails for a reason of its own says that one.
        assert!(removed.is_ok() || std::thread::panicking(), "the keys could not be removed: {removed:?}");
    }
}

async fn play_on_server<F>(program: Program, test: impl FnOnce(Arc<dyn Store>) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let keys = RedisKeys { url: program.shared_url().expect("a server"), prefix: random_prefix() };
    let store = RedisStore::connect(&keys.url).await.expect("it answers").prefix(&keys.prefix);
    play_on(Arc::new(store), test).await;
}

async fn play_on<F>(store: Arc<dyn Store>, test: impl FnOnce(Arc<dyn Store>) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let outcome = tokio::spawn(test(Arc::clone(&store))).await;
    let cleared = store.clear().await;
    if let Err(error) = outcome {
        std::panic::resume_unwind(error.into_panic());
    }
    cleared.expect("it can be cleared");
}
