//! The life of a session over HTTP: begun, read, written, renewed, regenerated, rotated, destroyed, unset.

#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use session::store::Record;
use session::{
    CookieOptions, Initialized, LiveState, MemoryStore, Options, Session, SessionError, SessionId, SessionLayer, Store,
    Timestamp, Unset,
};
use session_tests::{Client, FaultyStore, Operation, Request, secret, serve};

#[derive(Session)]
struct Visit {
    views: u32,
    user: Option<String>,
    #[session(default = "light".to_owned())]
    theme: String,
}

type Watched = FaultyStore<MemoryStore>;

async fn see(mut session: Session<Visit>) -> String {
    let views = session.views + 1;
    session.set_views(views);
    format!("views: {views}")
}

async fn read(session: Session<Visit>) -> String {
    format!("{} {} {:?}", session.views, session.theme, session.user)
}

async fn ids(session: Session<Visit>) -> Result<String, SessionError> {
    Ok(session.id()?.as_str().to_owned())
}

async fn rotate(mut session: Session<Visit>) -> Result<(), SessionError> {
    session.rotate_id().await
}

async fn regenerate(session: Session<Visit>) -> Result<(), SessionError> {
    session.regenerate().await?;
    Ok(())
}

async fn log_in(session: Session<Visit>) -> Result<(), SessionError> {
    let mut session = session.regenerate().await?.initialize();
    session.set_user(Some("ada".to_owned()));
    Ok(())
}

async fn destroy(session: Session<Visit>) -> Result<(), SessionError> {
    session.destroy().await?;
    Ok(())
}

/// Saves the session, and keeps it until the response has left.
async fn save_aside(mut session: Session<Visit>) -> Result<(), SessionError> {
    session.save().await?;
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(200)).await;
        drop(session);
    });
    Ok(())
}

async fn app(options: Options) -> (Client, Watched) {
    let store = FaultyStore::new(MemoryStore::new());
    let layer = SessionLayer::<Visit>::with_options(store.clone(), secret(), options).unwrap();
    let app = Router::new()
        .route("/see", get(see))
        .route("/read", get(read))
        .route("/id", get(ids))
        .route("/rotate", post(rotate))
        .route("/regenerate", post(regenerate))
        .route("/login", post(log_in))
        .route("/destroy", post(destroy))
        .route(
            "/unset",
            post(async |mut session: Session<Visit>| {
                session.set_views(100);
                session.unset();
            }),
        )
        .route(
            "/initialize",
            post(async |session: Session<Visit>| {
                if let LiveState::Uninitialized(session) = session.state() {
                    session.initialize();
                }
            }),
        )
        .route(
            "/remember",
            post(async |mut session: Session<Visit>| {
                session.cookie_mut().set_max_age(Some(Duration::from_secs(3600)));
            }),
        )
        .route(
            "/remember-now",
            post(async |mut session: Session<Visit>| {
                session.cookie_mut().set_max_age(Some(Duration::from_secs(3600)));
                session.save().await?;
                session.reload().await
            }),
        )
        .route(
            "/remember-aside",
            post(async |mut session: Session<Visit>| {
                session.cookie_mut().set_max_age(Some(Duration::from_secs(3600)));
                save_aside(session).await
            }),
        )
        .route(
            "/see-aside",
            post(async |mut session: Session<Visit>| {
                let views = session.views + 1;
                session.set_views(views);
                save_aside(session).await
            }),
        )
        .route("/touch", post(async |mut session: Session<Visit>| session.touch()))
        .route(
            "/save",
            post(async |mut session: Session<Visit>| {
                session.set_views(7);
                session.save().await?;
                session.set_user(Some("later".to_owned()));
                session.reload().await?;
                Ok::<_, SessionError>(format!("{} {:?}", session.views, session.user))
            }),
        )
        .route("/private", get(async |_: Session<Visit, Initialized>| "private"))
        .route("/plain", get(async || "plain"))
        .layer(layer);
    (serve(app).await, store)
}

