//! tower-sessions as its documentation shows it, with signed cookies.

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use tower_sessions::cookie::Key;
use tower_sessions::session::Error;
use tower_sessions::{MemoryStore, Session, SessionManagerLayer};

use crate::visit::Visit;

const KEY: &str = "visit";

pub(super) fn app() -> Router {
    let layer = SessionManagerLayer::new(MemoryStore::default()).with_signed(Key::from(&[7; 64]));
    Router::new()
        .route("/plain", get(async || "plain"))
        .route("/read", get(read))
        .route("/write", get(write))
        .route("/login", get(login))
        .route("/logout", get(logout))
        .layer(layer)
}

async fn read(session: Session) -> Result<String, StatusCode> {
    let visit = visit(&session).await?;
    Ok(visit.views.to_string())
}

async fn write(session: Session) -> Result<String, StatusCode> {
    let mut visit = visit(&session).await?;
    visit.views += 1;
    session.insert(KEY, &visit).await.map_err(failed)?;
    Ok(visit.views.to_string())
}

async fn login(session: Session) -> Result<&'static str, StatusCode> {
    session.insert(KEY, Visit::signed_in(7)).await.map_err(failed)?;
    Ok("in")
}

async fn logout(session: Session) -> Result<&'static str, StatusCode> {
    session.flush().await.map_err(failed)?;
    Ok("out")
}

async fn visit(session: &Session) -> Result<Visit, StatusCode> {
    session.get(KEY).await.map_err(failed)?.ok_or(StatusCode::UNAUTHORIZED)
}

fn failed(_: Error) -> StatusCode {
    StatusCode::INTERNAL_SERVER_ERROR
}
