//! Writing the session cookie: its attributes, over which connections it goes, how it is removed, and what else the
//! response gets.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that can't go on fails")]

use std::time::{Duration, SystemTime};

use axum::http::Uri;
use axum::response::AppendHeaders;
use axum::routing::get;
use axum::{Extension, Router};
use session::store::Record;
use session::{
    CookieOptions, Initialized, MemoryStore, Options, Priority, Proxy, SameSite, Secure, SecureConnection, Session,
    SessionCookie, SessionId, SessionLayer, Store,
};
use session_tests::{Client, Reply, Request, secret, serve};

#[derive(Session)]
struct Visit {
    views: u32,
}

type Change = fn(&mut SessionCookie);

async fn see(mut session: Session<Visit>) -> String {
    let views = session.views + 1;
    session.set_views(views);
    views.to_string()
}

async fn destroy(session: Session<Visit>) {
    session.destroy().await.unwrap();
}

/// Serves the session; `/change` makes the change to its cookie's settings, and so does `/change-and-destroy`.
async fn app(store: &MemoryStore, options: Options, change: Change) -> Client {
    let layer = SessionLayer::<Visit>::with_options(store.clone(), secret(), options).unwrap();
    let app = Router::new()
        .route("/see", get(see))
        .route("/id", get(async |session: Session<Visit>| session.id().unwrap().as_str().to_owned()))
        .route("/destroy", get(destroy))
        .route("/regenerate", get(async |session: Session<Visit>| session.regenerate().await.map(drop)))
        .route("/change", get(async move |mut session: Session<Visit>| change(session.cookie_mut())))
        .route(
            "/change-and-destroy",
            get(async move |mut session: Session<Visit>| {
                change(session.cookie_mut());
                destroy(session).await
            }),
        )
        .route("/read", get(async |session: Session<Visit>| session.views.to_string()))
        .route("/private", get(async |_: Session<Visit, Initialized>| ()))
        .route("/plain", get(async || ()))
        .route("/own", get(own))
        .layer(layer);
    serve(app).await
}

async fn unchanged(options: Options) -> Client {
    app(&MemoryStore::new(), options, |_| ()).await
}

/// Sends its own headers, named in the query, and uses the session.
async fn own(uri: Uri, session: Session<Visit>) -> (AppendHeaders<Vec<(String, String)>>, String) {
    let pairs = uri.query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    let headers = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    (AppendHeaders(headers), see(session).await)
}

/// A cookie's attributes in alphabetical order, and its expiry aside.
fn attributes(cookie: &str) -> (Vec<&str>, Option<SystemTime>) {
    let (expires, mut others): (Vec<_>, Vec<_>) =
        cookie.split("; ").skip(1).partition(|attribute| attribute.starts_with("Expires="));
    others.sort_unstable();
    (others, expires.first().map(|date| httpdate::parse_http_date(&date["Expires=".len()..]).unwrap()))
}

fn presets() -> [Options; 2] {
    [Options::default(), Options::express()]
}

#[tokio::test]
async fn each_setting_is_an_attribute() {
    let default = CookieOptions::default;
    let cases = [
        (default(), "HttpOnly; Path=/; SameSite=Lax; Secure"),
        (CookieOptions::express(), "HttpOnly; Path=/"),
        (default().secure(Secure::Off), "HttpOnly; Path=/; SameSite=Lax"),
        (default().secure(Secure::On), "HttpOnly; Path=/; SameSite=Lax; Secure"),
        (default().http_only(false), "Path=/; SameSite=Lax; Secure"),
        (default().path("/see"), "HttpOnly; Path=/see; SameSite=Lax; Secure"),
        (default().domain("example.com"), "Domain=example.com; HttpOnly; Path=/; SameSite=Lax; Secure"),
        (default().same_site(SameSite::Strict), "HttpOnly; Path=/; SameSite=Strict; Secure"),
        (default().same_site(SameSite::None), "HttpOnly; Path=/; SameSite=None; Secure"),
        (default().same_site(SameSite::Auto), "HttpOnly; Path=/; SameSite=None; Secure"),
        (default().same_site(SameSite::Unset), "HttpOnly; Path=/; Secure"),
        (default().partitioned(true), "HttpOnly; Partitioned; Path=/; SameSite=Lax; Secure"),
        (default().priority(Priority::Low), "HttpOnly; Path=/; Priority=Low; SameSite=Lax; Secure"),
        (default().priority(Priority::Medium), "HttpOnly; Path=/; Priority=Medium; SameSite=Lax; Secure"),
        (default().priority(Priority::High), "HttpOnly; Path=/; Priority=High; SameSite=Lax; Secure"),
    ];
    for options in presets() {
        for (cookie, expected) in &cases {
            let options = options.clone().cookie(cookie.clone()).proxy(Proxy::AssumeTls).name("sid");
            let reply = unchanged(options).await.get("/see").await;
            assert!(reply.set_cookie().starts_with("sid=s%3A"), "{}", reply.set_cookie());
            let (attributes, expires) = attributes(reply.set_cookie());
            assert_eq!((attributes.join("; ").as_str(), expires), (*expected, None));
        }
    }
}

