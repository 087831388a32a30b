//! The table of connect-pg-simple, shared with it. Its statements are those of its version 10, word for word.

use std::fs;
use std::time::Duration;

use serde_json::Value;
use session::store::{Renewal, Updated};
use session::{PostgresStore, Store, Timestamp};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use super::contract::{ahead, create, id, load, record, text};
use session_tests::database::{AnyStore, Database, Kind};

const TABLE: &str = r#"CREATE TABLE "session" (
  "sid" varchar NOT NULL COLLATE "default",
  "sess" json NOT NULL,
  "expire" timestamp(6) NOT NULL
)
WITH (OIDS=FALSE);

ALTER TABLE "session" ADD CONSTRAINT "session_pkey" PRIMARY KEY ("sid") NOT DEFERRABLE INITIALLY IMMEDIATE;

CREATE INDEX "IDX_session_expire" ON "session" ("expire");
"#;

/// Prepared without types, as node-postgres does it.
const STATEMENTS: &str = r#"
PREPARE node_get AS SELECT sess FROM "session" WHERE sid = $1 AND expire >= to_timestamp($2);
PREPARE node_set AS INSERT INTO "session" (sess, expire, sid) SELECT $1, to_timestamp($2), $3 ON CONFLICT (sid) DO UPDATE SET sess=$1, expire=to_timestamp($2) RETURNING sid;
PREPARE node_destroy AS DELETE FROM "session" WHERE sid = $1;
PREPARE node_touch AS UPDATE "session" SET expire = to_timestamp($1) WHERE sid = $2 RETURNING sid;
PREPARE node_prune AS DELETE FROM "session" WHERE expire < to_timestamp($1);
"#;

/// A connection of connect-pg-simple's.
struct Node(PgConnection);

impl Node {
    /// With Node's table, in this time zone.
    async fn new(database: &Database, zone: &str) -> Self {
        let mut connection = PgConnection::connect(&database.url).await.unwrap();
        let zone = format!("SET TimeZone = '{zone}'");
        for sql in [zone.as_str(), TABLE, STATEMENTS] {
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
        }
        Self(connection)
    }

    async fn run(&mut self, sql: String) -> u64 {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut self.0).await.unwrap().rows_affected()
    }

    async fn set(&mut self, sid: &str, sess: &str, expire_s: i64) {
        let (sid, sess) = (sid.replace('\'', "''"), sess.replace('\'', "''"));
        assert_eq!(self.run(format!("EXECUTE node_set('{sess}', {expire_s}, '{sid}')")).await, 1);
    }

    async fn get(&mut self, sid: &str) -> bool {
        self.run(format!("EXECUTE node_get('{}', {})", sid.replace('\'', "''"), now_s())).await == 1
    }

    async fn destroy(&mut self, sid: &str) -> u64 {
        self.run(format!("EXECUTE node_destroy('{sid}')")).await
    }

    async fn touch(&mut self, sid: &str, expire_s: i64) -> u64 {
        self.run(format!("EXECUTE node_touch({expire_s}, '{sid}')")).await
    }

    async fn text(&mut self, sql: &str) -> String {
        sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut self.0).await.unwrap()
    }
}

fn now_s() -> i64 {
    (Timestamp::now().as_millis() + 999) / 1000
}

fn vectors() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/parity/interop/connect-pg-simple.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

async fn store(database: &Database) -> PostgresStore {
    match database.store().await {
        AnyStore::Postgres(store) => store,
        _ => unreachable!(),
    }
}

/// The rows that the package wrote are read as they are, and what is written here looks the same.
pub(crate) async fn vectors_are_read_and_written() {
    let vectors = vectors();
    let database = Database::new(Kind::Postgres).await;
    let mut node = Node::new(&database, "UTC").await;
    let store = store(&database).await;
    let mut rows = 0;
    for scenario in vectors["scenarios"].as_array().unwrap() {
        for row in scenario["rows"].as_array().unwrap() {
            let (sid, sess) = (row["sid"].as_str().unwrap(), row["sess"].as_str().unwrap());
            let (expire, epoch_s) = (row["expire"].as_str().unwrap(), row["expire_epoch_s"].as_i64().unwrap());
            // Years later, so that it lives.
            let moved = format!("timestamp '{expire}' + interval '1000000000 s'");
            let (sql_sid, sql_sess) = (sid.replace('\'', "''"), sess.replace('\'', "''"));
            node.run(format!("INSERT INTO session VALUES ('{sql_sid}', '{sql_sess}', {moved})")).await;
            let loaded = load(&store, sid).await.unwrap();
            assert_eq!(text(&loaded), sess);
            assert_eq!(loaded.expires.as_millis(), (epoch_s + 1_000_000_000) * 1000, "{sid}");

            store.destroy(&id(sid)).await.unwrap();
            create(&store, sid, record(sess), loaded.expires).await;
            let written = format!(
                "SELECT (sess::text = '{sql_sess}' AND expire = {moved})::text FROM session WHERE sid = '{sql_sid}'"
            );
            assert_eq!(node.text(&written).await, "true", "{sid}");
            assert!(node.get(sid).await);
            rows += 1;
        }
    }
    assert!(rows > 10);
    for read in vectors["reads"].as_array().unwrap() {
        let sess = read["sess"].as_str().unwrap();
        node.set("read", sess, now_s() + read["expire_in_s"].as_i64().unwrap()).await;
        let loaded = load(&store, "read").await;
        // `null` is a text here; that it is no session is found where it is decoded.
        let lives = !read["session"].is_null() || sess == "null";
        assert_eq!(loaded.map(|loaded| text(&loaded).to_owned()), lives.then(|| sess.to_owned()), "{}", read["why"]);
    }
}

