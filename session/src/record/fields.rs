//! Serializing some fields of a session, each into its own JSON text.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;

use serde::ser::{Error as _, Impossible, Serialize, SerializeStruct, Serializer};
use serde_json::Error;
use serde_json::value::RawValue;

use super::size::SizeAtMost;
use crate::field::{Field, FieldSet};

/// The JSON texts of some of a session's fields.
#[derive(Default)]
pub(crate) struct FieldTexts {
    /// The fields as an object has them, with their names, without its braces.
    pairs: Vec<u8>,
    /// Where the texts are in there.
    ranges: Vec<(usize, Range<usize>)>,
    present: FieldSet,
}

/// What many fields need at most, with their names; a longer one makes the buffer grow.
const USUAL_PAIR: usize = 48;

impl FieldTexts {
    /// The texts of the `wanted` fields of a session. `serialize` gives the session to the serializer.
    pub(crate) fn of(
        fields: &'static [Field],
        wanted: FieldSet,
        serialize: impl FnOnce(FieldSerializer<'_, Self>) -> Result<(), Error>,
    ) -> Result<Self, Error> {
        let expected = wanted.len().min(fields.len());
        let (pairs, ranges) = (Vec::with_capacity(USUAL_PAIR * expected), Vec::with_capacity(expected));
        let mut texts = Self { pairs, ranges, present: FieldSet::EMPTY };
        serialize(FieldSerializer::new(fields, wanted, &mut texts))?;
        Ok(texts)
    }

    /// Which of the `wanted` fields have another content in these texts than in another session, which is given to the
    /// serializer. Its texts are compared as they are made, and kept nowhere. If one difference is enough, no other is
    /// looked for.
    pub(crate) fn differences(
        &self,
        fields: &'static [Field],
        (wanted, one_is_enough): (FieldSet, bool),
        serialize: impl FnOnce(FieldSerializer<'_, Differences<'_>>) -> Result<(), Error>,
    ) -> Result<FieldSet, Error> {
        let (missing, different) = (self.present.intersection(wanted), FieldSet::EMPTY);
        let mut differences = Differences { texts: self, one_is_enough, missing, different };
        serialize(FieldSerializer::new(fields, wanted, &mut differences))?;
        if differences.is_satisfied() {
            return Ok(differences.different);
        }
        Ok(differences.different.union(differences.missing))
    }

    /// The text of a field; none if the field isn't stored (`skip`, `skip_serializing_if`).
    pub(crate) fn get(&self, field: usize) -> Option<&[u8]> {
        let (_, range) = self.ranges.iter().find(|(index, _)| *index == field)?;
        self.pairs.get(range.clone())
    }

    /// The fields that have a text, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &[u8])> {
        self.ranges.iter().filter_map(|(field, range)| Some((*field, self.pairs.get(range.clone())?)))
    }

    /// All of them as an object has them, with their names, without its braces.
    pub(super) fn pairs(&self) -> &[u8] {
        &self.pairs
    }

    /// How long the fields are in a record.
    pub(crate) const fn size(&self) -> usize {
        self.pairs.len() + 1
    }
}

impl Sink for FieldTexts {
    fn field<T: Serialize + ?Sized>(&mut self, index: usize, field: &Field, value: &T) -> Result<(), Error> {
        if !self.pairs.is_empty() {
            self.pairs.push(b',');
        }
        write_key(field, &mut self.pairs)?;
        let start = self.pairs.len();
        serde_json::to_writer(&mut self.pairs, value)?;
        let text = self.pairs.get(start..).unwrap_or_default();
        if may_have_null(text) {
            refuse_what_is_no_number(value)?;
        }
        self.ranges.push((index, start..self.pairs.len()));
        self.present.insert(index);
        Ok(())
    }
}

/// Whether a value is `null`, or something that may hold one. Texts and numbers, which most fields are, are told by their
/// first letter.
#[inline]
fn may_have_null(text: &[u8]) -> bool {
    match text {
        [b'[' | b'{', rest @ ..] => memchr::memmem::find(rest, b"null").is_some(),
        text => text.starts_with(b"n"),
    }
}

/// NaN and the infinities, for which serde_json writes `null`: nobody could read the session again.
#[cold]
fn refuse_what_is_no_number<T: Serialize + ?Sized>(value: &T) -> Result<(), Error> {
    value.serialize(&mut SizeAtMost::default())
}

