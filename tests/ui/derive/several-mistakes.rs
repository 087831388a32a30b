use session::Session;

#[derive(Session)]
struct Visit {
    #[session(defualt, rotat)]
    views: u32,
    cookie: u32,
}

fn handler(session: Session<Visit>) -> u32 {
    session.views
}

fn main() {}
