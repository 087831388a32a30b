//! A change of a `rotate` field gives the session another id: whoever knew the old one has nothing of it.

#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use session::{MemoryStore, Options, Session, SessionError, SessionLayer, Store, Unset};
use session_tests::{Client, FaultyStore, Gate, Operation, Request, secret, serve};

#[derive(Session)]
struct Account {
    #[session(rotate)]
    user: Option<String>,
    views: u32,
}

type Watched = FaultyStore<MemoryStore>;

async fn app(options: Options) -> (Client, Watched, Gate) {
    let gate = Gate::default();
    let store = FaultyStore::new(MemoryStore::new());
    let layer = SessionLayer::<Account>::with_options(store.clone(), secret(), options).unwrap();
    let app = Router::new()
        .route("/see", post(async |mut session: Session<Account>| *session.views_mut() += 1))
        .route("/read", get(async |session: Session<Account>| format!("{} {:?}", session.views, session.user)))
        .route("/id", get(async |session: Session<Account>| session.id().map(|id| id.as_str().to_owned())))
        .route("/login", post(async |mut session: Session<Account>| session.set_user(Some("ada".to_owned()))))
        .route(
            "/login-and-save",
            post(async |mut session: Session<Account>| {
                session.set_user(Some("ada".to_owned()));
                session.save().await?;
                Ok::<_, SessionError>(session.id()?.as_str().to_owned())
            }),
        )
        .route(
            "/there-and-back",
            post(async |mut session: Session<Account>| {
                let user = session.user.clone();
                session.set_user(Some("eve".to_owned()));
                session.set_user(user);
            }),
        )
        .route(
            "/slow-see",
            post(async |State(gate): State<Gate>, mut session: Session<Account>| {
                *session.views_mut() += 1;
                gate.pass().await;
            }),
        )
        .route(
            "/slow-destroy",
            post(async |State(gate): State<Gate>, session: Session<Account>| {
                gate.pass().await;
                session.destroy().await.map(|_| ())
            }),
        )
        .route(
            "/rotate-and-unset",
            post(async |mut session: Session<Account>| {
                session.rotate_id().await?;
                session.set_views(100);
                session.cookie_mut().set_path("/elsewhere");
                session.unset();
                Ok::<_, SessionError>(())
            }),
        )
        .route("/destroy", post(async |session: Session<Account>| session.destroy().await.map(|_| ())))
        .with_state(gate.clone())
        .layer(layer);
    (serve(app).await, store, gate)
}

