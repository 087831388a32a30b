//! No way from one version to the next.

#[derive(session::Session)]
struct Old {
    views: u32,
}

#[derive(session::Session)]
#[session(version = 2, previous = Old)]
struct Visit {
    seen: u32,
}
fn main() {}
