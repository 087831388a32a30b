use session::Session;

#[derive(Session)]
struct Visit {
    #[serde(rename = "$session")]
    views: u32,
}

fn main() {}
