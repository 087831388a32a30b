//! A store that fails, waits or loses replies: nobody is logged out, and nothing is lost without a word.

#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use session::{
    MemoryStore, OnInvalid, Options, Session, SessionError, SessionId, SessionLayer, Store, Timestamp, store::Record,
};
use session_tests::{Client, Fault, FaultyStore, Operation, secret, serve};

#[derive(Session)]
struct Visit {
    views: u32,
    text: String,
}

async fn app(options: Options) -> (Client, FaultyStore<MemoryStore>) {
    let store = FaultyStore::new(MemoryStore::new());
    let layer = SessionLayer::<Visit>::with_options(store.clone(), secret(), options).unwrap();
    let app = Router::new()
        .route(
            "/see",
            get(async |mut session: Session<Visit>| {
                let views = session.views + 1;
                session.set_views(views);
                format!("views: {views}")
            }),
        )
        .route("/read", get(async |session: Session<Visit>| session.views.to_string()))
        .route("/plain", get(async || "plain"))
        .route("/grow", post(async |mut session: Session<Visit>| session.set_text("x".repeat(5000))))
        .route("/id", get(async |session: Session<Visit>| session.id().map(|id| id.as_str().to_owned())))
        .route(
            "/save-and-see",
            post(async |mut session: Session<Visit>| {
                session.set_views(9);
                session.save().await?;
                session.set_views(10);
                Ok::<_, SessionError>(())
            }),
        )
        .route(
            "/save-and-spoil",
            post(async |mut session: Session<Visit>| {
                session.set_views(9);
                session.save().await?;
                session.cookie_mut().set_path("/here; Domain=example.com");
                Ok::<_, SessionError>(())
            }),
        )
        .route(
            "/rotate-and-see",
            post(async |mut session: Session<Visit>| {
                session.rotate_id().await?;
                session.set_views(10);
                Ok::<_, SessionError>(())
            }),
        )
        .route(
            "/destroy",
            post(async |session: Session<Visit>| -> Result<(), SessionError> {
                session.destroy().await?;
                Ok(())
            }),
        )
        .route(
            "/destroy-or-stay",
            post(async |session: Session<Visit>| match session.destroy().await {
                Ok(_) => "gone".to_owned(),
                Err(error) => {
                    let mut session = error.into_session();
                    session.set_views(50);
                    format!("still {}", session.views)
                }
            }),
        )
        .layer(layer);
    (serve(app).await, store)
}

#[tokio::test]
async fn a_store_that_can_not_load_is_a_503_and_the_session_is_there_afterwards() {
    let (mut client, store) = app(Options::default()).await;
    client.get("/see").await;
    store.inject(Operation::Load, Fault::Error);
    let reply = client.get("/see").await;
    assert_eq!(reply.status, 503);
    assert!(reply.set_cookies().is_empty());
    assert!(!reply.body.contains("down"), "causes are not for the client: {}", reply.body);
    assert_eq!(client.get("/plain").await.status, 200, "who does not ask for the session does not notice");
    store.heal();
    assert_eq!(client.get("/see").await.body, "views: 2");
}

#[tokio::test]
async fn a_store_that_can_not_save_is_a_503_without_a_cookie() {
    for (fault, kept) in [(Fault::Error, "views: 2"), (Fault::LostReply, "views: 3")] {
        let (mut client, store) = app(Options::default()).await;
        store.inject(Operation::Create, fault);
        let reply = client.get("/see").await;
        assert_eq!((reply.status, reply.set_cookies().len()), (503, 0), "create, {fault:?}");
        store.heal();

        client.get("/see").await;
        store.inject(Operation::Update, fault);
        let reply = client.get("/see").await;
        assert_eq!((reply.status, reply.set_cookies().len()), (503, 0), "update, {fault:?}");
        store.heal();
        assert_eq!(client.get("/see").await.body, kept, "{fault:?}");
    }
}

