//! Redis and Valkey servers for tests: one of each that they share, and their own.

use std::env;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::Process;
use crate::requirements::runs;

enum Shared {
    Unknown,
    Missing,
    There {
        url: String,
        /// It was started for this test program.
        _server: Option<RedisServer>,
    },
}

static SHARED: [Mutex<Shared>; 2] = [const { Mutex::new(Shared::Unknown) }; 2];

/// Whose server it is. Since 8.1, Valkey's `SET` compares, as Redis's does since 8.4; before, a script has to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are names")]
pub enum Program {
    Redis,
    Valkey,
}

impl Program {
    /// Those that can be run here.
    pub fn installed() -> impl Iterator<Item = Self> {
        [Self::Redis, Self::Valkey].into_iter().filter(|program| program.can_be_started())
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Redis => "Redis",
            Self::Valkey => "Valkey",
        }
    }

    /// What is run.
    const fn command(self) -> &'static str {
        match self {
            Self::Redis => "redis-server",
            Self::Valkey => "valkey-server",
        }
    }

    /// Whether it can be, and clusters can be made of it.
    #[must_use]
    pub fn can_be_started(self) -> bool {
        runs(self.command()) && runs("redis-cli")
    }

    /// The server that tests share, each with key prefixes of its own: of Redis, the one at `REDIS_URL` or on this
    /// machine; otherwise one that is started for this test program.
    ///
    /// # Panics
    /// If it doesn't start.
    #[must_use]
    pub fn shared_url(self) -> Option<String> {
        let mut shared = SHARED[self as usize].lock().expect("no test panics here");
        if matches!(*shared, Shared::Unknown) {
            *shared = self.find_or_start();
        }
        match &*shared {
            Shared::There { url, .. } => Some(url.clone()),
            _ => None,
        }
    }

    fn find_or_start(self) -> Shared {
        let url = env::var("REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1:6379".to_owned());
        if self == Self::Redis && address_in(&url).is_some_and(answers) {
            return Shared::There { url, _server: None };
        }
        if !runs(self.command()) {
            return Shared::Missing;
        }
        let server = self.start(&[]);
        Shared::There { url: server.url(), _server: Some(server) }
    }

    /// Starts a server on a free port of loopback, without persistence, with settings such as `--maxmemory 2mb`.
    ///
    /// # Panics
    /// If it doesn't start.
    #[must_use]
    pub fn start(self, settings: &[&str]) -> RedisServer {
        let port = free_port();
        let folder = env::temp_dir().join(format!("session-redis-{}-{port}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder for the server");
        let settings = settings.iter().flat_map(|setting| setting.split(' ')).map(str::to_owned).collect();
        let mut server = RedisServer { program: self, process: None, port, folder, settings };
        server.restart();
        server
    }

    fn start_member(self) -> RedisServer {
        self.start(&[
            "--cluster-enabled yes",
            "--cluster-node-timeout 2000",
            "--cluster-require-full-coverage no",
            "--appendonly yes",
            "--appendfsync always",
            "--repl-diskless-sync-delay 0",
            &format!("--cluster-port {}", free_port()),
        ])
    }

    /// Starts three servers that form a cluster.
    ///
    /// # Panics
    /// If they don't.
    #[must_use]
    pub fn start_cluster(self) -> Vec<RedisServer> {
        let servers: Vec<_> = (0..3).map(|_| self.start_member()).collect();
        let mut create = Command::new("redis-cli");
        create.args(["--cluster", "create"]);
        create.args(servers.iter().map(|server| format!("127.0.0.1:{}", server.port)));
        create.args(["--cluster-replicas", "0", "--cluster-yes"]);
        let status = create.stdin(Stdio::null()).stdout(Stdio::null()).status().expect("redis-cli runs");
        assert!(status.success(), "the cluster could not be created");
        for server in &servers {
            wait_until("the cluster is whole", || cli(server.port, &["CLUSTER", "INFO"]).contains("cluster_state:ok"));
        }
        servers
    }
}

static CLUSTER: Mutex<Vec<RedisServer>> = Mutex::new(Vec::new());

/// The servers of a cluster that is started for this test program, and that its tests share, each with key prefixes of
/// its own.
///
/// # Panics
/// If it doesn't start.
pub fn shared_cluster() -> Vec<String> {
    let mut cluster = CLUSTER.lock().unwrap_or_else(PoisonError::into_inner);
    if cluster.is_empty() {
        *cluster = Program::Redis.start_cluster();
    }
    cluster.iter().map(RedisServer::url).collect()
}

