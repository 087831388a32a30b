//! A previous version that was never stored.

struct Old;

#[derive(session::Session)]
#[session(version = 2, previous = Old)]
struct Visit {
    views: u32,
}

impl From<Old> for Visit {
    fn from(_: Old) -> Self { Self { views: 0 } }
}

fn main() {}
