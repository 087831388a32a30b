use session::Session;

#[derive(Session)]
struct Visit(u32);

fn main() {}
