//! The views counter of express-session's README: every path is counted apart.
//!
//! ```sh
//! cargo run -p examples --bin counter
//! curl -c jar -b jar http://127.0.0.1:3000/    # welcome! views: 1
//! curl -c jar -b jar http://127.0.0.1:3000/    # views: 2
//! ```
//!
//! With `-- --max-age 60` the session ends after 60 seconds without a visit, and the page tells how many are left.

use std::collections::BTreeMap;
use std::env;
use std::error::Error;
use std::fmt::Write;
use std::time::Duration;

use axum::Router;
use axum::http::Uri;
use axum::routing::get;
use session::{CookieOptions, MemoryStore, Options, Secret, Session, SessionLayer};
use tokio::net::TcpListener;

#[derive(Session)]
struct Visit {
    /// How often each path was seen.
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
async fn main() -> Result<(), Box<dyn Error>> {
    let mut cookie = CookieOptions::default();
    if let Some(seconds) = argument("--max-age") {
        cookie = cookie.max_age(Duration::from_secs(seconds.parse()?));
    }
    let options = Options::default().cookie(cookie);
    let sessions = SessionLayer::<Visit>::with_options(MemoryStore::new(), Secret::random()?, options)?;
    let app = Router::new().fallback(get(count)).layer(sessions);

    let port = env::var("PORT").unwrap_or_else(|_| "3000".to_owned());
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}

/// The value after an argument's name on the command line.
fn argument(name: &str) -> Option<String> {
    env::args().skip_while(|argument| argument != name).nth(1)
}
