#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

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
#[cfg(feature = "redis")]
pub use crate::store::RedisStore;
#[cfg(feature = "sqlite")]
pub use crate::store::SqliteStore;
pub use crate::store::{Cached, Store, Timestamp};
pub use crate::tower::{ResponseFuture, SessionLayer, SessionService};
pub use crate::transport::Transport;
#[doc = include_str!("derive.md")]
pub use session_derive::Session;
