//! `extract`, `redact`, and values that are read once.

#![deny(missing_docs)]
#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

use std::collections::BTreeMap;
use std::error::Error;
use std::iter::successors;
use std::time::Duration;

use axum::Router;
use axum::response::{Redirect, Response};
use axum::routing::{get, post};
use serde::ser::Error as _;
use serde::{Deserialize, Serialize, Serializer};
use session::store::Record;
use session::{MemoryStore, Options, Session, SessionData, SessionId, SessionLayer, Store, Timestamp, Uninitialized};
use session_tests::{Client, Request, secret, serve};

/// A session with extractors.
#[derive(Session)]
pub struct Visit {
    /// Who has logged in.
    #[session(extract = CurrentUser)]
    pub user: Option<String>,
    /// The colours.
    #[session(default = "light".to_owned(), extract)]
    pub theme: String,
    #[session(redact)]
    token: Option<String>,
    flash: Option<String>,
}

async fn app() -> Client {
    let layer = SessionLayer::<Visit>::new(MemoryStore::new(), secret());
    let app = Router::new()
        .route("/user", get(async |CurrentUser(user): CurrentUser| user))
        .route("/maybe", get(async |user: Option<CurrentUser>| user.map_or("nobody".to_owned(), |user| user.0)))
        .route("/theme", get(async |theme: VisitTheme| format!("{} {}", *theme, theme.len())))
        .route(
            "/both",
            get(async |user: CurrentUser, theme: VisitTheme, session: Session<Visit>| {
                format!("{} {} {}", *user, *theme, session.theme)
            }),
        )
        .route(
            "/login",
            post(async |mut session: Session<Visit>| {
                session.set_user(Some("ada".to_owned()));
                session.set_theme("dark".to_owned());
                session.set_token(Some("hunter2".to_owned()));
                session.set_flash(Some("welcome".to_owned()));
                Redirect::to("/flash")
            }),
        )
        .route("/flash", get(async |mut session: Session<Visit>| session.take_flash().unwrap_or_default()))
        .route("/debug", get(async |session: Session<Visit>| format!("{session:?} {:?}", *session)))
        .route("/debug-new", get(async |session: Session<Visit, Uninitialized>| format!("{session:?}")))
        .route(
            "/debug-gone",
            post(async |session: Session<Visit>| session.destroy().await.map(|session| format!("{session:?}"))),
        )
        .layer(layer);
    serve(app).await
}

#[tokio::test]
async fn a_field_is_extracted_by_itself() {
    let mut client = app().await;
    assert_eq!(client.get("/user").await.status, 401);
    assert_eq!(client.get("/maybe").await.body, "nobody");
    assert_eq!(client.get("/theme").await.body, "light 5");
    assert!(client.jar.is_empty(), "extracting begins no session");

    client.post("/login").await;
    assert_eq!(client.get("/user").await.body, "ada");
    assert_eq!(client.get("/maybe").await.body, "ada");
    assert_eq!(client.get("/theme").await.body, "dark 4");
    assert_eq!(client.get("/both").await.body, "ada dark dark");
}

#[tokio::test]
async fn a_flash_value_is_read_once() {
    let mut client = app().await;
    client.post("/login").await;
    assert_eq!(client.get("/flash").await.body, "welcome");
    assert_eq!(client.get("/flash").await.body, "");
}

#[tokio::test]
async fn debug_shows_every_field_but_the_redacted_ones() {
    let mut client = app().await;
    assert!(client.get("/debug-new").await.body.contains(r#"theme: "light""#));
    client.post("/login").await;
    let shown = client.get("/debug").await.body;
    for part in [r#"user: "ada""#, r#"theme: "dark""#, "token: <redacted>", r#"flash: "welcome""#] {
        assert_eq!(shown.matches(part).count(), 2, "{part} in {shown}");
    }
    assert!(!shown.contains("hunter2"), "{shown}");
    let gone = client.post("/debug-gone").await.body;
    assert!(!gone.contains("ada"), "{gone}");
}

/// Which card somebody pays with.
#[derive(Clone, Serialize, Deserialize)]
enum Card {
    Debit,
}

/// Redacted values of several types.
#[derive(Session)]
struct Payment {
    #[session(redact)]
    #[serde(alias = "pin_code")]
    pin: u32,
    #[session(redact, default = Card::Debit)]
    card: Card,
    #[session(redact)]
    secrets: BTreeMap<String, u32>,
    shown: u32,
}

/// All that is said of a stored session with this field when it is read.
async fn complaint<T: SessionData>(field: &str) -> String {
    let (store, id) = (MemoryStore::new(), SessionId::random().unwrap());
    let record = Record::from_json(format!("{{{field}}}"));
    let expires = Timestamp::now().saturating_add(Duration::from_secs(60));
    store.create(&id, record, expires).await.unwrap();
    let options = Options::express_token().on_error(|error| Response::new(said_of(error).into()));
    let layer = SessionLayer::<T>::with_options(store, secret(), options).unwrap();
    let client = serve(Router::new().route("/", get(async |_: Session<T>| ())).layer(layer)).await;
    client.send_without_jar(Request::get("/").header("x-auth_token", id.as_str())).await.body
}

fn said_of(error: &(dyn Error + 'static)) -> String {
    successors(Some(error), |&error| error.source()).map(|error| format!("{error} {error:?}\n")).collect()
}

#[tokio::test]
async fn the_error_of_a_record_shows_no_redacted_value() {
    for (name, field) in [
        ("pin", r#""pin":"hunter2""#),
        ("pin", r#""p\u0069n":"hunter2""#),
        ("pin_code", r#""shown":1,"pin_code":"hunter2""#),
        ("card", r#""card":"hunter2""#),
        ("secrets", r#""secrets":{"hunter2":"hunter2"}"#),
    ] {
        let said = complaint::<Payment>(field).await;
        assert!(said.contains(&format!("the value of `{name}`, which is redacted, doesn't fit its type")), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
    let said = complaint::<Payment>(r#""shown":"hunter3""#).await;
    assert!(said.contains(r#"invalid type: string "hunter3""#), "{said}");
}

/// Says in its error what it is.
fn refused<S: Serializer>(value: &str, _: S) -> Result<S::Ok, S::Error> {
    Err(S::Error::custom(format_args!("{value} is no word")))
}

/// Fields that can't be written.
#[derive(Session)]
struct Unwritable {
    #[serde(serialize_with = "refused")]
    #[session(redact)]
    token: String,
}

#[tokio::test]
async fn the_error_of_a_save_shows_no_redacted_value() {
    let options = Options::default().on_error(|error| Response::new(said_of(error).into()));
    let layer = SessionLayer::<Unwritable>::with_options(MemoryStore::new(), secret(), options).unwrap();
    let change = async |mut session: Session<Unwritable>| session.set_token("hunter2".to_owned());
    let app = Router::new().route("/", get(change)).layer(layer);
    let said = serve(app).await.get("/").await.body;
    assert!(said.contains("the value of `token`, which is redacted, can't be written"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
}
