//! A PostgreSQL server of a test's own, to be killed.

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, thread};

use crate::process::Process;
use crate::requirements::runs;

/// The folder with the server's programs: Debian keeps them out of the path.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let of_debian = versions.map(|version| version.path().join("bin"));
    let in_path = env::var_os("PATH").map(|path| env::split_paths(&path).collect::<Vec<_>>()).unwrap_or_default();
    let has_all =
        |folder: &PathBuf| ["initdb", "postgres", "pg_isready"].iter().all(|name| folder.join(name).is_file());
    in_path.into_iter().chain(of_debian).find(has_all)
}

fn output_of(program: &str, argument: &str) -> String {
    let output = Command::new(program).arg(argument).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}

/// Whether such a server can be started: by root, as its user.
pub(crate) fn can_be_started() -> bool {
    let is_root = output_of("id", "-u") == "0";
    programs().is_some() && (!is_root || (runs("setpriv") && !output_of("id", "postgres").is_empty()))
}

/// A server on a free port of loopback, with a folder of its own. It is killed with the value.
#[derive(Debug)]
pub struct PostgresServer {
    process: Option<Process>,
    folder: PathBuf,
    port: u16,
}

impl PostgresServer {
    /// Starts one.
    ///
    /// # Panics
    /// If it doesn't start.
    #[must_use]
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("a bound address").port();
        drop(listener);
        let folder = env::temp_dir().join(format!("session-postgres-{}-{port}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder for the server");
        if output_of("id", "-u") == "0" {
            let status = Command::new("chown").arg("postgres").arg(&folder).status();
            assert!(status.is_ok_and(|status| status.success()), "the folder is for the server's user");
        }
        let mut server = Self { process: None, folder, port };
        let mut initdb = server.program("initdb");
        initdb.args(["--auth", "trust", "--username", "postgres", "--no-sync", "--pgdata"]).arg(server.data());
        let output = initdb.output().expect("the program starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        server.restart();
        server
    }

    /// Starts it again, on the same port. What was left of the one before may be in the way for a moment.
    ///
    /// # Panics
    /// If it doesn't start.
    pub fn restart(&mut self) {
        let begin = Instant::now();
        loop {
            let mut command = self.program("postgres");
            command.arg("-D").arg(self.data()).arg("-k").arg(&self.folder).args(["-p", &self.port.to_string()]);
            command.args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]);
            let mut process = Process::start(command.stdout(Stdio::null()).stderr(Stdio::null()));
            while !process.has_ended() {
                if self.is_ready() {
                    self.process = Some(process);
                    return;
                }
                assert!(begin.elapsed() < Duration::from_secs(60), "waited in vain: the server answers");
                thread::sleep(Duration::from_millis(20));
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Kills it.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Its address, with a database that is there.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn is_ready(&self) -> bool {
        let mut command = self.program("pg_isready");
        let port = self.port.to_string();
        let status = command.args(["-q", "-h", "127.0.0.1", "-p", &port]).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    }

    /// A program of the server; started by root, as the server's user, since it refuses to run as root.
    fn program(&self, name: &str) -> Command {
        let program = programs().expect("the server's programs").join(name);
        if output_of("id", "-u") != "0" {
            return Command::new(program);
        }
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program).current_dir(&self.folder);
        command
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        self.kill();
        let _ = fs::remove_dir_all(&self.folder);
    }
}
