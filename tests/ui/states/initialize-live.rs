use session::Session;

#[derive(Session)]
struct Visit {
    views: u32,
}

async fn handler(session: Session<Visit>) {
    session.initialize();
}

fn main() {}
