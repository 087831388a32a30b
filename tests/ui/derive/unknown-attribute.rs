use session::Session;

#[derive(Session)]
struct Visit {
    #[session(persistent)]
    views: u32,
}

fn main() {}
