//! Reading a record in one pass: the fields go to the session type, the reserved keys stay here.

use std::borrow::Cow;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, IntoDeserializer, MapAccess, Visitor};
use serde_json::Error;
use serde_json::de::StrRead;
use serde_json::value::RawValue;

use super::cookie_json::{BEGINNING, StoredCookie, StoredLife};
use super::entries::Entries;
use super::{Absent, COOKIE_KEY, Decoded, META_KEY, Meta, Moved};
use crate::cookie::SessionCookie;
use crate::field::{Field, FieldSet};

type JsonDeserializer<'de> = serde_json::Deserializer<StrRead<'de>>;

/// Reads a record of a session type of this version; `deserialize` makes it from the fields of an older version, or its
/// own.
pub(crate) fn read<T>(
    json: &[u8],
    absent: Absent<'_>,
    (version, fields): (u32, &'static [Field]),
    deserialize: impl FnOnce(u32, FieldDeserializer<'_, '_>) -> Result<T, Error>,
) -> Result<Decoded<T>, Error> {
    // Checked as a whole, which is quicker than text by text.
    let json = str::from_utf8(json).map_err(Error::custom)?;
    // Which version it is stands at the end, so a type that has older ones looks there first.
    let stored_version = if version == 1 { 1 } else { meta(json)?.version() };
    let is_outdated = stored_version < version;
    let mut reserved = Reserved::default();
    let aliases = if is_outdated { Aliases::default() } else { Aliases::of(fields, json)? };
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let value =
        deserialize(stored_version, FieldDeserializer { json: &mut deserializer, reserved: &mut reserved, aliases })?;
    deserializer.end()?;
    let cookie = cookie(reserved.cookie.map(RawValue::get), absent)?;
    let StoredMeta { meta, moved } = reserved.meta.unwrap_or_default();
    let meta = if is_outdated { meta.with_version(version) } else { meta };
    Ok(Decoded::new(value, cookie, meta).read(is_outdated, moved))
}

fn cookie(json: Option<&str>, absent: Absent<'_>) -> Result<SessionCookie, Error> {
    if let Some(cookie) = json.zip(absent.usual).and_then(|(json, usual)| usual.read(json)) {
        return Ok(cookie);
    }
    let cookie = match json {
        None if absent.cookie_too => StoredCookie::default(),
        json => serde_json::from_str(json.ok_or_else(|| Error::missing_field(COOKIE_KEY))?)?,
    };
    Ok(cookie.into_cookie(absent.attributes))
}

/// The `originalMaxAge` of a record's cookie, in milliseconds. What stands behind the cookie isn't looked at; it comes
/// first in nearly all records.
pub(super) fn max_age(json: &[u8]) -> Option<i64> {
    let beginning = json.strip_prefix(br#"{"cookie":"#).and_then(|cookie| cookie.strip_prefix(BEGINNING.as_bytes()));
    if beginning.is_some_and(|life| life.starts_with(b"null,")) {
        return None;
    }
    let mut cookie = None;
    // An error, in general: the text goes on where nobody reads.
    let _ = serde_json::Deserializer::from_slice(json).deserialize_map(CookieVisitor(&mut cookie));
    cookie?.max_age()
}

struct CookieVisitor<'a>(&'a mut Option<StoredLife>);

impl<'de> Visitor<'de> for CookieVisitor<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a session's record")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Key(key)) = map.next_key()? {
            if key == COOKIE_KEY {
                *self.0 = Some(map.next_value()?);
                return Ok(());
            }
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

/// What stands beside the cookie and the fields.
fn meta(json: &str) -> Result<Meta, Error> {
    let mut meta = None;
    for entry in Entries::of(json)? {
        let entry = entry?;
        meta = if entry.key == META_KEY { Some(entry.value) } else { meta };
    }
    meta.map_or(Ok(StoredMeta::default()), serde_json::from_str).map(|StoredMeta { meta, .. }| meta)
}

#[derive(Default)]
struct Reserved<'de> {
    cookie: Option<&'de RawValue>,
    meta: Option<StoredMeta>,
}

#[derive(Default, serde::Deserialize)]
struct StoredMeta {
    #[serde(flatten)]
    meta: Meta,
    #[serde(flatten)]
    moved: Option<Moved>,
}

/// A record's fields, without the reserved keys.
pub(crate) struct FieldDeserializer<'a, 'de> {
    json: &'a mut JsonDeserializer<'de>,
    reserved: &'a mut Reserved<'de>,
    aliases: Aliases,
}

impl<'de> Deserializer<'de> for FieldDeserializer<'_, 'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.json.deserialize_map(FieldVisitor { visitor, reserved: self.reserved, aliases: self.aliases })
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

struct FieldVisitor<'a, 'de, V> {
    visitor: V,
    reserved: &'a mut Reserved<'de>,
    aliases: Aliases,
}

impl<'de, V: Visitor<'de>> Visitor<'de> for FieldVisitor<'_, 'de, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a session's record")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_map(Fields { map, reserved: self.reserved, aliases: self.aliases })
    }
}

struct Fields<'a, 'de, A> {
    map: A,
    reserved: &'a mut Reserved<'de>,
    aliases: Aliases,
}

/// Which fields of a record have come. While two builds of a site run, one writes a field under its name and the other
/// under an alias: the name counts then, and of several aliases the first.
#[derive(Default)]
struct Aliases {
    fields: &'static [Field],
    come: FieldSet,
}

impl Aliases {
    /// Looks for fields under their own names, if the type has aliases at all.
    fn of(fields: &'static [Field], json: &str) -> Result<Self, Error> {
        if fields.iter().all(|field| field.aliases.is_empty()) {
            return Ok(Self::default());
        }
        let mut come = FieldSet::EMPTY;
        for entry in Entries::of(json)? {
            let key = entry?.key;
            fields.iter().position(|field| field.name == key).into_iter().for_each(|index| come.insert(index));
        }
        Ok(Self { fields, come })
    }

    fn passes_over(&mut self, key: &str) -> bool {
        let of_alias = |field: &Field| field.name != key && field.aliases.contains(&key);
        let Some(index) = self.fields.iter().position(of_alias) else { return false };
        let has_come = self.come.contains(index);
        self.come.insert(index);
        has_come
    }
}

#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Fields<'_, 'de, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        while let Some(Key(key)) = self.map.next_key()? {
            match &*key {
                COOKIE_KEY => self.reserved.cookie = Some(self.map.next_value()?),
                META_KEY => self.reserved.meta = Some(self.map.next_value()?),
                key if self.aliases.passes_over(key) => drop(self.map.next_value::<IgnoredAny>()?),
                _ => return seed.deserialize(key.into_deserializer()).map(Some),
            }
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}
