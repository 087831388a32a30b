//! Reading the session cookie: what is taken for a session, what is not, and on which paths.

#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

use std::fmt::Write;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::OriginalUri;
use axum::http::request::Parts;
use axum::routing::get;
use session::{ConfigError, CookieOptions, Initialized, MemoryStore, Options, Proxy, SameSite, Secure};
use session::{Session, SessionError, SessionId, SessionLayer};
use session_tests::{Client, Reply, Request, secret, serve};

#[derive(Session)]
struct Visit {
    views: u32,
}

async fn see(mut session: Session<Visit>) -> String {
    let views = session.views + 1;
    session.set_views(views);
    views.to_string()
}

async fn read(session: Session<Visit>) -> String {
    session.views.to_string()
}

async fn destroy(session: Session<Visit>) {
    session.destroy().await.unwrap();
}

fn layer(options: Options) -> SessionLayer<Visit> {
    SessionLayer::with_options(MemoryStore::new(), secret(), options).unwrap()
}

/// A server, and the signed values (undecorated, as `s:id.signature`) of two sessions: with one view, and with two.
async fn two_sessions(options: Options) -> (Client, [String; 2]) {
    let app = Router::new().route("/see", get(see)).route("/read", get(read)).route("/destroy", get(destroy));
    let mut client = serve(app.layer(layer(options))).await;
    let mut other = client.another();
    client.get("/see").await;
    other.get("/see").await;
    other.get("/see").await;
    let value = |client: &Client| {
        let (_, encoded) = client.jar.first_key_value().unwrap();
        encoded.replace("%3A", ":").replace("%2B", "+").replace("%2F", "/")
    };
    let values = [value(&client), value(&other)];
    (client.another(), values)
}

/// What a request with these `Cookie` lines has for a session: its views, 0 for a new one.
async fn views(client: &Client, lines: &[impl AsRef<[u8]>]) -> String {
    let request = lines.iter().fold(Request::get("/read"), |request, line| request.header("cookie", line));
    let reply = client.send_without_jar(request).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply.body
}

fn line(value: &str) -> String {
    format!("connect.sid={value}")
}

fn percent_encoded(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut encoded, byte| {
        write!(encoded, "%{byte:02x}").unwrap();
        encoded
    })
}

/// A value as clients may write it, and as this library does.
fn written(value: &str) -> [String; 2] {
    [value.to_owned(), value.replacen("s:", "s%3A", 1)]
}

/// The safe rules and those of express-session.
fn presets() -> [Options; 2] {
    [Options::default(), Options::express()]
}

#[tokio::test]
async fn a_changed_signature_leads_to_nobody() {
    for options in presets() {
        let (client, [one, _]) = two_sessions(options).await;
        assert_eq!(views(&client, &[line(&percent_encoded(one.as_bytes()))]).await, "1");
        for position in 0..one.len() {
            for bit in [0, 1, 5, 7] {
                let mut changed = one.clone().into_bytes();
                changed[position] ^= 1 << bit;
                let body = views(&client, &[line(&percent_encoded(&changed))]).await;
                assert_eq!(body, "0", "bit {bit} of byte {position} of {one}");
            }
            assert_eq!(views(&client, &[line(&one[..position])]).await, "0", "cut to {position} bytes");
            assert_eq!(views(&client, &[line(&one[position + 1..])]).await, "0", "cut at the front");
        }
    }
}

