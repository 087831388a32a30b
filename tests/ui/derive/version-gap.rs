//! A version is missing.

#[derive(session::Session)]
struct Old {
    views: u32,
}
#[derive(session::Session)]
#[session(version = 3, previous = Old)]
struct Visit {
    views: u32,
}
impl From<Old> for Visit {
    fn from(old: Old) -> Self { Self { views: old.views } }
}
fn main() {}
