//! Sessions in PostgreSQL, in the table of connect-pg-simple.

use sqlx::error::DatabaseError;
use sqlx::postgres::PgPoolOptions;
use sqlx::{Error, PgConnection};

use super::SqlStore;
use super::dialect::Dialect;
use super::driver::{self, Driver};
use super::shared::{CONNECT_TIMEOUT, cause};
use crate::error::StoreError;

/// A store in PostgreSQL 11 or later: for many machines, and for sites that share their sessions with Node.
///
/// ```no_run
/// use session::PostgresStore;
///
/// # async fn example() -> Result<(), session::StoreError> {
/// let store = PostgresStore::connect("postgres://app@db.example/app").await?;
/// store.migrate().await?;
/// # Ok(()) }
/// ```
///
/// It reads and writes the table of connect-pg-simple 10 as it is. What Node writes meanwhile is noticed: a record's
/// revision is the SHA-256 of its text. Ids have no NUL character, and records are JSON, as everywhere. The table is
/// looked for along the `search_path`, which can be set in the URL: `?options=-c search_path=…`.
///
/// # Time zone
///
/// The column `expire` has no time zone: connect-pg-simple fills and compares it in that of its connections, which
/// is the server's if nobody set it otherwise. sqlx sets its own connections to UTC, so this store asks for the zone
/// that others get: first what [`time_zone`](Self::time_zone) says, then what `ALTER ROLE` and `ALTER DATABASE` say,
/// then the server's configuration, if the user may read it (superusers may), then UTC. With Node on the same table,
/// and a server that isn't set to UTC, say it; an event reminds of that where it is likely.
///
/// # Schema
///
/// ```sql
#[doc = include_str!("postgres.sql")]
/// ```
///
/// The first table and its index are connect-pg-simple's; it doesn't mind the second table.
pub type PostgresStore = SqlStore<Postgres>;

/// The database of [`PostgresStore`].
#[derive(Debug)]
pub enum Postgres {}

impl PostgresStore {
    /// Connects, with up to ten connections, for each of which is waited 5 s. For TLS, switch on one of the features of
    /// `sqlx`.
    ///
    /// # Errors
    /// If the server can't be reached.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        let pool = PgPoolOptions::new()
            .max_connections(10)
            .acquire_timeout(CONNECT_TIMEOUT)
            .test_before_acquire(false)
            .connect(url);
        match pool.await {
            Ok(pool) => Ok(Self::new(pool)),
            Err(error) => Err(cause::<PgConnection>(url, error).await),
        }
    }

    /// The time zone of the column `expire`: what `SHOW TimeZone` says on Node's connections. Default: what
    /// [`PostgresStore`] says.
    #[must_use]
    pub fn time_zone(self, zone: &str) -> Self {
        self.with(|settings| settings.time_zone = Some(unambiguous(zone).into()))
    }
}

/// What a connection gets that doesn't ask for a zone: the setting for the role in the database, for the role, for the
/// database, for all; otherwise nothing.
const ZONE_OF_ROLE: &str = "SELECT substr(setting, 10) \
    FROM pg_db_role_setting CROSS JOIN unnest(setconfig) AS setting \
    WHERE lower(setting) LIKE 'timezone=%' \
      AND setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database())) \
      AND setrole IN (0, (SELECT oid FROM pg_roles WHERE rolname = session_user)) \
    ORDER BY setrole <> 0 DESC, setdatabase <> 0 DESC LIMIT 1";

const MAY_READ_CONFIGURATION: &str = "SELECT count(*) WHERE has_table_privilege('pg_file_settings', 'SELECT') \
    AND has_function_privilege('pg_show_all_file_settings()', 'EXECUTE')";

const ZONE_OF_SERVER: &str =
    "SELECT setting FROM pg_file_settings WHERE lower(name) = 'timezone' AND applied ORDER BY seqno DESC LIMIT 1";

/// A new server has the same zone for its log and for its connections.
const ZONE_OF_LOG: &str = "SELECT current_setting('log_timezone')";

/// `AT TIME ZONE` takes these for abbreviations without summer time, while `SET TimeZone` doesn't; these are the places
/// whose time they are.
fn unambiguous(zone: &str) -> &str {
    match zone.to_ascii_uppercase().as_str() {
        "CET" | "MET" => "Europe/Brussels",
        "EET" => "Europe/Athens",
        "WET" => "Europe/Lisbon",
        _ => zone,
    }
}

impl Driver for Postgres {
    type Database = sqlx::Postgres;