/// The field's name as a key, with its colon.
pub(super) fn write_key(field: &Field, json: &mut Vec<u8>) -> Result<(), Error> {
    if field.is_plain {
        json.push(b'"');
        json.extend_from_slice(field.name.as_bytes());
        json.extend_from_slice(b"\":");
        return Ok(());
    }
    serde_json::to_writer(&mut *json, field.name)?;
    json.push(b':');
    Ok(())
}

/// Compares fields with texts.
pub(crate) struct Differences<'a> {
    texts: &'a FieldTexts,
    one_is_enough: bool,
    /// Fields that have a text and were not compared yet.
    missing: FieldSet,
    different: FieldSet,
}

impl Sink for Differences<'_> {
    fn field<T: Serialize + ?Sized>(&mut self, index: usize, field: &Field, value: &T) -> Result<(), Error> {
        self.missing.remove(index);
        let Some(text) = self.texts.get(index) else {
            self.different.insert(index);
            return Ok(());
        };
        let mut comparison = Comparison { rest: text, is_same: true };
        serde_json::to_writer(&mut comparison, value)?;
        if comparison.is_same && comparison.rest.is_empty() {
            return Ok(());
        }
        // A map whose keys come in another order has the same content; so has an unordered field whose elements do.
        let can_be_reordered = field.unordered || text.contains(&b'{');
        if !can_be_reordered || !same_content(text, &serde_json::to_vec(value)?, field.unordered) {
            self.different.insert(index);
        }
        Ok(())
    }

    fn is_satisfied(&self) -> bool {
        self.one_is_enough && !self.different.is_empty()
    }
}

/// Takes what is written for the beginning of a text, as long as it is.
struct Comparison<'a> {
    rest: &'a [u8],
    is_same: bool,
}

impl io::Write for Comparison<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.rest.strip_prefix(bytes) {
            Some(rest) => self.rest = rest,
            None => self.is_same = false,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The longest text that JSON has for a string: its quotes, and each byte escaped.
pub(super) const fn longest_text(string: &str) -> usize {
    2 + 6 * string.len()
}

fn same_content(mine: &[u8], theirs: &[u8], unordered: bool) -> bool {
    // What is ordered in another way has the same number of bytes.
    if mine.len() != theirs.len() {
        return false;
    }
    let sorted = |text| sorted(text, unordered, DEPTH);
    matches!((sorted(mine), sorted(theirs)), (Ok(mine), Ok(theirs)) if mine == theirs)
}

/// How deep a text may be, as serde_json has it.
const DEPTH: usize = 128;

/// A text with the keys of its objects in order; with `unordered`, its elements, too. Numbers stay as they are written:
/// what a parser makes of them is exact up to 64 bits only.
fn sorted(json: &[u8], unordered: bool, depth: usize) -> Result<String, Error> {
    let depth = depth.checked_sub(1).ok_or_else(|| Error::custom("too deep"))?;
    let part = |value: &RawValue| sorted(value.get().as_bytes(), false, depth);
    match json.first() {
        Some(b'{') => {
            let pairs: BTreeMap<String, &RawValue> = serde_json::from_slice(json)?;
            let pairs = pairs.iter().map(|(key, value)| Ok(format!("{key:?}:{}", part(value)?)));
            Ok(format!("{{{}}}", pairs.collect::<Result<Vec<_>, Error>>()?.join(",")))
        }
        Some(b'[') => {
            let elements: Vec<&RawValue> = serde_json::from_slice(json)?;
            let mut elements = elements.into_iter().map(part).collect::<Result<Vec<_>, Error>>()?;
            if unordered {
                elements.sort_unstable();
            }
            Ok(format!("[{}]", elements.join(",")))
        }
        _ => str::from_utf8(json).map(str::to_owned).map_err(Error::custom),
    }
}

/// Where a session's fields go, one by one.
pub(crate) trait Sink {
    fn field<T: Serialize + ?Sized>(&mut self, index: usize, field: &Field, value: &T) -> Result<(), Error>;

    /// Whether it needs no more fields.
    fn is_satisfied(&self) -> bool {
        false
    }
}

/// Takes a session as a serde struct and gives the wanted fields to a sink.
///
/// serde hands over the fields one by one, in the order of their declaration, so that one that isn't wanted is passed over
/// without a look at its name.
pub(crate) struct FieldSerializer<'a, K> {
    /// Whether the fields that are still to come are looked at, the next one first: where serde leaves out fields, all.
    asked: FieldSet,
    /// The place of the next one.
    next: usize,
    fields: &'static [Field],
    wanted: FieldSet,
    sink: &'a mut K,
}

