//! The `cookie` part of a record, in express-session's words and order.

mod usual;

use std::sync::Arc;

use serde::de::{Deserialize, Deserializer};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::cookie::{CookieOptions, Priority, SameSite, Secure, SessionCookie};
use crate::timestamp::Timestamp;

pub(crate) use usual::UsualCookie;

/// How the part begins, wherever it was written. The session's life follows.
pub(super) const BEGINNING: &str = r#"{"originalMaxAge":"#;

/// A session's cookie as it is written. `absent` is what a reader takes attributes for that are left out.
pub(super) struct CookieJson<'a> {
    pub(super) cookie: &'a SessionCookie,
    pub(super) absent: &'a CookieOptions,
}

impl Serialize for CookieJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (attributes, absent) = (&**self.cookie.attributes(), self.absent);
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("originalMaxAge", &self.cookie.original_max_age_millis())?;
        if attributes.partitioned || absent.partitioned {
            map.serialize_entry("partitioned", &attributes.partitioned)?;
        }
        if attributes.priority.is_some() || absent.priority.is_some() {
            map.serialize_entry("priority", &attributes.priority.map(priority_name))?;
        }
        map.serialize_entry("expires", &self.cookie.expires_at().map(to_iso8601))?;
        match attributes.secure {
            Secure::On => map.serialize_entry("secure", &true)?,
            Secure::Off if absent.secure != Secure::Off => map.serialize_entry("secure", &false)?,
            Secure::Auto if absent.secure != Secure::Auto => map.serialize_entry("secure", "auto")?,
            Secure::Off | Secure::Auto => {}
        }
        map.serialize_entry("httpOnly", &attributes.http_only)?;
        if attributes.domain.is_some() || absent.domain.is_some() {
            map.serialize_entry("domain", &attributes.domain)?;
        }
        map.serialize_entry("path", &attributes.path)?;
        match attributes.same_site {
            SameSite::Strict => map.serialize_entry("sameSite", "strict")?,
            SameSite::Lax => map.serialize_entry("sameSite", "lax")?,
            SameSite::None => map.serialize_entry("sameSite", "none")?,
            SameSite::Unset if absent.same_site != SameSite::Unset => map.serialize_entry("sameSite", &false)?,
            SameSite::Auto if absent.same_site != SameSite::Auto => map.serialize_entry("sameSite", "auto")?,
            SameSite::Unset | SameSite::Auto => {}
        }
        map.end()
    }
}

/// The `cookie` part as it was read: a key that is there counts even if it is null.
#[derive(Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct StoredCookie {
    original_max_age: Option<Value>,
    expires: Option<Value>,
    #[serde(deserialize_with = "present")]
    http_only: Option<Value>,
    #[serde(deserialize_with = "present")]
    secure: Option<Value>,
    #[serde(deserialize_with = "present")]
    domain: Option<Value>,
    path: Option<Value>,
    #[serde(deserialize_with = "present")]
    same_site: Option<Value>,
    #[serde(deserialize_with = "present")]
    partitioned: Option<Value>,
    #[serde(deserialize_with = "present")]
    priority: Option<Value>,
}

/// The same, for those who ask for the life alone.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StoredLife {
    #[serde(default)]
    original_max_age: Option<Value>,
}

impl StoredLife {
    pub(super) fn max_age(&self) -> Option<i64> {
        number(self.original_max_age.as_ref()?)
    }
}

impl StoredCookie {
    /// The session's cookie, with `absent` for what the record doesn't say.
    pub(super) fn into_cookie(self, absent: &Arc<CookieOptions>) -> SessionCookie {
        let original_max_age = self.original_max_age.as_ref().and_then(number);
        let expires = self.expires.as_ref().and_then(moment);
        SessionCookie::stored(self.attributes(absent), original_max_age, expires)
    }

    fn attributes(self, absent: &Arc<CookieOptions>) -> Arc<CookieOptions> {
        let mut attributes = CookieOptions::clone(absent);
        if let Some(Value::String(path)) = self.path {
            attributes.path = path.into();
        }
        if let Some(http_only) = self.http_only {
            attributes.http_only = http_only.as_bool().unwrap_or(true);
        }
        if let Some(secure) = self.secure {
            attributes.secure = match secure {
                Value::Bool(true) => Secure::On,
                Value::String(text) if text == "auto" => Secure::Auto,
                _ => Secure::Off,
            };
        }
        if let Some(domain) = self.domain {
            attributes.domain = domain.as_str().map(|domain| domain.to_owned().into());
        }
        if let Some(same_site) = self.same_site {
            attributes.same_site = same_site_of(&same_site);
        }
        if let Some(partitioned) = self.partitioned {
            attributes.partitioned = partitioned == Value::Bool(true);
        }
        if let Some(priority) = self.priority {
            attributes.priority = priority.as_str().and_then(priority_of);
        }
        if attributes == **absent { Arc::clone(absent) } else { Arc::new(attributes) }
    }
}

/// Tells a null from a key that isn't there.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// Node writes whole milliseconds, or a fraction if the application computed one.
fn number(value: &Value) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "a fraction of a millisecond, or more years than there are")]
    value.as_i64().or_else(|| value.as_f64().map(|number| number as i64))
}

/// A date as ISO 8601 text or in milliseconds; anything else is none.
fn moment(value: &Value) -> Option<Timestamp> {
    match value {
        Value::String(text) => from_iso8601(text),
        value => number(value).map(Timestamp::from_millis),
    }
}

fn from_iso8601(text: &str) -> Option<Timestamp> {
    let moment = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    i64::try_from(moment.unix_timestamp_nanos().div_euclid(1_000_000)).ok().map(Timestamp::from_millis)
}

/// As JavaScript's `toISOString` writes it; moments that it can't write are moved to the nearest it can.
fn to_iso8601(moment: Timestamp) -> String {
    const LAST: i64 = 253_402_300_799_999; // 9999-12-31T23:59:59.999Z
    let millis = moment.as_millis().clamp(-62_167_219_200_000, LAST);
    let date =
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (year, month, day) = date.to_calendar_date();
    let (hour, minute, second, milli) = date.to_hms_milli();
    let month = u8::from(month);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

fn same_site_of(value: &Value) -> SameSite {
    match value {
        Value::Bool(true) => SameSite::Strict,
        Value::String(text) if text.eq_ignore_ascii_case("strict") => SameSite::Strict,
        Value::String(text) if text.eq_ignore_ascii_case("lax") => SameSite::Lax,
        Value::String(text) if text.eq_ignore_ascii_case("none") => SameSite::None,
        Value::String(text) if text == "auto" => SameSite::Auto,
        _ => SameSite::Unset,
    }
}

const fn priority_name(priority: Priority) -> &'static str {
    match priority {
        Priority::Low => "low",
        Priority::Medium => "medium",
        Priority::High => "high",
    }
}

fn priority_of(name: &str) -> Option<Priority> {
    [Priority::Low, Priority::Medium, Priority::High]
        .into_iter()
        .find(|priority| name.eq_ignore_ascii_case(priority_name(*priority)))
}
