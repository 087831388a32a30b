use session::Session;

#[derive(Session)]
struct Visit {
    name: String,
    #[serde(alias = "name")]
    user: String,
}

fn main() {}
