use session::Session;

#[derive(Session)]
struct Visit {
    views: u32,
}

async fn handler(mut session: Session<Visit>) {
    session.views = 1;
}

fn main() {}