    const DIALECT: Dialect = Dialect {
        quote: '"',
        numbered: true,
        id: "s.sid",
        json: "sess::text",
        json_value: "?::json",
        revision: "sha256(convert_to(sess::text, 'UTF8'))",
        revision_is_stored: false,
        begin: "BEGIN",
        closes_dropped: true,
        has_time_zone: true,
        millis: "round(extract(epoch FROM expire AT TIME ZONE '{zone}') * 1000)::int8",
        expire_value: "to_timestamp(?::int8 / 1000.0) AT TIME ZONE '{zone}'",
        lives: "expire AT TIME ZONE '{zone}' > to_timestamp(?::int8 / 1000.0)",
        has_expired: "expire AT TIME ZONE '{zone}' <= to_timestamp(?::int8 / 1000.0)",
        single_writer: false,
        // The first condition finds the rows by the index; the second one is exact when clocks are set back.
        sweep: "DELETE FROM {sessions} WHERE sid = ANY (ARRAY( \
                SELECT sid FROM {sessions} WHERE expire <= to_timestamp({now}::int8 / 1000.0) AT TIME ZONE '{zone}' \
                  AND expire AT TIME ZONE '{zone}' <= to_timestamp({now}::int8 / 1000.0) \
                ORDER BY expire LIMIT ? FOR UPDATE SKIP LOCKED))",
        // Only where the record's text shows its life: the cookie comes first, as whoever writes one puts it, or nothing
        // has that name. PostgreSQL can't parse some texts that it stores as JSON (`\u0000`), so the rest is left to the
        // statement that follows where the record was read.
        load_renewed: Some(
            r#"WITH found AS (
                SELECT sid, sess, expire, substring(left(sess::text, 64)
                    FROM '^[{]"cookie":[{]"originalMaxAge":(null|[0-9]{1,14})[,}]') AS life
                FROM {sessions} WHERE sid = $1 AND expire AT TIME ZONE '{zone}' > to_timestamp($2::int8 / 1000.0)
            ), shown AS (
                SELECT sid, expire, LEAST($2 + COALESCE(nullif(life, 'null')::int8, $3), 253402300799999) AS renewed
                FROM found WHERE life IS NOT NULL OR strpos(sess::text, '"originalMaxAge"') = 0
            ), due AS (
                SELECT sid AS due_sid, renewed, renewed - {millis} AS move, (renewed - $2) / 10 AS most FROM shown
            ), renewed AS (
                UPDATE {sessions} AS s SET expire = to_timestamp(renewed / 1000.0) AT TIME ZONE '{zone}' FROM due
                WHERE sid = due_sid AND expire AT TIME ZONE '{zone}' > to_timestamp($2::int8 / 1000.0)
                  AND (move < 0 OR move > 0 AND move >= LEAST($4, most))
                RETURNING {columns}
            )
            SELECT * FROM renewed UNION ALL SELECT {columns} FROM found AS s WHERE NOT EXISTS (SELECT FROM renewed)"#,
        ),
        schema: include_str!("postgres.sql"),
        // A number of this library's own; tables that several connections make at once collide in the catalog. Then the
        // schema where the table is found: without it, a second one would be made in the search path's first schema.
        before_schema: "SELECT pg_advisory_xact_lock(7310593858020254331); \
            SELECT set_config('search_path', quote_ident(nspname), true) FROM pg_class, pg_namespace \
            WHERE pg_class.oid = to_regclass('\"{table}\"') AND relkind IN ('r', 'p') \
              AND pg_namespace.oid = relnamespace;\n",
        schema_exists: Some("SELECT count(to_regclass('\"{table}_index_sid\"'))"),
        lacks_table: |error| error.code().as_deref() == Some("42P01"),
    };

    driver::statements!(sqlx::Postgres);

    async fn time_zone(connection: &mut PgConnection) -> Result<String, Error> {
        let mut zone: Option<String> = sqlx::query_scalar(ZONE_OF_ROLE).fetch_optional(&mut *connection).await?;
        if zone.is_none() && sqlx::query_scalar::<_, i64>(MAY_READ_CONFIGURATION).fetch_one(&mut *connection).await? > 0
        {
            zone = sqlx::query_scalar(ZONE_OF_SERVER).fetch_optional(&mut *connection).await?;
        }
        if zone.is_none() {
            let likely: String = sqlx::query_scalar(ZONE_OF_LOG).fetch_one(&mut *connection).await?;
            if !matches!(&*likely, "UTC" | "Etc/UTC" | "GMT") {
                tracing::warn!(likely, "the server's time zone can't be read: with Node on the table, set `time_zone`");
            }
        }
        Ok(unambiguous(zone.as_deref().unwrap_or("UTC")).to_owned())
    }

    /// A deadlock, or a transaction that couldn't be ordered among others.
    fn is_transient(error: &dyn DatabaseError) -> bool {
        error.code().is_some_and(|code| code == "40001" || code == "40P01")
    }

    /// By an administrator's command (57P01 to 57P03), after a while without a statement (57P05, 25P03), or with too long
    /// a transaction (25P04).
    fn is_lost(error: &dyn DatabaseError) -> bool {
        let code = error.code().unwrap_or_default();
        matches!(&*code, "57P01" | "57P02" | "57P03" | "57P05" | "25P03" | "25P04") || code.starts_with("08")
    }

    fn is_demoted(error: &dyn DatabaseError) -> bool {
        error.code().is_some_and(|code| code == "25006")
    }
}

driver::query!(sqlx::Postgres);
