//! Writing a record: whole, or in place of an older one.

use serde::ser::Error as _;
use serde_json::Error;

use super::cookie_json::CookieJson;
use super::fields::{FieldTexts, longest_text};
use super::read::for_each_entry;
use super::{Absent, COOKIE_KEY, META_KEY, Meta, Moved};
use crate::cookie::SessionCookie;
use crate::field::{Field, FieldSet};

/// What stands in a record beside the fields.
pub(crate) struct Frame<'a> {
    pub(crate) cookie: &'a SessionCookie,
    pub(crate) absent: Absent<'a>,
    pub(crate) meta: Meta,
}

impl Frame<'_> {
    fn cookie_json(&self) -> Result<Option<Vec<u8>>, Error> {
        if self.absent.cookie_too && self.cookie.original_max_age_millis().is_none() {
            return Ok(None);
        }
        let usual = self.absent.usual.and_then(|usual| usual.write(self.cookie));
        let unusual = || serde_json::to_vec(&CookieJson { cookie: self.cookie, absent: self.absent.attributes });
        usual.unwrap_or_else(unusual).map(Some)
    }

    /// How long it is in a record, or longer.
    pub(crate) fn size_at_most(&self) -> usize {
        // Keys, braces and values that are no texts.
        const REST: usize = 384;
        let attributes = self.cookie.attributes();
        REST + longest_text(&attributes.path) + attributes.domain.as_deref().map_or(0, longest_text)
    }

    fn meta_json(&self) -> Result<Option<Vec<u8>>, Error> {
        if self.meta.is_empty() { Ok(None) } else { serde_json::to_vec(&self.meta).map(Some) }
    }
}

/// A new record: the cookie first, then the fields, then what this library adds.
pub(crate) fn write(fields: &'static [Field], texts: &FieldTexts, frame: &Frame<'_>) -> Result<Vec<u8>, Error> {
    let mut object = Object::with_capacity(256);
    object.optional_pair(COOKIE_KEY, frame.cookie_json()?)?;
    object.fields(fields, texts, FieldSet::ALL)?;
    object.optional_pair(META_KEY, frame.meta_json()?)?;
    Ok(object.finish())
}

/// What a session leaves behind under the id that it had. To Node it is an empty session.
pub(crate) fn moved(frame: &Frame<'_>, moved: &Moved) -> Result<Vec<u8>, Error> {
    let mut object = Object::with_capacity(256);
    object.optional_pair(COOKIE_KEY, frame.cookie_json()?)?;
    object.pair(META_KEY, &serde_json::to_vec(moved)?)?;
    Ok(object.finish())
}

/// The record `old` with another frame and other values for the `changed` fields; everything else stays byte for
/// byte. A changed field without a text is taken out.
pub(crate) fn splice(
    old: &[u8],
    fields: &'static [Field],
    changed: FieldSet,
    texts: &FieldTexts,
    frame: &Frame<'_>,
) -> Result<Vec<u8>, Error> {
    let mut cookie = frame.cookie_json()?;
    let mut meta = frame.meta_json()?;
    let mut missing = changed;
    let mut object = Object::with_capacity(old.len() + 64);
    let old = str::from_utf8(old).map_err(Error::custom)?;
    for_each_entry(old, |entry| {
        let field = changed.iter().find(|index| fields.get(*index).is_some_and(|field| field.answers_to(&entry.key)));
        match (&*entry.key, field) {
            (COOKIE_KEY, _) => cookie.take().iter().for_each(|cookie| object.verbatim(entry.raw_key, cookie)),
            (META_KEY, _) if serde_json::from_str::<Meta>(entry.value).ok() == Some(frame.meta) => {
                // What a newer version of this library keeps there stays.
                meta = None;
                object.verbatim(entry.raw_key, entry.value.as_bytes());
            }
            (META_KEY, _) => meta.take().iter().for_each(|meta| object.verbatim(entry.raw_key, meta)),
            (_, None) => object.verbatim(entry.raw_key, entry.value.as_bytes()),
            (key, Some(index)) => {
                // Under its own name a field keeps its place; under an older one it moves to the end.
                let is_named = fields.get(index).is_some_and(|field| field.name == key);
                if is_named && missing.remove(index) {
                    texts.get(index).into_iter().for_each(|text| object.verbatim(entry.raw_key, text));
                }
            }
        }
    })?;
    object.optional_pair(COOKIE_KEY, cookie)?;
    object.fields(fields, texts, missing)?;
    object.optional_pair(META_KEY, meta)?;
    Ok(object.finish())
}

/// A JSON object that is written pair by pair.
struct Object(Vec<u8>);

impl Object {
    fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    fn pair(&mut self, key: &str, value: &[u8]) -> Result<(), Error> {
        self.separate();
        serde_json::to_writer(&mut self.0, key)?;
        self.0.push(b':');
        self.0.extend_from_slice(value);
        Ok(())
    }

    fn optional_pair(&mut self, key: &str, value: Option<Vec<u8>>) -> Result<(), Error> {
        value.map_or(Ok(()), |value| self.pair(key, &value))
    }

    fn fields(&mut self, fields: &[Field], texts: &FieldTexts, wanted: FieldSet) -> Result<(), Error> {
        texts
            .iter()
            .filter(|(index, _)| wanted.contains(*index))
            .filter_map(|(index, text)| Some((fields.get(index)?.name, text)))
            .try_for_each(|(name, text)| self.pair(name, text))
    }

    /// `raw_key` is a key as it stood in another object, with its colon.
    fn verbatim(&mut self, raw_key: &str, value: &[u8]) {
        self.separate();
        self.0.extend_from_slice(raw_key.as_bytes());
        self.0.extend_from_slice(value);
    }

    fn separate(&mut self) {
        self.0.push(if self.0.is_empty() { b'{' } else { b',' });
    }

    fn finish(mut self) -> Vec<u8> {
        if self.0.is_empty() {
            self.0.push(b'{');
        }
        self.0.push(b'}');
        self.0
    }
}
