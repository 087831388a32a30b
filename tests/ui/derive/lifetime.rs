//! A session that borrows.

use session::Session;

#[derive(Session)]
struct Visit<'a> {
    theme: &'a str,
}

fn main() {}
