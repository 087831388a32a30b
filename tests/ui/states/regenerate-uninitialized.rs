use session::{Session, SessionError, Uninitialized};

#[derive(Session)]
struct Visit {
    views: u32,
}

async fn handler(session: Session<Visit, Uninitialized>) -> Result<(), SessionError> {
    session.regenerate().await?;
    Ok(())
}

fn main() {}
