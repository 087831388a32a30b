//! The errors, by who has to act on them: [`ConfigError`] is for the one who builds the layer, [`StoreError`] for the
//! one who runs the store, [`SessionError`] for the handler, [`SessionRejection`] for the client.

use std::error::Error as StdError;
use std::time::Duration;

type BoxError = Box<dyn StdError + Send + Sync>;

/// A setting that can't be used. Reported when the layer, a secret or a cookie's settings are built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The secret has no bytes. Give [`Secret::new`](crate::Secret::new) at least 32 random ones.
    #[error("`secret` is empty: generate one with at least 32 random bytes")]
    SecretEmpty,
    /// The secret has fewer than 32 bytes.
    #[error("`secret` has {len} bytes, fewer than 32: generate a longer one, or take this one with `Secret::legacy`")]
    SecretShort {
        /// How many bytes it has.
        len: usize,
    },
    /// The system's source of random bytes failed.
    #[error("no random bytes for a secret")]
    Random(#[source] BoxError),
    /// A list of secrets without a secret.
    #[error("`secret` is an empty list: the first secret signs, so there must be one")]
    SecretsEmpty,
    /// The cookie's name is no token of RFC 6265 §4.1.1.
    #[error("`name` is {name:?}, but a cookie's name is one or more visible ASCII characters without separators")]
    Name {
        /// The name as it was given.
        name: String,
    },
    /// The name's `__Host-` or `__Secure-` prefix asks for settings that the cookie doesn't have (RFC 6265bis §4.1.3).
    #[error("`name` begins with `{prefix}`, so {rule}")]
    Prefix {
        /// The prefix of the name.
        prefix: &'static str,
        /// What it asks for.
        rule: &'static str,
    },
    /// The cookie's path does not begin with `/`, or has a control character or `;`.
    #[error("`cookie.path` is {path:?}, but a path begins with `/` and has neither `;` nor control characters")]
    Path {
        /// The path as it was given.
        path: String,
    },
    /// The cookie's domain is no host name.
    #[error("`cookie.domain` is {domain:?}, but a domain is a host name such as `example.com`")]
    Domain {
        /// The domain as it was given.
        domain: String,
    },
    /// `SameSite=None` or `Partitioned` without `Secure`: browsers refuse such a cookie.
    #[error("`cookie.{attribute}` needs `cookie.secure` to be on or auto: browsers refuse the cookie otherwise")]
    NeedsSecure {
        /// The attribute: `same_site` or `partitioned`.
        attribute: &'static str,
    },
    /// A maximum age of more than 400 days (RFC 6265bis §5.5).
    #[error("`cookie.max_age` is {} s, more than the 400 days that browsers keep a cookie", .max_age.as_secs())]
    MaxAge {
        /// The age as it was given.
        max_age: Duration,
    },
    /// A header for tokens that has another meaning.
    #[error(
        "`transport` is the header `{header}`, which has a meaning of its own: take another one, or `Transport::Bearer`"
    )]
    Transport {
        /// The header's name.
        header: String,
    },
    /// Unsigned ids in a cookie.
    #[error(
        "`signature` is `Unsigned`, but the id in a cookie must be signed: choose a token transport, or a signature"
    )]
    Unsigned,
    /// A grace for old ids of more than a minute.
    #[error("`rotate_grace` is {} s, more than a minute: a grace is for requests that are under way", .grace.as_secs())]
    Grace {
        /// The grace as it was given.
        grace: Duration,
    },
    /// A table's name that would have to be quoted, or that leaves no room for the names of its indexes.
    #[error("`table` is {table:?}, but a table's name is up to 50 letters, digits and underscores, no digit first")]
    Table {
        /// The name as it was given.
        table: String,
    },
    /// A duration of zero where one is needed.
    #[error("`{option}` is zero")]
    Zero {
        /// The option's name.
        option: &'static str,
    },
}

/// The store did not do what it was asked. Nothing is known about the session: it is neither gone nor changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The store's own error. Its cause is the [`source`](StdError::source).
    #[error("the session store failed")]
    Backend(#[source] BoxError),
    /// No answer within [`Options::store_timeout`](crate::Options::store_timeout), or a limit of the store's own.
    #[error("the session store gave no answer within {} ms", .after.as_millis())]
    Timeout {
        /// How long it was waited for.
        after: Duration,
    },
    /// The store holds as many sessions as it may. Raise the limit, or shorten the sessions' life.
    #[error("the session store is full: it may hold {limit} sessions")]
    Full {
        /// How many it may hold.
        limit: usize,
    },
}

impl StoreError {
    /// An error of the store's own, with `source` as its cause.
    pub fn new(source: impl Into<BoxError>) -> Self {
        Self::Backend(source.into())
    }
}

