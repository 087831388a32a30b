use session::Session;

#[derive(Session)]
struct Visit {
    #[session(default = 7, default = 8)]
    views: u32,
}

fn main() {}
