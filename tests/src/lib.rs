//! What the integration tests share: a server on loopback, a client with a cookie jar, and stores that watch or fail.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that can't go on fails")]

pub mod backend;
mod client;
pub mod database;
mod gate;
mod planted;
pub mod postgres;
mod process;
pub mod promises;
mod proxy;
pub mod redis;
pub mod requirements;
mod stores;
mod visitor;

pub use client::{Client, Reply, Request};
pub use gate::Gate;
pub use planted::Planted;
pub use process::Process;
pub use proxy::{Loss, Proxy};
pub use stores::{Fault, FaultyStore, Operation};
pub use visitor::Visitor;

use axum::Router;
use tokio::net::TcpListener;

/// The code in the migration guide compiles, and its assertions hold.
#[cfg(doctest)]
#[doc = include_str!("../../docs/from-express-session.md")]
struct FromExpressSession;

/// So does that in the guide to writing a store.
#[cfg(doctest)]
#[doc = include_str!("../../docs/writing-a-store.md")]
struct WritingAStore;

/// And that in the guide to changes of the schema.
#[cfg(doctest)]
#[doc = include_str!("../../docs/schema-changes.md")]
struct SchemaChanges;

/// A crate of 2021, where `gen` is no keyword, has a field of that name.
///
/// ```edition2021
/// use session::{Session, SessionData};
///
/// #[derive(Session)]
/// struct Visit {
///     #[session(index, merge = sum)]
///     gen: u32,
/// }
///
/// fn next(session: &mut Session<Visit>) {
///     let gen = session.gen + 1;
///     session.set_gen(gen);
/// }
///
/// assert_eq!(Visit::initial().gen, 0);
/// ```
#[cfg(doctest)]
struct FieldNamedGen;

/// Serves the app on a free port of loopback until the test's runtime ends; gives a client without cookies.
pub async fn serve(app: Router) -> Client {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound address");
    tokio::spawn(async move { axum::serve(listener, app).await });
    Client::new(address)
}

/// A secret for tests.
#[must_use]
pub fn secret() -> session::Secret {
    session::Secret::new([7; 32]).expect("32 bytes")
}
