//! An app whose requests change one session in parallel.

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::Path;
use axum::routing::{get, post};
use session::{LiveState, Options, Session, SessionLayer, Store};

use crate::secret;

/// What a visitor has on the board.
#[derive(Session)]
pub struct Board {
    #[session(merge = sum)]
    count: u64,
    #[session(merge = union)]
    marks: BTreeMap<String, u64>,
    a: u64,
    b: u64,
    c: u64,
    d: u64,
    e: u64,
    f: u64,
    g: u64,
    h: u64,
}

type Handler = Session<Board>;

/// How many of the numbers that `/set` takes are fields; the others are keys of a map.
pub const FIELDS: u64 = 8;

/// The app: `POST /begin`, `POST /add`, `POST /set/{number}`, `GET /count`, `GET /show`.
///
/// # Panics
/// If the options contradict themselves.
pub fn app(store: impl Store, options: Options) -> Router {
    let layer = SessionLayer::<Board>::with_options(store, secret(), options).expect("options that fit");
    Router::new()
        .route("/begin", post(begin))
        .route("/add", post(add))
        .route("/set/{number}", post(set))
        .route("/count", get(async |session: Handler| session.count.to_string()))
        .route("/show", get(show))
        .layer(layer)
}

async fn begin(session: Handler) {
    if let LiveState::Uninitialized(session) = session.state() {
        session.initialize();
    }
}

async fn add(mut session: Handler) -> String {
    let count = session.count + 1;
    session.set_count(count);
    count.to_string()
}

async fn set(Path(number): Path<u64>, mut session: Handler) {
    match number {
        0 => session.set_a(1),
        1 => session.set_b(1),
        2 => session.set_c(1),
        3 => session.set_d(1),
        4 => session.set_e(1),
        5 => session.set_f(1),
        6 => session.set_g(1),
        7 => session.set_h(1),
        _ => {
            session.marks_mut().insert(number.to_string(), number);
        }
    }
}

/// How many fields are set, and how many keys.
async fn show(session: Handler) -> String {
    let fields = [session.a, session.b, session.c, session.d, session.e, session.f, session.g, session.h];
    format!("{} fields, {} keys", fields.iter().sum::<u64>(), session.marks.len())
}
