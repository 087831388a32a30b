use session::Session;

#[derive(Session)]
struct Visit {
    #[session(default = 7)]
    #[serde(default)]
    views: u32,
}

fn main() {}
