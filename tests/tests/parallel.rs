//! What a request meets that others write beside. That no update is lost, and no dead session comes back, on any store, is
//! in `promises.rs`.

#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use serde::Deserialize;
use session::{LiveState, MemoryStore, Options, Session, SessionError, SessionLayer, Store};
use session_tests::{Client, Fault, FaultyStore, Gate, Operation, secret, serve};

#[derive(Session)]
struct Board {
    a: u32,
    b: u32,
    c: Option<String>,
    d: BTreeMap<String, u32>,
    #[serde(default)]
    e: Vec<u32>,
}

type Handler = Session<Board>;

/// When a request commits: at once, or when the test lets it.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum When {
    Now,
    Late,
}

impl When {
    async fn come(self, gate: &Gate) {
        if matches!(self, Self::Late) {
            gate.pass().await;
        }
    }
}

fn router(gate: &Gate) -> Router {
    let router = Router::new()
        .route(
            "/begin",
            get(async |session: Handler| {
                if let LiveState::Uninitialized(session) = session.state() {
                    session.initialize();
                }
            }),
        )
        .route(
            "/set/{field}/{when}",
            post(async |State(gate): State<Gate>, Path((field, when)): Path<(String, When)>, mut session: Handler| {
                match field.as_str() {
                    "a" => session.set_a(1),
                    "b" => session.set_b(2),
                    "c" => session.set_c(Some("three".to_owned())),
                    "d" => *session.d_mut().entry("x".to_owned()).or_default() = 4,
                    _ => session.e_mut().push(5),
                }
                when.come(&gate).await;
            }),
        )
        .route(
            "/show",
            get(async |session: Handler| {
                format!("{} {} {:?} {:?} {:?}", session.a, session.b, session.c, session.d, session.e)
            }),
        )
        .route(
            "/rotate/{when}",
            post(async |State(gate): State<Gate>, Path(when): Path<When>, mut session: Handler| {
                session.set_a(9);
                when.come(&gate).await;
                session.rotate_id().await
            }),
        )
        .route(
            "/touch/{when}",
            post(async |State(gate): State<Gate>, Path(when): Path<When>, mut session: Handler| {
                session.touch();
                when.come(&gate).await;
            }),
        )
        .route(
            "/save/{when}",
            post(async |State(gate): State<Gate>, Path(when): Path<When>, mut session: Handler| {
                session.set_a(7);
                when.come(&gate).await;
                session.save().await
            }),
        )
        .route(
            "/regenerate",
            post(async |session: Handler| -> Result<(), SessionError> {
                session.regenerate().await?.initialize();
                Ok(())
            }),
        )
        .route(
            "/destroy",
            post(async |session: Handler| -> Result<(), SessionError> {
                session.destroy().await?;
                Ok(())
            }),
        );
    router.with_state(gate.clone())
}

async fn app(options: Options) -> (Client, FaultyStore<MemoryStore>, Gate) {
    let (store, gate) = (FaultyStore::new(MemoryStore::new()), Gate::default());
    let layer = SessionLayer::<Board>::with_options(store.clone(), secret(), options).unwrap();
    let mut client = serve(router(&gate).layer(layer)).await;
    client.get("/begin").await;
    assert_eq!(client.jar.len(), 1);
    (client, store, gate)
}

fn in_background(client: &Client, path: &'static str) -> tokio::task::JoinHandle<(session_tests::Reply, Client)> {
    let mut client = client.clone();
    tokio::spawn(async move {
        let reply = client.post(path).await;
        (reply, client)
    })
}

#[tokio::test]
async fn a_slow_reader_does_not_undo_a_fast_writer() {
    let (mut client, store, gate) = app(Options::default().resave(true)).await;
    let slow = in_background(&client, "/set/a/late");
    gate.wait_for(1).await;
    client.post("/set/b/now").await;
    store.take_log();
    gate.open(1);
    slow.await.unwrap();
    assert_eq!(store.take_log(), [Operation::Update, Operation::Update], "the first one met a conflict");
    assert!(client.get("/show").await.body.starts_with("1 2 "));
}

#[tokio::test]
async fn a_late_commit_answers_as_the_handler_did_and_a_late_save_is_an_error() {
    let (client, store, gate) = app(Options::default()).await;
    let (commit, save) = (in_background(&client, "/set/a/late"), in_background(&client, "/save/late"));
    gate.wait_for(2).await;
    store.clear().await.unwrap();
    gate.open(2);
    assert_eq!(commit.await.unwrap().0.status, 200);
    assert_eq!(save.await.unwrap().0.status, 401);
    assert_eq!(store.len().await.unwrap(), 0);
}

/// Their answers may come after that of the login, whose cookie they would take away.
#[tokio::test]
async fn a_request_in_parallel_with_a_login_has_no_cookie_for_its_visitor() {
    for (login, a) in [("/rotate/now", "9 "), ("/regenerate", "0 ")] {
        let under_way = ["/set/a/late", "/touch/late", "/save/late", "/rotate/late"];
        let (mut client, store, gate) = app(Options::default()).await;
        let mut late = client.clone();
        let replies = under_way.map(|path| in_background(&client, path));
        gate.wait_for(4).await;
        assert_eq!(client.post(login).await.set_cookies().len(), 1);
        gate.open(4);
        for (path, reply) in under_way.into_iter().zip(replies) {
            assert!(reply.await.unwrap().0.set_cookies().is_empty(), "{path} beside {login}");
        }
        assert!(late.get("/show").await.set_cookies().is_empty(), "/show after {login}");
        assert_eq!(store.len().await.unwrap(), 1);
        assert!(client.get("/show").await.body.starts_with(a), "{login}");
    }
}

#[tokio::test]
async fn a_save_that_is_given_up_half_way_leaves_the_session_as_it_was() {
    let store = FaultyStore::new(MemoryStore::new());
    let layer = SessionLayer::<Board>::new(store.clone(), secret());
    let give_up = async |mut session: Handler| {
        session.set_a(3);
        let _ = tokio::time::timeout(Duration::from_millis(20), session.save()).await;
        session.set_b(4);
    };
    let router = router(&Gate::default()).route("/give-up", post(give_up));
    let mut client = serve(router.layer(layer)).await;
    client.get("/begin").await;
    store.inject(Operation::Update, Fault::Delay(Duration::from_millis(100)));
    client.post("/give-up").await;
    assert_eq!(store.len().await.unwrap(), 1);
    assert_eq!(client.get("/show").await.body, "3 4 None {} []");
}
