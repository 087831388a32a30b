use session::Session;

#[derive(Session)]
struct Visit {
    views: u32,
}

struct Archived;

fn handler(_: Session<Visit, Archived>) {}

fn main() {}
