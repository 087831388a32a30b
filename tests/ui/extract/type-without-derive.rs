use session::Session;

struct Visit {
    views: u32,
}

async fn handler(_: Session<Visit>) {}

fn main() {}
