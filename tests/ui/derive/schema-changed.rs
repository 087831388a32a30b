//! Fields were added, removed and retyped.

use session::Session;

#[derive(Session)]
#[session(schema = "views:000000 gone:123456")]
struct Visit {
    views: u64,
    user: Option<String>,
}

fn main() {}