#[tokio::test]
async fn express_session_sends_what_browsers_refuse() {
    let cookie = CookieOptions::express().same_site(SameSite::None).partitioned(true);
    let reply = unchanged(Options::express().cookie(cookie)).await.get("/see").await;
    assert_eq!(attributes(reply.set_cookie()).0, ["HttpOnly", "Partitioned", "Path=/", "SameSite=None"]);
}

#[tokio::test]
async fn max_age_is_a_date_and_without_rolling_the_first_one_holds() {
    let hour = Duration::from_secs(3600);
    for (options, rolling) in presets().into_iter().flat_map(|options| [(options.clone(), false), (options, true)]) {
        let options = options.cookie(CookieOptions::default().max_age(hour)).rolling(rolling);
        let mut client = unchanged(options).await;
        let before = SystemTime::now();
        let reply = client.get("/see").await;
        let expires = attributes(reply.set_cookie()).1.unwrap();
        // The date has no fractions of a second.
        assert!(expires >= before + hour - Duration::from_secs(1) && expires <= SystemTime::now() + hour);
        assert_eq!(client.get("/see").await.set_cookies().len(), 1, "its data changed");
        assert_eq!(client.get("/read").await.set_cookies().len(), usize::from(rolling));
    }
}

/// What a cookie of these settings says over a connection.
fn sent(secure: Secure, same_site: SameSite, over_secure: bool, is_express: bool) -> Vec<&'static str> {
    let is_secure = over_secure && secure != Secure::Off;
    // Browsers take `SameSite=None` with `Secure` only.
    let auto = if is_secure || (over_secure && is_express) { "SameSite=None" } else { "SameSite=Lax" };
    let same_site = match same_site {
        SameSite::Strict => "SameSite=Strict",
        SameSite::Lax => "SameSite=Lax",
        SameSite::None => "SameSite=None",
        SameSite::Auto => auto,
        SameSite::Unset => "",
    };
    ["HttpOnly", "Path=/", same_site, if is_secure { "Secure" } else { "" }]
        .into_iter()
        .filter(|attribute| !attribute.is_empty())
        .collect()
}

/// Each with each, but for those that are an error when the layer is built.
fn settings() -> Vec<(Options, bool, Secure, SameSite)> {
    let mut settings = Vec::new();
    for (options, is_express) in presets().into_iter().zip([false, true]) {
        for secure in [Secure::On, Secure::Off, Secure::Auto] {
            for same_site in [SameSite::Strict, SameSite::Lax, SameSite::None, SameSite::Auto, SameSite::Unset] {
                settings.push((options.clone(), is_express, secure, same_site));
            }
        }
    }
    settings.retain(|(_, express, secure, same)| *express || (*secure, *same) != (Secure::Off, SameSite::None));
    settings
}

