//! Logging in and out: a form, a private page, and a session whose id changes with the visitor's rights.
//!
//! ```sh
//! cargo run -p examples --bin login      # then open http://127.0.0.1:3000/ in a browser, or:
//! curl -c jar -b jar -i http://127.0.0.1:3000/private                                      # 303, to the form
//! curl -c jar -b jar -i -d name=ada -d password=lovelace http://127.0.0.1:3000/login      # 303, with a cookie
//! curl -c jar -b jar http://127.0.0.1:3000/private                                         # Hello, ada
//! curl -c jar -b jar -i -X POST http://127.0.0.1:3000/logout                               # 303, the cookie is removed
//! ```

use std::env;
use std::error::Error;

use axum::Router;
use axum::extract::Form;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use session::{MemoryStore, Secret, Session, SessionError, SessionLayer};
use tokio::net::TcpListener;

#[derive(Session)]
struct Account {
    #[session(extract = CurrentUser)]
    user: Option<String>,
}

#[derive(Deserialize)]
struct Credentials {
    name: String,
    password: String,
}

/// The form, or for visitors who are logged in, the way on.
async fn form(user: Option<CurrentUser>) -> Response {
    match user {
        Some(_) => Redirect::to("/private").into_response(),
        None => Html(
            r#"<!doctype html><title>Log in</title><form method="post" action="/login">
            <input name="name" placeholder="ada"><input name="password" type="password" placeholder="lovelace">
            <button>Log in</button></form>"#,
        )
        .into_response(),
    }
}

/// A new session in place of the visitor's old one, so that an id from before the login is worth nothing.
async fn log_in(session: Session<Account>, Form(credentials): Form<Credentials>) -> Result<Response, SessionError> {
    if credentials.password != "lovelace" {
        return Ok((axum::http::StatusCode::UNAUTHORIZED, "wrong password").into_response());
    }
    let mut session = session.regenerate().await?.initialize();
    session.set_user(Some(credentials.name));
    Ok(Redirect::to("/private").into_response())
}

/// Only for visitors who are logged in. That somebody has a session is not enough: a cart would begin one, too.
async fn private(user: Option<CurrentUser>) -> Response {
    let Some(CurrentUser(user)) = user else { return Redirect::to("/").into_response() };
    let user = escape(&user);
    Html(format!(
        r#"<!doctype html><title>Private</title><p>Hello, {user}</p>
        <form method="post" action="/logout"><button>Log out</button></form>"#
    ))
    .into_response()
}

async fn log_out(session: Session<Account>) -> Result<Redirect, SessionError> {
    session.destroy().await?;
    Ok(Redirect::to("/"))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let sessions = SessionLayer::<Account>::new(MemoryStore::new(), Secret::random()?);
    let app = Router::new()
        .route("/", get(form))
        .route("/login", post(log_in))
        .route("/private", get(private))
        .route("/logout", post(log_out))
        .layer(sessions);

    let port = env::var("PORT").unwrap_or_else(|_| "3000".to_owned());
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}
