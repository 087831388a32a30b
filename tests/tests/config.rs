//! Configuration: what is refused when a layer is built, in words that name the option, and what is never shown.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that can't go on fails")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use session::{
    ConfigError, CookieOptions, Keyring, LiveState, MemoryStore, Options, Priority, Proxy, SameSite, Secret, Secure,
    Session, SessionError, SessionId, SessionLayer, SessionRejection, Store,
};
use session_tests::{Fault, FaultyStore, Operation, secret, serve};

#[derive(Session)]
struct Visit {
    views: u32,
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn build(options: Options) -> Result<SessionLayer<Visit>, ConfigError> {
    SessionLayer::with_options(MemoryStore::new(), secret(), options)
}

fn default() -> CookieOptions {
    CookieOptions::default()
}

/// The error's text, which is a sentence part that names the option.
fn assert_names(error: &ConfigError, option: &str, found: &str) {
    let text = error.to_string();
    assert!(text.contains(&format!("`{option}`")), "{text} should name {option}");
    assert!(text.contains(found), "{text} should say {found}");
    assert!(!text.ends_with('.'), "{text}");
}

#[test]
fn a_secret_is_neither_empty_nor_short() {
    let refused = |secret: Result<Secret, ConfigError>, found: &str| {
        assert_names(&secret.err().unwrap_or_else(|| panic!("{found}")), "secret", found);
    };
    refused(Secret::new(""), "empty");
    refused(Secret::new([]), "empty");
    refused(Secret::legacy(""), "empty");
    refused(Secret::new("x"), "1 bytes");
    refused(Secret::new("keyboard cat"), "12 bytes");
    refused(Secret::new([0; 31]), "31 bytes");
    // Bytes count, not characters.
    refused(Secret::new("é".repeat(15)), "30 bytes");
    assert_names(&Keyring::try_from(Vec::new()).unwrap_err(), "secret", "empty list");

    for bytes in [&[0; 32][..], &[7; 33], &[255; 4096], "é".repeat(16).as_bytes()] {
        assert!(Secret::new(bytes).is_ok());
    }
    for bytes in [&[0][..], b"keyboard cat", &[0xff; 31], &[1; 32]] {
        assert!(Secret::legacy(bytes).is_ok());
    }
    assert!(Secret::random().is_ok());
}

#[test]
fn a_legacy_secret_builds_a_layer_alone_or_in_a_keyring() {
    let short = Secret::legacy("keyboard cat").unwrap();
    assert!(SessionLayer::<Visit>::with_options(MemoryStore::new(), short.clone(), Options::express()).is_ok());
    let keyring = Keyring::new(secret()).with_older(short);
    assert!(SessionLayer::<Visit>::with_options(MemoryStore::new(), keyring, Options::default()).is_ok());
}

#[test]
fn a_name_is_a_token() {
    for name in [
        "", " ", "a b", "a=b", "a;b", "a,b", "a\tb", "a\nb", "a\0", "a\"b", "(a)", "a/b", "a:b", "<a>", "a@b", "[a]",
        "a?", "{a}", "a\\b", "é", "名", "\u{7f}",
    ] {
        for options in [Options::default(), Options::express()] {
            assert_names(&build(options.name(name)).unwrap_err(), "name", &format!("{name:?}"));
        }
    }
    for name in ["a", "connect.sid", "SID", "!#$%&'*+-.^_`|~0", "__Host", "__Secure", "x__Host-sid"] {
        assert!(build(Options::default().name(name)).is_ok(), "{name}");
    }
}

#[test]
fn a_prefix_of_the_name_asks_for_its_settings_in_any_letter_case() {
    let secure = || default().secure(Secure::On);
    let cases = [
        // The option to change, if there is one.
        ("__Host-sid", default(), Some("cookie.secure")),
        ("__Host-sid", default().secure(Secure::Off), Some("cookie.secure")),
        ("__Host-sid", secure().domain("example.com"), Some("cookie.domain")),
        ("__Host-sid", secure().path("/app"), Some("cookie.path")),
        ("__HOST-sid", default(), Some("cookie.secure")),
        ("__host-sid", secure().domain("example.com"), Some("cookie.domain")),
        ("__hOsT-", secure().path("/app"), Some("cookie.path")),
        ("__Secure-sid", default(), Some("cookie.secure")),
        ("__SECURE-sid", default().secure(Secure::Off), Some("cookie.secure")),
        ("__secure-", default(), Some("cookie.secure")),
        ("__Host-sid", secure(), None),
        ("__host-sid", secure().max_age(DAY).same_site(SameSite::None).partitioned(true), None),
        ("__Secure-sid", secure().domain("example.com").path("/app"), None),
        ("__Hostsid", default(), None),
    ];
    for (name, cookie, option) in cases {
        for options in [Options::default(), Options::express()] {
            match (build(options.name(name).cookie(cookie.clone())), option) {
                (Ok(_), None) => {}
                (Err(error), Some(option)) => {
                    let prefix = if name.to_ascii_lowercase().starts_with("__host-") { "__Host-" } else { "__Secure-" };
                    assert_names(&error, option, prefix);
                    assert_names(&error, "name", "begins with");
                }
                (built, _) => panic!("{name} {cookie:?}: {built:?}"),
            }
        }
    }
}

#[test]
fn cookie_settings_that_can_not_be_are_refused() {
    let label = "a".repeat(63);
    let long = [label.as_str(); 4].join(".");
    let bad = [
        ("path", default().path(""), "\"\""),
        ("path", default().path("app"), "\"app\""),
        ("path", default().path(" /app"), "\" /app\""),
        ("path", default().path("/a;b"), "\"/a;b\""),
        ("path", default().path("/a\r\nSet-Cookie: b=c"), "begins with `/`"),
        ("path", default().path("/\0"), "begins with `/`"),
        ("path", default().path("/é"), "\"/é\""),
        ("domain", default().domain(""), "\"\""),
        ("domain", default().domain("."), "\".\""),
        ("domain", default().domain("..example.com"), "host name"),
        ("domain", default().domain("example..com"), "host name"),
        ("domain", default().domain("example.com."), "host name"),
        ("domain", default().domain("example.com; Secure"), "host name"),
        ("domain", default().domain("example.com:80"), "host name"),
        ("domain", default().domain("https://example.com"), "host name"),
        ("domain", default().domain(" example.com"), "host name"),
        ("domain", default().domain("*.example.com"), "host name"),
        ("domain", default().domain("exämple.com"), "host name"),
        ("domain", default().domain(long), "host name"),
        ("max_age", default().max_age(400 * DAY + Duration::from_nanos(1)), "400 days"),
        ("max_age", default().max_age(Duration::MAX), "400 days"),
    ];
    for (option, cookie, found) in bad {
        for options in [Options::default(), Options::express()] {
            assert_names(&build(options.cookie(cookie.clone())).unwrap_err(), &format!("cookie.{option}"), found);
        }
    }
    for cookie in [
        default().path("/app/a b/~?%20\"'"),
        default().domain("example.com"),
        default().domain(".example.com"),
        default().domain("localhost"),
        default().domain("127.0.0.1"),
        default().domain("xn--exmple-cua.com"),
        default().max_age(400 * DAY),
        default().max_age(Duration::from_millis(1)),
        default().priority(Priority::Low).http_only(false),
        CookieOptions::express(),
    ] {
        for options in [Options::default(), Options::express()] {
            let built = build(options.cookie(cookie.clone()));
            assert!(built.is_ok(), "{cookie:?}: {built:?}");
        }
    }
}

#[test]
fn what_browsers_refuse_without_secure_is_refused_but_for_express_session() {
    let off = || default().secure(Secure::Off);
    for (option, cookie) in [
        ("cookie.same_site", off().same_site(SameSite::None)),
        ("cookie.partitioned", off().partitioned(true)),
        ("cookie.partitioned", CookieOptions::express().partitioned(true)),
    ] {
        let error = build(Options::default().cookie(cookie.clone())).unwrap_err();
        assert_names(&error, option, "`cookie.secure`");
        assert!(build(Options::express().cookie(cookie)).is_ok(), "{option}");
    }
    for secure in [Secure::On, Secure::Auto] {
        let cookie = default().secure(secure).same_site(SameSite::None).partitioned(true);
        assert!(build(Options::default().cookie(cookie)).is_ok());
    }
    assert!(build(Options::default().cookie(off().same_site(SameSite::Auto))).is_ok());
}

#[test]
fn durations_that_must_not_be_zero_are_refused_at_zero() {
    let zero = Duration::ZERO;
    let tiny = Duration::from_nanos(1);
    for options in [Options::default, Options::express] {
        for (option, bad, good) in [
            ("ttl", options().ttl(zero), options().ttl(tiny)),
            ("store_timeout", options().store_timeout(zero), options().store_timeout(tiny)),
            ("absolute_timeout", options().absolute_timeout(zero), options().absolute_timeout(tiny)),
        ] {
            assert_names(&build(bad).unwrap_err(), option, "zero");
            assert!(build(good).is_ok(), "{option}");
        }
        assert!(build(options().touch_after(zero)).is_ok(), "every request then renews");
        assert!(
            build(options().ttl(Duration::MAX).store_timeout(Duration::MAX).absolute_timeout(Duration::MAX)).is_ok()
        );
    }
}

#[test]
fn the_first_bad_option_is_enough_and_the_good_ones_go_together() {
    assert!(build(Options::default()).is_ok());
    assert!(build(Options::express()).is_ok());
    let options = Options::default()
        .name("__Host-sid")
        .cookie(default().secure(Secure::On).same_site(SameSite::Strict).max_age(DAY))
        .rolling(true)
        .proxy(Proxy::TrustForwardedProto)
        .max_size(None)
        .hash_ids(true);
    assert!(build(options.clone()).is_ok());
    assert!(build(options.ttl(Duration::ZERO)).is_err());
    // What is made for a request is looked at there.
    assert!(build(Options::default().cookie_with(|_| default().path("no/slash"))).is_ok());
}

/// Nothing that would let anybody in, in either form of `Debug`.
fn assert_silent(shown: &impl std::fmt::Debug, told: &str) {
    let text = format!("{shown:?} {shown:#?}");
    for secret in ["hush", "104, 117, 115, 104", "68757368", "mum-is-the-word"] {
        assert!(!text.contains(secret), "{text}");
    }
    assert!(text.contains(told), "{text} should tell {told}");
}

#[tokio::test]
async fn debug_shows_neither_secrets_nor_ids() {
    let secret = Secret::new("hush".repeat(8)).unwrap();
    let keyring = Keyring::new(secret.clone()).with_older(Secret::legacy("hush").unwrap());
    let id = SessionId::new("mum-is-the-word").unwrap();
    assert_silent(&secret, "Secret(..)");
    assert_silent(&keyring, "Keyring");
    assert_silent(&id, "SessionId(#");
    assert_silent(&Secret::new("hush").unwrap_err(), "SecretShort");
    assert_silent(&SessionId::new("mum-is-the-word".repeat(1000)).unwrap_err(), "InvalidId");

    let options = Options::default().genid(|_| "mum-is-the-word".to_owned());
    assert_silent(&options, "connect.sid");
    let store = FaultyStore::new(MemoryStore::new());
    let layer = SessionLayer::<Visit>::with_options(store.clone(), keyring, options).unwrap();
    assert_silent(&layer, "SessionLayer");

    let errors = Arc::new(Mutex::new(Vec::new()));
    let (first, second) = (Arc::clone(&errors), Arc::clone(&errors));
    let write = async move |mut session: Session<Visit>| {
        session.set_views(1);
        session.id().unwrap();
        assert_silent(&session, "views");
        assert_silent(session.cookie(), "SessionCookie");
        let state = session.state();
        assert_silent(&state, "Initialized");
        let LiveState::Initialized(mut session) = state else { panic!("it was written to") };
        if let Err(error) = session.save().await {
            first.lock().unwrap().push(error);
        }
    };
    let destroy = async move |session: Session<Visit>| {
        let error = session.destroy().await.unwrap_err();
        assert_silent(&error, "TransitionError");
        second.lock().unwrap().push(SessionError::from(error));
    };
    let app = Router::new().route("/", get(write)).route("/destroy", get(destroy)).layer(layer);
    let mut client = serve(app).await;
    assert_eq!(client.get("/").await.status, 200);
    assert_silent(&store.all(None, 10).await.unwrap(), "SessionId(#");
    assert_silent(&store.load(&id, None).await.unwrap(), "Record(");

    // Another visitor gets the same id at every try.
    client.another().get("/").await;
    store.inject(Operation::Destroy, Fault::Error);
    client.get("/destroy").await;
    let errors = std::mem::take(&mut *errors.lock().unwrap());
    assert!(matches!(errors[..], [SessionError::IdTaken { .. }, SessionError::Store(_)]), "{errors:?}");
    for error in errors {
        assert_silent(&error.to_string(), "session");
        assert_silent(&SessionRejection::from(error), "Session(");
    }
}