#[tokio::test]
async fn what_is_not_wholly_signed_leads_to_nobody() {
    for options in presets() {
        let (client, [one, two]) = two_sessions(options).await;
        let split = |value: &str| {
            let (id, signature) = value.strip_prefix("s:").unwrap().rsplit_once('.').unwrap();
            (id.to_owned(), signature.to_owned())
        };
        let ((one_id, one_signature), (two_id, two_signature)) = (split(&one), split(&two));
        let values = [
            String::new(),
            "s:".to_owned(),
            "s:.".to_owned(),
            one_id.clone(),
            format!("s:{one_id}"),
            format!("s:{one_id}."),
            format!("s:.{one_signature}"),
            format!("s:{one_signature}"),
            format!("{one_id}.{one_signature}"),
            format!("S:{one_id}.{one_signature}"),
            format!("s:s:{one_id}.{one_signature}"),
            format!("s:{one_id}.{two_signature}"),
            format!("s:{two_id}.{one_signature}"),
            format!("s:{one_id}{one_signature}"),
            format!("s:{one_id}..{one_signature}"),
            format!("s:{one_id}.{one_signature}="),
            format!("s:{one_id}.{one_signature}.{one_signature}"),
            format!("s:{one_id}.{one_signature}{two_signature}"),
            format!("j:{{\"id\":\"{one_id}\"}}"),
            // Wrongly encoded, so taken as it is; and encoded twice.
            format!("{one}%"),
            format!("{one}%zz"),
            one.replacen("s:", "s%3", 1),
            one.replacen("s:", "s%253A", 1),
            format!("{one}%ff"),
            format!("{one}%00"),
            format!("{one}%20"),
            // One quote is no quotes.
            format!("\"{one}"),
            format!("{one}\""),
            format!("\"\"{one}\"\""),
            format!("'{one}'"),
            "\"".to_owned(),
        ];
        for value in values.iter().flat_map(|value| written(value)) {
            assert_eq!(views(&client, &[line(&value)]).await, "0", "{value}");
        }
    }
}

#[tokio::test]
async fn no_letter_of_a_cookie_can_be_another() {
    for options in presets() {
        let (client, [one, _]) = two_sessions(options).await;
        let [_, value] = written(&one);
        assert_eq!(views(&client, &[line(&value)]).await, "1");
        for (position, letter) in value.char_indices() {
            for other in [";", "%", " ", "\"", ".", "A", "z", "_", ""] {
                if other.chars().ne([letter]) {
                    let (start, end) = (&value[..position], &value[position + 1..]);
                    let changed = line(&format!("{start}{other}{end}"));
                    assert_eq!(views(&client, &[&changed]).await, "0", "{changed}");
                }
            }
        }
    }
}

#[tokio::test]
async fn what_the_client_may_write_otherwise_leads_to_its_session() {
    for options in presets() {
        let (client, [one, _]) = two_sessions(options).await;
        for line in [
            line(&one),
            line(&one.replace(':', "%3a")),
            line(&format!("\"{one}\"")),
            line(&format!("\"{}\"", percent_encoded(one.as_bytes()))),
            format!("\t connect.sid \t= {one} \t"),
            format!(";;; =x; connect.sid; {}; connect.sid;", line(&one)),
        ] {
            assert_eq!(views(&client, &[&line]).await, "1", "{line}");
        }
    }
}

#[tokio::test]
async fn of_several_cookies_the_first_that_verifies_counts_or_for_express_the_first() {
    let cases = presets().into_iter().zip([false, true]).flat_map(|case| [(case.clone(), 0), (case, 1)]);
    for ((options, is_express), way) in cases {
        let (client, values) = two_sessions(options).await;
        let [one, two] = values.map(|value| written(&value)[way].clone());
        let (one, two, forged) = (line(&one), line(&two), line("s:forged.signature"));
        let later = |views: &'static str| if is_express { "0" } else { views };
        let odd = [&b"connect.sid=s:\xff\xfe"[..], b"; ", one.as_bytes()].concat();
        let cases = [
            (vec![format!("{one}; {two}")], "1"),
            (vec![format!("{two}; {one}")], "2"),
            (vec![format!("{two}; {forged}")], "2"),
            (vec![format!("{two};{one}")], "2"),
            (vec![format!("a=b; {two}; {forged}")], "2"),
            (vec![format!("{forged}; {two}; {one}")], later("2")),
            (vec![format!("connect.sid=; {one}")], later("1")),
            (vec![format!("connect.sid; {one}")], "1"),
            (vec!["a=b".to_owned(), one.clone(), two.clone()], "1"),
            (vec![forged, "a=b".to_owned(), one.clone()], later("1")),
            (vec![line(&"x".repeat(10_000)), one.clone()], later("1")),
        ];
        for (lines, expected) in cases {
            assert_eq!(views(&client, &lines).await, expected, "{lines:?}, express: {is_express}");
        }
        assert_eq!(views(&client, &[odd]).await, later("1"), "express: {is_express}");
    }
}

