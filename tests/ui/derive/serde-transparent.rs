use session::Session;

#[derive(Session)]
#[serde(transparent)]
struct Visit {
    views: u32,
}

fn main() {}
