use session::Session;

#[derive(Default, serde::Serialize, serde::Deserialize)]
struct Language(String);

#[derive(Session)]
struct Visit {
    language: Language,
}

fn main() {}
