use session::Session;

#[derive(Clone, Default)]
struct Language(String);

#[derive(Session)]
struct Visit {
    language: Language,
}

fn main() {}
