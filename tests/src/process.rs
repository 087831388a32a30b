//! Programs that a test starts, and that end with it.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

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
        let _ = Command::new("kill").args(["-KILL", "--", &format!("-{}", self.0.id())]).status();
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
