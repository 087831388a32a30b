//! A key without its value.

use session::Session;

#[derive(Session)]
struct Visit {
    #[session(merge)]
    views: u32,
}

fn main() {}
