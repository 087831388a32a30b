//! A processor for the servers alone, so that neither the load nor the database pushes their code out of its caches.

use std::env;
use std::io;
use std::num::NonZero;
use std::process::{self, Command, Stdio};
use std::thread::available_parallelism;

/// Sends this process, and what it starts from now on, to all processors but the first. False if there is no other one, or
/// no `taskset` (of util-linux).
pub(super) fn leave_the_first() -> bool {
    let last = available_parallelism().map_or(1, NonZero::get) - 1;
    let others = format!("1-{last}");
    let pid = process::id().to_string();
    let moved = Command::new("taskset")
        .args(["--all-tasks", "--cpu-list", "--pid", &others, &pid])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    last > 0 && moved.is_ok_and(|status| status.success())
}

/// This program, to be run on the first processor if that is left to it.
pub(super) fn on_the_first(is_left: bool) -> io::Result<Command> {
    let program = env::current_exe()?;
    if !is_left {
        return Ok(Command::new(program));
    }
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", "0"]).arg(program);
    Ok(command)
}
