//! A word that takes no value.

use session::Session;

#[derive(Session)]
struct Visit {
    #[session(rotate = true)]
    user: Option<String>,
}

fn main() {}
