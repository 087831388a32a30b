//! What can happen to a server, and to the way there.

use std::net::{SocketAddr, ToSocketAddrs};
use std::str::FromStr;
use std::time::Duration;

use session::{MySqlStore, PostgresStore, RedisStore, SessionId, SqliteStore};
use session_tests::Proxy;
use session_tests::database::{Database, Kind, run};
use session_tests::postgres::PostgresServer;
use session_tests::redis::{RedisServer, cli};
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};

use super::visitors::{Outage, Reads, survive};

/// The server is killed, and started again.
struct Killed(RedisServer);

impl Outage for Killed {
    const READS: Reads = Reads::Fail;

    async fn begin(&mut self) {
        self.0.kill();
    }

    async fn end(&mut self) {
        self.0.restart();
    }
}

pub(crate) fn redis_is_killed() {
    run(async {
        let server = RedisServer::start(&["--appendonly yes", "--appendfsync always"]);
        survive(RedisStore::connect(server.url()).await.unwrap(), Killed(server)).await;
    });
}

/// The same.
struct PostgresKilled(PostgresServer);

impl Outage for PostgresKilled {
    const READS: Reads = Reads::Fail;

    async fn begin(&mut self) {
        self.0.kill();
    }

    async fn end(&mut self) {
        self.0.restart();
    }
}

pub(crate) fn postgres_is_killed() {
    run(async {
        let server = PostgresServer::start();
        let store = PostgresStore::connect(&server.url()).await.unwrap();
        store.migrate().await.unwrap();
        survive(store, PostgresKilled(server)).await;
    });
}

/// Another command of `redis-cli` for its beginning and its end.
struct Told<const READS: bool> {
    server: RedisServer,
    begin: &'static [&'static str],
    end: &'static [&'static str],
}

impl<const READS: bool> Outage for Told<READS> {
    const READS: Reads = if READS { Reads::Succeed } else { Reads::Fail };

    async fn begin(&mut self) {
        assert_eq!(cli(self.server.port(), self.begin).trim(), "OK");
    }

    async fn end(&mut self) {
        assert_eq!(cli(self.server.port(), self.end).trim(), "OK");
    }
}

pub(crate) fn redis_is_full() {
    run(async {
        let server = RedisServer::start(&["--maxmemory-policy noeviction"]);
        let store = RedisStore::connect(server.url()).await.unwrap();
        let (begin, end) = (&["CONFIG", "SET", "maxmemory", "1"], &["CONFIG", "SET", "maxmemory", "0"]);
        survive(store, Told::<true> { server, begin, end }).await;
    });
}

/// A load renews the expiry, which a replica refuses.
pub(crate) fn redis_is_a_replica() {
    run(async {
        let server = RedisServer::start(&[]);
        let store = RedisStore::connect(server.url()).await.unwrap();
        // Of a primary that isn't there, so that nothing comes from it.
        let (begin, end) = (&["REPLICAOF", "127.0.0.1", "1"], &["REPLICAOF", "NO", "ONE"]);
        survive(store, Told::<false> { server, begin, end }).await;
    });
}

/// Every connection breaks, and no other one can be made.
struct Away(Proxy);

impl Outage for Away {
    const READS: Reads = Reads::Fail;

    async fn begin(&mut self) {
        self.0.cut();
    }

    async fn end(&mut self) {
        self.0.mend();
    }
}

pub(crate) fn postgres_is_away() {
    run(async {
        let database = Database::new(Kind::Postgres).await;
        drop(database.store().await);
        let (proxy, url) = behind_a_proxy(&database.url, 5432).await;
        survive(PostgresStore::connect(&url).await.unwrap(), Away(proxy)).await;
    });
}

pub(crate) fn mysql_is_away() {
    run(async {
        let database = Database::new(Kind::Mysql).await;
        drop(database.store().await);
        let (proxy, url) = behind_a_proxy(&database.url, 3306).await;
        survive(MySqlStore::connect(&url).await.unwrap(), Away(proxy)).await;
    });
}

/// A proxy in front of the server of a URL, and the URL with its address.
pub(crate) async fn behind_a_proxy(url: &str, port: u16) -> (Proxy, String) {
    let (scheme, rest) = url.split_once("://").unwrap();
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let (user, host) = authority.rsplit_once('@').map_or(("", authority), |(user, host)| (user, host));
    let host = if host.contains(':') { host.to_owned() } else { format!("{host}:{port}") };
    let server: SocketAddr = host.to_socket_addrs().unwrap().next().unwrap();
    let proxy = Proxy::to(server).await;
    let user = if user.is_empty() { String::new() } else { format!("{user}@") };
    let url = format!("{scheme}://{user}{}{path}", proxy.address());
    (proxy, url)
}

/// The server ends the connections of the store's user, and takes no other one.
struct Exhausted<'a> {
    database: &'a Database,
    role: String,
}

impl Exhausted<'_> {
    async fn limit(&self, connections: u32) {
        self.database.administer(&format!("ALTER ROLE {} CONNECTION LIMIT {connections}", self.role)).await;
    }
}

impl Outage for Exhausted<'_> {
    const READS: Reads = Reads::Fail;

    async fn begin(&mut self) {
        self.limit(0).await;
        let role = &self.role;
        // An error as long as there were some, and so done again: one may just have been let in.
        let end = "SELECT 1 / (count(pg_terminate_backend(pid, 10000)) = 0)::int FROM pg_stat_activity WHERE usename";
        self.database.administer(&format!("{end} = '{role}'")).await;
    }

    async fn end(&mut self) {
        self.limit(20).await;
    }
}

pub(crate) fn postgres_has_no_connection_left() {
    run(async {
        let database = Database::new(Kind::Postgres).await;
        let administrator = database.store().await;
        let random = SessionId::random().unwrap();
        let random: String = random.as_str().chars().filter(char::is_ascii_alphanumeric).collect();
        let role = format!("session_test_{}", random.to_lowercase());
        administrator.run(&format!("CREATE ROLE {role} LOGIN PASSWORD 'session_tests'")).await;
        administrator.run(&format!("GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}")).await;
        let (scheme, rest) = database.url.split_once("://").unwrap();
        let (_, host) = rest.rsplit_once('@').unwrap();
        let store = PostgresStore::connect(&format!("{scheme}://{role}:session_tests@{host}")).await.unwrap();
        survive(store, Exhausted { database: &database, role: role.clone() }).await;
        administrator.run(&format!("DROP OWNED BY {role}")).await;
        database.administer(&format!("DROP ROLE {role}")).await;
    });
}

/// Another process is writing.
struct Locked {
    url: String,
    other: Option<sqlx::SqliteConnection>,
}

impl Outage for Locked {
    const READS: Reads = Reads::Succeed;

    async fn begin(&mut self) {
        let mut other = sqlx::SqliteConnection::connect(&self.url).await.unwrap();
        sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
        self.other = Some(other);
    }

    async fn end(&mut self) {
        let mut other = self.other.take().unwrap();
        sqlx::raw_sql("COMMIT").execute(&mut other).await.unwrap();
        other.close().await.unwrap();
    }
}

pub(crate) fn sqlite_is_locked() {
    run(async {
        let database = Database::new(Kind::Sqlite).await;
        drop(database.store().await);
        // Who waits for the lock gives up before the request does, and its connection is there for readers.
        let options = SqliteConnectOptions::from_str(&database.url).unwrap().busy_timeout(Duration::from_millis(200));
        let store = SqliteStore::new(SqlitePoolOptions::new().max_connections(4).connect_with(options).await.unwrap());
        survive(store, Locked { url: database.url.clone(), other: None }).await;
    });
}
