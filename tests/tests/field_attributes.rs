//! `extract`, `redact`, and values that are read once.

#![deny(missing_docs)]

use axum::Router;
use axum::response::Redirect;
use axum::routing::{get, post};
use session::{MemoryStore, Session, SessionLayer, Uninitialized};
use session_tests::{Client, secret, serve};

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
