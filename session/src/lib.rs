//! Compile-time typed sessions for [axum](https://docs.rs/axum) and [tower](https://docs.rs/tower), with the rules of
//! [express-session](https://github.com/expressjs/session).
//!
//! You declare the session as a struct. The compiler knows its fields, what may be done with it in which state, and that
//! nobody uses it after it was destroyed.
//!
//! ```no_run
//! use axum::{Router, routing::get};
//! use session::{MemoryStore, Secret, Session, SessionLayer};
//!
//! #[derive(Session)]
//! struct Visit {
//!     #[session(merge = sum)] // what parallel requests add, adds up
//!     views: u32,
//! }
//!
//! async fn index(mut session: Session<Visit>) -> String {
//!     let views = session.views + 1; // a plain field read
//!     session.set_views(views);      // the only way to write
//!     format!("views: {views}")
//! }
//!
//! # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
//! let sessions = SessionLayer::<Visit>::new(MemoryStore::new(), Secret::random()?);
//! let app = Router::new().route("/", get(index)).layer(sessions);
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
//! axum::serve(listener, app).await?;
//! # Ok(()) }
//! ```
//!
//! # Where to look
//!
//! | for | see |
//! |---|---|
//! | the struct, and what its fields can be told | [`#[derive(Session)]`](macro@Session), [`merge`] |
//! | handlers | [`struct@Session`], its [states](state), [`SessionRejection`], [`SessionError`] |
//! | the middleware | [`SessionLayer`], [`Options`], [`CookieOptions`], [`Secret`], [`Keyring`], [`Transport`] |
//! | where sessions are kept | `MemoryStore`, `SqliteStore`, `PostgresStore`, `MySqlStore`, `RedisStore`, `RedisClusterStore`, each with the feature of its name; [`Cached`] over any of them |
//! | a store of one's own | [`store`], and with the feature `conformance` a kit that tests it |
//! | sessions from outside a request: a user's devices, logging out everywhere | [`SessionLayer::sessions`], [`Sessions`] |
//!
//! What the library says of itself, an error's cause above all, it says by [`tracing`](https://docs.rs/tracing): without a
//! subscriber, a 503 is all there is to see.
//!
//! The README has the whole story: the life of a session, all options beside those of express-session, what differs and
//! why, what each store promises, what it costs. The guides beside it go through schemas that change, moving a live site from
//! express-session, scaling, and writing a store.
#![cfg_attr(docsrs, feature(doc_cfg))]

/// The code in the README compiles, and its assertions hold.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadMe;

mod admin;
mod base64;
mod commit;
mod content;
mod context;
mod cookie;
mod data;
mod error;
mod field;
mod id;
mod lifecycle;
pub mod merge;
mod options;
mod record;
mod secret;
mod session;
mod slot;
pub mod state;
mod status;
pub mod store;
mod timestamp;
mod tower;
mod transport;
mod turns;

#[cfg(feature = "axum")]
mod axum;

/// Makes nothing: the extractors of `#[session(extract)]` are for axum.
#[cfg(not(feature = "axum"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __extractor {
    ($($anything:tt)*) => {};
}

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;

pub use crate::admin::{Index, Listing, Migration, MigrationProgress, Sessions, StoredSession};
pub use crate::cookie::{CookieOptions, Priority, SameSite, Secure, SessionCookie};
pub use crate::data::SessionData;
pub use crate::error::{ConfigError, SessionError, SessionRejection, StoreError};
pub use crate::field::Field;
pub use crate::id::SessionId;
pub use crate::lifecycle::Unset;
pub use crate::options::{OnInvalid, Options, Proxy, SecureConnection};
pub use crate::secret::{Keyring, Secret, Signature, Signer};
pub use crate::session::{LiveState, Session, TransitionError};
pub use crate::state::{Destroyed, Initialized, Live, Uninitialized};
#[cfg(feature = "memory")]
pub use crate::store::MemoryStore;
#[cfg(feature = "mysql")]
pub use crate::store::MySqlStore;
#[cfg(feature = "postgres")]
pub use crate::store::PostgresStore;
#[cfg(feature = "redis-cluster")]
pub use crate::store::RedisClusterStore;
#[cfg(feature = "redis")]
pub use crate::store::RedisStore;
#[cfg(feature = "sqlite")]
pub use crate::store::SqliteStore;
pub use crate::store::{Cached, Store, Timestamp};
pub use crate::tower::{ResponseFuture, SessionLayer, SessionService};
pub use crate::transport::Transport;
#[doc = include_str!("derive.md")]
pub use session_derive::Session;