#[tokio::test]
async fn a_cookie_left_over_from_a_session_that_is_gone_does_not_hide_the_living_one() {
    for (options, expected) in [(Options::default(), "2"), (Options::express(), "0")] {
        let (client, [one, other]) = two_sessions(options).await;
        let request = Request::get("/destroy").header("cookie", line(&one));
        client.send_without_jar(request).await;
        for (one, other) in written(&one).iter().zip(written(&other)) {
            assert_eq!(views(&client, &[format!("{}; {}", line(one), line(&other))]).await, expected);
        }
    }
}

#[tokio::test]
async fn long_cookies_lead_to_nobody_and_long_neighbours_do_not_matter() {
    for options in presets() {
        let (client, [one, _]) = two_sessions(options).await;
        let signature = one.rsplit_once('.').unwrap().1;
        for len in [4_000, 10_000, 100_000] {
            assert_eq!(views(&client, &[line(&format!("s:{}.{signature}", "x".repeat(len)))]).await, "0", "{len}");
        }
        let mut lines: Vec<_> = (0..10).map(|number| format!("other{number}={}", "y".repeat(10_000))).collect();
        lines.push(line(&one));
        assert_eq!(views(&client, &lines).await, "1");
        assert_eq!(views(&client, &[format!("{}{}", "a;".repeat(50_000), line(&one))]).await, "1");
    }
    // Browsers send no more than 4096 bytes, so what is longer can't be ours, whatever the signature says.
    let long = |_: &_| SessionId::random().unwrap().as_str().repeat(50);
    for options in presets() {
        let (client, [one, _]) = two_sessions(options.genid(long)).await;
        assert_eq!(views(&client, &[line(&one)]).await, "1");
        assert_eq!(views(&client, &[line(&percent_encoded(one.as_bytes()))]).await, "0");
    }
}

#[tokio::test]
async fn odd_bytes_neither_hurt_a_neighbour_nor_lead_to_anybody() {
    for options in presets() {
        let (client, [one, _]) = two_sessions(options).await;
        // All other control characters are refused by the HTTP parser before any cookie is read.
        for byte in (0x80..=0xff).chain([b'\t', b'"', b'\\', b',', b'%', b'=']) {
            let beside = [b"a=", &[byte][..], b"b; ", &[byte], b"; ", line(&one).as_bytes(), b"; ", &[byte]].concat();
            assert_eq!(views(&client, &[beside]).await, "1", "{byte:#x} in a neighbour");
            let at = |position: usize| {
                let (start, end) = one.as_bytes().split_at(position);
                [b"connect.sid=", start, &[byte], end].concat()
            };
            for position in [1, 2, 10, one.len() - 1] {
                assert_eq!(views(&client, &[at(position)]).await, "0", "{byte:#x} at {position} of ours");
            }
        }
        for byte in (0..0x20).chain([0x7f]).filter(|byte| !b"\t\r\n".contains(byte)) {
            let line = [line(&one).as_bytes(), &[byte]].concat();
            let reply = client.send_without_jar(Request::get("/read").header("cookie", line)).await;
            assert_eq!(reply.status, 400, "{byte:#x}");
        }
    }
}

