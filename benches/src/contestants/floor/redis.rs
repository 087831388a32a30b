//! The same routes on Redis, by a bare client: `GETEX` for a read, and a `SET` after it for a write. It compares and merges
//! nothing: the last write wins, also over a logout.

use std::sync::Arc;

use ::redis::aio::MultiplexedConnection;
use ::redis::{Client, RedisError, RedisResult, cmd};
use axum::Router;
use axum::extract::{FromRequestParts, State};
use axum::http::header::SET_COOKIE;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::routing::get;

use super::cookie::{Id, Key, random_id, removal};
use crate::visit::Visit;

pub(super) const LIFE_SECONDS: u32 = 24 * 3600;

/// An app on the server at this address.
pub(in crate::contestants) async fn app(url: &str) -> RedisResult<Router> {
    let connection = Client::open(url)?.get_multiplexed_async_connection().await?;
    Ok(Router::new()
        .route("/plain", get(async || "plain"))
        .route("/read", get(read))
        .route("/write", get(write))
        .route("/login", get(login))
        .route("/logout", get(logout))
        .with_state(Sessions { connection, key: Arc::new(Key::new()) }))
}

#[derive(Clone)]
struct Sessions {
    connection: MultiplexedConnection,
    key: Arc<Key>,
}

impl Sessions {
    async fn load(&mut self, id: &Id) -> Result<Visit, StatusCode> {
        let mut command = cmd("GETEX");
        command.arg(name(id)).arg("EX").arg(LIFE_SECONDS);
        let json: Option<Vec<u8>> = command.query_async(&mut self.connection).await.map_err(failed)?;
        serde_json::from_slice(&json.ok_or(StatusCode::UNAUTHORIZED)?).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
    }

    async fn store(&mut self, id: &Id, visit: &Visit) -> Result<(), StatusCode> {
        let mut command = cmd("SET");
        command.arg(name(id)).arg(serde_json::to_vec(visit).unwrap_or_default()).arg("EX").arg(LIFE_SECONDS);
        command.exec_async(&mut self.connection).await.map_err(failed)
    }
}

pub(super) fn name(id: &Id) -> Vec<u8> {
    [&b"sess:"[..], id].concat()
}

pub(super) fn failed(_: RedisError) -> StatusCode {
    StatusCode::SERVICE_UNAVAILABLE
}

async fn read(State(mut sessions): State<Sessions>, Known(id): Known) -> Result<String, StatusCode> {
    Ok(sessions.load(&id).await?.views.to_string())
}

async fn write(State(mut sessions): State<Sessions>, Known(id): Known) -> Result<String, StatusCode> {
    let mut visit = sessions.load(&id).await?;
    visit.views += 1;
    sessions.store(&id, &visit).await?;
    Ok(visit.views.to_string())
}

type Answer = Result<([(axum::http::HeaderName, HeaderValue); 1], &'static str), StatusCode>;

async fn login(State(mut sessions): State<Sessions>) -> Answer {
    let id = random_id();
    sessions.store(&id, &Visit::signed_in(7)).await?;
    let cookie = sessions.key.set(&id).ok_or(StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(([(SET_COOKIE, cookie)], "in"))
}

async fn logout(State(mut sessions): State<Sessions>, Known(id): Known) -> Answer {
    cmd("DEL").arg(name(&id)).exec_async(&mut sessions.connection).await.map_err(failed)?;
    Ok(([(SET_COOKIE, removal())], "out"))
}

/// The id of a cookie that was signed here.
struct Known(Id);

impl FromRequestParts<Sessions> for Known {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, sessions: &Sessions) -> Result<Self, StatusCode> {
        sessions.key.verified(&parts.headers).map(Self).ok_or(StatusCode::UNAUTHORIZED)
    }
}
