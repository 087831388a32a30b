//! How long a session is as JSON, at most: told without writing it.

use std::fmt::Display;

use serde::ser::{
    Error as _, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};
use serde_json::Error;

use super::fields::longest_text;

/// A serializer that adds up how long each part may be: a string's every byte may have to be escaped, a number may have all
/// its digits.
#[derive(Default)]
pub(crate) struct SizeAtMost(usize);

/// The longest number, the quotes that it has as a key, and the comma or colon after it.
const NUMBER: usize = 48;
/// The brackets around values, and the comma or colon after them.
const BRACKETS: usize = 3;

impl SizeAtMost {
    pub(crate) const fn bytes(self) -> usize {
        self.0
    }

    #[expect(clippy::unnecessary_wraps, reason = "as a serializer returns it")]
    const fn add(&mut self, bytes: usize) -> Result<(), Error> {
        self.0 = self.0.saturating_add(bytes);
        Ok(())
    }

    const fn text(&mut self, text: &str) -> Result<(), Error> {
        self.add(longest_text(text) + 1)
    }

    fn opened(&mut self) -> &mut Self {
        self.0 = self.0.saturating_add(BRACKETS);
        self
    }

    /// A variant with content is an object of one entry.
    fn variant(&mut self, name: &str) -> Result<&mut Self, Error> {
        self.opened().text(name)?;
        Ok(self)
    }
}

macro_rules! numbers {
    ($($method:ident($type:ty))*) => {$(
        fn $method(self, _: $type) -> Result<(), Error> {
            self.add(NUMBER)
        }
    )*};
}

impl Serializer for &mut SizeAtMost {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    numbers! {
        serialize_bool(bool)
        serialize_i8(i8) serialize_i16(i16) serialize_i32(i32) serialize_i64(i64) serialize_i128(i128)
        serialize_u8(u8) serialize_u16(u16) serialize_u32(u32) serialize_u64(u64) serialize_u128(u128)
        serialize_char(char)
    }

    fn serialize_f32(self, number: f32) -> Result<(), Error> {
        self.serialize_f64(number.into())
    }

    fn serialize_f64(self, number: f64) -> Result<(), Error> {
        if number.is_finite() { self.add(NUMBER) } else { Err(Error::custom("JSON has neither NaN nor infinities")) }
    }

    fn serialize_str(self, text: &str) -> Result<(), Error> {
        self.text(text)
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<(), Error> {
        self.text(&value.to_string())
    }

    /// JSON has them as numbers.
    fn serialize_bytes(self, bytes: &[u8]) -> Result<(), Error> {
        self.opened().add(bytes.len().saturating_mul(4))
    }

    fn serialize_none(self) -> Result<(), Error> {
        self.add(NUMBER)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Error> {
        self.add(NUMBER)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Error> {
        self.add(NUMBER)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), Error> {
        self.text(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        value.serialize(self.variant(variant)?)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self, Error> {
        Ok(self.opened())
    }

    fn serialize_tuple(self, _: usize) -> Result<Self, Error> {
        Ok(self.opened())
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, Error> {
        Ok(self.opened())
    }

    fn serialize_tuple_variant(self, _: &'static str, _: u32, name: &'static str, _: usize) -> Result<Self, Error> {
        self.opened().variant(name)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self, Error> {
        Ok(self.opened())
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, Error> {
        Ok(self.opened())
    }

    fn serialize_struct_variant(self, _: &'static str, _: u32, name: &'static str, _: usize) -> Result<Self, Error> {
        self.opened().variant(name)
    }
}

/// Parts of a value, each with the method that serde hands it over by.
macro_rules! parts {
    ($($compound:ident: $method:ident;)*) => {$(
        impl $compound for &mut SizeAtMost {
            type Ok = ();
            type Error = Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
                value.serialize(&mut **self)
            }

            fn end(self) -> Result<(), Error> {
                Ok(())
            }
        }
    )*};
}

parts! {
    SerializeSeq: serialize_element;
    SerializeTuple: serialize_element;
    SerializeTupleStruct: serialize_field;
    SerializeTupleVariant: serialize_field;
}

/// The same with names.
macro_rules! named_parts {
    ($($compound:ident)*) => {$(
        impl $compound for &mut SizeAtMost {
            type Ok = ();
            type Error = Error;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Error> {
                self.text(key)?;
                value.serialize(&mut **self)
            }

            fn end(self) -> Result<(), Error> {
                Ok(())
            }
        }
    )*};
}

named_parts! { SerializeStruct SerializeStructVariant }

impl SerializeMap for &mut SizeAtMost {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        key.serialize(&mut **self)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        value.serialize(&mut **self)
    }

    fn end(self) -> Result<(), Error> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Serialize;

    use super::SizeAtMost;

    #[derive(Serialize)]
    enum Variant {
        Unit,
        Newtype(f64),
        Tuple(i128, u128),
        Struct { text: String },
    }

    #[derive(Serialize)]
    struct Pair(char, Option<&'static str>);

    #[derive(Serialize)]
    struct Everything {
        variants: Vec<Variant>,
        numbers: BTreeMap<i128, f32>,
        texts: BTreeMap<String, bool>,
        pair: Pair,
        unit: (),
        floats: [f64; 3],
        address: std::net::IpAddr,
    }

    #[test]
    fn no_text_is_longer() {
        let escaped: String = (0..32).map(|code| char::from_u32(code).unwrap_or(' ')).collect();
        for times in [0, 1, 50] {
            let text = escaped.repeat(times);
            let whole = Everything {
                variants: vec![
                    Variant::Unit,
                    Variant::Newtype(f64::MIN_POSITIVE),
                    Variant::Tuple(i128::MIN, u128::MAX),
                    Variant::Struct { text: text.clone() },
                ],
                numbers: (0..50).map(|number| (i128::MIN + number, f32::MIN)).collect(),
                texts: [(text.clone(), false)].into(),
                pair: Pair('\u{1}', None),
                unit: (),
                floats: [f64::MIN, f64::MAX, f64::MIN_POSITIVE],
                address: [u16::MAX; 8].into(),
            };
            let mut size = SizeAtMost::default();
            assert!(whole.serialize(&mut size).is_ok());
            let (size, written) = (size.bytes(), serde_json::to_vec(&whole).map_or(usize::MAX, |json| json.len()));
            assert!(written <= size && size <= 7 * written, "{written} bytes were said to be {size} at most");
        }
    }
}