#[tokio::test]
async fn what_a_handler_has_stored_stays_its_visitors_though_the_end_of_the_request_fails() {
    // What is stored under an id that the visitor doesn't have yet: a new session, or one that was given another id.
    for (path, is_new, reads) in [("/save-and-see", true, "9"), ("/rotate-and-see", false, "1")] {
        let (mut client, store) = app(Options::default()).await;
        if !is_new {
            client.get("/see").await;
        }
        store.inject(Operation::Update, Fault::Error);
        let reply = client.post(path).await;
        assert_eq!((reply.status, reply.set_cookies().len()), (503, 1), "{path}");
        store.heal();
        assert_eq!(client.get("/read").await.body, reads, "{path}");
    }
}

#[tokio::test]
async fn settings_of_a_cookie_that_were_not_stored_do_not_go_out_with_an_error() {
    let (mut client, _) = app(Options::default()).await;
    let reply = client.post("/save-and-spoil").await;
    assert_eq!(reply.status, 500);
    assert!(!reply.set_cookie().contains("example.com"), "{}", reply.set_cookie());
    assert_eq!(client.get("/read").await.body, "9");
}

#[tokio::test]
async fn a_slow_store_is_a_503_after_the_timeout() {
    let (mut client, store) = app(Options::default().store_timeout(Duration::from_millis(50))).await;
    client.get("/see").await;
    store.inject(Operation::Load, Fault::Delay(Duration::from_secs(30)));
    assert_eq!(client.get("/see").await.status, 503);
    store.heal();
    assert_eq!(client.get("/see").await.body, "views: 2");
}

#[tokio::test]
async fn a_destroy_that_fails_is_never_a_success_and_gives_the_session_back() {
    let (mut client, store) = app(Options::default()).await;
    client.get("/see").await;
    store.inject(Operation::Destroy, Fault::Error);
    let reply = client.post("/destroy").await;
    assert_eq!((reply.status, reply.set_cookies().len()), (503, 0));
    assert_eq!(client.get("/read").await.body, "1");
    assert_eq!(client.post("/destroy-or-stay").await.body, "still 50");
    store.heal();
    assert_eq!(client.get("/read").await.body, "50", "it was saved at the end of the request");
    assert_eq!(client.post("/destroy-or-stay").await.body, "gone");
}

#[tokio::test]
async fn an_eager_layer_answers_503_before_the_handler_runs() {
    let (mut client, store) = app(Options::default().eager(true)).await;
    client.get("/see").await;
    store.inject(Operation::Load, Fault::Error);
    assert_eq!(client.get("/plain").await.status, 503);
    assert_eq!(client.another().get("/plain").await.status, 200, "without a cookie there is nothing to load");
}

#[tokio::test]
async fn a_session_error_is_shaped_by_the_application() {
    let shape = |error: &SessionError| {
        let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
        let mut response = axum::http::Response::new(format!("{error}: {cause}").into());
        *response.status_mut() = axum::http::StatusCode::IM_A_TEAPOT;
        response
    };
    let (mut client, store) = app(Options::default().on_error(shape)).await;
    client.get("/see").await;
    for operation in [Operation::Load, Operation::Update] {
        store.inject(operation, Fault::Error);
        let reply = client.get("/see").await;
        assert_eq!((reply.status, reply.body.as_str()), (418, "the session store failed: the server is down"));
        store.heal();
    }
}

