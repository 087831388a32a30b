//! Handles that don't come back in time: of requests that were given up, kept beyond the response, or lost in a panic.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that can't go on fails")]

use std::cell::Cell;
use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::{get, post};
use session::{MemoryStore, Options, Session, SessionError, SessionId, SessionLayer, Store};
use session_tests::{Gate, Visitor, secret};
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};
use tower::ServiceExt;
use tower_http::timeout::TimeoutLayer;
use tracing::{Event, Level, Metadata, Subscriber, span};

#[derive(Session)]
struct Visit {
    views: u32,
    #[session(rotate)]
    user: Option<String>,
}

fn layer(store: &MemoryStore, options: Options) -> SessionLayer<Visit> {
    SessionLayer::with_options(store.clone(), secret(), options).unwrap()
}

/// What every app here has beside its own routes.
fn usual() -> Router {
    Router::new()
        .route("/see", post(async |mut session: Session<Visit>| *session.views_mut() += 1))
        .route("/login", post(async |mut session: Session<Visit>| session.set_user(Some("ada".to_owned()))))
        .route("/read", get(async |session: Session<Visit>| format!("{} {:?}", session.views, session.user)))
}

/// Keeps a session until its response has left.
fn keep(session: impl Send + 'static) {
    tokio::spawn(async move {
        sleep(Duration::from_millis(60)).await;
        drop(session);
    });
}

/// Begins a request, and gives it up before there is a response.
async fn give_up(app: &Router, request: Request) {
    let _ = timeout(Duration::from_millis(20), app.clone().oneshot(request)).await;
}

fn request() -> Request {
    Request::post("/").body(Body::empty()).unwrap()
}

#[tokio::test]
async fn a_request_that_is_given_up_is_freed_with_all_that_it_held() {
    let own_id = |_: &axum::http::request::Parts| SessionId::random().unwrap().as_str().to_owned();
    for options in [Options::default(), Options::default().genid(own_id), Options::default().genid(own_id).eager(true)]
    {
        let app = Router::new()
            .route("/", post(async |session: Session<Visit>| (pending::<()>().await, drop(session)).0))
            .layer(layer(&MemoryStore::new(), options));
        let held = Arc::new(());
        let mut request = request();
        request.extensions_mut().insert(Arc::clone(&held));
        give_up(&app, request).await;
        assert_eq!(Arc::strong_count(&held), 1);
    }
}

#[tokio::test]
async fn a_timeout_around_the_session_commits_nothing_and_one_within_it_what_the_handler_had_done() {
    let unfinished = async |mut session: Session<Visit>| {
        session.set_views(99);
        pending::<()>().await;
        session.set_user(Some("ada".to_owned()));
    };
    let app = usual().route("/", post(unfinished));
    let given_up = TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, Duration::from_millis(20));
    let sessions = || layer(&MemoryStore::new(), Options::default());
    for (app, reads) in
        [(app.clone().layer(sessions()).layer(given_up), "1 None"), (app.layer(given_up).layer(sessions()), "99 None")]
    {
        let mut visitor = Visitor::new(app);
        visitor.post("/see").await;
        assert_eq!(visitor.post("/").await.status, 504);
        assert_eq!(visitor.get("/read").await.body, reads);
    }
}

/// An app whose handler leaves the session to a task, and never answers. The task changes it when the request is given up
/// already, and tells what `save` said, if it is to save.
fn never_answering(store: &MemoryStore, saves: bool) -> (Router, Gate, Arc<Mutex<Vec<String>>>) {
    let (gate, said) = (Gate::default(), Arc::new(Mutex::new(Vec::new())));
    let (at, saying) = (gate.clone(), Arc::clone(&said));
    let handler = async move |mut session: Session<Visit>| {
        tokio::spawn(async move {
            at.pass().await;
            session.set_views(1);
            if saves {
                let outcome = session.save().await.map_err(|error| format!("{error:?}"));
                saying.lock().unwrap().push(outcome.map_or_else(|error| error, |()| "saved".to_owned()));
            }
        });
        pending::<()>().await;
    };
    (Router::new().route("/", post(handler)).layer(layer(store, Options::default())), gate, said)
}

/// Lets the task of the handler run to its end.
async fn finish(gate: &Gate) {
    gate.open(1);
    for _ in 0..10 {
        yield_now().await;
    }
}

#[tokio::test]
async fn a_new_session_is_not_stored_when_its_request_was_given_up() {
    let store = MemoryStore::new();
    let (app, gate, said) = never_answering(&store, true);
    give_up(&app, request()).await;
    finish(&gate).await;
    assert_eq!(*said.lock().unwrap(), ["Unannounced"]);
    assert_eq!(store.len().await.unwrap(), 0, "nobody could ever come back to it");
}

thread_local! {
    static ERRORS: Cell<u32> = const { Cell::new(0) };
}

/// Counts events of errors, those of each test by themselves.
struct Errors;

