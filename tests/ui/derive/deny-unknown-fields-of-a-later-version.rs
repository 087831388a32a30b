//! Fields of older versions stay in a record.

#[derive(session::Session)]
struct Old {}

#[derive(session::Session)]
#[session(version = 2, previous = Old)]
#[serde(deny_unknown_fields)]
struct Visit {}

impl From<Old> for Visit {
    fn from(_: Old) -> Self { Self {} }
}

fn main() {}
