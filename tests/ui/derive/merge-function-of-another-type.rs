//! A function that merges something else.

use session::Session;

fn longer(_: &str, mine: &str, _: &str) -> String { mine.to_owned() }

#[derive(Session)]
struct Visit {
    #[session(merge = longer)]
    views: u32,
}

fn main() {}