impl Subscriber for Errors {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::ERROR
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, _: &Event<'_>) {
        ERRORS.set(ERRORS.get() + 1);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

#[tokio::test]
async fn changes_that_are_let_go_after_their_request_was_given_up_are_reported() {
    tracing::subscriber::set_global_default(Errors).unwrap();
    let (app, gate, _) = never_answering(&MemoryStore::new(), false);
    give_up(&app, request()).await;
    finish(&gate).await;
    assert_eq!(ERRORS.get(), 1);
}

#[tokio::test]
async fn a_handler_that_panics_after_a_rotation_leaves_the_visitor_the_new_id() {
    let rotate_and_panic = async |mut session: Session<Visit>| {
        session.rotate_id().await.unwrap();
        session.set_views(99);
        if session.views == 99 {
            panic!("on purpose");
        }
    };
    let app = usual()
        .route("/", post(rotate_and_panic))
        .layer(tower_http::catch_panic::CatchPanicLayer::new())
        .layer(layer(&MemoryStore::new(), Options::default()));
    let mut visitor = Visitor::new(app);
    visitor.post("/login").await;
    let reply = visitor.post("/").await;
    assert_eq!((reply.status, reply.set_cookies().len()), (500, 1));
    assert_eq!(visitor.get("/read").await.body, r#"0 Some("ada")"#);
}

#[tokio::test]
async fn what_a_guard_has_stored_is_announced_though_the_handler_keeps_the_session() {
    async fn rotate(mut session: Session<Visit>, request: Request, next: Next) -> Response {
        session.rotate_id().await.unwrap();
        drop(session);
        next.run(request).await
    }
    let app = Router::new()
        .route("/", post(async |session: Session<Visit>| keep(session)))
        .route_layer(from_fn(rotate))
        .merge(usual())
        .layer(layer(&MemoryStore::new(), Options::default()));
    let mut visitor = Visitor::new(app);
    visitor.post("/login").await;
    assert_eq!(visitor.post("/").await.set_cookies().len(), 1);
    assert_eq!(visitor.get("/read").await.body, r#"0 Some("ada")"#);
}

#[tokio::test]
async fn the_header_of_a_handle_that_stays_away_is_that_of_the_session_which_it_has_now() {
    let app = usual()
        .route(
            "/destroyed-and-begun-again",
            post(async |session: Session<Visit>| -> Result<(), SessionError> {
                let mut session = session.destroy().await?.regenerate().await?.initialize();
                session.set_views(5);
                session.save().await?;
                keep(session);
                Ok(())
            }),
        )
        .route(
            "/saved-and-begun-again",
            post(async |mut session: Session<Visit>| -> Result<(), SessionError> {
                session.set_views(5);
                session.save().await?;
                keep(session.regenerate().await?);
                Ok(())
            }),
        )
        .layer(layer(&MemoryStore::new(), Options::default()));
    let new = Visitor::new(app);
    let mut known = new.another();
    known.post("/see").await;
    // Who comes, whether a cookie is set, or removed, and what the visitor has then.
    let cases = [
        (&new, "/destroyed-and-begun-again", 1, "5 None"),
        (&known, "/destroyed-and-begun-again", 1, "5 None"),
        (&new, "/saved-and-begun-again", 0, "0 None"),
    ];
    for (visitor, path, cookies, body) in cases {
        let mut visitor = visitor.clone();
        let reply = visitor.post(path).await;
        assert_eq!((reply.status, reply.set_cookies().len()), (200, cookies), "{path}: {:?}", reply.set_cookies());
        assert_eq!(visitor.get("/read").await.body, body, "{path}");
    }
    let mut known = new.another();
    known.post("/see").await;
    assert!(known.post("/saved-and-begun-again").await.set_cookie().contains("Max-Age=0"));
}

type Late = fn(Session<Visit>) -> std::pin::Pin<Box<dyn Future<Output = Result<(), SessionError>> + Send>>;

#[tokio::test]
async fn no_id_is_changed_when_the_response_has_left() {
    let attempts: [Late; 4] = [
        |mut session| Box::pin(async move { session.rotate_id().await }),
        |mut session| {
            Box::pin(async move {
                session.set_user(Some("eve".to_owned()));
                session.save().await
            })
        },
        |session| Box::pin(async move { session.regenerate().await.map(drop).map_err(SessionError::from) }),
        |mut session| {
            Box::pin(async move {
                session.set_views(2);
                session.save().await
            })
        },
    ];
    for (attempt, (says, reads)) in attempts.into_iter().zip([
        ("Err(Unannounced)", r#"1 Some("ada")"#),
        ("Err(Unannounced)", r#"1 Some("ada")"#),
        ("Err(Unannounced)", r#"1 Some("ada")"#),
        ("Ok(())", r#"2 Some("ada")"#),
    ]) {
        let (gate, (tell, told)) = (Gate::default(), tokio::sync::mpsc::channel(1));
        let at = gate.clone();
        let later = async move |session: Session<Visit>| {
            tokio::spawn(async move {
                at.pass().await;
                tell.send(format!("{:?}", attempt(session).await)).await
            });
        };
        let app = usual().route("/", post(later)).layer(layer(&MemoryStore::new(), Options::default()));
        let mut visitor = Visitor::new(app);
        visitor.post("/login").await;
        visitor.post("/see").await;
        visitor.post("/").await;
        gate.open(1);
        let mut told = told;
        assert_eq!(told.recv().await.unwrap(), says);
        assert_eq!(visitor.get("/read").await.body, reads, "the visitor still has the session");
    }
}
