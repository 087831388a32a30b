//! The views counter of express-session's README: every path is counted apart.
//!
//! ```sh
//! cargo run -p examples --bin counter
//! curl -c jar -b jar http://127.0.0.1:3000/    # welcome! views: 1
//! curl -c jar -b jar http://127.0.0.1:3000/    # views: 2
//! ```
//!
//! The sessions are in memory, and end with the program. With another store they survive it: stop this with Ctrl-C, start
//! it again, and go on counting.
//!
//! ```sh
//! cargo run -p examples --bin counter -- --store sqlite:sessions.db
//! ```
//!
//! So must the secret that signs the cookies. For SQLite it is in `sessions.db.secret`, which the first start makes, for
//! its owner's eyes only. For a server, set it, the same for every process:
//!
//! ```sh
//! export SESSION_SECRET=$(openssl rand -base64 32)
//! cargo run -p examples --bin counter -- --store redis://127.0.0.1:6379
//! ```
//!
//! `redis+cluster://…`, `postgres://…` and `mysql://…` are the other stores.
//!
//! With `-- --max-age 60` the session ends after 60 seconds without a visit, and the page tells how many are left.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use axum::Router;
use axum::http::Uri;
use axum::routing::get;
use examples::{Failure, argument};
use session::{CookieOptions, Options, Session, SessionLayer};

#[derive(Session)]
struct Visit {
    /// How often each path was seen: the sums of what parallel requests count.
    #[session(merge = sum)]
    views: BTreeMap<String, u64>,
}

async fn count(uri: Uri, mut session: Session<Visit>) -> String {
    let views = session.views_mut().entry(uri.path().to_owned()).or_default();
    *views += 1;
    let mut page = if *views == 1 { "welcome! ".to_owned() } else { String::new() };
    let _ = writeln!(page, "views: {views}");
    if let Some(left) = session.cookie().max_age() {
        let _ = writeln!(page, "expires in: {} s", left.as_secs_f32().round());
    }
    page
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut cookie = CookieOptions::default();
    if let Some(seconds) = argument("--max-age") {
        cookie = cookie.max_age(Duration::from_secs(seconds.parse()?));
    }
    let options = Options::default().cookie(cookie);
    let url = argument("--store").unwrap_or_else(|| "memory".to_owned());
    let store = examples::open_store(&url).await?;
    let sessions = SessionLayer::<Visit>::with_options(store, examples::secret(&url)?, options)?;
    examples::serve(Router::new().fallback(get(count)).layer(sessions)).await?;
    Ok(())
}