#[tokio::test]
async fn logging_in_changes_the_id_and_keeps_the_data() {
    for login in ["/login", "/login-and-save"] {
        let (mut client, store, _) = app(Options::default()).await;
        client.post("/see").await;
        let before = client.clone();
        let old_id = client.get("/id").await.body;
        store.take_log();

        let reply = client.post(login).await;
        assert_eq!(reply.set_cookies().len(), 1, "{login}");
        assert_eq!(store.take_log(), [Operation::Load, Operation::Rename]);
        let new_id = client.get("/id").await.body;
        assert_ne!(new_id, old_id);
        assert!(login == "/login" || reply.body == new_id);
        assert_eq!(client.get("/read").await.body, r#"1 Some("ada")"#);
        assert_eq!(before.clone().get("/read").await.body, "0 None", "the old id is dead");
        assert_eq!(store.len().await.unwrap(), 1);
    }
}

#[tokio::test]
async fn what_does_not_change_the_field_does_not_change_the_id() {
    let (mut client, store, _) = app(Options::default()).await;
    client.post("/login").await;
    let id = client.get("/id").await.body;
    for path in ["/login", "/there-and-back", "/see"] {
        assert!(client.post(path).await.set_cookies().is_empty(), "{path}");
        assert_eq!(client.get("/id").await.body, id);
    }
    assert!(!store.take_log().contains(&Operation::Rename));
}

#[tokio::test]
async fn a_new_session_is_stored_once_under_one_id() {
    let (mut client, store, _) = app(Options::default()).await;
    assert_eq!(client.post("/login").await.set_cookies().len(), 1);
    assert_eq!(store.take_log(), [Operation::Create]);
}

#[tokio::test]
async fn a_request_under_the_old_id_never_brings_it_back() {
    for path in ["/slow-see", "/slow-destroy"] {
        let (mut client, store, gate) = app(Options::default()).await;
        client.post("/see").await;
        let mut late = client.clone();
        let late = tokio::spawn(async move { late.send(Request::new("POST", path)).await });
        gate.wait_for(1).await;
        client.post("/login").await;
        gate.open(1);
        assert_eq!(late.await.unwrap().status, 200);
        assert_eq!(store.len().await.unwrap(), 1, "{path}");
        assert_eq!(client.get("/read").await.body, r#"1 Some("ada")"#);
    }
}

#[tokio::test]
async fn with_a_grace_the_old_id_is_read_and_not_written() {
    let (mut client, store, _) = app(Options::default().rotate_grace(Duration::from_millis(400))).await;
    client.post("/see").await;
    let mut old = client.clone();
    client.post("/login").await;

    assert_eq!(old.get("/read").await.body, r#"1 Some("ada")"#);
    let written = old.post("/see").await;
    assert_eq!(written.status, 200);
    assert!(written.set_cookies().is_empty(), "neither a new cookie nor a removal goes to the old id");
    assert_eq!(client.get("/read").await.body, r#"1 Some("ada")"#);

    tokio::time::sleep(Duration::from_millis(450)).await;
    assert_eq!(old.get("/read").await.body, "0 None", "reading has not made the grace longer");
    assert_eq!(client.get("/read").await.body, r#"1 Some("ada")"#);
    assert_eq!(store.len().await.unwrap(), 1);
}

#[tokio::test]
async fn requests_under_way_are_not_written_over_what_the_old_id_leads_to() {
    let (mut client, _, gate) = app(Options::default().rotate_grace(Duration::from_secs(10))).await;
    client.post("/see").await;
    let (mut old, mut late) = (client.clone(), client.clone());
    let late = tokio::spawn(async move { late.send(Request::new("POST", "/slow-see")).await });
    gate.wait_for(1).await;
    client.post("/login").await;
    gate.open(1);
    assert_eq!(late.await.unwrap().status, 200);
    assert_eq!(old.get("/read").await.body, r#"1 Some("ada")"#);
    assert_eq!(client.get("/read").await.body, r#"1 Some("ada")"#);
}

#[tokio::test]
async fn logging_out_under_the_old_id_ends_the_session_itself() {
    let (mut client, store, _) = app(Options::default().rotate_grace(Duration::from_secs(10))).await;
    client.post("/see").await;
    let mut old = client.clone();
    client.post("/login").await;
    old.post("/destroy").await;
    assert_eq!(client.get("/read").await.body, "0 None");
    assert_eq!(store.len().await.unwrap(), 0);
}

#[tokio::test]
async fn a_grace_works_with_hashed_ids_and_follows_several_changes() {
    let options = Options::default().hash_ids(true).rotate_grace(Duration::from_secs(10));
    let (mut client, _, _) = app(options).await;
    client.post("/see").await;
    let mut old = client.clone();
    client.post("/login").await;
    assert_eq!(old.get("/read").await.body, r#"1 Some("ada")"#);
}

#[tokio::test]
async fn a_session_that_was_given_another_id_and_then_unset_stays_its_visitors() {
    let (mut client, store, _) = app(Options::default()).await;
    client.post("/login").await;
    client.post("/see").await;
    let reply = client.post("/rotate-and-unset").await;
    assert!(!reply.set_cookie().contains("/elsewhere"), "what was not stored is not announced: {}", reply.set_cookie());
    assert_eq!(client.get("/read").await.body, r#"1 Some("ada")"#);

    let (mut client, store_of_another, _) = app(Options::default().unset(Unset::Destroy)).await;
    client.post("/login").await;
    assert!(client.post("/rotate-and-unset").await.set_cookie().contains("Max-Age=0"));
    assert_eq!((store.len().await.unwrap(), store_of_another.len().await.unwrap()), (1, 0));
}