#[tokio::test]
async fn a_name_is_compared_byte_by_byte() {
    let cookie = CookieOptions::default().secure(Secure::On);
    for options in presets() {
        let options = options.name("__Host-sid").cookie(cookie.clone()).proxy(Proxy::AssumeTls);
        let (client, [one, _]) = two_sessions(options).await;
        assert_eq!(views(&client, &[format!("__Host-sid={one}")]).await, "1");
        for name in [
            "__%48ost-sid",
            "%5F%5FHost-sid",
            "__Host%2dsid",
            "__host-sid",
            "__Host-sid%20",
            "\"__Host-sid\"",
            "\u{a0}__Host-sid",
            "__Host-sid\u{a0}",
            "\u{2003}__Host-sid",
            "\u{3000}__Host-sid",
            "\u{feff}__Host-sid",
            "\u{85}__Host-sid",
            "x__Host-sid",
            "__Host-sidx",
            "$__Host-sid",
            "a=__Host-sid",
            "a,__Host-sid",
        ] {
            assert_eq!(views(&client, &[format!("{name}={one}")]).await, "0", "{name}");
        }
        // No other blanks are trimmed off a value either.
        for blank in ["\u{a0}", "\u{2003}", "\u{3000}", "\u{85}"] {
            assert_eq!(views(&client, &[format!("__Host-sid={one}{blank}")]).await, "0", "{blank:?} behind");
            assert_eq!(views(&client, &[format!("__Host-sid={blank}{one}")]).await, "0", "{blank:?} before");
        }
    }
}

/// Serves the session on every path, below `/app` in nested routers too.
async fn everywhere(options: Options) -> Client {
    let inner = Router::new().route("/x", get(read)).nest("/deep", Router::new().route("/y", get(read)));
    let app = Router::new()
        .route("/plain", get(async || "plain"))
        .route("/optional", get(async |session: Option<Session<Visit, Initialized>>| session.is_some().to_string()))
        .nest("/app", inner)
        .nest("/other", Router::new().route("/app", get(read)))
        .fallback(read)
        .layer(layer(options));
    serve(app).await
}

fn is_outside(reply: &Reply) -> bool {
    match reply.status {
        200 => false,
        500 => {
            assert!(reply.body.contains("outside the path") && reply.body.contains("cookie.path"), "{}", reply.body);
            true
        }
        other => unreachable!("{other} {}", reply.body),
    }
}

#[tokio::test]
async fn a_session_exists_on_the_cookies_path_only() {
    // The last two: whether it is within, by the safe rules and by express-session's.
    let cases = [
        ("/app", "/app", true, true),
        ("/app", "/app?a=b", true, true),
        ("/app", "/app/", true, true),
        ("/app", "/app/x", true, true),
        ("/app", "/app/deep/y", true, true),
        ("/app/deep", "/app/deep/y", true, true),
        ("/app/deep", "/app/x", false, false),
        ("/app", "/apple", false, true),
        ("/app", "/app%2Fx", false, true),
        ("/app", "/App", false, false),
        ("/app", "/", false, false),
        ("/app", "/?/app", false, false),
        ("/app", "/other/app", false, false),
        ("/app", "/optional", false, false),
        ("/app", "//app", false, false),
        ("/app/", "/app", false, false),
        ("/app/", "/app/x", true, true),
        ("/x", "/app/x", false, false),
        ("/", "/anything", true, true),
    ];
    for (cookie_path, path, safe, express) in cases {
        for (options, within) in presets().into_iter().zip([safe, express]) {
            let mut client = everywhere(options.cookie(CookieOptions::default().path(cookie_path))).await;
            let reply = client.get(path).await;
            assert_eq!(is_outside(&reply), !within, "{cookie_path} and {path}");
            assert_eq!(client.get("/plain").await.body, "plain", "a handler without a session is not concerned");
        }
    }
}

