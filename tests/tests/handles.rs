//! Handles that don't come back in time: of requests that were given up.

#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

use std::future::pending;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::routing::post;
use session::{MemoryStore, Options, Session, SessionId, SessionLayer, Store};
use session_tests::{Gate, secret};
use tokio::task::yield_now;
use tokio::time::timeout;
use tower::ServiceExt;
use tracing::{Event, Level, Metadata, Subscriber, span};

#[derive(Session)]
struct Visit {
    views: u32,
}

fn layer(store: &MemoryStore, options: Options) -> SessionLayer<Visit> {
    SessionLayer::with_options(store.clone(), secret(), options).unwrap()
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

/// Counts events of errors.
#[derive(Clone, Default)]
struct Errors(Arc<AtomicU32>);

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
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

#[tokio::test]
async fn changes_that_are_let_go_after_their_request_was_given_up_are_reported() {
    let errors = Errors::default();
    let _guard = tracing::subscriber::set_default(errors.clone());
    let (app, gate, _) = never_answering(&MemoryStore::new(), false);
    give_up(&app, request()).await;
    finish(&gate).await;
    assert_eq!(errors.0.load(Ordering::Relaxed), 1);
}