impl<'a, K: Sink> FieldSerializer<'a, K> {
    fn new(fields: &'static [Field], wanted: FieldSet, sink: &'a mut K) -> Self {
        let asked = if fields.iter().any(|field| field.skipped) { FieldSet::ALL } else { wanted };
        Self { asked, next: 0, fields, wanted, sink }
    }

    #[inline(never)]
    fn give<T: Serialize + ?Sized>(&mut self, place: usize, key: &'static str, value: &T) -> Result<(), Error> {
        let Some((index, field)) = self.wanted(place, key)? else { return Ok(()) };
        self.sink.field(index, field, value).map_err(|error| presentable(error, field))?;
        if self.sink.is_satisfied() {
            self.asked = FieldSet::EMPTY;
        }
        Ok(())
    }

    /// The field of this name, if it is wanted.
    #[inline(never)]
    fn wanted(&self, place: usize, key: &'static str) -> Result<Option<(usize, &'static Field)>, Error> {
        let there = self.fields.get(place).filter(|field| field.is_stored_as(key)).map(|field| (place, field));
        let found = there.or_else(|| self.fields.iter().enumerate().find(|(_, field)| field.is_stored_as(key)));
        let found = found.ok_or_else(|| Error::custom(format_args!("`{key}` is no field of this session")))?;
        Ok(Some(found).filter(|(index, _)| self.wanted.contains(*index)))
    }
}

/// The error of a field that can't be written. It may show the value, which a redacted field has for itself.
#[cold]
fn presentable(error: Error, field: &Field) -> Error {
    if field.redacted {
        return Error::custom(format_args!("the value of `{}`, which is redacted, can't be written", field.name));
    }
    error
}

impl<K: Sink> SerializeStruct for FieldSerializer<'_, K> {
    type Ok = ();
    type Error = Error;

    #[inline]
    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Error> {
        let place = self.next;
        self.next += 1;
        if self.asked.pop_first() { self.give(place, key, value) } else { Ok(()) }
    }

    #[inline]
    fn skip_field(&mut self, _: &'static str) -> Result<(), Error> {
        self.next += 1;
        self.asked.pop_first();
        Ok(())
    }

    fn end(self) -> Result<(), Error> {
        Ok(())
    }
}

/// The methods of [`Serializer`] that a struct with named fields never calls.
macro_rules! not_a_struct {
    ($($method:ident($($argument:ty),*) -> $ok:ty;)*) => {$(
        fn $method(self, $(_: $argument),*) -> Result<$ok, Error> {
            Err(not_a_struct())
        }
    )*};
}

fn not_a_struct() -> Error {
    Error::custom("a session is stored as a struct with named fields")
}

impl<K: Sink> Serializer for FieldSerializer<'_, K> {
    type Ok = ();
    type Error = Error;
    type SerializeStruct = Self;
    type SerializeSeq = Impossible<(), Error>;
    type SerializeTuple = Impossible<(), Error>;
    type SerializeTupleStruct = Impossible<(), Error>;
    type SerializeTupleVariant = Impossible<(), Error>;
    type SerializeMap = Impossible<(), Error>;
    type SerializeStructVariant = Impossible<(), Error>;

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, Error> {
        Ok(self)
    }

    not_a_struct! {
        serialize_bool(bool) -> ();
        serialize_i8(i8) -> ();
        serialize_i16(i16) -> ();
        serialize_i32(i32) -> ();
        serialize_i64(i64) -> ();
        serialize_u8(u8) -> ();
        serialize_u16(u16) -> ();
        serialize_u32(u32) -> ();
        serialize_u64(u64) -> ();
        serialize_f32(f32) -> ();
        serialize_f64(f64) -> ();
        serialize_char(char) -> ();
        serialize_str(&str) -> ();
        serialize_bytes(&[u8]) -> ();
        serialize_none() -> ();
        serialize_unit() -> ();
        serialize_unit_struct(&'static str) -> ();
        serialize_unit_variant(&'static str, u32, &'static str) -> ();
        serialize_seq(Option<usize>) -> Self::SerializeSeq;
        serialize_tuple(usize) -> Self::SerializeTuple;
        serialize_tuple_struct(&'static str, usize) -> Self::SerializeTupleStruct;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Self::SerializeTupleVariant;
        serialize_map(Option<usize>) -> Self::SerializeMap;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Self::SerializeStructVariant;
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<(), Error> {
        Err(not_a_struct())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, _: &T) -> Result<(), Error> {
        Err(not_a_struct())
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), Error> {
        Err(not_a_struct())
    }
}
