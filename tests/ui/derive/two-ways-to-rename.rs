use session::Session;

#[derive(Session)]
struct Visit {
    #[serde(rename(serialize = "a", deserialize = "b"))]
    views: u32,
}

fn main() {}