/// The column holds the local time of Node's connections, which the store finds out, or is told.
pub(crate) async fn time_zones_are_those_of_node() {
    let vectors = vectors();
    for (zone, expected) in vectors["zones"].as_object().unwrap() {
        for is_told in [false, true] {
            let database = Database::new(Kind::Postgres).await;
            if !is_told {
                database.administer(&format!("ALTER DATABASE {} SET TimeZone = '{zone}'", database.name())).await;
            }
            let mut node = Node::new(&database, zone).await;
            let store = store(&database).await;
            let store = if is_told { store.time_zone(zone) } else { store };
            let expires = Timestamp::from_millis(1_900_000_000_000);
            create(&store, "a", record("{}"), expires).await;
            let column = node.text("SELECT expire::text FROM session").await;
            assert_eq!(column, expected["expire_column"].as_str().unwrap());
            node.set("b", "{}", 1_900_000_000).await;
            assert_eq!(load(&store, "b").await.unwrap().expires, expires);

            node.set("c", "{}", now_s() + 60).await;
            node.set("d", "{}", now_s() - 2).await;
            assert!(load(&store, "c").await.is_some());
            assert!(load(&store, "d").await.is_none());
            create(&store, "e", record("{}"), ahead(3000)).await;
            create(&store, "f", record("{}"), ahead(-1000)).await;
            assert!(node.get("e").await);
            assert!(!node.get("f").await);
            assert_eq!(store.sweep().await.unwrap(), 2);
            assert_eq!(store.len().await.unwrap(), 4);
            let renewal = Renewal { ttl: Duration::from_secs(600), usual: Duration::ZERO, after: Duration::ZERO };
            let renewed = store.load(&id("c"), Some(renewal)).await.unwrap().unwrap().expires;
            assert!((renewed.as_millis() - ahead(600_000).as_millis()).abs() < 2000);
            let epoch = format!("SELECT (extract(epoch FROM expire AT TIME ZONE '{zone}') * 1000)::int8::text");
            let column = node.text(&format!("{epoch} FROM session WHERE sid = 'c'")).await;
            assert_eq!(column, renewed.as_millis().to_string());
        }
    }
}

