//! Writing a record: whole, or in place of an older one.

use std::borrow::Cow;
use std::mem;
use std::ops::Range;

use serde::ser::Error as _;
use serde_json::Error;

use super::cookie_json::CookieJson;
use super::entries::Walk;
use super::fields::{FieldTexts, longest_text, write_key};
use super::{Absent, COOKIE_KEY, META_KEY, Meta, Moved};
use crate::cookie::SessionCookie;
use crate::field::{Field, FieldSet};

/// What stands in a record beside the fields.
pub(crate) struct Frame<'a> {
    pub(crate) cookie: &'a SessionCookie,
    pub(crate) absent: Absent<'a>,
    pub(crate) meta: Meta,
}

/// A record in whose place another one is to be written.
#[derive(Clone, Copy)]
pub(crate) struct Older<'a> {
    pub(crate) json: &'a [u8],
    /// What it says beside its cookie and its fields, if that is known.
    pub(crate) meta: Option<Meta>,
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

/// What many frames need at most; a longer one makes the record grow.
const USUAL_FRAME: usize = 160;

/// A new record: the cookie first, then the fields, then what this library adds.
pub(crate) fn write(texts: &FieldTexts, frame: &Frame<'_>) -> Result<Vec<u8>, Error> {
    let mut object = Object::with_capacity(texts.size() + USUAL_FRAME);
    object.cookie(frame)?;
    object.pairs(texts.pairs());
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

/// The record `older` with another frame and other values for the `changed` fields; everything else stays byte for
/// byte. A changed field without a text is taken out.
pub(crate) fn splice(
    Older { json: old, meta }: Older<'_>,
    fields: &'static [Field],
    changed: FieldSet,
    texts: &FieldTexts,
    frame: &Frame<'_>,
) -> Result<Vec<u8>, Error> {
    let mut pending = Pending::new(meta, fields, changed, texts, frame)?;
    let mut object = Object::with_capacity(old.len() + 64);
    let json = str::from_utf8(old).map_err(Error::custom)?;
    let mut walk = Walk::over(json, frame.absent.usual)?;
    // The pairs that stay, up to the next one that doesn't.
    let mut staying = 0..0;
    while let Some(key) = walk.next_key()? {
        let raw_key = walk.key_start()..walk.position();
        if pending.is_empty() {
            staying = joined(staying, raw_key.start..Walk::end_of_pairs(json)?);
            break;
        }
        let value = walk.skip_value()?;
        let place = pending.place(&key, value);
        if matches!(place, Place::Stays) {
            staying = joined(staying, raw_key.start..walk.position());
            continue;
        }
        object.pairs(old.get(mem::take(&mut staying)).unwrap_or_default());
        let raw_key = old.get(raw_key).unwrap_or_default();
        match place {
            Place::Has(Some(value)) => object.verbatim(raw_key, &value),
            Place::HasCookie => {
                object.verbatim(raw_key, b"");
                frame.write_cookie(&mut object.0)?;
            }
            Place::Stays | Place::Has(None) => {}
        }
    }
    object.pairs(old.get(staying).unwrap_or_default());
    if pending.cookie {
        object.cookie(frame)?;
    }
    object.fields(fields, texts, pending.fields)?;
    object.optional_pair(META_KEY, pending.meta)?;
    Ok(object.finish())
}

/// One range of both, of which the second follows the first, if there is a first.
fn joined(first: Range<usize>, second: Range<usize>) -> Range<usize> {
    if first.is_empty() { second } else { first.start..second.end }
}

/// What hasn't found its place in the older record yet.
struct Pending<'a> {
    cookie: bool,
    fields: FieldSet,
    meta: Option<Vec<u8>>,
    /// Whether the older record has nothing else that doesn't stay.
    is_all: bool,
    frame: &'a Frame<'a>,
    changed: FieldSet,
    descriptions: &'static [Field],
    texts: &'a FieldTexts,
}

impl<'a> Pending<'a> {
    fn new(
        older_meta: Option<Meta>,
        descriptions: &'static [Field],
        changed: FieldSet,
        texts: &'a FieldTexts,
        frame: &'a Frame<'_>,
    ) -> Result<Self, Error> {
        let has_alias = |index| descriptions.get(index).is_some_and(|field: &Field| !field.aliases.is_empty());
        let cookie = frame.has_cookie();
        let meta_stays = older_meta == Some(frame.meta);
        let meta = if meta_stays { None } else { frame.meta_json()? };
        let is_all = cookie && meta_stays && !changed.iter().any(has_alias);
        Ok(Self { cookie, fields: changed, meta, is_all, frame, changed, descriptions, texts })
    }

