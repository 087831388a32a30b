//! A version that stored sessions are upgraded to from nothing.

use session::Session;

#[derive(Session)]
#[session(version = 2)]
struct Visit {
    views: u32,
}

fn main() {}
