//! The counter on each store: it goes on where it was, however it ended.

#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use session_tests::database::{Database, Kind, run};
use session_tests::redis::{Program, RedisServer};
use session_tests::{Client, Process};
use tempfile::TempDir;

const SECRET: &str = "the same at each start, and on each machine";

fn counter(arguments: &[&str], secret: Option<&str>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_counter"));
    command.args(arguments).env("PORT", "0").env_remove("SESSION_SECRET");
    secret.map(|secret| command.env("SESSION_SECRET", secret));
    command
}

/// A visitor of one counter after another, with the cookies of all of them.
#[derive(Default)]
struct Visitor {
    cookies: BTreeMap<String, String>,
}

impl Visitor {
    /// Starts the counter, and counts on it twice.
    fn count(&mut self, command: &mut Command) -> (Process, String) {
        let (process, address) = Process::serve(command);
        let mut client = Client::new(address);
        client.jar.append(&mut self.cookies);
        let pages = run(async { client.get("/").await.body + &client.get("/").await.body });
        self.cookies = client.jar;
        (process, pages)
    }
}

fn survives_a_restart(store: &str, secret: Option<&str>) {
    let mut visitor = Visitor::default();
    let mut command = counter(&["--store", store], secret);
    let (process, pages) = visitor.count(&mut command);
    assert_eq!(pages, "welcome! views: 1\nviews: 2\n");
    assert!(process.stop().success(), "it ends gracefully");

    let (process, pages) = visitor.count(&mut command);
    assert_eq!(pages, "views: 3\nviews: 4\n");
    drop(process); // killed

    let (_process, pages) = visitor.count(&mut command);
    assert_eq!(pages, "views: 5\nviews: 6\n");
}

fn memory_ends_with_the_program() {
    let mut visitor = Visitor::default();
    for _ in 0..2 {
        let (process, pages) = visitor.count(&mut counter(&[], None));
        assert_eq!(pages, "welcome! views: 1\nviews: 2\n");
        assert!(process.stop().success());
    }
}

fn sqlite(folder: &Path) -> String {
    format!("sqlite:{}", folder.join("sessions.db").display())
}

fn sqlite_survives_a_restart() {
    let folder = TempDir::new().unwrap();
    survives_a_restart(&sqlite(folder.path()), None);
}

fn the_secret_beside_the_database_is_for_its_owner_only() {
    let folder = TempDir::new().unwrap();
    let store = sqlite(folder.path());
    let mut visitor = Visitor::default();
    drop(visitor.count(&mut counter(&["--store", &store], None)));
    let file = folder.path().join("sessions.db.secret");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let secret = fs::read(&file).unwrap();
    assert_eq!(secret.len(), 32);

    // It is what signs: without it, nobody is known any more.
    fs::remove_file(&file).unwrap();
    let (_process, pages) = visitor.count(&mut counter(&["--store", &store], None));
    assert_eq!(pages, "welcome! views: 1\nviews: 2\n");
    assert_ne!(fs::read(&file).unwrap(), secret);
}

fn redis_survives_a_restart() {
    let server = RedisServer::start(&[]);
    survives_a_restart(&server.url(), Some(SECRET));
}

fn redis_cluster_survives_a_restart() {
    let servers = Program::Redis.start_cluster();
    survives_a_restart(&format!("redis+cluster://127.0.0.1:{}", servers[0].port()), Some(SECRET));
}

fn postgres_survives_a_restart() {
    survives_a_restart(&run(Database::new(Kind::Postgres)).url, Some(SECRET));
}

fn mysql_survives_a_restart() {
    survives_a_restart(&run(Database::new(Kind::Mysql)).url, Some(SECRET));
}

fn what_is_missing_is_said() {
    let folder = TempDir::new().unwrap();
    let no_folder = sqlite(&folder.path().join("none"));
    let redis = RedisServer::start(&[]);
    for (store, secret, text) in [
        ("mongodb://127.0.0.1", None, "`--store` is memory, sqlite:FILE"),
        (&redis.url(), None, "set SESSION_SECRET"),
        ("redis://127.0.0.1:1", Some(SECRET), "the session store failed: Connection refused"),
        (&no_folder, None, "unable to open database file"),
        ("memory", Some("short"), "`secret` has 5 bytes"),
    ] {
        let output = counter(&["--store", store], secret).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains(text), "{store}: {said}");
    }
}

session_tests::main! {
    [] memory_ends_with_the_program,
    [] sqlite_survives_a_restart,
    [] the_secret_beside_the_database_is_for_its_owner_only,
    [RedisServer] redis_survives_a_restart,
    [RedisServer] redis_cluster_survives_a_restart,
    [Postgres] postgres_survives_a_restart,
    [Mysql] mysql_survives_a_restart,
    [RedisServer] what_is_missing_is_said,
}
