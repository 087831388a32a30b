use session::{Session, SessionError, Uninitialized};

#[derive(Session)]
struct Visit {
    views: u32,
}

async fn handler(mut session: Session<Visit, Uninitialized>) -> Result<(), SessionError> {
    session.save().await
}

fn main() {}