#[tokio::test]
async fn the_first_visit_sets_one_cookie_and_the_second_none() {
    let (mut client, _) = app(Options::default()).await;
    let first = client.get("/see").await;
    assert_eq!(first.body, "views: 1");
    let cookie = first.set_cookie();
    let (value, attributes) = cookie.split_once("; ").unwrap();
    assert!(value.starts_with("connect.sid=s%3A"), "{value}");
    let mut attributes: Vec<_> = attributes.split("; ").collect();
    attributes.sort_unstable();
    assert_eq!(attributes, ["HttpOnly", "Path=/", "SameSite=Lax"]);

    let second = client.get("/see").await;
    assert_eq!(second.body, "views: 2");
    assert!(second.set_cookies().is_empty());
}

#[tokio::test]
async fn a_request_that_only_reads_writes_nothing_and_asks_the_store_once() {
    let (mut client, store) = app(Options::default()).await;
    client.get("/see").await;
    store.take_log();
    assert_eq!(client.get("/read").await.body, "1 light None");
    assert_eq!(store.take_log(), [Operation::Load]);
}

#[tokio::test]
async fn a_request_that_does_not_ask_for_its_session_does_not_ask_the_store() {
    let (mut client, store) = app(Options::default()).await;
    client.get("/see").await;
    store.take_log();
    let plain = client.get("/plain").await;
    assert!(plain.set_cookies().is_empty() && plain.header("vary").next().is_none());
    assert!(store.take_log().is_empty());
}

#[tokio::test]
async fn an_eager_layer_loads_for_every_request() {
    let (mut client, store) = app(Options::default().eager(true)).await;
    client.get("/see").await;
    store.take_log();
    client.get("/plain").await;
    assert_eq!(store.take_log(), [Operation::Load]);
}

#[tokio::test]
async fn a_visitor_who_changes_nothing_leaves_no_trace() {
    let (mut client, store) = app(Options::default()).await;
    let reply = client.get("/read").await;
    assert_eq!(reply.body, "0 light None");
    assert!(reply.set_cookies().is_empty());
    assert!(store.take_log().is_empty());
    assert_eq!(store.len().await.unwrap(), 0);
}

#[tokio::test]
async fn save_uninitialized_stores_and_announces_such_a_visitor() {
    let (mut client, store) = app(Options::default().save_uninitialized(true)).await;
    assert_eq!(client.get("/read").await.set_cookies().len(), 1);
    assert_eq!(store.len().await.unwrap(), 1);
}

#[tokio::test]
async fn a_session_that_was_initialized_is_stored_whatever_it_holds() {
    let (mut client, store) = app(Options::default()).await;
    assert_eq!(client.post("/initialize").await.set_cookies().len(), 1);
    assert_eq!(store.len().await.unwrap(), 1);
    assert_eq!(client.get("/private").await.body, "private");
}

#[tokio::test]
async fn resave_writes_what_was_only_read() {
    let (mut client, store) = app(Options::default().resave(true)).await;
    client.get("/see").await;
    store.take_log();
    client.get("/read").await;
    assert_eq!(store.take_log(), [Operation::Load, Operation::Update]);
}

#[tokio::test]
async fn rolling_sends_the_cookie_with_every_response_that_used_the_session() {
    let (mut client, store) = app(Options::default().rolling(true)).await;
    client.get("/see").await;
    store.take_log();
    assert_eq!(client.get("/read").await.set_cookies().len(), 1);
    assert_eq!(store.take_log(), [Operation::Load], "the expiry is renewed by the load");
    assert!(client.get("/plain").await.set_cookies().is_empty());
    assert!(client.another().get("/read").await.set_cookies().is_empty());
}

#[tokio::test]
async fn a_cookie_with_an_expiry_is_sent_again_when_the_session_changes() {
    let cookie = CookieOptions::default().max_age(Duration::from_secs(600));
    let (mut client, _) = app(Options::default().cookie(cookie)).await;
    assert!(client.get("/see").await.set_cookie().contains("; Expires="));
    assert!(client.get("/read").await.set_cookies().is_empty());
    assert!(client.get("/see").await.set_cookie().contains("; Expires="));
}