#[tokio::test]
async fn the_connection_decides_what_auto_is_and_whether_a_secure_cookie_goes_out() {
    let forwarded = Proxy::TrustForwardedProto;
    // The proxy, the X-Forwarded-Proto lines, whether whoever terminated TLS left a mark; whether it is secure.
    let connections: &[(Proxy, &[&str], bool, bool)] = &[
        (Proxy::None, &[], false, false),
        (Proxy::None, &["https"], false, false),
        (Proxy::None, &[], true, true),
        (forwarded, &[], false, false),
        (forwarded, &["https"], false, true),
        (forwarded, &["HTTPS , http"], false, true),
        (forwarded, &[" https"], false, true),
        (forwarded, &["http, https"], false, false),
        (forwarded, &["http", "https"], false, false),
        (forwarded, &["https", "http"], false, true),
        (forwarded, &[", https"], false, false),
        (forwarded, &["httpss"], false, false),
        (forwarded, &["http"], true, true),
        (Proxy::AssumeTls, &[], false, true),
        (Proxy::AssumeTls, &["http"], false, true),
    ];
    for (options, is_express, secure, same_site) in settings() {
        for &(proxy, lines, mark, is_secure) in connections {
            let cookie = CookieOptions::default().secure(secure).same_site(same_site);
            let store = MemoryStore::new();
            let options = options.clone().cookie(cookie).proxy(proxy);
            let layer = SessionLayer::<Visit>::with_options(store.clone(), secret(), options).unwrap();
            let app = Router::new().route("/see", get(see)).layer(layer);
            let client = serve(if mark { app.layer(Extension(SecureConnection)) } else { app }).await;
            let request = Request::get("/see");
            let request = lines.iter().fold(request, |request, line| request.header("x-forwarded-proto", line));
            let reply = client.send_without_jar(request).await;

            let case = format!("{secure:?}, {same_site:?}, {proxy:?}, {lines:?}, {mark}, express: {is_express}");
            let unsendable = secure == Secure::On && !is_secure;
            assert_eq!(reply.set_cookies().len(), usize::from(!unsendable), "{case}");
            assert_eq!(store.len().await.unwrap(), usize::from(!unsendable || is_express), "{case}");
            if !unsendable {
                let sent = sent(secure, same_site, is_secure, is_express);
                assert_eq!(attributes(reply.set_cookie()).0, sent, "{case}");
            }
        }
    }
}

#[tokio::test]
async fn auto_is_decided_at_each_response_or_for_express_when_the_session_begins() {
    let cookie = CookieOptions::default().same_site(SameSite::Auto);
    let send = async |client: &mut Client, protocol: &str| {
        let reply = client.send(Request::get("/see").header("x-forwarded-proto", protocol)).await;
        reply.set_cookies().first().map(|cookie| attributes(cookie).0[2..].join("; "))
    };
    let (secure, insecure) = (Some("SameSite=None; Secure".to_owned()), Some("SameSite=Lax".to_owned()));
    for (options, is_express) in presets().into_iter().zip([false, true]) {
        let options = options.cookie(cookie.clone()).proxy(Proxy::TrustForwardedProto).rolling(true);
        let mut client = unchanged(options).await;
        let mut later = client.another();
        assert_eq!(send(&mut client, "https").await, secure);
        assert_eq!(send(&mut client, "http").await, if is_express { None } else { insecure.clone() });
        assert_eq!(send(&mut client, "https").await, secure);
        assert_eq!(send(&mut later, "http").await, insecure);
        assert_eq!(send(&mut later, "https").await, if is_express { &insecure } else { &secure }.clone());
    }
}

/// Of all that the cookie has, the removal lacks nothing but the priority.
fn assert_removes(reply: &Reply, cookie: &str) {
    let removal = reply.set_cookie();
    let name = cookie.split_once('=').unwrap().0;
    assert!(removal.starts_with(&format!("{name}=; ")), "{removal}");
    let mut expected = attributes(cookie).0;
    expected.retain(|attribute| !attribute.starts_with("Priority"));
    expected.push("Max-Age=0");
    expected.sort_unstable();
    assert_eq!(attributes(removal), (expected, Some(SystemTime::UNIX_EPOCH)), "for {cookie}");
}

#[tokio::test]
async fn a_removal_has_the_scope_of_the_cookie_and_is_taken_wherever_that_was() {
    let default = CookieOptions::default;
    let secure = default().secure(Secure::On);
    for (name, cookie) in [
        ("connect.sid", default()),
        ("connect.sid", default().path("/app").domain("example.com").http_only(false).priority(Priority::High)),
        ("__Host-sid", secure.clone()),
        // Browsers take no cookie that says less than SameSite=None from a page that is embedded elsewhere.
        ("__Secure-sid", secure.domain("example.com").partitioned(true).same_site(SameSite::None)),
        ("sid", default().same_site(SameSite::Auto).max_age(Duration::from_secs(60))),
        ("sid", default().same_site(SameSite::Auto).secure(Secure::Off)),
    ] {
        for options in presets() {
            let options = options.name(name).cookie(cookie.clone()).proxy(Proxy::AssumeTls).clear_cookie(true);
            let layer = SessionLayer::<Visit>::with_options(MemoryStore::new(), secret(), options).unwrap();
            let app = Router::new().route("/app/see", get(see)).route("/app/destroy", get(destroy)).layer(layer);
            let mut client = serve(app).await;
            let set = client.get("/app/see").await.set_cookie().to_owned();
            let jar = client.jar.clone();
            assert_removes(&client.get("/app/destroy").await, &set);
            client.jar = jar;
            assert_removes(&client.get("/app/destroy").await, &set);
        }
    }
}

