use session::Session;

#[derive(Session)]
struct Visit {
    #[session(defualt = 7)]
    views: u32,
}

fn main() {}
