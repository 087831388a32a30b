use session::{Session, SessionError};

#[derive(Session)]
struct Visit {
    views: u32,
}

async fn handler(session: Session<Visit>) -> Result<(), SessionError> {
    let destroyed = session.destroy().await?;
    destroyed.destroy().await?;
    Ok(())
}

fn main() {}
