//! One login and one counter, shared by a Rust service and an Express service: here is the Rust one, and in
//! `examples/interop` the other one. They have the same secret and the same store, Redis or PostgreSQL.
//!
//! ```sh
//! export SESSION_SECRET=$(openssl rand -base64 32)
//! export STORE=redis://127.0.0.1:6379                    # or postgres://user:password@127.0.0.1/database
//! (cd examples/interop && npm ci && exec node server.js $STORE) &              # Express: http://127.0.0.1:3001
//! cargo run -p examples --bin interop -- --store $STORE &    # Rust: http://127.0.0.1:3000
//!
//! curl -c jar -b jar -d name=ada http://127.0.0.1:3001/login        # "logged in", by Express
//! curl -c jar -b jar http://127.0.0.1:3000/                         # {"server":"rust","user":"ada","views":0}
//! curl -c jar -b jar -X POST http://127.0.0.1:3000/views            # 1
//! curl -c jar -b jar -X POST http://127.0.0.1:3001/views            # 2
//! curl -c jar -b jar -d note=milk http://127.0.0.1:3001/note        # "noted", in a field that this struct doesn't have
//! curl -c jar -b jar -X POST http://127.0.0.1:3000/views            # 3
//! curl -c jar -b jar http://127.0.0.1:3001/                         # {"server":"node","user":"ada","views":3,"note":"milk"}
//! curl -c jar -b jar -X POST http://127.0.0.1:3000/logout           # "logged out", here and there
//! curl -c jar -b jar http://127.0.0.1:3001/                         # {"server":"node","user":null,"views":0,"note":null}
//! ```
//!
//! How to move a live site from one to the other is in `docs/from-express-session.md`.

use axum::extract::Form;
use axum::routing::{get, post};
use axum::{Json, Router};
use examples::{Failure, argument};
use serde::{Deserialize, Serialize};
use session::{Options, Session, SessionError, SessionLayer};

/// The fields that this service needs; those of the Express service that aren't here are kept as they are.
#[derive(Session)]
struct Account {
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    views: u32,
}

#[derive(Serialize)]
struct Page {
    server: &'static str,
    user: Option<String>,
    views: u32,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

async fn index(session: Session<Account>) -> Json<Page> {
    Json(Page { server: "rust", user: session.user.clone(), views: session.views })
}

async fn count(mut session: Session<Account>) -> Json<u32> {
    *session.views_mut() += 1;
    Json(session.views)
}

async fn log_in(session: Session<Account>, Form(named): Form<Named>) -> Result<Json<&'static str>, SessionError> {
    let mut session = session.regenerate().await?.initialize();
    session.set_user(Some(named.name));
    Ok(Json("logged in"))
}

async fn log_out(session: Session<Account>) -> Result<Json<&'static str>, SessionError> {
    session.destroy().await?;
    Ok(Json("logged out"))
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let url = argument("--store").ok_or("`--store` is redis://… or postgres://…, the same as the Express service's")?;
    let store = examples::open_store(&url).await?;
    let sessions = SessionLayer::<Account>::with_options(store, examples::secret(&url)?, Options::express())?;
    let app = Router::new()
        .route("/", get(index))
        .route("/views", post(count))
        .route("/login", post(log_in))
        .route("/logout", post(log_out))
        .layer(sessions);
    examples::serve(app).await?;
    Ok(())
}