/// Removes the keys that begin with a test's prefix, and those of its index, from a server.
///
/// # Panics
/// If it doesn't answer.
pub async fn remove_keys(url: &str, prefix: &str) {
    let client = ::redis::Client::open(url).expect("a URL");
    // Nobody waits for it, however busy the server is.
    let patient = ::redis::AsyncConnectionConfig::new().set_response_timeout(Some(Duration::from_secs(30)));
    let mut connection =
        client.get_multiplexed_async_connection_with_config(&patient).await.expect("the server answers");
    let pattern: String = prefix.trim_end_matches(':').chars().flat_map(|letter| ['\\', letter]).chain(['*']).collect();
    let mut cursor = 0;
    loop {
        let mut scan = ::redis::cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(1000);
        let (next, keys): (u64, Vec<Vec<u8>>) = scan.query_async(&mut connection).await.expect("keys");
        for key in keys {
            ::redis::cmd("UNLINK").arg(key).exec_async(&mut connection).await.expect("it is removed");
        }
        if next == 0 {
            return;
        }
        cursor = next;
    }
}

/// Ends the servers that were started for this test program, if some were.
pub(crate) fn stop_shared() {
    for shared in &SHARED {
        *shared.lock().unwrap_or_else(PoisonError::into_inner) = Shared::Missing;
    }
    CLUSTER.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

fn address_in(url: &str) -> Option<SocketAddr> {
    let rest = url.strip_prefix("redis://")?;
    let authority = rest.split(['/', '?']).next()?;
    let host = authority.rsplit('@').next()?;
    let host = if host.contains(':') { host.to_owned() } else { format!("{host}:6379") };
    host.to_socket_addrs().ok()?.next()
}

/// Whether a server is there and ready: one that asks for a password is, too.
fn answers(address: SocketAddr) -> bool {
    let ping = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(b"PING\r\n")?;
        let mut answer = [0; 5];
        stream.read_exact(&mut answer)?;
        Ok(matches!(&answer, b"+PONG" | b"-NOAU"))
    };
    ping().unwrap_or(false)
}

/// A server of a test's own. It ends with the value, and its files with it.
#[derive(Debug)]
pub struct RedisServer {
    program: Program,
    process: Option<Process>,
    port: u16,
    folder: PathBuf,
    settings: Vec<String>,
}

impl RedisServer {
    /// Starts one of Redis; see [`Program::start`].
    ///
    /// # Panics
    /// If it doesn't start.
    #[must_use]
    pub fn start(settings: &[&str]) -> Self {
        Program::Redis.start(settings)
    }

    /// Starts it again, on the same port.
    ///
    /// # Panics
    /// If it doesn't start.
    pub fn restart(&mut self) {
        let mut command = Command::new(self.program.command());
        command.args(["--bind", "127.0.0.1", "--save", "", "--loglevel", "warning"]);
        command.arg("--port").arg(self.port.to_string()).arg("--dir").arg(&self.folder).args(&self.settings);
        self.process = Some(Process::start(command.stdout(Stdio::null())));
        let address = SocketAddr::from(([127, 0, 0, 1], self.port));
        wait_until("the server answers", || answers(address));
    }

    /// Kills it.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Its port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Adds a replica of a server to its cluster.
///
/// # Panics
/// If it can't be added.
#[must_use]
pub fn start_replica(primary: &RedisServer) -> RedisServer {
    let replica = primary.program.start_member();
    let name = cli(primary.port, &["CLUSTER", "MYID"]).trim().to_owned();
    let mut add = Command::new("redis-cli");
    add.args(["--cluster", "add-node"]);
    add.args([format!("127.0.0.1:{}", replica.port), format!("127.0.0.1:{}", primary.port)]);
    add.args(["--cluster-slave", "--cluster-master-id", &name]);
    let status = add.stdin(Stdio::null()).stdout(Stdio::null()).status().expect("redis-cli runs");
    assert!(status.success(), "the replica could not be added");
    let info = || cli(replica.port, &["INFO", "replication"]);
    wait_until("the replica follows", || info().contains("master_link_status:up"));
    replica
}

/// What a server answers to a command of `redis-cli`.
///
/// # Panics
/// If it can't be run.
#[must_use]
pub fn cli(port: u16, arguments: &[&str]) -> String {
    let mut command = Command::new("redis-cli");
    let output = command.arg("-p").arg(port.to_string()).args(arguments).output().expect("redis-cli runs");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Waits up to 30 s.
///
/// # Panics
/// If it takes longer.
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < Duration::from_secs(30), "waited in vain: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("a bound address").port()
}
