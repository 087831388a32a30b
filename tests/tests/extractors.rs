//! Handles and where they come from: extractors, guards, several types, and handles that outlive the response.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that can't go on fails")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::request::Parts;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::{get, post};
use session::{
    Initialized, LiveState, MemoryStore, Options, Session, SessionError, SessionLayer, SessionRejection, Store,
    Uninitialized,
};
use session_tests::{Client, FaultyStore, Operation, secret, serve};
use tokio::time::sleep;

#[derive(Session)]
struct Visit {
    views: u32,
    #[session(extract)]
    user: Option<String>,
}

#[derive(Session)]
struct Basket {
    items: Vec<String>,
}

async fn see(mut session: Session<Visit>) -> String {
    let views = session.views + 1;
    session.set_views(views);
    format!("views: {views}")
}

fn layer(store: impl Store) -> SessionLayer<Visit> {
    SessionLayer::new(store, secret())
}

async fn client(app: Router) -> Client {
    serve(app.route("/see", get(see)).layer(layer(MemoryStore::new()))).await
}

#[tokio::test]
async fn an_initialized_session_is_for_visitors_who_have_one() {
    let app = Router::new().route("/", get(async |session: Session<Visit, Initialized>| session.views.to_string()));
    let mut client = client(app).await;
    let reply = client.get("/").await;
    assert_eq!((reply.status, reply.body.as_str()), (401, "this needs a session: sign in first"));
    client.get("/see").await;
    assert_eq!(client.get("/").await.body, "1");
}

#[tokio::test]
async fn an_uninitialized_session_is_for_visitors_who_have_none() {
    let app = Router::new().route(
        "/",
        post(async |session: Session<Visit, Uninitialized>| {
            session.initialize().set_views(10);
        }),
    );
    let mut client = client(app).await;
    assert_eq!(client.post("/").await.status, 200);
    assert_eq!(client.get("/see").await.body, "views: 11");
    let reply = client.post("/").await;
    assert_eq!((reply.status, reply.body.as_str()), (409, "this is for visitors without a session: sign out first"));
}

#[tokio::test]
async fn an_optional_session_is_some_for_visitors_who_have_one() {
    let app = Router::new().route(
        "/",
        get(async |session: Option<Session<Visit, Initialized>>| {
            session.map_or("none".to_owned(), |session| session.views.to_string())
        }),
    );
    let mut client = client(app).await;
    let reply = client.get("/").await;
    assert_eq!((reply.body.as_str(), reply.set_cookies().len()), ("none", 0));
    client.get("/see").await;
    assert_eq!(client.get("/").await.body, "1");
}

#[tokio::test]
async fn a_rejection_can_be_turned_into_a_redirect() {
    let app = Router::new().route(
        "/",
        get(async |session: Result<Session<Visit, Initialized>, SessionRejection>| match session {
            Ok(_) => "private".to_owned(),
            Err(SessionRejection::Uninitialized) => "to the form".to_owned(),
            Err(other) => panic!("{other}"),
        }),
    );
    assert_eq!(client(app).await.get("/").await.body, "to the form");
}

#[tokio::test]
async fn a_type_without_a_layer_is_a_500_that_says_what_to_add() {
    let app = Router::new().route("/", get(async |_: Session<Basket>| ()));
    let reply = client(app).await.get("/").await;
    assert_eq!(reply.status, 500);
    assert!(reply.body.contains("Basket") && reply.body.contains(".layer(SessionLayer::<"), "{}", reply.body);
}

#[tokio::test]
async fn a_second_handle_is_a_500_that_names_the_type() {
    let app = Router::new().route("/", get(async |_: Session<Visit>, _: Session<Visit>| ()));
    let reply = client(app).await.get("/").await;
    assert_eq!(reply.status, 500);
    assert!(reply.body.contains("Visit") && reply.body.contains("in use"), "{}", reply.body);
}