#[tokio::test]
async fn a_record_that_can_not_be_read_is_a_500_and_is_kept() {
    let unreadable = [
        ("not JSON", r#"{"cookie":{},"views":"#),
        ("no object", "[]"),
        ("not UTF-8", "\u{feff}{}"),
        ("no cookie", r#"{"views":1}"#),
        ("a wrong type", r#"{"cookie":{},"views":"many"}"#),
        ("something after it", r#"{"cookie":{},"views":1} x"#),
    ];
    for (name, json) in unreadable {
        let (mut client, store) = app(Options::default()).await;
        client.get("/see").await;
        let id = SessionId::new(client.get("/id").await.body).unwrap();
        plant(&store, &id, json).await;
        let reply = client.get("/see").await;
        assert_eq!((reply.status, reply.set_cookies().len()), (500, 0), "{name}");
        let kept = store.load(&id, None).await.unwrap().unwrap();
        assert_eq!(&kept.record.json()[..], json.as_bytes(), "{name}");
    }
}

#[tokio::test]
async fn a_record_that_can_not_be_read_begins_a_new_session_if_the_options_say_so() {
    let (mut client, store) = app(Options::default().on_invalid(OnInvalid::StartFresh)).await;
    client.get("/see").await;
    let id = SessionId::new(client.get("/id").await.body).unwrap();
    plant(&store, &id, "no record").await;
    assert_eq!(client.get("/see").await.body, "views: 1");
    assert_ne!(client.get("/id").await.body, id.as_str());
    assert_eq!(store.len().await.unwrap(), 2, "the unreadable one is left to its expiry");
}

async fn plant(store: &FaultyStore<MemoryStore>, id: &SessionId, json: &str) {
    store.destroy(id).await.unwrap();
    let expires = Timestamp::now().saturating_add(Duration::from_secs(60));
    store.create(id, Record::from_json(json.to_owned()), expires).await.unwrap();
}

#[tokio::test]
async fn a_record_over_the_limit_is_a_500_and_the_stored_session_stays_as_it_was() {
    let (mut client, _) = app(Options::default().max_size(4096)).await;
    client.get("/see").await;
    assert_eq!(client.post("/grow").await.status, 500);
    assert_eq!(client.get("/see").await.body, "views: 2");
}

#[tokio::test]
async fn a_full_store_is_a_503_for_new_sessions_only() {
    let store = MemoryStore::new().max_sessions(1);
    let layer = SessionLayer::<Visit>::new(store, secret());
    let see = async |mut session: Session<Visit>| {
        let views = session.views + 1;
        session.set_views(views);
    };
    let mut first = serve(Router::new().route("/", get(see)).layer(layer)).await;
    assert_eq!(first.get("/").await.status, 200);
    assert_eq!(first.another().get("/").await.status, 503);
    assert_eq!(first.get("/").await.status, 200);
}

#[tokio::test]
async fn an_id_that_is_taken_is_never_overwritten() {
    let next = std::sync::atomic::AtomicU32::new(0);
    let genid = move |_: &axum::http::request::Parts| {
        // Every id is given twice.
        format!("id-{}", next.fetch_add(1, std::sync::atomic::Ordering::Relaxed) / 2)
    };
    let (mut first, store) = app(Options::default().genid(genid)).await;
    let mut second = first.another();
    first.get("/see").await;
    second.get("/see").await;
    assert_eq!((first.get("/see").await.body, second.get("/see").await.body), ("views: 2".into(), "views: 2".into()));
    assert_eq!(store.len().await.unwrap(), 2);

    let (mut first, store) = app(Options::default().genid(|_| "always".to_owned())).await;
    first.get("/see").await;
    assert_eq!(first.another().get("/see").await.status, 500);
    assert_eq!(first.get("/see").await.body, "views: 2");
    assert_eq!(store.len().await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn counting_and_clearing_may_take_longer_than_a_request_waits() {
    let store = FaultyStore::new(MemoryStore::new());
    let options = Options::default().store_timeout(Duration::from_secs(1));
    let sessions = SessionLayer::<Visit>::with_options(store.clone(), secret(), options).unwrap().sessions();
    for operation in [Operation::Len, Operation::Clear] {
        store.inject(operation, Fault::Delay(Duration::from_secs(60)));
    }
    assert_eq!(sessions.len().await.unwrap(), 0);
    sessions.clear().await.unwrap();
}
