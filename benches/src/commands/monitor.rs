//! What a Redis server is told, by its own `MONITOR`: unlike `INFO commandstats`, it tells commands of a client from those
//! that scripts run.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpStream};

use crate::Outcome;

/// A view of what a server does.
pub(super) struct Monitor {
    told: BufReader<TcpStream>,
    marks: TcpStream,
}

impl Monitor {
    pub(super) fn start(port: u16) -> Outcome<Self> {
        let connect = || TcpStream::connect((Ipv4Addr::LOCALHOST, port));
        let (mut told, marks) = (connect()?, connect()?);
        told.write_all(b"MONITOR\r\n")?;
        Ok(Self { told: BufReader::new(told), marks })
    }

    /// The commands since the last call, each with those that it ran on the server.
    pub(super) fn commands(&mut self) -> Outcome<Vec<String>> {
        self.marks.write_all(b"ECHO mark\r\n")?;
        let (mut commands, mut line) = (Vec::new(), String::new());
        loop {
            line.clear();
            if self.told.read_line(&mut line)? == 0 {
                return Err("the server has gone".into());
            }
            match command(&line) {
                Some((name, _)) if name == "echo" => return Ok(commands.iter().map(Command::to_string).collect()),
                Some((name, true)) => commands.last_mut().ok_or("a script without a call")?.0.push(name),
                Some((name, false)) => commands.push(Command(vec![name])),
                None => {}
            }
        }
    }
}

/// A command's name, and the names of those that its script ran.
struct Command(Vec<String>);

impl std::fmt::Display for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0[..] {
            [name, inner @ ..] if !inner.is_empty() => write!(f, "{name} ({})", inner.join(", ")),
            names => f.write_str(&names.concat()),
        }
    }
}

/// The command that a line tells of, in small letters, and whether a script ran it.
fn command(line: &str) -> Option<(String, bool)> {
    let (head, rest) = line.split_once("] \"")?;
    Some((rest.split('"').next()?.to_lowercase(), head.ends_with(" lua")))
}

#[cfg(test)]
mod tests {
    use super::command;

    #[test]
    fn a_line_of_the_monitor_tells_a_command_and_who_ran_it() {
        for (line, expected) in [
            ("+OK\r\n", None),
            (r#"1700000000.123456 [0 127.0.0.1:5000] "GETEX" "sess:a] \"b" "PX" "1""#, Some(("getex", false))),
            (r#"1700000000.123457 [0 lua] "get" "sess:a""#, Some(("get", true))),
        ] {
            assert_eq!(command(line), expected.map(|(name, by_script)| (name.to_owned(), by_script)), "{line}");
        }
    }
}
