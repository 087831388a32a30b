//! Versions begin with 1.

use session::Session;

#[derive(Session)]
#[session(version = 0)]
struct Visit {
    views: u32,
}

fn main() {}
