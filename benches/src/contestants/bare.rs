//! The routes, and what they answer, without any session.

use axum::Router;
use axum::routing::get;

pub(super) fn app() -> Router {
    Router::new()
        .route("/plain", get(async || "plain"))
        .route("/read", get(async || 100_u64.to_string()))
        .route("/write", get(async || 100_u64.to_string()))
        .route("/login", get(async || "in"))
        .route("/logout", get(async || "out"))
}
