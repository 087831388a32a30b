//! A previous version of a first one.

#[derive(session::Session)]
struct Old {
    views: u32,
}

#[derive(session::Session)]
#[session(previous = Old)]
struct Visit {
    views: u32,
}

fn main() {}