#[tokio::test]
async fn a_session_that_a_handler_has_destroyed_is_over_whatever_becomes_of_its_handle() {
    let is_over = async |parts: &Parts| {
        matches!(
            Session::<Visit>::from_parts(parts).await,
            Err(SessionRejection::Ended { session: "extractors::Visit" })
        )
    };
    let held_and_dropped = async move |session: Session<Visit>, request: Request| {
        let (parts, _) = request.into_parts();
        let destroyed = session.destroy().await?;
        let while_held = is_over(&parts).await;
        drop(destroyed);
        Ok::<_, SessionError>(format!("{while_held} {}", is_over(&parts).await))
    };
    let lost = async |session: Session<Visit>| {
        let _destroyed = session.destroy().await;
        panic!("on purpose");
        #[expect(unreachable_code, reason = "what a handler returns")]
        ()
    };
    let app = Router::new()
        .route("/", get(held_and_dropped))
        .route("/lost", get(lost))
        .layer(tower_http::catch_panic::CatchPanicLayer::new());
    let mut client = client(app).await;
    for (path, answer) in [("/", (200, "true true")), ("/lost", (500, "Service panicked"))] {
        client.get("/see").await;
        let reply = client.get(path).await;
        assert_eq!((reply.status, reply.body.as_str()), answer);
        let [removal] = reply.set_cookies()[..] else { panic!("{:?}", reply.set_cookies()) };
        assert!(removal.starts_with("connect.sid=;"), "{removal}");
        assert_eq!(client.get("/see").await.body, "views: 1");
    }
}

#[tokio::test]
async fn two_types_are_two_sessions_under_two_names() {
    let baskets = SessionLayer::<Basket>::with_options(MemoryStore::new(), secret(), Options::default().name("basket"));
    let both = async |mut visit: Session<Visit>, mut basket: Session<Basket>| {
        let views = visit.views + 1;
        visit.set_views(views);
        basket.items_mut().push(format!("item {views}"));
        basket.items.join(", ")
    };
    let app = Router::new().route("/", get(both)).layer(baskets.unwrap()).layer(layer(MemoryStore::new()));
    let mut client = serve(app).await;
    assert_eq!(client.get("/").await.set_cookies().len(), 2);
    assert_eq!(client.get("/").await.body, "item 1, item 2");
    assert_eq!(client.jar.keys().collect::<Vec<_>>(), ["basket", "connect.sid"]);
}

#[tokio::test]
async fn a_second_layer_of_the_same_type_stands_aside() {
    let (outer, inner) = (MemoryStore::new(), MemoryStore::new());
    let app = Router::new().route("/", get(see)).layer(layer(inner.clone())).layer(layer(outer.clone()));
    let mut client = serve(app).await;
    assert_eq!(client.get("/").await.set_cookies().len(), 1);
    assert_eq!(client.get("/").await.body, "views: 2");
    assert_eq!((outer.len().await.unwrap(), inner.len().await.unwrap()), (1, 0));
}

/// A guard in front of the handlers, which reads the session and lets it go.
async fn guard(session: Session<Visit>, request: Request, next: Next) -> Response {
    let known = session.views > 0;
    drop(session);
    let mut response = next.run(request).await;
    response.headers_mut().insert("x-known", if known { "yes" } else { "no" }.parse().unwrap());
    response
}

#[tokio::test]
async fn a_guard_that_reads_the_session_leaves_it_to_the_handler() {
    let store = FaultyStore::new(MemoryStore::new());
    let app = Router::new().route("/", get(see)).layer(from_fn(guard)).layer(layer(store.clone()));
    let mut client = serve(app).await;
    assert_eq!(client.get("/").await.header("x-known").next(), Some("no"));
    store.take_log();
    let reply = client.get("/").await;
    assert_eq!((reply.header("x-known").next(), reply.body.as_str()), (Some("yes"), "views: 2"));
    assert_eq!(store.take_log(), [Operation::Load, Operation::Update], "it is loaded once");
}

/// A guard that writes, too.
async fn counting_guard(mut session: Session<Visit>, request: Request, next: Next) -> Response {
    let views = session.views + 10;
    session.set_views(views);
    drop(session);
    next.run(request).await
}

#[tokio::test]
async fn what_a_guard_writes_the_handler_reads() {
    let app = Router::new().route("/", get(see)).layer(from_fn(counting_guard)).layer(layer(MemoryStore::new()));
    assert_eq!(serve(app).await.get("/").await.body, "views: 11");
}

/// A guard that ends the session before the handler.
async fn closing_guard(session: Session<Visit>, request: Request, next: Next) -> Response {
    session.destroy().await.unwrap();
    next.run(request).await
}

#[tokio::test]
async fn after_a_guard_destroyed_the_session_the_request_has_none() {
    let app = Router::new()
        .route("/live", get(see))
        .route("/initialized", get(async |_: Session<Visit, Initialized>| ()))
        .route("/field", get(async |_: VisitUser| ()))
        .route("/optional", get(async |session: Option<Session<Visit, Initialized>>| session.is_none().to_string()))
        .route("/optional-field", get(async |user: Option<VisitUser>| user.is_none().to_string()))
        .layer(from_fn(closing_guard))
        .layer(layer(MemoryStore::new()));
    let mut client = serve(app).await;
    let live = [("/live", 500), ("/initialized", 500), ("/field", 500)];
    for (path, status) in live.into_iter().chain([("/optional", 200), ("/optional-field", 200)]) {
        let reply = client.get(path).await;
        assert_eq!((reply.status, reply.set_cookies().len()), (status, 0), "{path}: {}", reply.body);
    }
}

