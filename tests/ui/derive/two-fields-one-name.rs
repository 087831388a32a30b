use session::Session;

#[derive(Session)]
struct Visit {
    name: String,
    #[serde(rename = "name")]
    user: String,
}

fn main() {}
