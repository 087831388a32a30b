//! Texts have no sum.

use session::Session;

#[derive(Session)]
struct Visit {
    #[session(merge = sum)]
    theme: String,
}

fn main() {}
