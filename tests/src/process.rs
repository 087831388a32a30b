//! Programs that a test starts, and that end with it.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// A running program.
#[derive(Debug)]
pub struct Process(Child);

impl Process {
    /// Starts a program.
    ///
    /// # Panics
    /// If it can't be started.
    #[must_use]
    pub fn start(command: &mut Command) -> Self {
        Self(command.stdin(Stdio::null()).process_group(0).spawn().expect("the program starts"))
    }

    /// Starts a server on loopback whose first line of output tells its port: the last number in it.
    ///
    /// # Panics
    /// If it can't be started, or tells no port.
    #[must_use]
    pub fn serve(command: &mut Command) -> (Self, SocketAddr) {
        let mut process = Self::start(command.stdout(Stdio::piped()));
        let output = process.0.stdout.as_mut().expect("its output is piped");
        let port = BufReader::new(output).lines().map_while(Result::ok).find_map(|line| port_in(&line));
        (process, SocketAddr::from(([127, 0, 0, 1], port.expect("it tells its port"))))
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.0.try_wait(), Ok(None))
    }

    /// Asks it to end, with SIGTERM, and waits up to 30 s until it did.
    ///
    /// # Panics
    /// If it takes longer.
    #[must_use]
    pub fn stop(mut self) -> ExitStatus {
        let _ = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status();
        let begin = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().expect("it is this process's child") {
                return status;
            }
            assert!(begin.elapsed() < Duration::from_secs(30), "it was asked to end, and didn't");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

fn port_in(line: &str) -> Option<u16> {
    line.split(|letter: char| !letter.is_ascii_digit())
        .rfind(|number| !number.is_empty())?
        .parse()
        .ok()
        .filter(|port| *port != 0)
}

impl Drop for Process {
    /// Ends what the program started, too: a driver's browser.
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-KILL", "--", &format!("-{}", self.0.id())]).stderr(Stdio::null()).status();
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
