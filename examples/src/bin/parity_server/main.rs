//! A server that plays scripts of session operations, with the rules of express-session, so that this library and the npm
//! package can be compared from outside, case by case.
//!
//! ```sh
//! cargo run -p examples --bin parity_server -- --config config.json --port 3000
//! curl -i -d '{"steps": [{"op": "incr", "field": "views"}]}' http://127.0.0.1:3000/
//! ```
//!
//! A request's body is its script: the steps run in order on the request's session, and their results go into the
//! response. `config.json` holds at least `{"secret": "keyboard cat"}`; [`config`] lists what else it can hold.

mod admin;
mod config;
mod script;
mod store;
mod view;
mod visitor;

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::{env, fs};

use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::{Router, body};
use session::{MemoryStore, SecureConnection, Session, SessionLayer, SessionRejection};
use tokio::net::TcpListener;

use config::{Config, Generator};
use script::Script;
use store::ParityStore;
use visitor::{Visit, Visitor};

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("refused: {error}");
            ExitCode::from(2)
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let config: Config = serde_json::from_slice(&fs::read(argument("--config")?)?)?;
    let port: u16 = argument("--port")?.parse()?;
    let app = app(&config)?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening");
    std::io::stdout().flush()?;
    Ok(axum::serve(listener, app).await?)
}

/// The value after an argument's name on the command line.
fn argument(name: &str) -> Result<String, String> {
    env::args().skip_while(|argument| argument != name).nth(1).ok_or_else(|| format!("{name} is missing"))
}

fn app(config: &Config) -> Result<Router, Box<dyn Error>> {
    let store = ParityStore::new(&config.store);
    let generator = Arc::new(Generator::default());
    let sessions = SessionLayer::<Visit>::with_options(store.clone(), config.keyring()?, config.options(&generator)?)?;

    let bare: Router = Router::new().fallback(play).with_state(store.clone());
    let mut handler = bare.clone();
    if config.layers == 2 {
        let inner =
            SessionLayer::<Visit>::with_options(MemoryStore::new(), config.keyring()?, config.options(&generator)?)?;
        handler = handler.layer(inner);
    }
    handler = handler.layer(sessions);
    let app: Router = match config.mount.as_str() {
        "/" => handler,
        mount => bare.nest(mount, handler),
    };
    let app = if config.proxy.is_none() { app.layer(middleware::from_fn(mark_secure)) } else { app };
    Ok(Router::new().nest("/__admin", admin::routes(store, generator)).merge(app))
}

/// What a TLS acceptor would do.
async fn mark_secure(mut request: Request, next: Next) -> Response {
    if request.headers().get("x-parity-secure").is_some_and(|value| value == "true") {
        request.extensions_mut().insert(SecureConnection);
    }
    next.run(request).await
}

/// Plays the script of a request on its session.
async fn play(State(store): State<ParityStore>, request: Request) -> Result<Response, SessionRejection> {
    let (parts, body) = request.into_parts();
    let mut visitor = match Session::<Visit>::from_parts(&parts).await {
        Ok(session) => Visitor::with_session(session),
        Err(SessionRejection::NoLayer { .. } | SessionRejection::OutsidePath { .. }) => Visitor::without_session(),
        Err(rejection) => return Err(rejection),
    };
    let body = body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    let script = match Script::of(&parts, &body) {
        Ok(script) => script,
        Err(error) => return Ok((axum::http::StatusCode::BAD_REQUEST, error.to_string()).into_response()),
    };
    let results = visitor.run(&store, &script.steps).await;
    visitor.give_back();
    Ok(script.respond.response(&parts.method, results, visitor, store))
}
