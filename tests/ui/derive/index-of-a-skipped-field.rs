//! A field that is not stored can't be found.

use session::Session;

#[derive(Session)]
struct Visit {
    #[serde(skip)]
    #[session(index)]
    user: Option<String>,
}

fn main() {}
