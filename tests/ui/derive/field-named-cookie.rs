use session::Session;

#[derive(Session)]
struct Visit {
    cookie: u32,
}

fn main() {}
