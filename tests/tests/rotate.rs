//! A change of a `rotate` field gives the session another id: whoever knew the old one has nothing of it.

#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use session::{MemoryStore, Options, Session, SessionError, SessionLayer, Store, Unset};
use session_tests::{Client, FaultyStore, Gate, Operation, Reply, Request, secret, serve};

#[derive(Session)]
struct Account {
    #[session(rotate, index)]
    user: Option<String>,
    views: u32,
}

type Watched = FaultyStore<MemoryStore>;

async fn app(options: Options) -> (Client, Watched, Gate) {
    let gate = Gate::default();
    let store = FaultyStore::new(MemoryStore::new());
    let layer = SessionLayer::<Account>::with_options(store.clone(), secret(), options).unwrap();
    let sessions = layer.sessions();
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
        .route("/rotate", post(async |mut session: Session<Account>| session.rotate_id().await))
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
        .route(
            "/log-out-others",
            post(async move |session: Session<Account>| {
                let ada = Account::by_user("ada");
                sessions.destroy_others(&ada, session.id()?).await.map(|others| others.to_string())
            }),
        )
        .merge(slow_routes(&gate))
        .layer(layer);
    (serve(app).await, store, gate)
}

/// Handlers that wait with the session in hand.
fn slow_routes(gate: &Gate) -> Router {
    type Handle = Session<Account>;
    Router::new()
        .route(
            "/slow-see",
            post(async |State(gate): State<Gate>, mut session: Handle| {
                *session.views_mut() += 1;
                gate.pass().await;
            }),
        )
        .route(
            "/slow-see-and-save",
            post(async |State(gate): State<Gate>, mut session: Handle| {
                *session.views_mut() += 1;
                gate.pass().await;
                session.save().await
            }),
        )
        .route(
            "/slow-see-and-rotate",
            post(async |State(gate): State<Gate>, mut session: Handle| {
                *session.views_mut() += 1;
                gate.pass().await;
                session.rotate_id().await
            }),
        )
        .route(
            "/slow-reload",
            post(async |State(gate): State<Gate>, mut session: Handle| {
                gate.pass().await;
                session.reload().await?;
                let user = format!("{:?}", session.user);
                session.set_views(77);
                Ok::<_, SessionError>(user)
            }),
        )
        .route(
            "/slow-destroy",
            post(async |State(gate): State<Gate>, session: Handle| {
                gate.pass().await;
                session.destroy().await.map(drop)
            }),
        )
        .route(
            "/slow-regenerate",
            post(async |State(gate): State<Gate>, session: Handle| {
                gate.pass().await;
                session.regenerate().await.map(drop)
            }),
        )
        .route(
            "/slow-unset",
            post(async |State(gate): State<Gate>, session: Handle| {
                gate.pass().await;
                session.unset();
            }),
        )
        .with_state(gate.clone())
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

/// Has a request under way when the session gets another id, and lets it go on then. Gives its reply, the client with the
/// new id, and the store.
async fn under_way(path: &'static str, options: Options) -> (Reply, Client, Watched) {
    let (mut client, store, gate) = app(options).await;
    client.post("/see").await;
    let mut late = client.clone();
    let late = tokio::spawn(async move { late.post(path).await });
    gate.wait_for(1).await;
    client.post("/login").await;
    gate.open(1);
    (late.await.unwrap(), client, store)
}

const GRACE: Duration = Duration::from_millis(300);

#[tokio::test]
async fn a_request_under_way_has_no_cookie_for_whoever_has_the_new_one() {
    for (path, status) in [("/slow-see", 200), ("/slow-see-and-save", 401), ("/slow-see-and-rotate", 401)] {
        let (reply, mut client, store) = under_way(path, Options::default().rotate_grace(GRACE)).await;
        assert_eq!(
            (reply.status, reply.set_cookies().len()),
            (status, 0),
            "{path}: neither a new cookie nor a removal"
        );
        assert_eq!(client.get("/read").await.body, r#"1 Some("ada")"#, "{path}");
        tokio::time::sleep(GRACE).await;
        assert_eq!(store.len().await.unwrap(), 1, "{path}");
    }
}

#[tokio::test]
async fn reloading_under_the_old_id_reads_the_session_and_never_brings_the_id_back() {
    let (reply, mut client, store) = under_way("/slow-reload", Options::default().rotate_grace(GRACE)).await;
    assert_eq!((reply.status, reply.body.as_str()), (200, r#"Some("ada")"#));
    assert!(reply.set_cookies().is_empty());
    assert_eq!(client.get("/read").await.body, r#"1 Some("ada")"#, "what is changed under the old id is not stored");
    tokio::time::sleep(GRACE).await;
    assert_eq!(store.len().await.unwrap(), 1, "the old id leads nowhere");

    let (reply, _, store) = under_way("/slow-reload", Options::default()).await;
    assert_eq!(reply.status, 401, "without a grace there is nothing to read");
    assert_eq!(store.len().await.unwrap(), 1);
}

#[tokio::test]
async fn a_request_under_way_that_logs_out_ends_the_session_that_has_another_id_now() {
    for (path, unset) in
        [("/slow-destroy", Unset::Keep), ("/slow-regenerate", Unset::Keep), ("/slow-unset", Unset::Destroy)]
    {
        let options =
            Options::default().rotate_grace(Duration::from_secs(10)).unset(unset).hash_ids(path.len() % 2 == 0);
        let (reply, mut client, store) = under_way(path, options).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.body);
        assert_eq!(client.get("/read").await.body, "0 None", "{path}");
        assert_eq!(store.len().await.unwrap(), 0, "{path}");
    }
}

#[tokio::test]
async fn what_is_unset_under_the_old_id_is_destroyed_if_the_options_say_so() {
    for (unset, reads, left) in [(Unset::Destroy, "0 None", 0), (Unset::Keep, r#"1 Some("ada")"#, 2)] {
        let options = Options::default().rotate_grace(Duration::from_secs(10)).unset(unset);
        let (mut client, store, gate) = app(options).await;
        client.post("/see").await;
        let mut old = client.clone();
        client.post("/login").await;
        gate.open(1);
        old.post("/slow-unset").await;
        assert_eq!(client.get("/read").await.body, reads);
        assert_eq!(store.len().await.unwrap(), left);
    }
}

#[tokio::test]
async fn a_log_out_of_other_devices_under_the_old_id_keeps_the_session_that_it_leads_to() {
    for options in [Options::default(), Options::default().hash_ids(true)] {
        let (mut client, store, _) = app(options.rotate_grace(Duration::from_secs(10))).await;
        let mut other = client.another();
        for client in [&mut client, &mut other] {
            client.post("/login").await;
        }
        let mut old = client.clone();
        client.post("/rotate").await;
        assert_eq!(old.post("/log-out-others").await.body, "1");
        assert_eq!(client.get("/read").await.body, r#"0 Some("ada")"#);
        assert_eq!(other.get("/read").await.body, "0 None");
        assert_eq!(store.len().await.unwrap(), 2, "the session, and where its old id leads");
    }
}
