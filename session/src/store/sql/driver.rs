//! The part of the work that has to be written against a database's own types: running a statement, reading its rows.

use std::future::Future;

use sqlx::error::DatabaseError;
use sqlx::{Database, Error, SqlStr};

use super::dialect::Dialect;
use crate::timestamp::Timestamp;

/// A database that sessions are kept in.
pub trait Driver: Send + Sync + 'static {
    /// As sqlx knows it.
    type Database: Database;

    /// How its SQL differs.
    const DIALECT: Dialect;

    /// Runs a statement; tells how many rows it found.
    fn execute<'a>(
        connection: &'a mut Connection<Self>,
        sql: &'a SqlStr,
        values: &'a [Value<'a>],
    ) -> impl Future<Output = Result<u64, Error>> + Send + 'a;

    /// The sessions that a statement gives: id, record, revision and expiry.
    fn sessions<'a>(
        connection: &'a mut Connection<Self>,
        sql: &'a SqlStr,
        values: &'a [Value<'a>],
    ) -> impl Future<Output = Result<Vec<Row>, Error>> + Send + 'a;

    /// The one number that a statement gives.
    fn number<'a>(
        connection: &'a mut Connection<Self>,
        sql: &'a SqlStr,
        values: &'a [Value<'a>],
    ) -> impl Future<Output = Result<i64, Error>> + Send + 'a;

    /// The texts that a statement gives.
    fn texts<'a>(
        connection: &'a mut Connection<Self>,
        sql: &'a SqlStr,
        values: &'a [Value<'a>],
    ) -> impl Future<Output = Result<Vec<String>, Error>> + Send + 'a;

    /// Runs statements without values, in one transaction where the server knows such ones of this kind.
    fn define(
        connection: &mut Connection<Self>,
        statements: String,
    ) -> impl Future<Output = Result<(), Error>> + Send + '_;

    /// The time zone of the expiry column, if it has one.
    fn time_zone(connection: &mut Connection<Self>) -> impl Future<Output = Result<String, Error>> + Send + '_ {
        let _ = connection;
        async { Ok(String::new()) }
    }

    /// Whether the server undid the work, and doing it again is likely to succeed.
    fn is_transient(error: &dyn DatabaseError) -> bool;

    /// Whether the server ended the connection, so that nobody knows what it did.
    fn is_lost(error: &dyn DatabaseError) -> bool {
        let _ = error;
        false
    }

    /// Whether the server takes no writes over this connection, as one that is a replica by now.
    fn is_demoted(error: &dyn DatabaseError) -> bool {
        let _ = error;
        false
    }
}

pub(super) type Connection<D> = <<D as Driver>::Database as Database>::Connection;

/// A value of a statement.
#[derive(Clone, Copy)]
pub enum Value<'a> {
    /// An id, a record, an index key.
    Text(&'a str),
    /// A revision.
    Bytes(&'a [u8]),
    /// A number.
    Int(i64),
}

impl From<Timestamp> for Value<'_> {
    fn from(moment: Timestamp) -> Self {
        Self::Int(moment.as_millis())
    }
}

/// A stored session.
pub struct Row {
    pub(super) id: String,
    pub(super) json: String,
    pub(super) revision: Vec<u8>,
    pub(super) expires: i64,
}

/// The methods of [`Driver`] that read alike for every database, and have to be compiled for each.
macro_rules! statements {
    ($database:ty) => {
        async fn execute<'a>(
            connection: &'a mut $crate::store::sql::driver::Connection<Self>,
            sql: &'a ::sqlx::SqlStr,
            values: &'a [$crate::store::sql::driver::Value<'a>],
        ) -> Result<u64, ::sqlx::Error> {
            Ok(query(sql, values).execute(connection).await?.rows_affected())
        }

        async fn sessions<'a>(
            connection: &'a mut $crate::store::sql::driver::Connection<Self>,
            sql: &'a ::sqlx::SqlStr,
            values: &'a [$crate::store::sql::driver::Value<'a>],
        ) -> Result<Vec<$crate::store::sql::driver::Row>, ::sqlx::Error> {
            use ::sqlx::Row as _;
            let rows = query(sql, values).fetch_all(connection).await?;
            let read = |row: <$database as ::sqlx::Database>::Row| {
                Ok($crate::store::sql::driver::Row {
                    id: row.try_get(0)?,
                    json: row.try_get(1)?,
                    revision: row.try_get(2)?,
                    expires: row.try_get(3)?,
                })
            };
            rows.into_iter().map(read).collect()
        }

        async fn number<'a>(
            connection: &'a mut $crate::store::sql::driver::Connection<Self>,
            sql: &'a ::sqlx::SqlStr,
            values: &'a [$crate::store::sql::driver::Value<'a>],
        ) -> Result<i64, ::sqlx::Error> {
            use ::sqlx::Row as _;
            query(sql, values).fetch_one(connection).await?.try_get(0)
        }

        async fn texts<'a>(
            connection: &'a mut $crate::store::sql::driver::Connection<Self>,
            sql: &'a ::sqlx::SqlStr,
            values: &'a [$crate::store::sql::driver::Value<'a>],
        ) -> Result<Vec<String>, ::sqlx::Error> {
            use ::sqlx::Row as _;
            let rows = query(sql, values).fetch_all(connection).await?;
            rows.into_iter().map(|row| row.try_get(0)).collect()
        }

        async fn define(
            connection: &mut $crate::store::sql::driver::Connection<Self>,
            statements: String,
        ) -> Result<(), ::sqlx::Error> {
            ::sqlx::raw_sql(::sqlx::AssertSqlSafe(statements)).execute(connection).await.map(|_| ())
        }
    };
}

/// The statement with its values; outside the trait, since each database has its own type of arguments.
macro_rules! query {
    ($database:ty) => {
        fn query(
            sql: &::sqlx::SqlStr,
            values: &[$crate::store::sql::driver::Value<'_>],
        ) -> ::sqlx::query::Query<'static, $database, <$database as ::sqlx::Database>::Arguments> {
            use $crate::store::sql::driver::Value;
            values.iter().fold(::sqlx::query(sql.clone()), |query, value| match *value {
                Value::Text(text) => query.bind(text),
                Value::Bytes(bytes) => query.bind(bytes),
                Value::Int(number) => query.bind(number),
            })
        }
    };
}

pub(super) use {query, statements};
