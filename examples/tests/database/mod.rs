//! Databases of a test's own, on servers that tests share.

use std::{env, thread};

use session::SessionId;
use sqlx::{AssertSqlSafe, Connection as _, MySqlConnection, PgConnection};
use tokio::runtime::Runtime;

/// An empty database. It goes with the value.
pub(crate) struct Database {
    name: String,
    server: String,
}

impl Database {
    pub(crate) fn postgres() -> Self {
        Self::new("POSTGRES_URL", "postgres://postgres@127.0.0.1:5432/postgres")
    }

    #[allow(dead_code, reason = "not every test that has databases has this kind")]
    pub(crate) fn mysql() -> Self {
        Self::new("MYSQL_URL", "mysql://root@127.0.0.1:3306/mysql")
    }

    fn new(variable: &str, otherwise: &str) -> Self {
        let random = SessionId::random().unwrap().as_str().to_lowercase().replace(['-', '_'], "x");
        let server = env::var(variable).unwrap_or_else(|_| otherwise.to_owned());
        let database = Self { name: format!("session_example_{random}"), server };
        database.administer(&format!("CREATE DATABASE {}", database.name));
        database
    }

    pub(crate) fn url(&self) -> String {
        format!("{}/{}", self.server.rsplit_once('/').unwrap().0, self.name)
    }

    fn is_mysql(&self) -> bool {
        self.server.starts_with("mysql")
    }

    /// On a thread of its own, since a test may have a runtime on this one.
    fn administer(&self, sql: &str) {
        let sql = AssertSqlSafe(sql);
        let run = async {
            if self.is_mysql() {
                let mut server = MySqlConnection::connect(&self.server).await.unwrap();
                sqlx::raw_sql(sql).execute(&mut server).await.map(drop)
            } else {
                let mut server = PgConnection::connect(&self.server).await.unwrap();
                sqlx::raw_sql(sql).execute(&mut server).await.map(drop)
            }
        };
        thread::scope(|scope| scope.spawn(|| Runtime::new().unwrap().block_on(run).unwrap()).join().unwrap());
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let even_in_use = if self.is_mysql() { "" } else { "WITH (FORCE)" };
        self.administer(&format!("DROP DATABASE {} {even_in_use}", self.name));
    }
}
