//! Stored texts, looked at without the library.

use std::num::NonZeroU8;

use serde_json::{Map, Value, json};
use session::Timestamp;
use time::OffsetDateTime;
use time::format_description::well_known::iso8601::{self, Iso8601, TimePrecision};

use crate::visitor::{FIELDS, MakeValue};

/// Whether a record with this text lives: its cookie's expiry, if it has one that can be read, has not passed.
pub(crate) fn is_living(text: &str) -> bool {
    expiry(text).is_none_or(|expires| expires > Timestamp::now().as_millis())
}

/// The expiry in a record's text, in milliseconds since 1970.
pub(crate) fn expiry(text: &str) -> Option<i64> {
    let record: Value = serde_json::from_str(text).ok()?;
    match record.get("cookie")?.get("expires")? {
        Value::String(text) => millis(text),
        Value::Number(number) => number.as_i64(),
        _ => None,
    }
}

/// The same text with another expiry; none if it has no cookie.
pub(crate) fn with_expiry(text: &str, expires: Timestamp) -> Option<String> {
    let mut record: Value = serde_json::from_str(text).ok()?;
    let cookie = record.get_mut("cookie")?.as_object_mut()?;
    cookie.insert("expires".to_owned(), iso8601(expires.as_millis()).into());
    Some(record.to_string())
}

/// What the admin surface shows of a record.
pub(crate) fn of(text: &str) -> Value {
    let Ok(record) = serde_json::from_str::<Value>(text) else {
        return json!({"data": null, "extra": null, "cookie": null, "expires": null, "raw": text});
    };
    let extra: Map<String, Value> = record
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(key, _)| *key != "cookie" && FIELDS.iter().all(|(field, _)| field != key))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let cookie = record.get("cookie").filter(|cookie| cookie.is_object()).map(cookie);
    json!({"data": data(&record), "extra": extra, "cookie": cookie, "expires": expiry(text), "raw": record})
}

/// A record's five fields, with their defaults.
pub(crate) fn data(record: &Value) -> Value {
    let field =
        |(name, default): &(&str, MakeValue)| ((*name).to_owned(), record.get(*name).cloned().unwrap_or_else(default));
    Value::Object(FIELDS.iter().map(field).collect())
}

fn cookie(cookie: &Value) -> Value {
    let or_null = |key: &str| cookie.get(key).filter(|value| *value != "").cloned();
    let is = |key: &str, default: bool| cookie.get(key).and_then(Value::as_bool).unwrap_or(default);
    let same_site = match cookie.get("sameSite") {
        Some(Value::Bool(true)) => Some("strict".into()),
        Some(Value::Bool(false)) | None => None,
        Some(other) => Some(other.clone()),
    };
    json!({
        "originalMaxAge": cookie.get("originalMaxAge").filter(|age| age.is_number()),
        "path": or_null("path").unwrap_or_else(|| "/".into()),
        "domain": or_null("domain"),
        "httpOnly": is("httpOnly", true),
        "secure": is("secure", false),
        "sameSite": same_site,
        "partitioned": is("partitioned", false),
        "priority": or_null("priority"),
    })
}

/// ISO 8601 in UTC with milliseconds, as JavaScript writes it.
const ISO8601: Iso8601<
    {
        let three = NonZeroU8::new(3);
        iso8601::Config::DEFAULT.set_time_precision(TimePrecision::Second { decimal_digits: three }).encode()
    },
> = Iso8601;

/// The milliseconds since 1970 of an ISO 8601 text.
pub(crate) fn millis(text: &str) -> Option<i64> {
    let moment = OffsetDateTime::parse(text, &ISO8601).ok()?;
    i64::try_from(moment.unix_timestamp_nanos() / 1_000_000).ok()
}

/// The ISO 8601 text of a moment in milliseconds since 1970; none for one after the year 9999.
pub(crate) fn iso8601(millis: i64) -> Option<String> {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000).ok()?.format(&ISO8601).ok()
}
