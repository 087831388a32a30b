use session::{Session, Uninitialized};

#[derive(Session)]
struct Visit {
    views: u32,
}

async fn handler(mut session: Session<Visit, Uninitialized>) {
    session.set_views(1);
}

fn main() {}
