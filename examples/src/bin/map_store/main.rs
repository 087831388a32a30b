//! A store of one's own in fewer than 100 lines, under the views counter. `docs/writing-a-store.md` explains it.
//!
//! ```sh
//! cargo run -p examples --bin map_store
//! curl -c jar -b jar http://127.0.0.1:3000/    # views: 1
//! curl -c jar -b jar http://127.0.0.1:3000/    # views: 2
//! ```

mod store;

use std::env;
use std::error::Error;

use axum::Router;
use axum::routing::get;
use session::{Secret, Session, SessionLayer};
use tokio::net::TcpListener;

use crate::store::MapStore;

#[derive(Session)]
struct Visit {
    views: u64,
}

async fn count(mut session: Session<Visit>) -> String {
    let views = session.views + 1;
    session.set_views(views);
    format!("views: {views}\n")
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let sessions = SessionLayer::<Visit>::new(MapStore::default(), Secret::random()?);
    let app = Router::new().route("/", get(count)).layer(sessions);

    let port = env::var("PORT").unwrap_or_else(|_| "3000".to_owned());
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}
