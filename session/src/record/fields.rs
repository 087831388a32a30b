//! Serializing some fields of a session, each into its own JSON text.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::ser::{Error as _, Impossible, Serialize, SerializeStruct, Serializer};
use serde_json::{Error, Value};

use crate::field::{Field, FieldSet};

/// The JSON texts of some of a session's fields.
#[derive(Default)]
pub(crate) struct FieldTexts {
    buffer: Vec<u8>,
    ranges: Vec<(usize, Range<usize>)>,
}

impl FieldTexts {
    /// The texts of the `wanted` fields of a session. `serialize` gives the session to the serializer.
    pub(crate) fn of(
        fields: &'static [Field],
        wanted: FieldSet,
        serialize: impl FnOnce(FieldSerializer<'_>) -> Result<(), Error>,
    ) -> Result<Self, Error> {
        let mut texts = Self::default();
        serialize(FieldSerializer { fields, wanted, next: 0, texts: &mut texts })?;
        Ok(texts)
    }

    /// The text of a field; none if the field isn't stored (`skip`, `skip_serializing_if`).
    pub(crate) fn get(&self, field: usize) -> Option<&[u8]> {
        let (_, range) = self.ranges.iter().find(|(index, _)| *index == field)?;
        self.buffer.get(range.clone())
    }

    /// The fields that have a text, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &[u8])> {
        self.ranges.iter().filter_map(|(field, range)| Some((*field, self.buffer.get(range.clone())?)))
    }

    /// How long the fields are in a record, or longer.
    pub(crate) fn size_at_most(&self, fields: &[Field]) -> usize {
        let names = self.iter().filter_map(|(index, _)| fields.get(index)).map(|field| longest_text(field.name) + 2);
        self.buffer.len() + names.sum::<usize>()
    }

    /// Whether a field has the same content in both. A map whose keys come in another order does; so does an
    /// unordered field whose elements do.
    pub(crate) fn same(&self, other: &Self, index: usize, field: &Field) -> bool {
        match (self.get(index), other.get(index)) {
            (None, None) => true,
            (Some(mine), Some(theirs)) => mine == theirs || same_content(mine, theirs, field.unordered),
            _ => false,
        }
    }
}

/// The longest text that JSON has for a string: its quotes, and each byte escaped.
pub(super) const fn longest_text(string: &str) -> usize {
    2 + 6 * string.len()
}

fn same_content(mine: &[u8], theirs: &[u8], unordered: bool) -> bool {
    // Only braces or an unordered array can be written in two ways, and only in the same number of bytes.
    if mine.len() != theirs.len() || !(unordered || mine.contains(&b'{')) {
        return false;
    }
    let (Ok(mine), Ok(theirs)) = (serde_json::from_slice::<Value>(mine), serde_json::from_slice::<Value>(theirs))
    else {
        return false;
    };
    match (&mine, &theirs) {
        (Value::Array(mine), Value::Array(theirs)) if unordered => counted(mine) == counted(theirs),
        _ => mine == theirs,
    }
}

fn counted(elements: &[Value]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for element in elements {
        *counts.entry(element.to_string()).or_default() += 1;
    }
    counts
}

/// Takes a session as a serde struct and writes the wanted fields into [`FieldTexts`].
pub(crate) struct FieldSerializer<'a> {
    fields: &'static [Field],
    wanted: FieldSet,
    /// The field that serde will probably hand over next: they come in the order of their declaration.
    next: usize,
    texts: &'a mut FieldTexts,
}

impl SerializeStruct for FieldSerializer<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Error> {
        let ahead = self.fields.iter().enumerate().skip(self.next);
        let Some((index, _)) = ahead.into_iter().find(|(_, field)| field.name == key) else {
            return Err(Error::custom(format_args!("`{key}` is no field of this session")));
        };
        self.next = index + 1;
        if !self.wanted.contains(index) {
            return Ok(());
        }
        let start = self.texts.buffer.len();
        serde_json::to_writer(&mut self.texts.buffer, value)?;
        self.texts.ranges.push((index, start..self.texts.buffer.len()));
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

impl Serializer for FieldSerializer<'_> {
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
