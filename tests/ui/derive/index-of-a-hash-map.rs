//! A hash map has another order each time.

use std::collections::HashMap;

use session::Session;

#[derive(Session)]
struct Visit {
    #[session(index)]
    groups: Option<HashMap<u32, u32>>,
}

fn main() {}
