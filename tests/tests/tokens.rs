//! Sessions whose id travels in a header: for API and mobile clients, which have no cookie jar.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that can't go on fails")]

use std::time::Duration;

use axum::Router;
use axum::http::HeaderName;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use session::store::{Created, Record};
use session::{
    CookieOptions, Initialized, LiveState, MemoryStore, Options, Session, SessionError, SessionId, SessionLayer, Store,
    Timestamp, Transport,
};
use session_tests::{Client, Reply, Request, secret, serve};

#[derive(Session)]
struct Account {
    count: u32,
    user: Option<String>,
}

async fn begin(session: Session<Account>) -> Result<String, SessionError> {
    match session.state() {
        LiveState::Uninitialized(session) => session.initialize().token(),
        LiveState::Initialized(session) => session.token(),
    }
}

async fn count(mut session: Session<Account, Initialized>) -> String {
    *session.count_mut() += 1;
    session.count.to_string()
}

async fn app(options: Options) -> (Client, MemoryStore) {
    let store = MemoryStore::new();
    let layer = SessionLayer::<Account>::with_options(store.clone(), secret(), options).unwrap();
    let app = Router::new()
        .route("/begin", post(begin))
        .route("/count", get(count))
        .route("/read", get(async |session: Session<Account>| session.count.to_string()))
        .route(
            "/set",
            post(async |mut session: Session<Account>| {
                session.set_user(Some("ada".to_owned()));
            }),
        )
        .route("/rotate", post(async |mut session: Session<Account, Initialized>| session.rotate_id().await))
        .route("/destroy", post(async |session: Session<Account>| session.destroy().await.map(|_| ())))
        .route(
            "/own-header",
            post(async |session: Session<Account>| {
                drop(begin(session).await);
                ([("x-auth-token", "own")], "").into_response()
            }),
        )
        .route(
            "/remember",
            post(async |mut session: Session<Account, Initialized>| {
                session.cookie_mut().set_max_age(Some(Duration::from_secs(600)));
            }),
        )
        .layer(layer);
    (serve(app).await, store)
}

fn header() -> Transport {
    Transport::Header(HeaderName::from_static("x-auth-token"))
}

/// The transports, with the header that each of them uses and what stands before the token there.
fn transports() -> [(Transport, &'static str, &'static str); 2] {
    [(header(), "x-auth-token", ""), (Transport::Bearer, "authorization", "Bearer ")]
}

fn token_of(reply: &Reply, header: &str, before: &str) -> String {
    let [value] = reply.header(header).collect::<Vec<_>>()[..] else { panic!("one {header} was expected: {reply:?}") };
    value.strip_prefix(before).unwrap().to_owned()
}

async fn get_with(client: &Client, path: &str, header: &str, value: impl AsRef<[u8]>) -> Reply {
    client.send_without_jar(Request::get(path).header(header, value)).await
}

async fn post_with(client: &Client, path: &str, header: &str, value: impl AsRef<[u8]>) -> Reply {
    client.send_without_jar(Request::new("POST", path).header(header, value)).await
}

async fn stored_text(store: &MemoryStore) -> String {
    let page = store.all(None, 10).await.unwrap();
    let [(_, loaded)] = &page.sessions[..] else { panic!("one session was expected") };
    String::from_utf8(loaded.record.json().to_vec()).unwrap()
}

#[tokio::test]
async fn a_request_without_a_token_has_no_session_until_the_handler_makes_one() {
    for (transport, header, before) in transports() {
        let (client, store) = app(Options::default().transport(transport)).await;
        let read = client.send_without_jar(Request::get("/read")).await;
        assert_eq!((read.status, read.header(header).count()), (200, 0));
        assert_eq!(client.send_without_jar(Request::get("/count")).await.status, 401);
        assert_eq!(store.len().await.unwrap(), 0);

        for path in ["/begin", "/set"] {
            let begun = client.send_without_jar(Request::new("POST", path)).await;
            let token = token_of(&begun, header, before);
            assert!(begun.set_cookies().is_empty());
            assert!(path != "/begin" || begun.body == token, "the handler has the token that the header has");
            for expected in ["1", "2"] {
                let counted = get_with(&client, "/count", header, format!("{before}{token}")).await;
                assert_eq!(counted.body, expected);
                assert_eq!(counted.header(header).count(), 0, "a client is not told what it knows");
            }
        }
        assert_eq!(store.len().await.unwrap(), 2);
    }
}

