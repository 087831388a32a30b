//! A contestant in a process of its own, and the processor time that it has used.

use std::env;
use std::fs::{self, DirEntry};
use std::io::{self, BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{self, Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use session_tests::redis::{RedisServer, cli};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use super::processors::Processor;
use crate::Outcome;
use crate::contestants::Contestant;

/// A running server, which ends with the value.
pub(super) struct Server {
    child: Child,
    port: u16,
}

impl Server {
    /// On this processor, if one was left alone.
    pub(super) fn start(contestant: Contestant, redis: Option<&str>, processor: Option<Processor>) -> Outcome<Self> {
        let mut command = processor.map_or_else(|| env::current_exe().map(Command::new), Processor::run)?;
        command.args(["--serve", contestant.name()]).args(redis).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut server = Self { child: command.spawn()?, port: 0 };
        let mut line = String::new();
        BufReader::new(server.child.stdout.as_mut().ok_or("it says nothing")?).read_line(&mut line)?;
        server.port = line.trim().parse()?;
        Ok(server)
    }

    pub(super) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// What its threads have used so far.
    pub(super) fn processor_time(&self) -> Outcome<Duration> {
        let threads = fs::read_dir(format!("/proc/{}/task", self.child.id()))?;
        let of_thread = |thread: io::Result<DirEntry>| {
            let statistics = fs::read_to_string(thread?.path().join("schedstat"))?;
            Ok(processor_time(&statistics).ok_or("another /proc/PID/task/TID/schedstat than Linux has")?)
        };
        threads.map(of_thread).sum()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a Redis server has used so far, as it says.
pub(super) fn redis_time(server: &RedisServer) -> Outcome<Duration> {
    let info = cli(server.port(), &["INFO", "cpu"]);
    Ok(used_cpu(&info).ok_or("the server does not tell its processor time")?)
}

fn used_cpu(info: &str) -> Option<Duration> {
    let of = |name: &str| info.lines().find_map(|line| line.strip_prefix(name))?.trim().parse::<f64>().ok();
    Duration::try_from_secs_f64(of("used_cpu_user:")? + of("used_cpu_sys:")?).ok()
}

/// Serves a contestant on a free port of loopback, which is told in the first line of output, as long as the process lives
/// that started this one.
///
/// # Errors
/// If it can't.
pub fn serve(runtime: &Runtime, contestant: Contestant, redis: Option<&str>) -> Outcome<()> {
    thread::spawn(|| {
        let _ = io::stdin().read(&mut [0]);
        process::exit(0);
    });
    runtime.block_on(async {
        let app = match redis {
            Some(url) => contestant.app_on_redis(url).await?,
            None => contestant.app().await,
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        println!("{}", listener.local_addr()?.port());
        Ok(axum::serve(listener, app).await?)
    })
}

/// The first field, in nanoseconds.
fn processor_time(statistics: &str) -> Option<Duration> {
    let (nanos, _) = statistics.split_once(' ')?;
    nanos.parse().ok().map(Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_read_from_the_kernels_line() {
        assert_eq!(processor_time("3000000007 49 12\n"), Some(Duration::new(3, 7)));
        assert_eq!(processor_time("a 49 12\n"), None);
    }

    #[test]
    fn a_redis_server_tells_its_processor_time() {
        let info = "# CPU\r\nused_cpu_sys:0.500000\r\nused_cpu_user:1.500000\r\nused_cpu_sys_children:9.0\r\n";
        assert_eq!(used_cpu(info), Some(Duration::from_secs(2)));
        assert_eq!(used_cpu("# CPU\r\n"), None);
    }
}
