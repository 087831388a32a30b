//! `Options::express_token()` beside the package that it follows: the same requests, the same answers.

#![expect(clippy::expect_used, reason = "a test that can't go on fails")]

use std::path::PathBuf;
use std::process::Command;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{get, post};
use session::{Initialized, MemoryStore, Options, Session, SessionError, SessionLayer, Store, Uninitialized};
use session_tests::requirements;
use session_tests::{Client, Process, Request, secret, serve};

#[derive(Session)]
struct Counter {
    count: u32,
}

type Visitor = Option<Session<Counter, Initialized>>;

fn no_session() -> String {
    "no session".to_owned()
}

fn app() -> Router {
    let store = MemoryStore::new();
    let layer = SessionLayer::<Counter>::with_options(store.clone(), secret(), Options::express_token());
    Router::new()
        .route("/begin", post(async |session: Session<Counter, Uninitialized>| session.initialize().token()))
        .route(
            "/count",
            get(async |visitor: Visitor| {
                visitor.map_or_else(no_session, |mut session| {
                    *session.count_mut() += 1;
                    session.count.to_string()
                })
            }),
        )
        .route(
            "/count-and-fail",
            get(async |visitor: Visitor| {
                if let Some(mut session) = visitor {
                    *session.count_mut() += 1;
                }
                (StatusCode::INTERNAL_SERVER_ERROR, "failed")
            }),
        )
        .route(
            "/reload",
            get(async |visitor: Visitor| {
                let Some(mut session) = visitor else { return Ok::<_, SessionError>(no_session()) };
                session.set_count(100);
                session.reload().await?;
                Ok(session.count.to_string())
            }),
        )
        .route(
            "/destroy",
            get(async |visitor: Visitor| {
                let Some(session) = visitor else { return Ok::<_, SessionError>(no_session()) };
                session.destroy().await?;
                Ok("destroyed".to_owned())
            }),
        )
        .layer(layer.expect("the preset goes together"))
        .route("/stored", get(async move || store.len().await.map_or(0, |length| length).to_string()))
}

fn package() -> (Process, Client) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("peers/express-token-session");
    requirements::install_packages(&folder);
    let (process, address) = Process::serve(Command::new("node").arg("server.js").current_dir(folder));
    (process, Client::new(address))
}

/// What a request brings in which header: a token that was given out, by its number, or a text.
enum Brings {
    Nothing,
    Token(&'static str, usize),
    Text(&'static str, &'static str),
}

use Brings::{Nothing, Text, Token};

const SCRIPT: &[(&str, &str, Brings)] = &[
    ("GET", "/count", Nothing),
    ("GET", "/stored", Nothing),
    ("POST", "/begin", Nothing),
    ("GET", "/stored", Nothing),
    ("GET", "/count", Token("X-AUTH_TOKEN", 0)),
    ("GET", "/count", Token("x-auth_token", 0)),
    ("GET", "/count", Nothing),
    ("POST", "/begin", Nothing),
    ("GET", "/count", Token("X-AUTH_TOKEN", 1)),
    ("GET", "/count", Token("X-AUTH_TOKEN", 0)),
    ("GET", "/stored", Nothing),
    ("GET", "/reload", Token("X-AUTH_TOKEN", 0)),
    ("GET", "/count-and-fail", Token("X-AUTH_TOKEN", 0)),
    ("GET", "/count", Token("X-AUTH_TOKEN", 0)),
    ("GET", "/count", Text("X-AUTH_TOKEN", "made-up")),
    ("GET", "/count", Text("X-AUTH_TOKEN", "")),
    ("GET", "/count", Text("X-AUTH_TOKEN", "__proto__x")),
    ("GET", "/stored", Nothing),
    ("GET", "/count", Token("Authorization", 0)),
    ("GET", "/count", Token("Cookie", 0)),
    ("GET", "/count", Token("X-AUTH-TOKEN", 0)),
    ("GET", "/destroy", Token("X-AUTH_TOKEN", 0)),
    ("GET", "/destroy", Token("X-AUTH_TOKEN", 0)),
    ("GET", "/count", Token("X-AUTH_TOKEN", 0)),
    ("GET", "/count", Token("X-AUTH_TOKEN", 1)),
    ("GET", "/stored", Nothing),
];

/// Status, body and the headers of sessions, for each request; tokens by their shape.
async fn play(client: Client) -> Vec<(u16, String, usize, usize)> {
    let mut tokens = Vec::new();
    let mut answers = Vec::new();
    for (method, path, brings) in SCRIPT {
        let request = Request::new(method, path);
        let request = match brings {
            Nothing => request,
            Text(header, text) => request.header(header, text),
            Token(header, number) => request.header(header, tokens.get(*number).expect("a token that was given out")),
        };
        let mut reply = client.send_without_jar(request).await;
        if *path == "/begin" {
            let token = std::mem::take(&mut reply.body);
            let is_alphanumeric = token.bytes().all(|letter| letter.is_ascii_alphanumeric());
            reply.body = format!("{} characters, alphanumeric: {is_alphanumeric}", token.len());
            tokens.push(token);
        }
        let (cookies, headers) = (reply.set_cookies().len(), reply.header("x-auth_token").count());
        answers.push((reply.status, reply.body, cookies, headers));
    }
    answers
}

fn the_preset_answers_as_the_package_does() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (_process, package) = package();
    let (theirs, ours) = runtime.block_on(async { (play(package).await, play(serve(app()).await).await) });
    for (number, (theirs, ours)) in theirs.into_iter().zip(ours).enumerate() {
        assert_eq!(theirs, ours, "request {number}: {} {}", SCRIPT[number].0, SCRIPT[number].1);
    }
}

session_tests::main! {
    [Node] the_preset_answers_as_the_package_does,
}