#[tokio::test]
async fn a_removal_has_the_scope_that_the_cookie_was_sent_with() {
    let change: Change = |cookie| {
        cookie.set_path("/elsewhere");
        cookie.set_domain(Some("example.com".into()));
    };
    for path in ["/destroy", "/change-and-destroy", "/regenerate"] {
        let mut client = app(&MemoryStore::new(), Options::default(), change).await;
        client.get("/see").await;
        let changed = client.get("/change").await.set_cookie().to_owned();
        assert_removes(&client.get(path).await, &changed);
    }
    let mut client = app(&MemoryStore::new(), Options::default(), change).await;
    let first = client.get("/see").await.set_cookie().to_owned();
    assert_removes(&client.get("/change-and-destroy").await, &first);
}

/// The `Vary` and the `Cache-Control` lines.
fn cache_headers(reply: &Reply) -> [Vec<&str>; 2] {
    ["vary", "cache-control"].map(|name| reply.header(name).collect())
}

#[tokio::test]
async fn cache_headers_are_added_where_they_are_due_and_never_replaced() {
    let set = "no-cache=\"Set-Cookie\"";
    for options in [Options::default(), Options::express().cache_headers(true).eager(false)] {
        let cases: [(&str, [&[&str]; 2]); 11] = [
            ("/plain", [&[], &[]]),
            ("/read", [&["Cookie"], &[]]),
            ("/private", [&["Cookie"], &[]]),
            ("/see", [&["Cookie"], &[set]]),
            ("/own", [&["Cookie"], &[set]]),
            ("/own?vary=accept", [&["accept", "Cookie"], &[set]]),
            ("/own?vary=accept&vary=origin,COOKIE", [&["accept", "origin,COOKIE"], &[set]]),
            ("/own?vary=cookies", [&["cookies", "Cookie"], &[set]]),
            ("/own?cache-control=no-store", [&["Cookie"], &["no-store"]]),
            ("/own?cache-control=private&vary=*", [&["*"], &["private"]]),
            ("/own?set-cookie=a=b", [&["Cookie"], &[set]]),
        ];
        for (path, expected) in cases {
            assert_eq!(cache_headers(&unchanged(options.clone()).await.get(path).await), expected, "{path}");
        }
    }
    let mut client = unchanged(Options::default()).await;
    client.get("/see").await;
    assert_eq!(cache_headers(&client.get("/destroy").await), [["Cookie"], [set]], "a removal is a cookie, too");
    for options in [Options::express(), Options::default().cache_headers(false)] {
        let mut client = unchanged(options).await;
        assert_eq!(cache_headers(&client.get("/see").await), [[""; 0]; 2]);
        let own = client.get("/own?vary=accept&cache-control=private").await;
        assert_eq!(cache_headers(&own), [["accept"], ["private"]]);
    }
}

#[tokio::test]
async fn the_handlers_own_cookies_are_kept() {
    for options in presets() {
        let mut client = unchanged(options).await;
        let reply = client.get("/own?set-cookie=a=1&set-cookie=connect.sid=own&set-cookie=b=2;Path=/b").await;
        let [a, own, b, ours] = reply.set_cookies()[..] else { panic!("{:?}", reply.set_cookies()) };
        assert_eq!([a, own, b], ["a=1", "connect.sid=own", "b=2;Path=/b"]);
        assert!(ours.starts_with("connect.sid=s%3A"), "{ours}");
    }
}

/// What `/see` sets after `change`, once the session went through its JSON into the store of another server.
async fn after(options: &Options, change: Change) -> Reply {
    let (first, second) = (MemoryStore::new(), MemoryStore::new());
    let mut client = app(&first, options.clone(), change).await;
    client.get("/see").await;
    assert_eq!(client.get("/change").await.status, 200);
    let id = SessionId::new(client.get("/id").await.body).unwrap();
    let loaded = first.load(&id, None).await.unwrap().unwrap();
    second.create(&id, Record::from_json(loaded.record.json().clone()), loaded.expires).await.unwrap();
    let mut another = app(&second, options.clone().rolling(true), change).await;
    another.jar = client.jar;
    another.get("/see").await
}

