//! Writing a record: whole, or in place of an older one.

use std::borrow::Cow;
use std::mem;

use serde::ser::Error as _;
use serde_json::Error;

use super::cookie_json::CookieJson;
use super::entries::Entries;
use super::fields::{FieldTexts, longest_text};
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
    fn has_cookie(&self) -> bool {
        !self.absent.cookie_too || self.cookie.original_max_age_millis().is_some()
    }

    fn write_cookie(&self, json: &mut Vec<u8>) -> Result<(), Error> {
        match self.absent.usual.filter(|usual| usual.is_of(self.cookie)) {
            Some(usual) => usual.write(self.cookie, json),
            None => serde_json::to_writer(json, &CookieJson { cookie: self.cookie, absent: self.absent.attributes }),
        }
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
    let mut object = Object::with_capacity(512);
    object.cookie(frame)?;
    object.fields(fields, texts, FieldSet::ALL)?;
    object.optional_pair(META_KEY, frame.meta_json()?)?;
    Ok(object.finish())
}

/// What a session leaves behind under the id that it had. To Node it is an empty session.
pub(crate) fn moved(frame: &Frame<'_>, moved: &Moved) -> Result<Vec<u8>, Error> {
    let mut object = Object::with_capacity(256);
    object.cookie(frame)?;
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
    let mut lacks_cookie = frame.has_cookie();
    let mut meta = frame.meta_json()?;
    let mut missing = changed;
    let mut object = Object::with_capacity(old.len() + 64);
    let old = str::from_utf8(old).map_err(Error::custom)?;
    // The pairs that stay, up to the next one that doesn't.
    let mut staying = 0..0;
    for entry in Entries::knowing(old, frame.absent.usual)? {
        let entry = entry?;
        let field = changed.iter().find(|index| fields.get(*index).is_some_and(|field| field.answers_to(&entry.key)));
        let place = match (&*entry.key, field) {
            (COOKIE_KEY, _) if mem::take(&mut lacks_cookie) => Place::HasCookie,
            (COOKIE_KEY, _) => Place::Has(None),
            (META_KEY, _) if serde_json::from_str::<Meta>(entry.value).ok() == Some(frame.meta) => {
                // What a newer version of this library keeps there stays.
                meta = None;
                Place::Stays
            }
            (META_KEY, _) => Place::Has(meta.take().map(Cow::Owned)),
            (_, None) => Place::Stays,
            (key, Some(index)) => {
                // Under its own name a field keeps its place; under an older one it moves to the end.
                let is_named = fields.get(index).is_some_and(|field| field.name == key);
                let text = if is_named && missing.remove(index) { texts.get(index) } else { None };
                Place::Has(text.map(Cow::Borrowed))
            }
        };
        if matches!(place, Place::Stays) {
            staying = if staying.is_empty() { entry.start } else { staying.start }..entry.end();
            continue;
        }
        object.pairs(old.get(mem::take(&mut staying)));
        match place {
            Place::Has(Some(value)) => object.verbatim(entry.raw_key, &value),
            Place::HasCookie => {
                object.verbatim(entry.raw_key, b"");
                frame.write_cookie(&mut object.0)?;
            }
            Place::Stays | Place::Has(None) => {}
        }
    }
    object.pairs(old.get(staying));
    if lacks_cookie {
        object.cookie(frame)?;
    }
    object.fields(fields, texts, missing)?;
    object.optional_pair(META_KEY, meta)?;
    Ok(object.finish())
}

/// What becomes of a pair of an older record.
enum Place<'a> {
    Stays,
    /// Another value, or none.
    Has(Option<Cow<'a, [u8]>>),
    HasCookie,
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

    /// The frame's cookie, if it has one.
    fn cookie(&mut self, frame: &Frame<'_>) -> Result<(), Error> {
        if frame.has_cookie() {
            self.pair(COOKIE_KEY, b"")?;
            frame.write_cookie(&mut self.0)?;
        }
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

    /// Pairs as they stood in another object.
    fn pairs(&mut self, pairs: Option<&str>) {
        if let Some(pairs) = pairs.filter(|pairs| !pairs.is_empty()) {
            self.separate();
            self.0.extend_from_slice(pairs.as_bytes());
        }
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
