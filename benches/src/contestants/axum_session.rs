//! `axum_session` as its documentation shows it, on its memory alone.

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use axum_session::{Session, SessionConfig, SessionLayer, SessionNullPool, SessionStore};

use crate::visit::Visit;

const KEY: &str = "visit";

pub(super) async fn app() -> Router {
    #[expect(clippy::expect_used, reason = "there is no database that could refuse")]
    let store = SessionStore::<SessionNullPool>::new(None, SessionConfig::default()).await.expect("a store");
    Router::new()
        .route("/plain", get(async || "plain"))
        .route("/read", get(read))
        .route("/write", get(write))
        .route("/login", get(login))
        .route("/logout", get(logout))
        .layer(SessionLayer::new(store))
}

async fn read(session: Session<SessionNullPool>) -> Result<String, StatusCode> {
    let visit: Visit = session.get(KEY).ok_or(StatusCode::UNAUTHORIZED)?;
    Ok(visit.views.to_string())
}

async fn write(session: Session<SessionNullPool>) -> Result<String, StatusCode> {
    let mut visit: Visit = session.get(KEY).ok_or(StatusCode::UNAUTHORIZED)?;
    visit.views += 1;
    session.set(KEY, &visit);
    Ok(visit.views.to_string())
}

async fn login(session: Session<SessionNullPool>) -> &'static str {
    session.set(KEY, Visit::signed_in(7));
    "in"
}

async fn logout(session: Session<SessionNullPool>) -> &'static str {
    session.destroy();
    "out"
}