#[tokio::test]
async fn regenerate_ends_the_session_and_its_id() {
    let (mut client, store) = app(Options::default()).await;
    client.get("/see").await;
    let mut thief = client.clone();
    let reply = client.post("/regenerate").await;
    assert!(reply.set_cookie().contains("Max-Age=0"), "nothing was set afterwards, so there is no session");
    assert_eq!(store.len().await.unwrap(), 0);
    assert_eq!(thief.get("/read").await.body, "0 light None");
}

#[tokio::test]
async fn logging_in_gives_a_new_id_and_the_old_one_is_dead() {
    let (mut client, store) = app(Options::default()).await;
    client.get("/see").await;
    let before = client.get("/id").await.body;
    let mut thief = client.clone();
    client.post("/login").await;
    assert_ne!(client.get("/id").await.body, before);
    assert_eq!(client.get("/read").await.body, r#"0 light Some("ada")"#);
    assert_eq!(thief.get("/read").await.body, "0 light None");
    assert_eq!(store.len().await.unwrap(), 1);
}

#[tokio::test]
async fn rotate_id_keeps_the_data_and_kills_the_old_id_in_one_step() {
    let (mut client, store) = app(Options::default()).await;
    client.get("/see").await;
    let before = client.get("/id").await.body;
    let mut thief = client.clone();
    store.take_log();
    assert_eq!(client.post("/rotate").await.set_cookies().len(), 1);
    assert_eq!(store.take_log(), [Operation::Load, Operation::Rename]);
    assert_ne!(client.get("/id").await.body, before);
    assert_eq!(client.get("/read").await.body, "1 light None");
    assert_eq!(thief.get("/read").await.body, "0 light None");
}

#[tokio::test]
async fn destroy_removes_the_record_and_the_cookie() {
    let (mut client, store) = app(Options::default()).await;
    client.get("/see").await;
    let mut old = client.clone();
    let reply = client.post("/destroy").await;
    let removal = reply.set_cookie();
    assert!(removal.starts_with("connect.sid=; "), "{removal}");
    assert!(removal.contains("Max-Age=0") && removal.contains("Path=/"), "{removal}");
    assert!(client.jar.is_empty());
    assert_eq!(store.len().await.unwrap(), 0);
    let reply = old.get("/see").await;
    assert_eq!(reply.body, "views: 1");
    assert_eq!(reply.set_cookies().len(), 1);
}

#[tokio::test]
async fn without_clear_cookie_no_removal_is_sent() {
    let (mut client, _) = app(Options::default().clear_cookie(false)).await;
    client.get("/see").await;
    assert!(client.post("/destroy").await.set_cookies().is_empty());
}

#[tokio::test]
async fn a_cookie_that_leads_nowhere_stays_until_a_session_begins_or_the_visitor_logs_out() {
    let (mut client, store) = app(Options::default()).await;
    client.get("/see").await;
    store.clear().await.unwrap();
    for request in [Request::get("/read"), Request::new("POST", "/unset"), Request::new("POST", "/regenerate")] {
        assert!(client.send(request.clone()).await.set_cookies().is_empty(), "{request:?}");
    }
    assert!(client.clone().post("/destroy").await.set_cookie().contains("Max-Age=0"));
    assert!(!client.get("/see").await.set_cookie().contains("Max-Age=0"));
}

#[tokio::test]
async fn unset_drops_the_changes_and_keeps_the_record() {
    let (mut client, _) = app(Options::default()).await;
    client.get("/see").await;
    assert!(client.post("/unset").await.set_cookies().is_empty());
    assert_eq!(client.get("/read").await.body, "1 light None");
}

#[tokio::test]
async fn unset_destroys_the_record_if_the_options_say_so() {
    let (mut client, store) = app(Options::default().unset(Unset::Destroy)).await;
    client.get("/see").await;
    assert!(client.post("/unset").await.set_cookie().contains("Max-Age=0"));
    assert_eq!(store.len().await.unwrap(), 0);
}

#[tokio::test]
async fn save_stores_at_once_and_reload_reads_it_back() {
    let (mut client, store) = app(Options::default()).await;
    client.get("/see").await;
    store.take_log();
    assert_eq!(client.post("/save").await.body, "7 None");
    assert_eq!(store.take_log(), [Operation::Load, Operation::Update, Operation::Load]);
}

#[tokio::test]
async fn a_max_age_set_on_the_session_is_stored_and_used_from_then_on() {
    let (mut client, store) = app(Options::default()).await;
    client.get("/see").await;
    assert!(client.post("/remember").await.set_cookie().contains("; Expires="));
    assert!(client.get("/see").await.set_cookie().contains("; Expires="));
    let (_, stored) = store.all(None, 1).await.unwrap().sessions.remove(0);
    let left = stored.expires.saturating_since(Timestamp::now());
    assert!(left > Duration::from_secs(3500) && left <= Duration::from_secs(3600), "{left:?}");
    assert!(String::from_utf8_lossy(stored.record.json()).contains(r#""originalMaxAge":3600000"#));
}

#[tokio::test]
async fn a_cookie_that_the_handler_changed_and_saved_itself_is_sent_too() {
    for path in ["/remember-now", "/remember-aside"] {
        let (mut client, _) = app(Options::default()).await;
        client.get("/see").await;
        let reply = client.post(path).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.body);
        assert!(reply.set_cookie().contains("; Expires="), "{path}");
        assert!(client.get("/read").await.set_cookies().is_empty(), "{path}");
    }
}

#[tokio::test]
async fn a_session_that_was_saved_and_outlives_its_response_is_announced_as_at_the_end_of_the_request() {
    let with_life = CookieOptions::default().max_age(Duration::from_secs(60));
    for (options, is_sent_again) in [
        (Options::default(), false),
        (Options::default().rolling(true), true),
        (Options::default().cookie(with_life), true),
    ] {
        let (mut client, _) = app(options).await;
        assert_eq!(client.post("/see-aside").await.set_cookies().len(), 1);
        assert_eq!(client.post("/see-aside").await.set_cookies().len(), usize::from(is_sent_again));
        assert_eq!(client.get("/read").await.body, "2 light None");
    }
}

#[tokio::test]
async fn touch_renews_even_if_that_was_done_not_long_ago() {
    let (mut client, store) = app(Options::default()).await;
    client.get("/see").await;
    store.take_log();
    client.post("/touch").await;
    assert_eq!(store.take_log(), [Operation::Load, Operation::Touch]);
}

#[tokio::test]
async fn the_same_session_goes_by_a_hash_in_the_store_if_the_options_say_so() {
    let (mut client, store) = app(Options::default().hash_ids(true)).await;
    client.get("/see").await;
    let id = client.get("/id").await.body;
    assert!(store.load(&SessionId::new(&id).unwrap(), None).await.unwrap().is_none());
    let listed = store.all(None, 10).await.unwrap().sessions;
    assert_eq!(listed.len(), 1);
    assert_ne!(listed[0].0.as_str(), id);
    assert_eq!(client.get("/see").await.body, "views: 2");
}

#[tokio::test]
async fn a_record_in_the_form_of_express_session_is_read_and_kept() {
    let (mut client, store) = app(Options::default().genid(|_| "fixed".to_owned())).await;
    client.get("/see").await;
    let json = r#"{ "cookie" : {"originalMaxAge":null,"expires":null,"httpOnly":true,"path":"/"}, "legacy" : {"a": 1.0},
        "views":41, "\u0075ser":"zo\u00eb"}"#;
    store.destroy(&SessionId::new("fixed").unwrap()).await.unwrap();
    let expires = Timestamp::now().saturating_add(Duration::from_secs(60));
    store.create(&SessionId::new("fixed").unwrap(), Record::from_json(json), expires).await.unwrap();
    assert_eq!(client.get("/read").await.body, r#"41 light Some("zoë")"#);
    assert_eq!(client.get("/see").await.body, "views: 42");
    let stored = store.load(&SessionId::new("fixed").unwrap(), None).await.unwrap().unwrap();
    // Only the cookie and the changed field are written anew.
    let expected = r#"{"cookie" : {"originalMaxAge":null,"expires":null,"httpOnly":true,"path":"/","sameSite":"lax"},"legacy" : {"a": 1.0},"views":42,"\u0075ser":"zo\u00eb"}"#;
    assert_eq!(String::from_utf8_lossy(stored.record.json()), expected);
}