#[tokio::test]
async fn what_a_session_sets_for_its_cookie_is_stored_and_used_from_then_on() {
    let cases: &[(Change, &str)] = &[
        (|_| (), "HttpOnly; Path=/; SameSite=Lax; Secure"),
        (|cookie| cookie.set_path("/see"), "HttpOnly; Path=/see; SameSite=Lax; Secure"),
        (|cookie| cookie.set_http_only(false), "Path=/; SameSite=Lax; Secure"),
        (|cookie| cookie.set_secure(Secure::Off), "HttpOnly; Path=/; SameSite=Lax"),
        (|cookie| cookie.set_secure(Secure::On), "HttpOnly; Path=/; SameSite=Lax; Secure"),
        (|cookie| cookie.set_same_site(SameSite::Strict), "HttpOnly; Path=/; SameSite=Strict; Secure"),
        (|cookie| cookie.set_same_site(SameSite::None), "HttpOnly; Path=/; SameSite=None; Secure"),
        (|cookie| cookie.set_same_site(SameSite::Auto), "HttpOnly; Path=/; SameSite=None; Secure"),
        (|cookie| cookie.set_same_site(SameSite::Unset), "HttpOnly; Path=/; Secure"),
        (|cookie| cookie.set_partitioned(true), "HttpOnly; Partitioned; Path=/; SameSite=Lax; Secure"),
        (|cookie| cookie.set_priority(Some(Priority::Low)), "HttpOnly; Path=/; Priority=Low; SameSite=Lax; Secure"),
        (
            |cookie| cookie.set_domain(Some("example.com".into())),
            "Domain=example.com; HttpOnly; Path=/; SameSite=Lax; Secure",
        ),
    ];
    for options in presets() {
        let options = options.cookie(CookieOptions::default()).proxy(Proxy::AssumeTls);
        for (change, expected) in cases {
            let reply = after(&options, *change).await;
            let (attributes, expires) = attributes(reply.set_cookie());
            assert_eq!((attributes.join("; ").as_str(), expires), (*expected, None));
        }
        let reply = after(&options, |cookie| cookie.set_max_age(Some(Duration::from_secs(7200)))).await;
        let left = attributes(reply.set_cookie()).1.unwrap().duration_since(SystemTime::now()).unwrap();
        assert!(left > Duration::from_secs(7000) && left <= Duration::from_secs(7200), "{left:?}");
    }
}

#[tokio::test]
async fn a_session_may_follow_the_connection_where_the_layer_does_not() {
    let change: Change = |cookie| {
        cookie.set_secure(Secure::Auto);
        cookie.set_same_site(SameSite::Auto);
    };
    for options in presets() {
        let options = options.cookie(CookieOptions::express()).proxy(Proxy::AssumeTls);
        let reply = after(&options, change).await;
        assert_eq!(attributes(reply.set_cookie()).0, ["HttpOnly", "Path=/", "SameSite=None", "Secure"]);
    }
}

#[tokio::test]
async fn a_session_may_take_back_what_the_layer_sets() {
    let change: Change = |cookie| {
        cookie.set_max_age(None);
        cookie.set_domain(None);
        cookie.set_priority(None);
        cookie.set_partitioned(false);
        cookie.set_secure(Secure::Off);
    };
    let cookie = CookieOptions::default().max_age(Duration::from_secs(60)).domain("example.com").secure(Secure::On);
    let cookie = cookie.priority(Priority::High).partitioned(true);
    for options in presets() {
        let reply = after(&options.cookie(cookie.clone()).proxy(Proxy::AssumeTls), change).await;
        assert_eq!(attributes(reply.set_cookie()), (vec!["HttpOnly", "Path=/", "SameSite=Lax"], None));
    }
}

#[tokio::test]
async fn bad_settings_of_a_session_are_an_error_and_change_nothing() {
    let changes: [Change; 3] = [
        |cookie| cookie.set_domain(Some("example.com; Path=/x".into())),
        |cookie| cookie.set_path("no/slash"),
        |cookie| cookie.set_path("/x\r\nSet-Cookie: a=b"),
    ];
    for (options, change) in presets().iter().flat_map(|options| changes.map(|change| (options.clone(), change))) {
        let mut client = app(&MemoryStore::new(), options.rolling(true), change).await;
        let first = client.get("/see").await;
        let reply = client.get("/change").await;
        assert_eq!((reply.status, reply.set_cookies().len()), (500, 0), "{}", reply.body);
        assert_eq!(client.get("/see").await.set_cookie(), first.set_cookie());
    }
}
