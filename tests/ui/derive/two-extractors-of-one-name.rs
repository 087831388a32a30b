//! Two extractors can't have one name.

use session::Session;

#[derive(Session)]
struct Visit {
    #[session(extract = Current)]
    user: Option<String>,
    #[session(extract = Current)]
    theme: String,
}

fn main() {}
