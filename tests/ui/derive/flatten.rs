use session::Session;

#[derive(Session)]
struct Visit {
    #[serde(flatten)]
    rest: std::collections::BTreeMap<String, String>,
}

fn main() {}
