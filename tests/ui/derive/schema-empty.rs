//! The fingerprint is asked for.

use session::Session;

#[derive(Session)]
#[session(schema = "")]
struct Visit {
    views: u32,
    user: Option<String>,
}

fn main() {}
