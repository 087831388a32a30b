//! A JSON API for a mobile client: obtain a token, use it, revoke it. No cookie is read or written.
//!
//! ```sh
//! cargo run -p examples --bin token_api
//! curl -i -X POST -H 'content-type: application/json' -d '{"name": "ada", "password": "lovelace"}' \
//!     http://127.0.0.1:3000/token                                            # {"token":"…"}
//! curl -i -H 'authorization: Bearer …' http://127.0.0.1:3000/me             # {"name":"ada","requests":1}
//! curl -i -X DELETE -H 'authorization: Bearer …' http://127.0.0.1:3000/token # 204; the token is worth nothing now
//! ```

use std::env;
use std::error::Error;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use session::{Initialized, MemoryStore, Options, Secret, Session, SessionError, SessionLayer, Transport};
use tokio::net::TcpListener;

#[derive(Session)]
struct Device {
    name: String,
    requests: u64,
}

#[derive(Deserialize)]
struct Credentials {
    name: String,
    password: String,
}

#[derive(Serialize)]
struct Token {
    token: String,
}

#[derive(Serialize)]
struct Me {
    name: String,
    requests: u64,
}

/// Begins a session for who knows the password. The layer would put the token into the response's header as well; here
/// it goes into the body alone.
async fn obtain(session: Session<Device>, Json(credentials): Json<Credentials>) -> Result<Response, SessionError> {
    if credentials.password != "lovelace" {
        return Ok((StatusCode::UNAUTHORIZED, "wrong password").into_response());
    }
    let mut session = session.regenerate().await?.initialize();
    session.set_name(credentials.name);
    Ok(Json(Token { token: session.token()? }).into_response())
}

/// Only with a token: a request without one is answered with 401 before it comes here.
async fn me(mut session: Session<Device, Initialized>) -> Json<Me> {
    *session.requests_mut() += 1;
    Json(Me { name: session.name.clone(), requests: session.requests })
}

async fn revoke(session: Session<Device, Initialized>) -> Result<StatusCode, SessionError> {
    session.destroy().await?;
    Ok(StatusCode::NO_CONTENT)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::default().transport(Transport::Bearer).send_token(false);
    let sessions = SessionLayer::<Device>::with_options(MemoryStore::new(), Secret::random()?, options)?;
    let app = Router::new().route("/token", post(obtain).delete(revoke)).route("/me", get(me)).layer(sessions);

    let port = env::var("PORT").unwrap_or_else(|_| "3000".to_owned());
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}