/// Node's writes between ours are conflicts; ours don't get in the way of Node's.
pub(crate) async fn writes_of_node_are_noticed() {
    let database = Database::new(Kind::Postgres).await;
    let mut node = Node::new(&database, "UTC").await;
    let store = store(&database).await;
    let later = now_s() + 60;
    node.set("a", r#"{"n":1}"#, later).await;
    let loaded = load(&store, "a").await.unwrap();

    node.touch("a", later + 60).await;
    let updated = store.update(&id("a"), loaded.revision, record(r#"{"n":2}"#), ahead(60_000)).await.unwrap();
    let Updated::Replaced(revision) = updated else { panic!("a touch is no change: {updated:?}") };
    node.set("a", r#"{"n":3}"#, later).await;
    let updated = store.update(&id("a"), revision, record(r#"{"n":4}"#), ahead(60_000)).await.unwrap();
    let Updated::Conflict(theirs) = updated else { panic!("Node's write was not noticed: {updated:?}") };
    assert_eq!((text(&theirs), theirs.expires.as_millis()), (r#"{"n":3}"#, later * 1000));

    let key = session::store::IndexKey::new("user", b"1");
    let indexed = record(r#"{"n":5}"#).with_index([key.clone()]);
    let updated = store.update(&id("a"), theirs.revision, indexed, ahead(60_000)).await.unwrap();
    let Updated::Replaced(revision) = updated else { panic!("{updated:?}") };
    node.set("a", r#"{"n":6}"#, later).await;
    assert_eq!(store.find(&key, None, 10).await.unwrap().sessions.len(), 1, "its keys stay");
    assert_eq!(node.destroy("a").await, 1, "the second table doesn't get in the way");
    assert!(store.find(&key, None, 10).await.unwrap().sessions.is_empty());
    let updated = store.update(&id("a"), revision, record("{}"), ahead(60_000)).await.unwrap();
    assert!(matches!(updated, Updated::Gone));
    create(&store, "b", record("{}").with_index([key.clone()]), ahead(-2000)).await;
    assert_eq!(node.run(format!("EXECUTE node_prune({})", now_s())).await, 1);
    assert_eq!(node.text("SELECT count(*)::text FROM session_index").await, "0");

    // Increments of both sides, none of which is lost here: Node's own overwrite what they didn't see.
    node.set("n", "0", later).await;
    let mut stored = load(&store, "n").await.unwrap();
    let mut mine = 0;
    for round in 1..=50_u32 {
        if round % 5 == 0 {
            node.run("UPDATE session SET sess = (sess::text::int + 1000)::text::json WHERE sid = 'n'".to_owned()).await;
        }
        loop {
            let number: u32 = text(&stored).parse().unwrap();
            match store
                .update(&id("n"), stored.revision.clone(), record(&(number + 1).to_string()), ahead(60_000))
                .await
            {
                Ok(Updated::Replaced(_)) => break mine += 1,
                Ok(Updated::Conflict(theirs)) => stored = theirs,
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!((text(&load(&store, "n").await.unwrap()), mine), ("10050", 50));
}

/// Whatever else in a record has the name of the cookie's life, and wherever the cookie stands in it.
pub(crate) async fn a_life_is_that_of_the_cookie() {
    let database = Database::new(Kind::Postgres).await;
    let store = store(&database).await;
    let renewal = Renewal { ttl: Duration::from_secs(3600), usual: Duration::ZERO, after: Duration::from_secs(60) };
    let cases = [
        (r#"{"cookie":{"originalMaxAge":null,"expires":null},"other":{"originalMaxAge":0}}"#, 3_600_000),
        (r#"{"cookie":{"originalMaxAge":7200000,"expires":null},"other":{"originalMaxAge":0}}"#, 7_200_000),
        (r#"{"cookie":{"originalMaxAge":7200000},"x":"\u0000"}"#, 7_200_000),
        (r#"{"cookie":{"originalMaxAge":1.5e6,"expires":null}}"#, 1_500_000),
        (r#"{"other":{"originalMaxAge":0},"cookie":{"originalMaxAge":null}}"#, 3_600_000),
        (r#"{"cookie":{"path":"\"originalMaxAge\":0,"}}"#, 3_600_000),
        ("{ \"cookie\": {\"path\": \"/\",\n\"originalMaxAge\" : 7200000} }", 7_200_000),
        (r#"{"other":{"originalMaxAge":0}}"#, 3_600_000),
        ("{}", 3_600_000),
    ];
    for (json, life) in cases {
        create(&store, "a", record(json), ahead(1_000_000)).await;
        let loaded = store.load(&id("a"), Some(renewal)).await.unwrap();
        let off = loaded.map(|loaded| loaded.expires.as_millis() - ahead(life).as_millis());
        assert!(off.is_some_and(|off| off.abs() < 2000), "{json}: off by {off:?} ms");
        store.destroy(&id("a")).await.unwrap();
    }
}

/// The first schema of the search path isn't the one where Node's table is.
pub(crate) async fn migrating_finds_a_table_of_node() {
    let database = Database::new(Kind::Postgres).await;
    let mut node = Node::new(&database, "UTC").await;
    node.run("CREATE SCHEMA app".to_owned()).await;
    node.set("a", "{}", now_s() + 60).await;
    let separator = if database.url.contains('?') { '&' } else { '?' };
    let url = format!("{}{separator}options=-c%20search_path%3Dapp,public", database.url);
    PostgresStore::connect(&url).await.unwrap().migrate().await.unwrap();
    let store = PostgresStore::connect(&url).await.unwrap();
    assert!(load(&store, "a").await.is_some());
    let key = session::store::IndexKey::new("user", b"1");
    create(&store, "b", record("{}").with_index([key.clone()]), ahead(60_000)).await;
    assert_eq!(store.find(&key, None, 10).await.unwrap().sessions.len(), 1);
    assert!(node.get("b").await);
}

/// Somebody who may only read and write, with tables that are there.
pub(crate) async fn migrating_needs_no_rights_when_nothing_is_to_do() {
    let database = Database::new(Kind::Postgres).await;
    drop(database.store().await);
    let role = format!("{}_user", database.name());
    database.administer(&format!("CREATE ROLE {role} LOGIN")).await;
    let mut owner = PgConnection::connect(&database.url).await.unwrap();
    let grant = format!("GRANT SELECT, INSERT, UPDATE, DELETE ON session, session_index TO {role}");
    sqlx::raw_sql(AssertSqlSafe(grant)).execute(&mut owner).await.unwrap();
    let (scheme, rest) = database.url.split_once("://").unwrap();
    let store = PostgresStore::connect(&format!("{scheme}://{role}@{}", rest.rsplit_once('@').unwrap().1)).await;
    let result = match store {
        Ok(store) => match store.migrate().await {
            Ok(()) => store.len().await,
            Err(error) => Err(error),
        },
        Err(error) => Err(error),
    };
    let drop_role = format!("REVOKE ALL ON session, session_index FROM {role}; DROP ROLE {role}");
    sqlx::raw_sql(AssertSqlSafe(drop_role)).execute(&mut owner).await.unwrap();
    assert_eq!(result.unwrap(), 0);
}