    /// Whether all that follows stays as it is.
    const fn is_empty(&self) -> bool {
        self.is_all && self.fields.is_empty() && !self.cookie
    }

    /// What becomes of a pair of the older record.
    fn place(&mut self, key: &str, value: &str) -> Place<'a> {
        match key {
            COOKIE_KEY if mem::take(&mut self.cookie) => Place::HasCookie,
            COOKIE_KEY => Place::Has(None),
            META_KEY if self.is_all || serde_json::from_str::<Meta>(value).ok() == Some(self.frame.meta) => {
                // What a newer version of this library keeps there stays.
                self.meta = None;
                Place::Stays
            }
            META_KEY => Place::Has(self.meta.take().map(Cow::Owned)),
            key => self.place_of_field(key),
        }
    }

    fn place_of_field(&mut self, key: &str) -> Place<'a> {
        // What serde passes over is somebody else's.
        let is_stored = |index: usize, field: &Field| !field.skipped || self.texts.get(index).is_some();
        let named = |index: &usize| {
            self.descriptions.get(*index).is_some_and(|field| field.answers_to(key) && is_stored(*index, field))
        };
        let Some(index) = self.changed.iter().find(named) else { return Place::Stays };
        // Under its own name a field keeps its place; under an older one it moves to the end.
        let is_own = self.descriptions.get(index).is_some_and(|field| field.name == key);
        let text = if is_own && self.fields.remove(index) { self.texts.get(index) } else { None };
        Place::Has(text.map(Cow::Borrowed))
    }
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
        for (index, text) in texts.iter().filter(|(index, _)| wanted.contains(*index)) {
            let Some(field) = fields.get(index) else { continue };
            self.separate();
            write_key(field, &mut self.0)?;
            self.0.extend_from_slice(text);
        }
        Ok(())
    }

    /// `raw_key` is a key as it stood in another object, with its colon.
    fn verbatim(&mut self, raw_key: &[u8], value: &[u8]) {
        self.separate();
        self.0.extend_from_slice(raw_key);
        self.0.extend_from_slice(value);
    }

    /// Pairs as they stood in another object.
    fn pairs(&mut self, pairs: &[u8]) {
        if !pairs.is_empty() {
            self.separate();
            self.0.extend_from_slice(pairs);
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that can't go on fails")]
mod tests {
    use std::sync::Arc;

    use serde::ser::{SerializeStruct, Serializer};
    use serde_json::{Value, json};

    use super::*;
    use crate::cookie::CookieOptions;
    use crate::record::Absent;
    use crate::record::entries::Entries;

    const FIELDS: &[Field] = &[Field::new("a", &[]), Field::new("b\n", &[]), Field::new("c", &["old"])];

    /// `a` may be a field that isn't stored when it is empty.
    fn texts(wanted: FieldSet, has_a: bool) -> FieldTexts {
        FieldTexts::of(FIELDS, wanted, |serializer| {
            let mut session = serializer.serialize_struct("Session", FIELDS.len())?;
            if has_a { session.serialize_field("a", "new a") } else { session.skip_field("a") }?;
            session.serialize_field("b\n", "new b")?;
            session.serialize_field("c", "new c")?;
            session.end()
        })
        .unwrap()
    }

    fn orders<'a>(pairs: &[&'a str]) -> Vec<Vec<&'a str>> {
        let Some((first, rest)) = pairs.split_first() else { return vec![Vec::new()] };
        let with_first = |order: Vec<&'a str>| {
            (0..=order.len()).map(move |place| [&order[..place], &[*first], &order[place..]].concat())
        };
        orders(rest).into_iter().flat_map(|order| with_first(order).collect::<Vec<_>>()).collect()
    }

    /// What a record says.
    fn said(json: &[u8]) -> Value {
        let value = serde_json::from_slice(json).unwrap();
        // No key stands there twice, which the parser wouldn't tell.
        let keys = Entries::of(str::from_utf8(json).unwrap()).unwrap().count();
        assert_eq!(keys, Value::as_object(&value).unwrap().len(), "{}", String::from_utf8_lossy(json));
        value
    }

    /// The same, with the changed fields and this frame.
    fn changed(mut record: Value, changed: FieldSet, texts: &FieldTexts, frame: &Frame<'_>, meta_stays: bool) -> Value {
        let pairs = record.as_object_mut().unwrap();
        for (index, field) in FIELDS.iter().enumerate().filter(|(index, _)| changed.contains(*index)) {
            field.aliases.iter().chain([&field.name]).for_each(|name| drop(pairs.remove(*name)));
            let text = texts.get(index).map(|text| serde_json::from_slice(text).unwrap());
            pairs.extend(text.map(|text| (field.name.to_owned(), text)));
        }
        pairs.remove("cookie");
        let cookie = CookieJson { cookie: frame.cookie, absent: frame.absent.attributes };
        let cookie = (!frame.absent.cookie_too).then(|| ("cookie".to_owned(), serde_json::to_value(&cookie).unwrap()));
        pairs.extend(cookie);
        if !meta_stays {
            pairs.remove("$session");
            pairs.extend((!frame.meta.is_empty()).then(|| ("$session".to_owned(), json!({"v": 2}))));
        }
        record
    }

    /// Records whose pairs come in many orders, with a cookie or without, and this version.
    fn records(has_cookie: bool, version: u32) -> Vec<String> {
        let mut pairs = vec![r#""a":1"#, r#""b\n": {"a":[2]}"#, r#""old":3"#, r#""c":4"#, r#""newer":"},{""#];
        pairs.extend(has_cookie.then_some(r#""cookie" : {"originalMaxAge":1,"expires":null}"#));
        pairs.extend((version == 2).then_some(r#""$session":{"v":2,"x":1}"#));
        orders(&pairs).iter().step_by(7).map(|order| format!("{{{} }} ", order.join(" ,"))).collect()
    }

    #[test]
    fn a_record_is_written_anew_where_it_changes_whatever_its_order_and_whatever_is_known_of_it() {
        let options = Arc::new(CookieOptions::default());
        let cookie = SessionCookie::stored(Arc::clone(&options), None, None);
        let (mut count, fields) = (0, [&[][..], &[0], &[0, 1], &[0, 2]].map(|fields| fields.iter().copied().collect()));
        let versions = [(1, 1), (2, 2), (1, 2), (2, 1)];
        for ((older, newer), has_cookie) in versions.into_iter().flat_map(|of| [(of, true), (of, false)]) {
            let stays = older == newer;
            let absent = Absent { attributes: &options, cookie_too: !has_cookie, usual: None };
            let frame = Frame { cookie: &cookie, absent, meta: Meta::new(newer, None) };
            for old in [true, false].into_iter().flat_map(|had_cookie| records(had_cookie, older)) {
                let record = said(old.as_bytes());
                for (fields, has_a) in fields.into_iter().flat_map(|fields| [(fields, true), (fields, false)]) {
                    let texts = texts(fields, has_a);
                    for meta in [None, Some(Meta::new(older, None))] {
                        let older = Older { json: old.as_bytes(), meta };
                        let new = splice(older, FIELDS, fields, &texts, &frame).unwrap();
                        assert_eq!(said(&new), changed(record.clone(), fields, &texts, &frame, stays), "{old}");
                        count += 1;
                    }
                }
            }
        }
        assert!(count > 50_000, "{count}");
    }

    #[test]
    fn a_new_record_has_its_cookie_first_and_all_texts_under_their_names() {
        let options = Arc::new(CookieOptions::default());
        let cookie = SessionCookie::stored(Arc::clone(&options), None, None);
        let absent = Absent { attributes: &options, cookie_too: false, usual: None };
        let frame = Frame { cookie: &cookie, absent, meta: Meta::new(2, None) };
        let json = String::from_utf8(write(&texts(FieldSet::ALL, true), &frame).unwrap()).unwrap();
        assert!(json.starts_with(r#"{"cookie":{"#), "{json}");
        assert!(json.ends_with(r#"},"a":"new a","b\n":"new b","c":"new c","$session":{"v":2}}"#), "{json}");
        let empty = write(&FieldTexts::default(), &Frame { meta: Meta::default(), ..frame }).unwrap();
        assert!(empty.ends_with(b"}}"), "{}", String::from_utf8_lossy(&empty));
    }
}
