use session::Session;

#[derive(Session)]
#[session(default = 7)]
struct Visit {
    views: u32,
}

fn main() {}
