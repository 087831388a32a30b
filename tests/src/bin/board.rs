//! The board of the promises, as a process of its own: `board redis://127.0.0.1:6379 prefix:`, or
//! `board postgres://127.0.0.1/database`. Its first line tells its port.

use std::env;
use std::error::Error;
use std::sync::Arc;

use session::{Options, PostgresStore, RedisStore, Store};
use session_tests::promises::board;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let url = arguments.next().ok_or("the URL of a server is needed")?;
    let store: Arc<dyn Store> = if url.starts_with("redis:") {
        Arc::new(RedisStore::connect(url).await?.prefix(arguments.next().unwrap_or_default()))
    } else {
        Arc::new(PostgresStore::connect(&url).await?)
    };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}", listener.local_addr()?);
    axum::serve(listener, board::app(store, Options::default())).await?;
    Ok(())
}
