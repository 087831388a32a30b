//! Several layers around one handler: none takes away what another one has to say.

#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

use axum::Router;
use axum::http::Response;
use axum::routing::{get, post};
use session::{MemoryStore, Options, Session, SessionError, SessionLayer, Transport};
use session_tests::{Fault, FaultyStore, Operation, Reply, secret, serve};

#[derive(Session)]
struct Visit {
    #[session(rotate)]
    user: Option<String>,
}

#[derive(Session)]
struct Basket {
    items: u32,
}

/// What a client is told about a store that failed, if nobody shapes the answer.
const PLAIN: &str = "the session store is not available, try again later";

type Watched = FaultyStore<MemoryStore>;

fn visits(store: &Watched, options: Options) -> SessionLayer<Visit> {
    SessionLayer::with_options(store.clone(), secret(), options).unwrap()
}

fn baskets(store: &Watched, options: Options) -> SessionLayer<Basket> {
    SessionLayer::with_options(store.clone(), secret(), options.name("basket")).unwrap()
}

fn app() -> Router {
    Router::new()
        .route("/read", get(async |visit: Session<Visit>| format!("{:?}", visit.user)))
        .route("/login", post(async |mut visit: Session<Visit>| visit.set_user(Some("ada".to_owned()))))
        .route(
            "/both",
            post(async |mut visit: Session<Visit>, mut basket: Session<Basket>| {
                visit.set_user(Some("eve".to_owned()));
                *basket.items_mut() += 1;
            }),
        )
        .route(
            "/login-and-fail",
            post(async |mut visit: Session<Visit>, basket: Session<Basket>| {
                visit.set_user(Some("eve".to_owned()));
                drop(visit);
                basket.destroy().await.map(drop)
            }),
        )
}

fn watched() -> Watched {
    FaultyStore::new(MemoryStore::new())
}

fn shaped(error: &SessionError) -> Response<axum::body::Bytes> {
    let mut response = Response::new("shaped".into());
    *response.status_mut() = error.status();
    response
}

#[tokio::test]
async fn an_outer_layer_that_fails_leaves_the_cookie_of_an_inner_one() {
    // What fails of the outer session: its commit, or what the handler asks for; who shapes the answer.
    for (path, faulty) in [("/both", Operation::Update), ("/login-and-fail", Operation::Destroy)] {
        for (options, body) in [(Options::default(), PLAIN), (Options::default().on_error(shaped), "shaped")] {
            let (inner, outer) = (watched(), watched());
            let mut client =
                serve(app().layer(visits(&inner, Options::default())).layer(baskets(&outer, options))).await;
            client.post("/both").await;
            client.post("/login").await;
            outer.inject(faulty, Fault::Error);
            let reply = client.post(path).await;
            assert_eq!((reply.status, reply.body.as_str()), (503, body), "{path}");
            assert_eq!(client.get("/read").await.body, r#"Some("eve")"#, "{path}");
        }
    }
}

#[tokio::test]
async fn an_error_is_shaped_by_the_first_layer_that_shapes_errors() {
    let own = |error: &SessionError| {
        let mut response = shaped(error);
        *response.body_mut() = "shaped within".into();
        response
    };
    for (inner, outer, body) in [
        (Options::default(), Options::default(), PLAIN),
        (Options::default(), Options::default().on_error(shaped), "shaped"),
        (Options::default().on_error(own), Options::default(), "shaped within"),
        (Options::default().on_error(own), Options::default().on_error(shaped), "shaped within"),
    ] {
        let store = watched();
        let app = app().layer(baskets(&watched(), inner)).layer(visits(&store, outer));
        let mut client = serve(app).await;
        client.post("/login").await;
        store.inject(Operation::Load, Fault::Error);
        let reply = client.get("/read").await;
        assert_eq!((reply.status, reply.body.as_str()), (503, body));
    }
}

/// What all `Vary` lines name.
fn varies_by(reply: &Reply) -> Vec<String> {
    let mut names: Vec<_> =
        reply.header("vary").flat_map(|line| line.split(',')).map(|name| name.trim().to_lowercase()).collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn a_response_varies_by_all_that_its_sessions_come_with() {
    for (transport, names) in
        [(Transport::Cookie, &["cookie"] as &[_]), (Transport::Bearer, &["authorization", "cookie"])]
    {
        let app = app()
            .layer(baskets(&watched(), Options::default().transport(transport)))
            .layer(visits(&watched(), Options::default()));
        assert_eq!(varies_by(&serve(app).await.post("/both").await), names);
    }
}
