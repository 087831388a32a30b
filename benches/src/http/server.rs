//! A contestant in a process of its own, and the processor time that it has used.

use std::io::{self, BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{self, Child, Stdio};
use std::time::Duration;
use std::{fs, thread};

use session_tests::redis::{RedisServer, cli};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use super::processors;
use crate::Outcome;
use crate::contestants::Contestant;

/// A running server, which ends with the value.
pub(super) struct Server {
    child: Child,
    port: u16,
}

impl Server {
    /// With `is_alone`, on a processor of its own.
    pub(super) fn start(contestant: Contestant, redis: Option<&str>, is_alone: bool) -> Outcome<Self> {
        let mut command = processors::on_the_first(is_alone)?;
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
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        Ok(processor_time(&stat).ok_or("another /proc/PID/stat than Linux has")?)
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

/// The fields `utime` and `stime`, in hundredths of a second. The program's name before them may hold anything.
fn processor_time(stat: &str) -> Option<Duration> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut times = fields.split(' ').skip(11).map(str::parse::<u64>);
    let (user, system) = (times.next()?.ok()?, times.next()?.ok()?);
    Some(Duration::from_millis(10 * (user + system)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_read_from_the_kernels_line() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 9 9 20 0 1 0 100 1000 100\n";
        assert_eq!(processor_time(stat), Some(Duration::from_secs(3)));
        assert_eq!(processor_time("7 (a) S 1 7"), None);
    }

    #[test]
    fn a_redis_server_tells_its_processor_time() {
        let info = "# CPU\r\nused_cpu_sys:0.500000\r\nused_cpu_user:1.500000\r\nused_cpu_sys_children:9.0\r\n";
        assert_eq!(used_cpu(info), Some(Duration::from_secs(2)));
        assert_eq!(used_cpu("# CPU\r\n"), None);
    }
}