#[tokio::test]
async fn a_token_is_read_from_its_own_header_and_from_nowhere_else() {
    let (client, _) = app(Options::default().transport(header())).await;
    let token = client.send_without_jar(Request::new("POST", "/begin")).await.body;
    let elsewhere = [
        ("authorization", format!("Bearer {token}")),
        ("cookie", format!("connect.sid={token}")),
        ("cookie", format!("connect.sid=s%3A{token}")),
        ("cookie", format!("x-auth-token={token}")),
        ("x-auth-token", format!("Bearer {token}")),
        ("x-auth-token", format!("s:{token}")),
    ];
    for (name, value) in elsewhere {
        assert_eq!(get_with(&client, "/count", name, value).await.status, 401);
    }
    assert_eq!(client.send_without_jar(Request::get(&format!("/count?x-auth-token={token}"))).await.status, 401);
    assert_eq!(get_with(&client, "/count", "X-Auth-Token", &token).await.body, "1");
    let twice = Request::get("/count").header("x-auth-token", "forged").header("x-auth-token", &token);
    assert_eq!(client.send_without_jar(twice).await.body, "2", "of several tokens the first that verifies counts");
}

#[tokio::test]
async fn the_scheme_of_a_bearer_token_has_no_case_and_no_other_name() {
    let (client, _) = app(Options::default().transport(Transport::Bearer)).await;
    let token = client.send_without_jar(Request::new("POST", "/begin")).await.body;
    for (scheme, status) in [("bearer", 200), ("BEARER", 200), ("Basic", 401), ("", 401)] {
        let reply = get_with(&client, "/count", "authorization", format!("{scheme} {token}")).await;
        assert_eq!(reply.status, status, "{scheme:?}");
    }
}

#[tokio::test]
async fn a_token_that_the_layer_did_not_sign_is_no_token() {
    let (client, _) = app(Options::default().transport(header())).await;
    let (bearer, _) = app(Options::default().transport(Transport::Bearer)).await;
    let (cookie, _) = app(Options::default()).await;
    let token = client.send_without_jar(Request::new("POST", "/begin")).await.body;
    let for_bearer = bearer.send_without_jar(Request::new("POST", "/begin")).await.body;
    let for_cookie = cookie.send_without_jar(Request::new("POST", "/begin")).await.body;
    let (id, signature) = token.rsplit_once('.').unwrap();

    let mut forged =
        vec![id.to_owned(), signature.to_owned(), format!("{id}."), format!(".{signature}"), String::new()];
    forged.extend([for_bearer, for_cookie.clone(), for_cookie.replace("s:", ""), "x".repeat(60_000)]);
    forged.extend((0..token.len()).step_by(7).map(|place| {
        let flipped = if token.as_bytes()[place] == b'x' { "y" } else { "x" };
        let mut changed = token.clone();
        changed.replace_range(place..=place, flipped);
        changed
    }));
    for value in forged {
        assert_eq!(get_with(&client, "/count", "x-auth-token", &value).await.status, 401, "{value:.80}");
    }
    assert_eq!(get_with(&client, "/count", "x-auth-token", b"\xff\xfe").await.status, 401);
    assert_eq!(get_with(&client, "/count", "x-auth-token", &token).await.body, "1");
}

#[tokio::test]
async fn a_rotated_token_is_sent_and_the_old_one_is_dead() {
    for (transport, header, before) in transports() {
        let (client, _) = app(Options::default().transport(transport)).await;
        let old = client.send_without_jar(Request::new("POST", "/begin")).await.body;
        let rotated = post_with(&client, "/rotate", header, format!("{before}{old}")).await;
        let new = token_of(&rotated, header, before);
        assert_eq!(get_with(&client, "/count", header, format!("{before}{old}")).await.status, 401);
        assert_eq!(get_with(&client, "/count", header, format!("{before}{new}")).await.body, "1");
    }
}

#[tokio::test]
async fn a_destroyed_session_leaves_a_token_that_leads_nowhere() {
    let (client, store) = app(Options::default().transport(header())).await;
    let token = client.send_without_jar(Request::new("POST", "/begin")).await.body;
    let destroyed = post_with(&client, "/destroy", "x-auth-token", &token).await;
    assert_eq!((destroyed.status, destroyed.header("x-auth-token").count()), (200, 0));
    assert!(destroyed.set_cookies().is_empty());
    assert_eq!(get_with(&client, "/count", "x-auth-token", &token).await.status, 401);
    assert_eq!(store.len().await.unwrap(), 0);
}

