//! `a b` and `a_b` are one word in a fingerprint.

use session::Session;

#[derive(Session)]
#[session(schema = "a_b:025e4b a_b:1a291b")]
struct Visit {
    #[serde(rename = "a_b")]
    y: u32,
}

fn main() {}
