//! Sessions from outside a request: found by an index, listed, destroyed.

#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod rearranging;

use std::collections::BTreeSet;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use session::{
    Index, MemoryStore, Options, Session, SessionData, SessionError, SessionId, SessionLayer, Sessions, Store,
};
use session_tests::{Client, Fault, FaultyStore, Operation, Request, secret, serve};
use tokio::time::timeout;

#[derive(Session)]
struct Visit {
    #[session(index, rotate)]
    user: Option<String>,
    #[session(index)]
    tenant: u64,
    device: String,
}

type Watched = FaultyStore<MemoryStore>;

async fn log_in(State(_): State<Sessions<Visit>>, mut session: Session<Visit>, user: String) {
    session.set_user((!user.is_empty()).then_some(user));
}

async fn others(State(sessions): State<Sessions<Visit>>, session: Session<Visit>) -> Result<String, SessionError> {
    let Some(user) = &session.user else { return Ok("nobody".to_owned()) };
    Ok(sessions.destroy_others(&Visit::by_user(user), session.id()?).await?.to_string())
}

async fn app(options: Options) -> (Client, Watched, Sessions<Visit>) {
    let store = FaultyStore::new(MemoryStore::new().sweep_interval(Duration::from_millis(50)));
    let layer = SessionLayer::<Visit>::with_options(store.clone(), secret(), options).unwrap();
    let sessions = layer.sessions();
    let app = Router::new()
        .route("/login", post(log_in))
        .route("/others", post(others))
        .route("/device", post(async |mut session: Session<Visit>, device: String| session.set_device(device)))
        .route(
            "/slow-device",
            post(async |mut session: Session<Visit>| {
                tokio::time::sleep(Duration::from_millis(50)).await;
                session.set_device("late".to_owned());
            }),
        )
        .route(
            "/slow-rotate",
            post(async |mut session: Session<Visit>| {
                tokio::time::sleep(Duration::from_millis(50)).await;
                session.rotate_id().await
            }),
        )
        .route("/read", get(async |session: Session<Visit>| format!("{:?} {}", session.user, session.device)))
        .route("/id", get(async |session: Session<Visit>| session.id().map(|id| id.as_str().to_owned())))
        .with_state(sessions.clone())
        .layer(layer);
    (serve(app).await, store, sessions)
}

async fn visitor(client: &Client, user: &str, device: &str) -> Client {
    let mut client = client.another();
    client.send(Request::new("POST", "/device").form(device)).await;
    client.send(Request::new("POST", "/login").form(user)).await;
    client
}

async fn devices(sessions: &Sessions<Visit>, index: Index<Visit>) -> BTreeSet<String> {
    let mut found = sessions.find(index).page_size(2);
    let mut devices = BTreeSet::new();
    while let Some(session) = found.next().await.unwrap() {
        devices.insert(session.device.clone());
    }
    devices
}

#[tokio::test]
async fn sessions_are_found_by_the_present_value_of_an_indexed_field() {
    let (client, _, sessions) = app(Options::default()).await;
    let mut phone = visitor(&client, "ada", "phone").await;
    for device in ["laptop", "tablet", "watch", "tv"] {
        visitor(&client, "ada", device).await;
    }
    visitor(&client, "eve", "desktop").await;
    visitor(&client, "", "nobody's").await;
    let all = ["laptop", "phone", "tablet", "tv", "watch"].map(str::to_owned);
    assert_eq!(devices(&sessions, Visit::by_user("ada")).await, BTreeSet::from(all));
    assert_eq!(devices(&sessions, Visit::by_user("eve")).await.len(), 1);
    assert_eq!(devices(&sessions, Visit::by_user("nobody")).await.len(), 0);
    assert_eq!(devices(&sessions, Visit::by_tenant(&0)).await.len(), 7);

    phone.send(Request::new("POST", "/login").form("eve")).await;
    assert!(!devices(&sessions, Visit::by_user("ada")).await.contains("phone"));
    assert!(devices(&sessions, Visit::by_user("eve")).await.contains("phone"));
    phone.send(Request::new("POST", "/login").form("")).await;
    assert!(!devices(&sessions, Visit::by_user("eve")).await.contains("phone"));
}

