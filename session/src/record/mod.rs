//! A stored session: the JSON that express-session stores, its expiry and its revision.
//!
//! ```json
//! {"cookie": {"originalMaxAge": null, "expires": null, "httpOnly": true, "path": "/"}, "views": 1}
//! ```
//!
//! `cookie` comes first, then the fields of the session type. What this library adds stands under `$session`, and only
//! when there is something to say. This is the only room that knows the JSON.

mod cookie_json;
mod decoded;
mod entries;
mod fields;
mod find;
mod index;
mod read;
mod revision;
mod size;
mod write;

use std::any::Any;
use std::fmt;
use std::num::{NonZeroI64, NonZeroU32};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::cookie::CookieOptions;
use crate::field::FieldSet;
use crate::timestamp::Timestamp;

pub use index::IndexKey;
pub use revision::Revision;

pub(crate) use cookie_json::UsualCookie;
pub(crate) use decoded::Decoded;
pub(crate) use fields::FieldTexts;
pub(crate) use read::{is_foreign, read};
pub(crate) use size::SizeAtMost;
pub(crate) use write::{Frame, Older, moved, splice, write};

/// A session as a store keeps it: a JSON text, or, as long as it doesn't leave this process, the session itself, whose
/// text is made when somebody asks for it.
///
/// Cloning is cheap. `Debug` shows nothing of it.
#[derive(Clone)]
pub struct Record(Arc<dyn Form>);

/// What a record is made of.
pub(crate) trait Form: Any + Send + Sync {
    fn json(&self) -> &Bytes;

    /// In milliseconds.
    fn max_age(&self) -> Option<i64>;

    fn index(&self) -> Option<&[IndexKey]>;

    fn accumulates(&self) -> bool;

    /// The length of the text, or more, if it isn't made yet.
    fn size(&self) -> usize;

    /// The text, or an older one and the fields that have changed since; none if the type knows all there is.
    fn known_text(&self) -> Option<(&Bytes, FieldSet)>;
}

impl Record {
    /// The record with this JSON text. The text is checked when a session is read from it, not before.
    pub fn from_json(json: impl Into<Bytes>) -> Self {
        Self(Arc::new(Text { json: json.into(), index: None, accumulates: false }))
    }

    /// The record with these keys under which it is to be found.
    #[must_use]
    pub fn with_index(self, index: impl Into<Arc<[IndexKey]>>) -> Self {
        let (json, accumulates) = (self.json().clone(), self.accumulates());
        Self(Arc::new(Text { json, index: Some(index.into()), accumulates }))
    }

    /// The record's JSON text. It is made at the first call, if the record is a session that never left this process.
    #[must_use]
    pub fn json(&self) -> &Bytes {
        self.0.json()
    }

    /// How long this record asks to be kept from each renewal on, that is, its cookie's `originalMaxAge`; none if its
    /// cookie lasts until the browser closes, or if no cookie can be read from the text.
    #[must_use]
    pub fn max_age(&self) -> Option<Duration> {
        Some(Duration::from_millis(u64::try_from(self.0.max_age()?).unwrap_or(0)))
    }

    /// The keys under which the record is to be found from now on: all of them, in place of those that it had. None if
    /// its session type has no indexed fields, or if it comes from a store that keeps them elsewhere.
    #[must_use]
    pub fn index(&self) -> Option<&[IndexKey]> {
        self.0.index()
    }

    /// Whether the record adds to what was stored before, as a counter's next value does: merged into itself, it would
    /// be another one. A store that lost the reply to an update, and finds a record that is neither the old one nor this
    /// one, must then report an error: nobody knows whether the update is part of what it finds.
    #[must_use]
    pub fn accumulates(&self) -> bool {
        self.0.accumulates()
    }

    pub(crate) fn of<F: Form>(form: Arc<F>) -> Self {
        Self(form)
    }

