//! `VisitFields` has the setters.

use session::Session;

#[derive(Session)]
struct Visit {
    #[session(extract)]
    fields: u32,
}

fn main() {}
