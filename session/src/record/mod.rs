//! A stored session: the JSON that express-session stores, its expiry and its revision.
//!
//! ```json
//! {"cookie": {"originalMaxAge": null, "expires": null, "httpOnly": true, "path": "/"}, "views": 1}
//! ```
//!
//! `cookie` comes first, then the fields of the session type. What this library adds stands under `$session`, and only
//! when there is something to say. This is the only room that knows the JSON.

mod cookie_json;
mod fields;
mod index;
mod read;
mod write;

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::cookie::{CookieOptions, SessionCookie};
use crate::timestamp::Timestamp;

pub use index::IndexKey;

pub(crate) use fields::FieldTexts;
pub(crate) use read::read;
pub(crate) use write::{Frame, moved, splice, write};

/// A session as a store keeps it: a JSON text, and beside it, where it never left this process, its decoded form.
///
/// Cloning is cheap. `Debug` shows the size only.
#[derive(Clone)]
pub struct Record {
    json: Bytes,
    decoded: Option<Arc<dyn Any + Send + Sync>>,
    /// In milliseconds; the outer option is none as long as the text wasn't read.
    max_age: Option<Option<i64>>,
    index: Option<Arc<[IndexKey]>>,
}

impl Record {
    /// The record with this JSON text. The text is checked when a session is read from it, not before.
    pub fn from_json(json: impl Into<Bytes>) -> Self {
        Self { json: json.into(), decoded: None, max_age: None, index: None }
    }

    /// The record with these keys under which it is to be found.
    #[must_use]
    pub fn with_index(mut self, index: impl Into<Arc<[IndexKey]>>) -> Self {
        self.index = Some(index.into());
        self
    }

    /// The record's JSON text.
    #[must_use]
    pub const fn json(&self) -> &Bytes {
        &self.json
    }

    /// How long this record asks to be kept from each renewal on, that is, its cookie's `originalMaxAge`; none if its
    /// cookie lasts until the browser closes, or if the text is no record.
    #[must_use]
    pub fn max_age(&self) -> Option<Duration> {
        let millis = self.max_age.unwrap_or_else(|| read::max_age(&self.json))?;
        Some(Duration::from_millis(u64::try_from(millis).unwrap_or(0)))
    }

    /// The keys under which the record is to be found from now on: all of them, in place of those that it had. None if
    /// its session type has no indexed fields, or if it comes from a store that keeps them elsewhere.
    #[must_use]
    pub fn index(&self) -> Option<&[IndexKey]> {
        self.index.as_deref()
    }

    pub(crate) fn with_decoded<T: Send + Sync + 'static>(json: Vec<u8>, decoded: Arc<Decoded<T>>) -> Self {
        let max_age = Some(decoded.cookie.original_max_age_millis());
        Self { json: json.into(), max_age, decoded: Some(decoded), index: None }
    }

    pub(crate) fn decoded<T: Send + Sync + 'static>(&self) -> Option<Arc<Decoded<T>>> {
        Arc::clone(self.decoded.as_ref()?).downcast().ok()
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Record({} bytes)", self.json.len())
    }
}

/// Which state of a record a store handed out: made by the store, and compared by it when the record is updated.
///
/// A counter, or a digest of the record; at most 32 bytes.
///
/// ```
/// use session::store::Revision;
///
/// assert_eq!(Revision::from(7), Revision::from(7));
/// assert_ne!(Revision::from(7), Revision::from([7; 32]));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Revision([u8; 32]);

impl Revision {
    /// The revision's bytes; those of a counter come first, in little-endian order.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<u64> for Revision {
    fn from(counter: u64) -> Self {
        let mut bytes = [0; 32];
        let (start, _) = bytes.split_at_mut(8);
        start.copy_from_slice(&counter.to_le_bytes());
        Self(bytes)
    }
}

impl From<[u8; 32]> for Revision {
    fn from(digest: [u8; 32]) -> Self {
        Self(digest)
    }
}

/// What a record means by what it doesn't say.
#[derive(Clone, Copy)]
pub(crate) struct Absent<'a> {
    /// The cookie attributes that it leaves out.
    pub(crate) attributes: &'a Arc<CookieOptions>,
    /// Whether the `cookie` part itself may be left out, as in token sessions, which have no cookie.
    pub(crate) cookie_too: bool,
}

/// A record's content, typed.
pub(crate) struct Decoded<T> {
    pub(crate) value: T,
    pub(crate) cookie: SessionCookie,
    pub(crate) meta: Meta,
    /// Whether the record has the form of an older version: the next save writes all fields.
    pub(crate) is_outdated: bool,
    /// Where the session is now, if this is what it left behind.
    pub(crate) moved: Option<Moved>,
}

/// What a session leaves behind under the id that it had, for requests that are under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Moved {
    /// The store's key of the session.
    #[serde(rename = "moved")]
    pub(crate) to: String,
    /// The end of the grace, in milliseconds since 1970.
    pub(crate) until: i64,
}

/// What this library stores beside the session's fields, under `$session`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Meta {
    /// The version of the session type, if it isn't 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    v: Option<u32>,
    /// When the session began, in milliseconds since 1970; kept for sessions with an absolute timeout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    created: Option<i64>,
}

impl Meta {
    pub(crate) fn new(version: u32, created: Option<Timestamp>) -> Self {
        Self { v: None, created: created.map(Timestamp::as_millis) }.with_version(version)
    }

    pub(crate) fn version(self) -> u32 {
        self.v.unwrap_or(1)
    }

    pub(crate) fn with_version(self, version: u32) -> Self {
        Self { v: (version != 1).then_some(version), ..self }
    }

    pub(crate) fn created_at(self) -> Option<Timestamp> {
        self.created.map(Timestamp::from_millis)
    }

    fn is_empty(self) -> bool {
        self == Self::default()
    }
}

/// The keys that a session's fields can't have.
const COOKIE_KEY: &str = "cookie";
const META_KEY: &str = "$session";
