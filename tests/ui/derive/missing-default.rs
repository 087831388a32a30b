use serde::{Deserialize, Serialize};
use session::Session;

#[derive(Clone, Serialize, Deserialize)]
struct Language(String);

#[derive(Session)]
struct Visit {
    views: u32,
    language: Language,
}

fn main() {}
