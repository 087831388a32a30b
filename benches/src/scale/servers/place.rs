//! A place for sessions on a server, of this program's own, which ends with the value.

use std::sync::Arc;
use std::time::Duration;

use session::store::IndexKey;
use session::{RedisStore, SessionId, Store};
use session_tests::database::{AnyStore, Database, Kind as Sql};
use session_tests::redis::{RedisServer, cli};
use tokio::task::JoinSet;

use super::{expiry, record};
use crate::Outcome;
use crate::visit::Visit;

/// How many sessions are stored at once. SQLite reads no longer statements.
const BATCH: usize = 400;

#[derive(Clone, Copy)]
pub(super) enum Kind {
    Redis,
    Sql(Sql),
}

impl Kind {
    pub(super) const ALL: [Self; 4] =
        [Self::Sql(Sql::Sqlite), Self::Sql(Sql::Postgres), Self::Sql(Sql::Mysql), Self::Redis];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Redis => "Redis",
            Self::Sql(Sql::Sqlite) => "SQLite",
            Self::Sql(Sql::Postgres) => "PostgreSQL",
            Self::Sql(Sql::Mysql) => "MySQL",
        }
    }
}

pub(super) enum Place {
    Redis(RedisServer, RedisStore),
    // The store is closed before its database is removed.
    Sql(AnyStore, Database),
}

impl Place {
    pub(super) async fn new(kind: Kind) -> Outcome<Self> {
        let Kind::Sql(kind) = kind else {
            let server = RedisServer::start(&[]);
            let store = RedisStore::connect(server.url()).await?;
            return Ok(Self::Redis(server, store));
        };
        let database = Database::new(kind).await;
        if kind == Sql::Postgres {
            // Tests do without; a site doesn't.
            database.administer(&format!("ALTER DATABASE {} RESET synchronous_commit", database.name())).await;
        }
        let store = database.open().await.sweep_interval(Duration::from_secs(3600));
        store.migrate().await;
        Ok(Self::Sql(store, database))
    }

    pub(super) fn store(&self) -> Arc<dyn Store> {
        match self {
            Self::Redis(_, store) => Arc::new(store.clone()),
            Self::Sql(store, _) => store.shared(),
        }
    }

    /// Stores a session for each id, perhaps with an index key.
    pub(super) async fn fill(&self, ids: &[SessionId], indexed: bool) -> Outcome<()> {
        match self {
            Self::Redis(..) => self.create(ids, indexed).await,
            Self::Sql(store, _) => {
                // The first one as the store writes it; the others are its copies.
                let (Some((first, others)), copies) = (ids.split_first(), copies(store)) else { return Ok(()) };
                self.create(std::slice::from_ref(first), indexed).await?;
                for ids in others.chunks(BATCH) {
                    let texts = ids.iter().map(|id| format!("SELECT '{}' AS sid", id.as_str()));
                    let texts = texts.collect::<Vec<_>>().join(" UNION ALL ");
                    store.run(&copies.replace("{first}", first.as_str()).replace("{ids}", &texts)).await;
                    if indexed {
                        let entries = ids.iter().map(|id| format!("('{}', '{}')", key(id).as_str(), id.as_str()));
                        let entries = entries.collect::<Vec<_>>().join(", ");
                        store.run(&format!("INSERT INTO session_index (index_key, sid) VALUES {entries}")).await;
                    }
                }
                Ok(())
            }
        }
    }

    async fn create(&self, ids: &[SessionId], indexed: bool) -> Outcome<()> {
        for ids in ids.chunks(BATCH) {
            let mut under_way = JoinSet::new();
            for id in ids {
                let (store, id, mut record) = (self.store(), id.clone(), record(&Visit::signed_in(7))?);
                if indexed {
                    record = record.with_index([key(&id)]);
                }
                under_way.spawn(async move { store.create(&id, record, expiry()).await.map(drop) });
            }
            while let Some(created) = under_way.join_next().await {
                created??;
            }
        }
        Ok(())
    }

    /// What the sessions take, as the server says.
    pub(super) async fn bytes(&self) -> Outcome<f64> {
        let (store, database) = match self {
            Self::Sql(store, database) => (store, database),
            Self::Redis(server, _) => return used_memory(&cli(server.port(), &["INFO", "memory"])),
        };
        let bytes = match database.kind {
            Sql::Sqlite => "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
            Sql::Postgres => "SELECT pg_total_relation_size('session') + pg_total_relation_size('session_index')",
            Sql::Mysql => {
                store.run("ANALYZE TABLE session, session_index").await;
                "SELECT CAST(SUM(data_length + index_length) AS SIGNED) FROM information_schema.tables \
                 WHERE table_schema = DATABASE()"
            }
        };
        Ok(store.number(bytes).await as f64)
    }
}

/// A visitor of their own for each.
fn key(id: &SessionId) -> IndexKey {
    IndexKey::new("user", id.as_bytes())
}

/// The statement that copies a session.
fn copies(store: &AnyStore) -> String {
    let columns = if matches!(store, AnyStore::Postgres(_)) { "sess, expire" } else { "sess, expire, revision" };
    format!(
        "INSERT INTO session (sid, {columns}) SELECT ids.sid, {columns} FROM session CROSS JOIN ({{ids}}) AS ids \
         WHERE session.sid = '{{first}}'"
    )
}

fn used_memory(info: &str) -> Outcome<f64> {
    let line = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
    Ok(line.ok_or("the server does not tell its memory")?.trim().parse()?)
}

#[cfg(test)]
mod tests {
    use super::used_memory;

    #[test]
    fn a_redis_server_tells_its_memory() {
        let info = "# Memory\r\nused_memory_human:1.50K\r\nused_memory:1536\r\nused_memory_rss:4096\r\n";
        assert_eq!(used_memory(info).ok(), Some(1536.0));
        assert!(used_memory("# Memory\r\n").is_err());
    }
}
