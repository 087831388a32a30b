//! One line a store: everything else in an example is the same on each of them.

use std::error::Error;
use std::sync::Arc;

use session::{MemoryStore, Store};

/// The store that a URL names, with its tables made:
///
/// - `memory`
/// - `sqlite:sessions.db`
/// - `redis://127.0.0.1:6379`
/// - `redis+cluster://127.0.0.1:7000,127.0.0.1:7001`; one of the servers suffices
/// - `postgres://user:password@127.0.0.1/database`
/// - `mysql://user:password@127.0.0.1/database`
///
/// # Errors
/// A URL of another kind, and a store that can't be reached. All but the first take the feature `stores`.
pub async fn open_store(url: &str) -> Result<Arc<dyn Store>, Box<dyn Error>> {
    match url.split_once(':') {
        None if url == "memory" => Ok(Arc::new(MemoryStore::new())),
        Some(("sqlite", _)) => open(url).await,
        Some(("redis" | "redis+cluster" | "postgres" | "postgresql" | "mysql", rest)) if rest.starts_with("//") => {
            open(url).await
        }
        _ => Err("`--store` is memory, sqlite:FILE, redis://…, redis+cluster://…, postgres://… or mysql://…".into()),
    }
}

#[cfg(feature = "stores")]
async fn open(url: &str) -> Result<Arc<dyn Store>, Box<dyn Error>> {
    use session::store::RedisClusterStore;
    use session::{MySqlStore, PostgresStore, RedisStore, SqliteStore};

    if let Some(servers) = url.strip_prefix("redis+cluster://") {
        let urls = servers.split(',').map(|server| format!("redis://{server}"));
        return Ok(Arc::new(RedisClusterStore::connect_cluster(urls).await?));
    }
    if url.starts_with("redis:") {
        return Ok(Arc::new(RedisStore::connect(url).await?));
    }
    if url.starts_with("postgres") {
        let store = PostgresStore::connect(url).await?;
        store.migrate().await?;
        return Ok(Arc::new(store));
    }
    if url.starts_with("mysql:") {
        let store = MySqlStore::connect(url).await?;
        store.migrate().await?;
        return Ok(Arc::new(store));
    }
    let store = SqliteStore::open(url).await?;
    store.migrate().await?;
    Ok(Arc::new(store))
}

#[cfg(not(feature = "stores"))]
async fn open(_: &str) -> Result<Arc<dyn Store>, Box<dyn Error>> {
    Err("this build knows the store in memory only; for the others, leave out `--no-default-features`".into())
}