#[tokio::test]
async fn logging_out_everywhere_leaves_no_session_of_the_user() {
    let (client, store, sessions) = app(Options::default()).await;
    let mut ada = [visitor(&client, "ada", "phone").await, visitor(&client, "ada", "laptop").await];
    let mut eve = visitor(&client, "eve", "desktop").await;
    assert_eq!(sessions.destroy_all(&Visit::by_user("ada")).await.unwrap(), 2);
    for client in &mut ada {
        assert_eq!(client.get("/read").await.body, "None ");
    }
    assert_eq!(eve.get("/read").await.body, r#"Some("eve") desktop"#);
    assert_eq!(store.len().await.unwrap(), 1);
    assert_eq!(sessions.destroy_all(&Visit::by_user("ada")).await.unwrap(), 0);
}

#[tokio::test]
async fn logging_out_the_others_keeps_this_one() {
    for hash_ids in [false, true] {
        let (client, _, sessions) = app(Options::default().hash_ids(hash_ids)).await;
        let mut phone = visitor(&client, "ada", "phone").await;
        visitor(&client, "ada", "laptop").await;
        visitor(&client, "ada", "tablet").await;
        assert_eq!(phone.post("/others").await.body, "2");
        assert_eq!(phone.get("/read").await.body, r#"Some("ada") phone"#);
        assert_eq!(devices(&sessions, Visit::by_user("ada")).await, BTreeSet::from(["phone".to_owned()]));
    }
}

#[tokio::test]
async fn requests_in_flight_bring_nothing_back() {
    let (client, store, sessions) = app(Options::default()).await;
    let mut flying = Vec::new();
    for number in 0..20 {
        let visitor = visitor(&client, "ada", &number.to_string()).await;
        for path in ["/slow-device", "/slow-rotate", "/slow-device", "/slow-rotate", "/slow-device"] {
            let mut visitor = visitor.clone();
            flying.push(tokio::spawn(async move { visitor.send(Request::new("POST", path)).await }));
        }
    }
    tokio::time::sleep(Duration::from_millis(40)).await;
    sessions.destroy_all(&Visit::by_user("ada")).await.unwrap();
    for request in flying {
        request.await.unwrap();
    }
    sessions.destroy_all(&Visit::by_user("ada")).await.unwrap();
    assert_eq!(devices(&sessions, Visit::by_user("ada")).await.len(), 0);
    assert_eq!(store.len().await.unwrap(), 0);
}

#[tokio::test]
async fn expired_and_destroyed_sessions_are_not_listed() {
    let options = Options::default().ttl(Duration::from_millis(150));
    let (client, _, sessions) = app(options).await;
    let ada = visitor(&client, "ada", "phone").await;
    assert_eq!(devices(&sessions, Visit::by_user("ada")).await.len(), 1);
    tokio::time::sleep(Duration::from_millis(250)).await;
    assert_eq!(devices(&sessions, Visit::by_user("ada")).await.len(), 0);
    assert_eq!(sessions.len().await.unwrap(), 0);
    assert_eq!(ada.clone().get("/read").await.body, "None ");
}

#[tokio::test]
async fn all_sessions_are_listed_once_and_can_be_told_apart() {
    let (client, _, sessions) = app(Options::default()).await;
    for number in 0..25 {
        visitor(&client, "ada", &number.to_string()).await;
    }
    assert_eq!(sessions.len().await.unwrap(), 25);
    let mut listing = sessions.all().page_size(7);
    let mut seen = BTreeSet::new();
    for _ in 0..10 {
        seen.insert(listing.next().await.unwrap().unwrap().device.clone());
    }
    // A page that was loaded is shown to its end; then another listing goes on.
    let cursor = loop {
        let before = listing.cursor().cloned();
        let next = listing.next().await.unwrap().unwrap();
        if listing.cursor() != before.as_ref() {
            break before.unwrap();
        }
        seen.insert(next.device.clone());
    };
    let mut rest = sessions.all().resume_from(cursor);
    while let Some(session) = rest.next().await.unwrap() {
        assert!(seen.insert(session.device.clone()), "{} is listed twice", session.device);
        assert!(session.is(session.key()));
        assert!(!session.is(&SessionId::random().unwrap()));
    }
    assert_eq!(seen.len(), 25);

    let first = sessions.all().next().await.unwrap().unwrap();
    let shown = format!("{first:?} {:?} {sessions:?} {:?}", sessions.all(), Visit::by_user("ada"));
    assert!(!shown.contains(first.key().as_str()) && !shown.contains("ada"), "{shown}");
    first.destroy().await.unwrap();
    assert_eq!(sessions.len().await.unwrap(), 24);
    sessions.clear().await.unwrap();
    assert_eq!(sessions.len().await.unwrap(), 0);
}

#[tokio::test]
async fn a_session_is_destroyed_by_its_id_and_by_the_key_of_a_listing() {
    for hash_ids in [false, true] {
        let (client, _, sessions) = app(Options::default().hash_ids(hash_ids)).await;
        let mut phone = visitor(&client, "ada", "phone").await;
        let mut laptop = visitor(&client, "ada", "laptop").await;
        let mut found = sessions.find(Visit::by_user("ada"));
        while let Some(session) = found.next().await.unwrap() {
            if session.device == "phone" {
                // As it comes back from a page that shows the devices.
                let key = SessionId::new(session.key().as_str()).unwrap();
                sessions.destroy_key(&key).await.unwrap();
                sessions.destroy_key(&key).await.unwrap();
            }
        }
        assert_eq!(phone.get("/read").await.body, "None ", "{hash_ids}");
        assert_eq!(laptop.get("/read").await.body, r#"Some("ada") laptop"#, "{hash_ids}");

        let id = SessionId::new(laptop.get("/id").await.body).unwrap();
        sessions.destroy(&id).await.unwrap();
        assert_eq!(laptop.get("/read").await.body, "None ", "{hash_ids}");
    }
}

#[tokio::test]
async fn a_listing_that_nobody_waited_for_or_that_failed_goes_on_where_it_was() {
    let (client, store, sessions) = app(Options::default()).await;
    for device in ["phone", "laptop", "tablet"] {
        visitor(&client, "ada", device).await;
    }
    for mut listing in [sessions.all(), sessions.find(Visit::by_user("ada"))].map(|listing| listing.page_size(2)) {
        let mut seen = BTreeSet::new();
        for begins_page in [true, false, true] {
            for fault in [Fault::Delay(Duration::from_secs(3)), Fault::Error].into_iter().filter(|_| begins_page) {
                store.inject(Operation::List, fault);
                let next = timeout(Duration::from_millis(10), listing.next()).await;
                assert!(!matches!(next, Ok(Ok(_))), "{fault:?}");
                store.heal();
            }
            seen.insert(listing.next().await.unwrap().unwrap().device.clone());
        }
        assert_eq!(seen.len(), 3);
        assert!(listing.next().await.unwrap().is_none());
    }
}

#[derive(Session)]
struct Plain {
    views: u32,
}

#[tokio::test]
async fn a_type_without_an_index_stores_no_index() {
    let store = MemoryStore::new();
    let layer = SessionLayer::<Plain>::new(store.clone(), secret());
    let app = Router::new().route("/", get(async |mut session: Session<Plain>| *session.views_mut() += 1)).layer(layer);
    serve(app).await.get("/").await;
    let page = store.all(None, 1).await.unwrap();
    assert!(page.sessions[0].1.record.index().is_none());
    assert!(Plain::FIELDS.iter().all(|field| !field.indexed));
}

#[tokio::test]
async fn a_session_that_a_listing_misses_is_destroyed_all_the_same() {
    let (mut client, store, sessions) = app(Options::default()).await;
    client.send(Request::new("POST", "/login").form("ada")).await;
    store.miss_next();
    assert_eq!(sessions.destroy_all(&Visit::by_user(&"ada".to_owned())).await.unwrap(), 1);
    assert_eq!(store.len().await.unwrap(), 0);
}