#[tokio::test]
async fn state_tells_what_a_live_session_is() {
    let state = async |mut session: Session<Visit>| {
        let names = |session| match session {
            LiveState::Uninitialized(session) => ("uninitialized", Some(session)),
            LiveState::Initialized(_) => ("initialized", None),
        };
        if session.views > 0 {
            return names(session.state()).0.to_owned();
        }
        session.set_views(1);
        session.set_views(0);
        let (first, session) = names(session.state());
        let mut session = session.unwrap().initialize();
        session.set_views(1);
        first.to_owned()
    };
    let mut client = client(Router::new().route("/", get(state))).await;
    assert_eq!(client.get("/").await.body, "uninitialized");
    assert_eq!(client.get("/").await.body, "initialized");
}

#[tokio::test]
async fn a_handler_that_panics_commits_nothing() {
    let store = MemoryStore::new();
    let app = Router::new()
        .route("/see", get(see))
        .route(
            "/panic",
            get(async |mut session: Session<Visit>| {
                session.set_views(99);
                if session.views == 99 {
                    panic!("on purpose");
                }
            }),
        )
        .layer(tower_http::catch_panic::CatchPanicLayer::new())
        .layer(layer(store));
    let mut client = serve(app).await;
    client.get("/see").await;
    let reply = client.get("/panic").await;
    assert_eq!((reply.status, reply.set_cookies().len()), (500, 0));
    assert_eq!(client.get("/see").await.body, "views: 2");
}

/// Serves handlers that keep the session in a task beyond their response; tells what their `save` said.
async fn outliving() -> (Client, Arc<Mutex<Vec<String>>>, MemoryStore) {
    let outcomes = Arc::new(Mutex::new(Vec::new()));
    let (late, early) = (Arc::clone(&outcomes), Arc::clone(&outcomes));
    let store = MemoryStore::new();
    let app = Router::new()
        .route("/see", get(see))
        .route(
            "/late",
            post(async move |mut session: Session<Visit>| {
                tokio::spawn(async move {
                    sleep(Duration::from_millis(50)).await;
                    session.set_views(40);
                    let outcome = session.save().await.map_err(|error| format!("{error:?}"));
                    late.lock().unwrap().push(outcome.map_or_else(|error| error, |()| "saved".to_owned()));
                });
            }),
        )
        .route(
            "/early",
            post(async move |mut session: Session<Visit>| {
                session.set_views(1);
                session.save().await?;
                tokio::spawn(async move {
                    sleep(Duration::from_millis(50)).await;
                    session.set_views(60);
                    let outcome = session.save().await.map_err(|error| format!("{error:?}"));
                    early.lock().unwrap().push(outcome.map_or_else(|error| error, |()| "saved".to_owned()));
                });
                Ok::<_, SessionError>(())
            }),
        )
        .layer(layer(store.clone()));
    (serve(app).await, outcomes, store)
}

#[tokio::test]
async fn a_handle_that_outlives_the_response_saves_itself() {
    let (mut client, outcomes, _) = outliving().await;
    client.get("/see").await;
    client.post("/late").await;
    sleep(Duration::from_millis(200)).await;
    assert_eq!(*outcomes.lock().unwrap(), ["saved"]);
    assert_eq!(client.get("/see").await.body, "views: 41");
}

#[tokio::test]
async fn a_new_session_can_not_be_saved_after_the_response() {
    let (mut client, outcomes, store) = outliving().await;
    assert!(client.post("/late").await.set_cookies().is_empty());
    sleep(Duration::from_millis(200)).await;
    assert_eq!(*outcomes.lock().unwrap(), ["Unannounced"]);
    assert_eq!(store.len().await.unwrap(), 0);
}

#[tokio::test]
async fn a_new_session_that_was_saved_in_time_is_announced_though_its_handle_stays_away() {
    let (mut client, outcomes, _) = outliving().await;
    assert_eq!(client.post("/early").await.set_cookies().len(), 1);
    sleep(Duration::from_millis(200)).await;
    assert_eq!(*outcomes.lock().unwrap(), ["saved"]);
    assert_eq!(client.get("/see").await.body, "views: 61");
}
