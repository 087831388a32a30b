//! An extractor of one field of many types.

use session::Session;

#[derive(Session)]
struct Visit<T: Default> {
    #[session(extract)]
    theme: T,
}

fn main() {}
