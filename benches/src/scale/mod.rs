//! Many sessions, large sessions, sessions that end all at once, and two threads.

mod memory;
mod servers;
mod sizes;
mod sweep;
mod threads;

use tokio::runtime::Runtime;

use crate::Outcome;
use crate::table::folded;

const SESSIONS: [usize; 3] = [1_000, 100_000, 1_000_000];

/// Measures one thing after the other, and prints each table when it is there. At most so many sessions are made.
///
/// # Errors
/// If a server doesn't do what it is asked for.
pub fn measure(runtime: &Runtime, limit: usize) -> Outcome<()> {
    let sessions: Vec<_> = SESSIONS.into_iter().filter(|sessions| *sessions <= limit).collect();
    println!("{}", folded(&memory::table(runtime, &sessions)));
    println!("{}", folded(&sizes::table(runtime)));
    println!("{}", folded(&threads::table(runtime)?));
    println!("{}", folded(&sweep::sentence(runtime)?));
    print!("{}", folded(&servers::table(runtime, &sessions)?));
    Ok(())
}
