//! What is said differently to each database, and the statements made of it.

use sqlx::error::DatabaseError;
use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

use crate::error::ConfigError;

/// The words in which a database's SQL differs. `{zone}` stands for the time zone's name.
pub struct Dialect {
    /// Quotes a name.
    pub(super) quote: char,
    /// Whether values are numbered `$1`, `$2`, … in place of `?`.
    pub(super) numbered: bool,
    /// The id, as text.
    pub(super) id: &'static str,
    /// The record, as text.
    pub(super) json: &'static str,
    /// A value that is a record.
    pub(super) json_value: &'static str,
    /// The revision, as bytes.
    pub(super) revision: &'static str,
    /// Whether the revision is a column of its own, and new with every write; otherwise it follows from the record.
    pub(super) revision_is_stored: bool,
    /// Begins a transaction.
    pub(super) begin: &'static str,
    /// Whether a connection is closed on which something was given up half-way.
    pub(super) closes_dropped: bool,
    /// Whether the expiry is in a time zone that has to be asked for.
    pub(super) has_time_zone: bool,
    /// The expiry, in milliseconds.
    pub(super) millis: &'static str,
    /// A value that is an expiry.
    pub(super) expire_value: &'static str,
    /// The condition that a record lives at a moment.
    pub(super) lives: &'static str,
    /// The condition that it has expired.
    pub(super) has_expired: &'static str,
    /// Whether one connection writes at a time, and others are turned away after a while.
    pub(super) single_writer: bool,
    /// Removes some of the sessions that have expired. Its values: now, as often as it says, and how many.
    pub(super) sweep: &'static str,
    /// Loads and renews at once. Its values: `$1` the id, `$2` now, `$3` the life of a record that asks for none, `$4`
    /// the least move.
    pub(super) load_renewed: Option<&'static str>,
    /// The schema of a table that is called `session`, a word that it has for nothing else.
    pub(super) schema: &'static str,
    /// Precedes the schema, in its transaction. `{table}` stands for the table's name.
    pub(super) before_schema: &'static str,
    /// How many tables of this schema there are, for those who may not define any.
    pub(super) schema_exists: Option<&'static str>,
    /// Whether an error says that a table isn't there.
    pub(super) lacks_table: fn(&dyn DatabaseError) -> bool,
}

/// PostgreSQL's names have up to 63 bytes; those of the indexes are longer than the table's.
const LONGEST_TABLE: usize = 50;

impl Dialect {
    /// The schema for a table of this name, for those who run it by hand.
    pub(super) fn schema(&self, table: &str) -> String {
        self.schema.replace("session", table)
    }

    /// A table's name that needs no quoting, and leaves room for what is added to it.
    pub(super) fn checked(&self, table: &str) -> Result<Box<str>, ConfigError> {
        let letters = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        let fits = (1..=LONGEST_TABLE).contains(&table.len()) && table.chars().all(letters);
        if fits && !table.starts_with(|letter: char| letter.is_ascii_digit()) {
            return Ok(table.into());
        }
        Err(ConfigError::Table { table: table.to_owned() })
    }
}

/// The statements on one table. `now` is a moment at which records live or have expired.
pub(super) struct Statements {
    /// id, now
    pub(super) load: SqlStr,
    /// id, now, ttl, the least move
    pub(super) load_renewed: Option<SqlStr>,
    /// id, record, expiry, (revision)
    pub(super) create: SqlStr,
    /// record, expiry, (revision), id, revision, now
    pub(super) update: SqlStr,
    /// new id, record, expiry, (revision), old id, revision, now
    pub(super) rename: SqlStr,
    /// expiry, id, now
    pub(super) touch: SqlStr,
    /// expiry, id, revision, now
    pub(super) renew: SqlStr,
    /// id
    pub(super) destroy: SqlStr,
    /// id, now
    pub(super) bury: SqlStr,
    /// now, number
    pub(super) all: SqlStr,
    /// id, now, number
    pub(super) all_after: SqlStr,
    /// key, now, number
    pub(super) find: SqlStr,
    /// key, id, now, number
    pub(super) find_after: SqlStr,
    /// now
    pub(super) len: SqlStr,
    /// nothing
    pub(super) clear: SqlStr,
    /// now, as often as it says; number
    pub(super) sweep: SqlStr,
    /// How often.
    pub(super) sweep_moments: usize,
    /// id
    pub(super) keys: SqlStr,
    /// key, id
    pub(super) add_key: SqlStr,
    /// key, id
    pub(super) remove_key: SqlStr,
}

