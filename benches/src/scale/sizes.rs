//! Sessions with much in them, of which a request needs little.

use axum::Router;
use axum::routing::get;
use session::{MemoryStore, Options, Session};
use tokio::runtime::Runtime;

use super::memory::nanos;
use crate::contestants::ours;
use crate::drive::{Driver, Route, VISITORS};
use crate::table::{Table, number};

const SIZES: [(&str, usize); 4] = [("100 B", 100), ("1 KB", 1_000), ("10 KB", 10_000), ("100 KB", 100_000)];

/// A long text, and a number that changes.
#[derive(session::Session)]
struct Draft {
    text: String,
    edits: u64,
}

pub(super) fn table(runtime: &Runtime) -> String {
    let mut table = Table::new(["session"].into_iter().chain(SIZES.map(|(name, _)| name)));
    let mut rows = [Route::Read, Route::Write].map(|route| (route, Vec::new()));
    for (_, size) in SIZES {
        let mut driver = Driver::over(runtime, app(size), VISITORS);
        for (route, cells) in &mut rows {
            cells.push(format!("{} ns", number(nanos(runtime, &mut driver, *route))));
        }
    }
    rows.into_iter().for_each(|(route, cells)| table.row(route.name(), cells));
    format!(
        "In memory, by the size of a session, of which a small field is read or changed; the router included.\n\n{table}"
    )
}

fn app(size: usize) -> Router {
    let log_in = async move |mut session: Session<Draft>| session.set_text("x".repeat(size));
    Router::new()
        .route("/read", get(async |session: Session<Draft>| session.edits.to_string()))
        .route("/write", get(write))
        .route("/login", get(log_in))
        .layer(ours::layer::<Draft>(MemoryStore::new(), Options::default()))
}

async fn write(mut session: Session<Draft>) -> String {
    let edits = session.edits + 1;
    session.set_edits(edits);
    edits.to_string()
}
