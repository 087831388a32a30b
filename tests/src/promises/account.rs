//! An app whose visitors log in and out, and whose requests can be held while they use a session.

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use serde::Deserialize;
use session::{Initialized, Options, Session, SessionError, SessionLayer, Sessions, Store};

use crate::{Gate, Visitor, secret};

/// A visitor's login.
#[derive(Session)]
pub(super) struct Account {
    #[session(index)]
    pub(super) user: Option<String>,
    note: u64,
}

/// The ways in which a request writes the session that it has loaded.
pub(super) const WAYS: [&str; 4] = ["commit", "save", "touch", "rotate"];

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Way {
    Commit,
    Save,
    Touch,
    Rotate,
}

type LoggedIn = Session<Account, Initialized>;

/// The app: its visitors, the gate at which `POST /late/{way}` waits, and its sessions.
pub(super) struct App {
    pub(super) visitor: Visitor,
    pub(super) gate: Gate,
    pub(super) sessions: Sessions<Account>,
}

impl App {
    /// The visitors' cookies are sent with every response that may have one.
    pub(super) fn new(store: impl Store) -> Self {
        let (gate, options) = (Gate::default(), Options::default().rolling(true));
        let layer = SessionLayer::<Account>::with_options(store, secret(), options).expect("options that fit");
        let sessions = layer.sessions();
        let app = Router::new()
            .route("/log_in/{user}", post(log_in))
            .route("/user", get(async |session: Session<Account>| session.user.clone().unwrap_or_default()))
            .route("/late/{way}", post(write_late))
            .route("/now/{way}", post(async |Path(way): Path<Way>, session: LoggedIn| write(way, session).await))
            .route(
                "/destroy",
                post(async |session: LoggedIn| session.destroy().await.map(drop).map_err(SessionError::from)),
            )
            .route("/rotate", post(async |mut session: LoggedIn| session.rotate_id().await))
            .route("/regenerate", post(regenerate));
        Self { visitor: Visitor::new(app.with_state(gate.clone()).layer(layer)), gate, sessions }
    }

    /// A visitor who has logged in, and the id of the session.
    pub(super) async fn logged_in(&self, user: &str) -> (Visitor, String) {
        let mut visitor = self.visitor.another();
        let reply = visitor.post(&format!("/log_in/{user}")).await;
        assert_eq!((reply.status, visitor.cookie.is_some()), (200, true), "{}", reply.body);
        (visitor, reply.body)
    }
}

async fn log_in(Path(user): Path<String>, mut session: Session<Account>) -> Result<String, SessionError> {
    session.set_user(Some(user));
    Ok(session.id()?.as_str().to_owned())
}

async fn regenerate(session: LoggedIn) -> Result<(), SessionError> {
    session.regenerate().await?.initialize();
    Ok(())
}

async fn write_late(State(gate): State<Gate>, Path(way): Path<Way>, session: LoggedIn) -> Result<(), SessionError> {
    gate.pass().await;
    write(way, session).await
}

async fn write(way: Way, mut session: LoggedIn) -> Result<(), SessionError> {
    let note = session.note + 1;
    match way {
        Way::Commit => session.set_note(note),
        Way::Save => {
            session.set_note(note);
            session.save().await?;
        }
        Way::Touch => session.touch(),
        Way::Rotate => session.rotate_id().await?,
    }
    Ok(())
}
