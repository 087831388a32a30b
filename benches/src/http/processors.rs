//! A processor for the servers alone, so that neither the load nor the database pushes their code out of its caches.

use std::env;
use std::fs;
use std::io;
use std::process::{self, Command, Stdio};

/// A processor, by its number.
#[derive(Clone, Copy)]
pub(super) struct Processor(u32);

impl Processor {
    /// The first one that this process may use. The process, and what it starts from now on, goes to the others. None if
    /// there are no others, or no `taskset` (of util-linux).
    pub(super) fn left_alone() -> Option<Self> {
        let status = fs::read_to_string("/proc/self/status").ok()?;
        let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
        let (first, others) = first_and_others(allowed.trim())?;
        let moved = Command::new("taskset")
            .args(["--all-tasks", "--cpu-list", "--pid", &others, &process::id().to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        moved.is_ok_and(|status| status.success()).then_some(Self(first))
    }

    /// This program, to be run on this processor.
    pub(super) fn run(self) -> io::Result<Command> {
        let mut command = Command::new("taskset");
        command.args(["--cpu-list", &self.0.to_string()]).arg(env::current_exe()?);
        Ok(command)
    }
}

/// The first number of a list as `0-3,7`, and a list of the others; none if it is the only one.
fn first_and_others(list: &str) -> Option<(u32, String)> {
    let (range, rest) = list.split_once(',').map_or((list, None), |(range, rest)| (range, Some(rest)));
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
    let others = (first < last).then(|| format!("{}-{last}", first + 1));
    let others: Vec<&str> = others.as_deref().into_iter().chain(rest).collect();
    if others.is_empty() { None } else { Some((first, others.join(","))) }
}

#[cfg(test)]
mod tests {
    use super::first_and_others;

    #[test]
    fn the_first_of_a_list_is_taken_from_the_others() {
        let cases = [
            ("0-1", Some((0, "1-1"))),
            ("0-7", Some((0, "1-7"))),
            ("2,4-5", Some((2, "4-5"))),
            ("1-3,8,9", Some((1, "2-3,8,9"))),
            ("5", None),
            ("", None),
            ("all", None),
        ];
        for (list, expected) in cases {
            let found = first_and_others(list);
            assert_eq!(found.as_ref().map(|(first, others)| (*first, others.as_str())), expected, "{list}");
        }
    }
}
