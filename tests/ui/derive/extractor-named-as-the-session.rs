use session::Session;

#[derive(Session)]
struct Visit {
    #[session(extract = Visit)]
    user: u32,
}

fn main() {}
