//! Numbers have no union.

use session::Session;

#[derive(Session)]
struct Visit {
    #[session(merge = union)]
    views: u32,
}

fn main() {}
