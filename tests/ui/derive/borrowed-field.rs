//! What a session is made of can't be borrowed from the record.

use session::Session;

#[derive(Session)]
struct Visit {
    themes: Vec<&'static str>,
}

fn main() {}