    /// A text that stands for a typed record.
    pub(crate) fn text_of(form: &dyn Form) -> Self {
        let (json, index) = (form.json().clone(), form.index().map(Arc::from));
        Self(Arc::new(Text { json, index, accumulates: form.accumulates() }))
    }

    pub(crate) fn form(&self) -> &dyn Form {
        &*self.0
    }

    /// The typed content, if that is what the record is made of.
    pub(crate) fn into_decoded<T: Send + Sync + 'static>(self) -> Result<Arc<Decoded<T>>, Self> {
        let form: &dyn Any = &*self.0;
        if !form.is::<Decoded<T>>() {
            return Err(self);
        }
        let form: Arc<dyn Any + Send + Sync> = self.0;
        Ok(form.downcast().unwrap_or_else(|_| unreachable!("its type was looked at")))
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Record(..)")
    }
}

struct Text {
    json: Bytes,
    index: Option<Arc<[IndexKey]>>,
    accumulates: bool,
}

impl Form for Text {
    fn json(&self) -> &Bytes {
        &self.json
    }

    fn max_age(&self) -> Option<i64> {
        read::max_age(&self.json)
    }

    fn index(&self) -> Option<&[IndexKey]> {
        self.index.as_deref()
    }

    fn accumulates(&self) -> bool {
        self.accumulates
    }

    fn size(&self) -> usize {
        self.json.len()
    }

    fn known_text(&self) -> Option<(&Bytes, FieldSet)> {
        Some((&self.json, FieldSet::EMPTY))
    }
}

/// What a record means by what it doesn't say.
#[derive(Clone, Copy)]
pub(crate) struct Absent<'a> {
    /// The cookie attributes that it leaves out.
    pub(crate) attributes: &'a Arc<CookieOptions>,
    /// Whether the `cookie` part itself may be left out, as in token sessions, which have no cookie.
    pub(crate) cookie_too: bool,
    /// The `cookie` part of most records, if one is to be expected.
    pub(crate) usual: Option<&'a UsualCookie>,
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

/// What this library stores beside the session's fields, under `$session`. No number is zero, which keeps it small.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Meta {
    /// The version of the session type, if it isn't 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    v: Option<NonZeroU32>,
    /// When the session began, in milliseconds since 1970; kept for sessions with an absolute timeout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    created: Option<NonZeroI64>,
    /// A random number of the write, if it added to what was stored before: two requests that count from one to two
    /// write two texts, so that a store that lost a reply knows its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    w: Option<NonZeroU32>,
}

impl Meta {
    pub(crate) fn new(version: u32, created: Option<Timestamp>) -> Self {
        let created = created.and_then(|created| NonZeroI64::new(created.as_millis()));
        Self { v: None, created, w: None }.with_version(version)
    }

    pub(crate) fn version(self) -> u32 {
        self.v.map_or(1, NonZeroU32::get)
    }

    pub(crate) fn with_version(self, version: u32) -> Self {
        Self { v: NonZeroU32::new(version).filter(|version| version.get() != 1), ..self }
    }

    pub(crate) fn with_mark(self, w: Option<NonZeroU32>) -> Self {
        Self { w, ..self }
    }

    /// Whether both are of one marked write, or of what others made of it that mark nothing.
    pub(crate) fn has_mark_of(self, other: Self) -> bool {
        self.is_marked() && self.w == other.w
    }

    pub(crate) fn is_marked(self) -> bool {
        self.w.is_some()
    }

    /// The same of a session that began then, if nothing says when it did.
    pub(crate) fn or_created(self, created: Timestamp) -> Self {
        Self { created: self.created.or(NonZeroI64::new(created.as_millis())), ..self }
    }

    pub(crate) fn created_at(self) -> Option<Timestamp> {
        self.created.map(|created| Timestamp::from_millis(created.get()))
    }

    fn is_empty(self) -> bool {
        self == Self::default()
    }
}

/// The keys that a session's fields can't have.
const COOKIE_KEY: &str = "cookie";
const META_KEY: &str = "$session";
