use session::{Destroyed, Session};

#[derive(Session)]
struct Visit {
    views: u32,
}

fn after_logout(session: Session<Visit, Destroyed>) -> bool {
    session.id().is_ok()
}

fn main() {}
