//! Reading a record in one pass: the fields go to the session type, the reserved keys stay here.

use std::marker::PhantomData;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, IntoDeserializer, MapAccess, Visitor};
use serde_json::Error;

use super::cookie_json::{BEGINNING, StoredCookie, StoredLife};
use super::entries::{Entries, Walk};
use super::{Absent, COOKIE_KEY, Decoded, META_KEY, Meta, Moved};
use crate::cookie::SessionCookie;
use crate::field::{Field, FieldSet};

/// Reads a record of a session type of this version; `deserialize` makes it from the fields of an older version, or its
/// own.
pub(crate) fn read<T>(
    json: &[u8],
    absent: Absent<'_>,
    (version, fields_of): (u32, fn(u32) -> &'static [Field]),
    deserialize: impl FnOnce(u32, FieldDeserializer<'_, '_>) -> Result<T, Error>,
) -> Result<Decoded<T>, Error> {
    // Checked as a whole, which is quicker than text by text.
    let json = str::from_utf8(json).map_err(Error::custom)?;
    // Which version it is stands at the end, so a type that has older ones looks there first.
    let stored_version = if version == 1 { 1 } else { meta(json)?.version() };
    let is_outdated = stored_version < version;
    let mut reserved = Reserved::default();
    let fields = fields_of(stored_version);
    let aliases = Aliases::of(fields, json)?;
    let walk = Walk::over(json, absent.usual)?;
    let value = deserialize(stored_version, FieldDeserializer { walk, reserved: &mut reserved, fields, aliases })?;
    let cookie = cookie(reserved.cookie, absent)?;
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

/// The `originalMaxAge` of a record's cookie, in milliseconds. What stands behind the cookie isn't looked at.
pub(super) fn max_age(json: &[u8]) -> Option<i64> {
    if let Some(life) = usual_life(json) {
        return life;
    }
    let mut entries = Entries::of(str::from_utf8(json).ok()?).ok()?.filter_map(Result::ok);
    let (_, cookie) = entries.find(|(key, _)| key == COOKIE_KEY)?;
    serde_json::from_str::<StoredLife>(cookie).ok()?.max_age()
}

/// The same, if it is the first that the record says, as in nearly all.
fn usual_life(json: &[u8]) -> Option<Option<i64>> {
    let life = json.strip_prefix(br#"{"cookie":"#)?.strip_prefix(BEGINNING.as_bytes())?;
    match life.split(|byte| *byte == b',').next()? {
        b"null" => Some(None),
        life => str::from_utf8(life).ok()?.parse().ok().map(Some),
    }
}

/// Whether a record has fields, and none of them is one of a type that has these in the record's version.
pub(crate) fn is_foreign(json: &[u8], fields_of: fn(u32) -> &'static [Field]) -> Result<bool, Error> {
    let json = str::from_utf8(json).map_err(Error::custom)?;
    let fields = fields_of(meta(json)?.version());
    let mut has_others = false;
    for entry in Entries::of(json)? {
        let (key, _) = entry?;
        if fields.iter().any(|field| field.answers_to(&key)) {
            return Ok(false);
        }
        has_others |= key != COOKIE_KEY && key != META_KEY;
    }
    Ok(has_others)
}

/// What stands beside the cookie and the fields.
fn meta(json: &str) -> Result<Meta, Error> {
    let mut meta = None;
    for entry in Entries::of(json)? {
        let (key, value) = entry?;
        meta = if key == META_KEY { Some(value) } else { meta };
    }
    meta.map_or(Ok(StoredMeta::default()), serde_json::from_str).map(|StoredMeta { meta, .. }| meta)
}

#[derive(Default)]
struct Reserved<'de> {
    cookie: Option<&'de str>,
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
    walk: Walk<'de>,
    reserved: &'a mut Reserved<'de>,
    fields: &'static [Field],
    aliases: Aliases,
}

impl FieldDeserializer<'_, '_> {
    /// The error of the value under the last key. It shows the value, which a redacted field has for itself.
    #[cold]
    fn presentable(&mut self, error: Error) -> Error {
        let Some(key) = self.walk.last_key() else { return error };
        if self.fields.iter().any(|field| field.redacted && field.answers_to(&key)) {
            return Error::custom(format_args!("the value of `{key}`, which is redacted, doesn't fit its type"));
        }
        error
    }
}

impl<'de> Deserializer<'de> for FieldDeserializer<'_, 'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        let value = visitor.visit_map(&mut self)?;
        self.walk.end().map(|()| value)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de> MapAccess<'de> for &mut FieldDeserializer<'_, 'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        while let Some(key) = self.walk.next_key()? {
            match &*key {
                COOKIE_KEY => self.reserved.cookie = Some(self.walk.skip_value()?),
                META_KEY => self.reserved.meta = Some(self.walk.parse_value(PhantomData)?),
                key if self.aliases.passes_over(key) => drop(self.walk.parse_value(PhantomData::<IgnoredAny>)?),
                _ => return seed.deserialize(key.into_deserializer()).map(Some),
            }
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        self.walk.parse_value(seed).map_err(|error| self.presentable(error))
    }
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
            let (key, _) = entry?;
            fields.iter().position(|field| field.is_stored_as(&key)).into_iter().for_each(|index| come.insert(index));
        }
        Ok(Self { fields, come })
    }

    fn passes_over(&mut self, key: &str) -> bool {
        let of_alias = |field: &Field| field.name != key && field.answers_to(key);
        let Some(index) = self.fields.iter().position(of_alias) else { return false };
        let has_come = self.come.contains(index);
        self.come.insert(index);
        has_come
    }
}

#[cfg(test)]
mod tests {
    use super::max_age;

    #[test]
    fn the_life_of_a_record_is_that_of_its_cookie() {
        let cases = [
            (r#"{"cookie":{"originalMaxAge":null,"expires":null},"views":1}"#, None),
            (r#"{"cookie":{"originalMaxAge":60000,"expires":null},"views":1}"#, Some(60_000)),
            (r#"{"cookie":{"originalMaxAge":-1,"expires":null}}"#, Some(-1)),
            (r#"{"cookie":{"originalMaxAge":60000}}"#, Some(60_000)),
            (r#"{"cookie":{"originalMaxAge":null}}"#, None),
            (r#"{"cookie":{"originalMaxAge":1.5,"expires":null}}"#, Some(1)),
            (r#"{"cookie":{"originalMaxAge":"soon","expires":null}}"#, None),
            (r#"{"cookie":{"originalMaxAge":99999999999999999999,"expires":null}}"#, Some(i64::MAX)),
            (
                r#" {"views": {"cookie":{"originalMaxAge":1}}, "cookie" : {"path":"/", "originalMaxAge" : 7 } }"#,
                Some(7),
            ),
            (r#"{"\u0063ookie":{"originalMaxAge":7,"path":"/"}}"#, Some(7)),
            (r#"{"cookie":{"path":"/"}}"#, None),
            (r#"{"cookie":null}"#, None),
            (r#"{"views":1}"#, None),
            (r#"{"views",1}"#, None),
            ("null", None),
            ("", None),
        ];
        for (json, life) in cases {
            assert_eq!(max_age(json.as_bytes()), life, "{json}");
        }
        assert_eq!(max_age(b"{\"views\":\"\xff\",\"cookie\":{\"originalMaxAge\":7}}"), None);
    }
}
