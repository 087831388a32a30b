use session::{Destroyed, Session};

#[derive(Session)]
struct Visit {
    views: u32,
}

fn after_logout(session: Session<Visit, Destroyed>) -> u32 {
    session.views
}

fn main() {}