#[tokio::test]
async fn a_layer_within_a_nested_router_matches_the_original_path() {
    for (cookie_path, within) in [("/app", true), ("/app/x", true), ("/x", false)] {
        for options in presets() {
            let options = options.cookie(CookieOptions::default().path(cookie_path));
            let inner = Router::new().route("/x", get(read)).layer(layer(options));
            let reply = serve(Router::new().nest("/app", inner)).await.get("/app/x").await;
            assert_eq!(is_outside(&reply), !within, "{cookie_path}");
        }
    }
}

#[tokio::test]
async fn cookie_settings_made_for_a_request_hold_for_it() {
    let options = Options::default().cookie_with(|request| match request.uri.path() {
        "/strict" => CookieOptions::default().same_site(SameSite::Strict).path("/strict"),
        "/domain" => CookieOptions::default().domain("example.com").http_only(false),
        "/outside" => CookieOptions::default().path("/elsewhere"),
        _ => CookieOptions::default(),
    });
    let client = serve(Router::new().fallback(see).layer(layer(options))).await;
    for (path, expected) in [
        ("/strict", "; HttpOnly; SameSite=Strict; Path=/strict"),
        ("/domain", "; SameSite=Lax; Path=/; Domain=example.com"),
        ("/", "; HttpOnly; SameSite=Lax; Path=/"),
    ] {
        let reply = client.another().get(path).await;
        let attributes = reply.set_cookie().find(';').map(|end| &reply.set_cookie()[end..]);
        assert_eq!(attributes, Some(expected), "{path}");
    }
    assert!(is_outside(&client.another().get("/outside").await));
}

#[tokio::test]
async fn what_is_made_for_a_request_of_a_nested_router_has_its_original_path_beside_the_rest() {
    fn paths(request: &Parts) -> String {
        let original = request.extensions.get::<OriginalUri>().map(|original| original.path());
        format!("{} of {}", request.uri.path(), original.unwrap_or("none"))
    }
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (cookies, ids) = (Arc::clone(&seen), Arc::clone(&seen));
    let options = Options::default()
        .cookie_with(move |request| {
            cookies.lock().unwrap().push(paths(request));
            CookieOptions::default()
        })
        .genid(move |request| {
            ids.lock().unwrap().push(paths(request));
            "fixed".to_owned()
        });
    let inner = Router::new().route("/x", get(see));
    let within = inner.clone().layer(layer(options.clone()));
    for (app, expected) in [
        (Router::new().nest("/app", within), "/x of /app/x"),
        // Nobody asks for the session before the handler does.
        (Router::new().nest("/app", inner.clone()).layer(layer(options.clone())), "/x of /app/x"),
        (Router::new().nest("/app", inner).layer(layer(options.eager(true))), "/app/x of /app/x"),
    ] {
        serve(app).await.get("/app/x").await;
        assert_eq!(std::mem::take(&mut *seen.lock().unwrap()), [expected; 2]);
    }
}

#[tokio::test]
async fn bad_cookie_settings_for_a_request_are_its_error() {
    for (options, is_eager) in presets().into_iter().zip([false, true]) {
        let options = options
            .cookie_with(|request| match request.uri.query() {
                Some("bad") => CookieOptions::default().domain("not a domain"),
                _ => CookieOptions::default(),
            })
            .on_error(|error| {
                let cause = std::error::Error::source(error).map(ToString::to_string);
                assert!(matches!(error, SessionError::Cookie(ConfigError::Domain { .. })), "{error:?}");
                let mut response = axum::http::Response::new(cause.unwrap_or_default().into());
                *response.status_mut() = error.status();
                response
            });
        let mut client = everywhere(options).await;
        let reply = client.get("/app/x?bad").await;
        assert_eq!(reply.status, 500);
        assert!(reply.body.contains("cookie.domain") && reply.body.contains("not a domain"), "{}", reply.body);
        assert_eq!(client.get("/plain?bad").await.status, if is_eager { 500 } else { 200 });
        assert_eq!(client.get("/app/x").await.status, 200);
    }
}
