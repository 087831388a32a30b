//! What a good programmer would write by hand for these very routes: a signed cookie, a map, a layer that stores what a
//! handler changed. Nothing else: no options, no merging, no errors.

pub(super) mod compared;
mod cookie;
mod layer;
pub(super) mod redis;
mod sessions;

use axum::Router;
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::routing::get;

use self::layer::{FloorLayer, Lent};
use crate::visit::Visit;

pub(super) fn app(keeps_json: bool) -> Router {
    Router::new()
        .route("/plain", get(async || "plain"))
        .route("/read", get(read))
        .route("/write", get(write))
        .route("/login", get(login))
        .route("/logout", get(logout))
        .layer(FloorLayer::new(keeps_json))
}

async fn read(session: Session) -> Result<String, StatusCode> {
    let visit = session.0.visit().ok_or(StatusCode::UNAUTHORIZED)?;
    Ok(visit.views.to_string())
}

async fn write(mut session: Session) -> Result<String, StatusCode> {
    let visit = session.0.visit_mut().ok_or(StatusCode::UNAUTHORIZED)?;
    visit.views += 1;
    Ok(visit.views.to_string())
}

async fn login(mut session: Session) -> &'static str {
    session.0.begin(Visit::signed_in(7));
    "in"
}

async fn logout(mut session: Session) -> &'static str {
    session.0.destroy();
    "out"
}

/// The session of a request, which goes back to the layer when it is dropped.
struct Session(Lent);

impl<S: Sync> FromRequestParts<S> for Session {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, StatusCode> {
        Lent::of(parts).map(Self).ok_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}
