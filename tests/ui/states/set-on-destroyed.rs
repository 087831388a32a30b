use session::{Destroyed, Session};

#[derive(Session)]
struct Visit {
    views: u32,
}

fn after_logout(mut session: Session<Visit, Destroyed>) {
    session.set_views(1);
}

fn main() {}