/// An operation on a session that failed. The session in the store is as it was, unless the variant says otherwise.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The store failed: try again later. A handler that returns it answers 503.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The session was destroyed, given another id, or has expired since it was loaded, so there is nothing to save or
    /// to reload; for a new session, nothing was stored yet.
    #[error("the session is no longer, or not yet, in the store")]
    Gone,
    /// The stored record can't be read as this session type. It is kept; see [`Options::on_invalid`](crate::Options::on_invalid).
    #[error("the stored session can't be read as `{session}`")]
    Decode {
        /// The session type.
        session: &'static str,
        /// What is wrong with the record.
        source: BoxError,
    },
    /// A field can't be written as JSON.
    #[error("the session `{session}` can't be written as JSON")]
    Encode {
        /// The session type.
        session: &'static str,
        /// What is wrong with the value.
        source: BoxError,
    },
    /// The record would be larger than [`Options::max_size`](crate::Options::max_size) allows.
    #[error("the session takes {size} bytes, more than the {limit} that `max_size` allows")]
    TooLarge {
        /// The record's size in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// Other requests changed the session at every try to save it. Try again later.
    #[error("the session could not be saved in {tries} tries, since other requests kept changing it")]
    Contended {
        /// How often it was tried.
        tries: u32,
    },
    /// Every id that `genid` gave is taken by another session.
    #[error("{tries} new session ids in a row were taken: `genid` must give ids that nobody has")]
    IdTaken {
        /// How often it was tried.
        tries: u32,
    },
    /// `genid` gave something that can't be an id.
    #[error("`genid` gave an id of {len} bytes, but an id has between 1 and 2048, none of them zero")]
    InvalidId {
        /// The length in bytes.
        len: usize,
    },
    /// The system's source of random bytes failed.
    #[error("no random bytes for a session id")]
    Random(#[source] BoxError),
    /// A new session, or a new id of one, was to be stored after the response had left, so that no cookie could lead to it.
    /// Nothing was stored. Do it once before the response, then keep the handle.
    #[error("a new session, or a new id, can't be stored after the response: no cookie would lead to it")]
    Unannounced,
    /// A new session was saved over a connection that its `Secure` cookie can't be sent on. It was not stored. Behind a
    /// proxy that terminates TLS, see [`Options::proxy`](crate::Options::proxy).
    #[error(
        "a new session can't be saved: its cookie is Secure, and the connection is not; behind a proxy, see `Options::proxy`"
    )]
    Insecure,
    /// The cookie settings of this request or session can't be used.
    #[error("the cookie settings of this session can't be used")]
    Cookie(#[source] ConfigError),
}

/// Why a request has no such session to extract, with the answer that the client gets.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionRejection {
    /// 500: no layer for this type stands before the handler.
    #[error(
        "no session layer for `{session}`: add `.layer(SessionLayer::<{session}>::new(store, secret))` to the router, after \
         its routes"
    )]
    NoLayer {
        /// The session type.
        session: &'static str,
    },
    /// 500: another handle on the session of this request lives.
    #[error("the session `{session}` is in use by another extractor of this request: let its handle go, or pass it on")]
    InUse {
        /// The session type.
        session: &'static str,
    },
    /// 500: the request's path lies outside the cookie's path.
    #[error(
        "the request is outside the path of the `{session}` cookie: mount the handler below it, or widen `cookie.path`"
    )]
    OutsidePath {
        /// The session type.
        session: &'static str,
    },
    /// 500: the session was destroyed or unset earlier in this request.
    #[error("the session `{session}` was destroyed or unset earlier in this request")]
    Ended {
        /// The session type.
        session: &'static str,
    },
    /// 401: the handler asks for an initialized session, and the visitor has none.
    #[error("this needs a session: sign in first")]
    Uninitialized,
    /// 409: the handler asks for a visitor without a session, and this one has a session.
    #[error("this is for visitors without a session: sign out first")]
    Initialized,
    /// 503 for a store that failed, 500 otherwise.
    #[error(transparent)]
    Session(#[from] SessionError),
}

impl SessionError {
    /// The status of a response that reports this error.
    #[must_use]
    pub const fn status(&self) -> http::StatusCode {
        match self {
            Self::Store(_) | Self::Contended { .. } => http::StatusCode::SERVICE_UNAVAILABLE,
            Self::Gone => http::StatusCode::UNAUTHORIZED,
            _ => http::StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The text of a response that reports this error: without ids, values or causes.
    #[must_use]
    pub const fn public_text(&self) -> &'static str {
        match self {
            Self::Store(_) | Self::Contended { .. } => "the session store is not available, try again later",
            Self::Gone => "the session has ended",
            _ => "the session can't be used",
        }
    }
}

impl SessionRejection {
    /// The status of the response: 401, 409, 500 or 503, as the variants say.
    #[must_use]
    pub const fn status(&self) -> http::StatusCode {
        match self {
            Self::Uninitialized => http::StatusCode::UNAUTHORIZED,
            Self::Initialized => http::StatusCode::CONFLICT,
            Self::Session(error) => error.status(),
            _ => http::StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}
