//! Tests that need a program which may not be on the machine. Without it they are reported as ignored, by name and
//! count; `SESSION_TEST_REQUIRE=node,chromium` turns that into a failure.

use std::env;
use std::fmt;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use libtest_mimic::{Arguments, Failed, Trial};

use crate::redis::Program;
use crate::{postgres, redis};

/// What a test may need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requirement {
    /// Python 3.
    Python,
    /// Node.js, and the packages of a peer's `package.json`, which npm installs.
    Node,
    /// Chromium and its WebDriver.
    Chromium,
    /// A Redis server: the one at `REDIS_URL` or on this machine, or the program, to start one.
    Redis,
    /// The Redis programs: for servers of the test's own, which it kills or fills, and for clusters.
    RedisServer,
    /// The program of Valkey, and `redis-cli`: for all that is done on Valkey.
    Valkey,
    /// PostgreSQL: at `POSTGRES_URL`, or on its port of this machine.
    Postgres,
    /// PostgreSQL's server programs: for a server of the test's own, which it kills.
    PostgresServer,
    /// MySQL or MariaDB: at `MYSQL_URL`, or on its port of this machine.
    Mysql,
}

impl Requirement {
    /// Its name in `SESSION_TEST_REQUIRE`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::Node => "node",
            Self::Chromium => "chromium",
            Self::Redis => "redis",
            Self::RedisServer => "redis-server",
            Self::Valkey => "valkey",
            Self::Postgres => "postgres",
            Self::PostgresServer => "postgres-server",
            Self::Mysql => "mysql",
        }
    }

    /// Whether it is there.
    #[must_use]
    pub fn is_met(self) -> bool {
        static MET: [OnceLock<bool>; 9] = [const { OnceLock::new() }; 9];
        *MET[self as usize].get_or_init(|| self.look())
    }

    fn look(self) -> bool {
        match self {
            Self::Python => runs("python3"),
            Self::Node => runs("node") && runs("npm"),
            Self::Chromium => runs("chromium") && runs("chromedriver"),
            Self::Redis => Program::Redis.shared_url().is_some(),
            Self::RedisServer => Program::Redis.can_be_started(),
            Self::Valkey => Program::Valkey.can_be_started(),
            Self::Postgres => env::var_os("POSTGRES_URL").is_some() || answers(5432),
            Self::PostgresServer => postgres::can_be_started(),
            Self::Mysql => env::var_os("MYSQL_URL").is_some() || answers(3306),
        }
    }

    fn is_demanded(self) -> bool {
        env::var("SESSION_TEST_REQUIRE").is_ok_and(|names| names.split(',').any(|name| name.trim() == self.name()))
    }
}

pub(crate) fn runs(program: &str) -> bool {
    let status = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

fn answers(port: u16) -> bool {
    TcpStream::connect_timeout(&SocketAddr::from(([127, 0, 0, 1], port)), Duration::from_secs(1)).is_ok()
}

/// A test that needs something.
pub struct Test {
    name: String,
    needs: Vec<Requirement>,
    run: Box<dyn FnOnce() + Send>,
}

impl Test {
    /// A test of this name. It panics if it fails.
    pub fn new(name: impl Into<String>, needs: &[Requirement], run: impl FnOnce() + Send + 'static) -> Self {
        Self { name: name.into(), needs: needs.to_vec(), run: Box::new(run) }
    }
}

impl fmt::Debug for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Test({}, {:?})", self.name, self.needs)
    }
}

/// The `main` function of a test program whose tests need something.
///
/// ```
/// fn node_runs() {}
///
/// session_tests::main! {
///     [Node] node_runs,
/// }
/// ```
#[macro_export]
macro_rules! main {
    ($([$($need:ident),*] $test:ident,)+) => {
        fn main() -> std::process::ExitCode {
            $crate::requirements::run([$($crate::requirements::Test::new(
                stringify!($test),
                &[$($crate::requirements::Requirement::$need),*],
                $test,
            )),+])
        }
    };
}

/// Runs tests, and reports those as ignored whose needs aren't met.
#[must_use]
pub fn run(tests: impl IntoIterator<Item = Test>) -> ExitCode {
    let of_test = |test: Test| {
        let Test { name, needs, run } = test;
        trial(name, &needs, move || {
            run();
            Ok(())
        })
    };
    conclude(Arguments::from_args(), tests.into_iter().map(of_test).collect())
}

/// A test whose name and work are made at run time, ignored if its needs aren't met.
pub fn trial(
    name: impl Into<String>,
    needs: &[Requirement],
    run: impl FnOnce() -> Result<(), Failed> + Send + 'static,
) -> Trial {
    let trial = Trial::test(name, run);
    let names: Vec<_> = needs.iter().map(|need| need.name()).collect();
    let trial = if names.is_empty() { trial } else { trial.with_kind(format!("needs {}", names.join(" and "))) };
    trial.with_ignored_flag(needs.iter().any(|need| !need.is_met() && !need.is_demanded()))
}

/// Runs such tests.
#[must_use]
pub fn conclude(arguments: Arguments, trials: Vec<Trial>) -> ExitCode {
    let conclusion = libtest_mimic::run(&arguments, trials);
    redis::stop_shared();
    conclusion.exit_code()
}

/// Has npm install the packages of a folder, once.
///
/// # Panics
/// If npm fails.
pub fn install_packages(folder: &Path) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _lock = ONE_AT_A_TIME.lock();
    if folder.join("node_modules").exists() {
        return;
    }
    let status = Command::new("npm").args(["ci", "--silent"]).current_dir(folder).status().expect("npm runs");
    assert!(status.success(), "npm could not install the packages of {}", folder.display());
}
