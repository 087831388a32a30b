//! Every store of the library, each with sessions of its own for a test.

use std::sync::Arc;

use session::{MemoryStore, RedisStore, SessionId, Store};

use crate::database::{Database, Kind, run};
use crate::redis::{shared_cluster, shared_url};
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
    RedisCluster,
}

impl Backend {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Memory, Self::Sqlite, Self::Postgres, Self::Mysql, Self::Redis, Self::RedisCluster];

    /// Its name, for names of tests.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
            Self::Mysql => "mysql",
            Self::Redis => "redis",
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
                Self::Redis => {
                    let url = shared_url().expect("a server");
                    let store = RedisStore::connect(url).await.expect("it answers").prefix(random_prefix());
                    return play_on(Arc::new(store), test).await;
                }
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
