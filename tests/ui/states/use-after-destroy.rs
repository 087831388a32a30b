use session::{Session, SessionError};

#[derive(Session)]
struct Visit {
    views: u32,
}

async fn handler(session: Session<Visit>) -> Result<String, SessionError> {
    session.destroy().await?;
    Ok(format!("views: {}", session.views))
}

fn main() {}