impl Statements {
    pub(super) fn new(dialect: &Dialect, table: &str, zone: &str) -> Self {
        let sql = |template: &str| finished(dialect, template, table, zone);
        Self {
            load: sql("SELECT {columns} FROM {sessions} AS s WHERE s.sid = ? AND {lives}"),
            load_renewed: dialect.load_renewed.map(sql),
            create: sql("INSERT INTO {sessions} (sid, sess, expire{revision_column}) \
                VALUES (?, {json_value}, {expire_value}{revision_value})"),
            update: sql("UPDATE {sessions} SET sess = {json_value}, expire = {expire_value}{revision_set} \
                WHERE sid = ? AND {revision} = ? AND {lives}"),
            rename: sql("UPDATE {sessions} SET sid = ?, sess = {json_value}, expire = {expire_value}{revision_set} \
                WHERE sid = ? AND {revision} = ? AND {lives}"),
            touch: sql("UPDATE {sessions} SET expire = {expire_value} WHERE sid = ? AND {lives}"),
            renew: sql("UPDATE {sessions} SET expire = {expire_value} WHERE sid = ? AND {revision} = ? AND {lives}"),
            destroy: sql("DELETE FROM {sessions} WHERE sid = ?"),
            bury: sql("DELETE FROM {sessions} WHERE sid = ? AND {has_expired}"),
            all: sql("SELECT {columns} FROM {sessions} AS s WHERE {lives} ORDER BY s.sid LIMIT ?"),
            all_after: sql("SELECT {columns} FROM {sessions} AS s WHERE s.sid > ? AND {lives} ORDER BY s.sid LIMIT ?"),
            find: sql("SELECT {columns} FROM {index} AS i JOIN {sessions} AS s ON s.sid = i.sid \
                WHERE i.index_key = ? AND {lives} ORDER BY i.sid LIMIT ?"),
            find_after: sql("SELECT {columns} FROM {index} AS i JOIN {sessions} AS s ON s.sid = i.sid \
                WHERE i.index_key = ? AND i.sid > ? AND {lives} ORDER BY i.sid LIMIT ?"),
            len: sql("SELECT COUNT(*) FROM {sessions} WHERE {lives}"),
            clear: sql("DELETE FROM {sessions}"),
            sweep: sql(dialect.sweep),
            sweep_moments: dialect.sweep.matches("{now}").count(),
            keys: sql("SELECT index_key FROM {index} WHERE sid = ?"),
            add_key: sql("INSERT INTO {index} (index_key, sid) VALUES (?, ?)"),
            remove_key: sql("DELETE FROM {index} WHERE index_key = ? AND sid = ?"),
        }
    }
}

fn finished(dialect: &Dialect, template: &str, table: &str, zone: &str) -> SqlStr {
    let quote = dialect.quote;
    let stored = |text: &'static str| if dialect.revision_is_stored { text } else { "" };
    let sql = template
        .replace("{columns}", "{id}, {json}, {revision}, {millis}")
        .replace("{id}", dialect.id)
        .replace("{json}", dialect.json)
        .replace("{json_value}", dialect.json_value)
        .replace("{revision}", dialect.revision)
        .replace("{revision_column}", stored(", revision"))
        .replace("{revision_value}", stored(", ?"))
        .replace("{revision_set}", stored(", revision = ?"))
        .replace("{millis}", dialect.millis)
        .replace("{expire_value}", dialect.expire_value)
        .replace("{lives}", dialect.lives)
        .replace("{has_expired}", dialect.has_expired)
        .replace("{now}", "?")
        .replace("{sessions}", &format!("{quote}{table}{quote}"))
        .replace("{index}", &format!("{quote}{table}_index{quote}"));
    let sql = if dialect.numbered { numbered(&sql) } else { sql };
    AssertSqlSafe(sql.replace("{zone}", &zone.replace('\'', "''"))).into_sql_str()
}

fn numbered(sql: &str) -> String {
    let mut parts = sql.split('?');
    let mut numbered = parts.next().unwrap_or_default().to_owned();
    for (index, part) in parts.enumerate() {
        numbered.push_str(&format!("${}{part}", index + 1));
    }
    numbered
}
