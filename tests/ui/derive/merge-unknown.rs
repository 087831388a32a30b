//! A rule that nobody has written.

use session::Session;

#[derive(Session)]
struct Visit {
    #[session(merge = maximum)]
    views: u32,
}

fn main() {}