#[tokio::test]
async fn the_header_is_the_handlers_and_can_be_switched_off() {
    let (client, _) = app(Options::default().transport(header())).await;
    assert_eq!(
        token_of(&client.send_without_jar(Request::new("POST", "/own-header")).await, "x-auth-token", ""),
        "own"
    );

    let (client, _) = app(Options::default().transport(header()).send_token(false)).await;
    let begun = client.send_without_jar(Request::new("POST", "/begin")).await;
    assert_eq!(begun.header("x-auth-token").count(), 0);
    assert_eq!(get_with(&client, "/count", "x-auth-token", begun.body).await.body, "1");
}

#[tokio::test]
async fn settings_of_the_cookie_mean_nothing_but_its_max_age() {
    let cookie = CookieOptions::default().path("/elsewhere").secure(session::Secure::On);
    let (client, store) = app(Options::default().transport(header()).cookie(cookie).rolling(true)).await;
    let token = client.send_without_jar(Request::new("POST", "/begin")).await.body;
    assert_eq!(stored_text(&store).await, r#"{"count":0,"user":null}"#, "no cookie, so none in the record");

    let remembered = post_with(&client, "/remember", "x-auth-token", &token).await;
    assert_eq!(remembered.status, 200);
    assert!(stored_text(&store).await.contains(r#""originalMaxAge":600000"#));
    assert_eq!(get_with(&client, "/count", "x-auth-token", &token).await.body, "1");
}

#[tokio::test]
async fn caches_are_told_by_which_header_responses_vary() {
    for (transport, header, before) in transports() {
        let (client, _) = app(Options::default().transport(transport)).await;
        let begun = client.send_without_jar(Request::new("POST", "/begin")).await;
        assert_eq!(begun.header("vary").collect::<Vec<_>>(), [header]);
        assert_eq!(begun.header("cache-control").collect::<Vec<_>>(), [format!("no-cache=\"{header}\"")]);
        let read = get_with(&client, "/count", header, format!("{before}{}", begun.body)).await;
        assert_eq!(read.header("cache-control").count(), 0);
    }
}

#[tokio::test]
async fn express_token_takes_and_gives_the_bare_id() {
    let (client, store) = app(Options::express_token()).await;
    let begun = client.send_without_jar(Request::new("POST", "/begin")).await;
    let token = &begun.body;
    assert_eq!(token.len(), 40);
    assert!(token.bytes().all(|letter| letter.is_ascii_alphanumeric()), "{token}");
    assert_eq!(begun.header("x-auth_token").count(), 0);
    assert_eq!(get_with(&client, "/count", "X-AUTH_TOKEN", token).await.body, "1");
    assert_eq!(stored_text(&store).await, r#"{"count":1,"user":null}"#);

    assert_eq!(get_with(&client, "/count", "X-AUTH_TOKEN", "unknown").await.status, 401);
    assert_eq!(store.len().await.unwrap(), 1, "an unknown token is no session");
}

#[tokio::test]
async fn an_id_that_no_database_could_hold_is_no_id() {
    // A made-up token with a zero byte must not become an error of the store.
    let (client, store) = app(Options::express_token()).await;
    let expires = Timestamp::now().saturating_add(Duration::from_secs(60));
    for (id, token, status) in [("a b", "a%20b", 200), ("a\0b", "a%00b", 401)] {
        let record = Record::from_json(r#"{"count":1,"user":null}"#);
        store.create(&SessionId::new(id).unwrap(), record, expires).await.unwrap();
        assert_eq!(get_with(&client, "/count", "X-AUTH_TOKEN", token).await.status, status, "{token}");
    }
    let (client, store) = app(Options::express_token().genid(|_| "a\0b".to_owned())).await;
    assert_eq!(client.send_without_jar(Request::new("POST", "/begin")).await.status, 500);
    assert_eq!(store.len().await.unwrap(), 0);
}

#[tokio::test]
async fn express_token_reads_what_the_package_stored() {
    let (client, store) = app(Options::express_token()).await;
    let id = SessionId::new("thisIsMyToken__").unwrap();
    let record = Record::from_json(r#"{"count":4,"value":"Wouahouuuu"}"#);
    let expires = Timestamp::now().saturating_add(Duration::from_secs(60));
    assert!(matches!(store.create(&id, record, expires).await.unwrap(), Created::Stored(_)));
    assert_eq!(get_with(&client, "/count", "X-AUTH_TOKEN", id.as_str()).await.body, "5");
    assert_eq!(stored_text(&store).await, r#"{"count":5,"value":"Wouahouuuu"}"#);
}
