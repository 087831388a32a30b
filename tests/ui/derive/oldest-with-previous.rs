//! Either there is an older version or there is none.

#[derive(session::Session)]
struct Old {}

#[derive(session::Session)]
#[session(version = 2, previous = Old, oldest)]
struct Visit {}

impl From<Old> for Visit {
    fn from(_: Old) -> Self { Self {} }
}

fn main() {}
