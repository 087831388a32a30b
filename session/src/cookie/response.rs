//! Writing the session cookie to a response.

use cookie::{Cookie, Expiration};
use http::HeaderValue;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use time::OffsetDateTime;

use super::options::{CookieOptions, Priority, SameSite, Secure};
use crate::timestamp::Timestamp;

/// What JavaScript's `encodeURIComponent` leaves as it is, which is how express-session encodes the value.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// The header that gives the client a session. `attributes` are resolved: neither `secure` nor `same_site` is auto.
/// None if something in them can't stand in a header.
pub(crate) fn set(
    name: &str,
    signed: &str,
    attributes: &CookieOptions,
    expires: Option<Timestamp>,
) -> Option<HeaderValue> {
    let value = format!("s%3A{}", utf8_percent_encode(signed, COMPONENT));
    let mut cookie = scoped(name, value, attributes);
    if let Some(expires) = expires {
        cookie.set_expires(date(expires));
    }
    let priority = match attributes.priority {
        None => "",
        Some(Priority::Low) => "; Priority=Low",
        Some(Priority::Medium) => "; Priority=Medium",
        Some(Priority::High) => "; Priority=High",
    };
    header(&cookie, attributes, priority)
}

/// How many bytes a text has in a cookie's value.
pub(crate) fn encoded_len(text: &str) -> usize {
    utf8_percent_encode(text, COMPONENT).map(str::len).sum()
}

/// The header that takes the cookie away: of exactly the same scope, since browsers keep the old one otherwise. And as
/// much for other sites, since from an embedded page browsers take nothing but `SameSite=None`: RFC 6265bis §5.7.
pub(crate) fn remove(name: &str, attributes: &CookieOptions) -> Option<HeaderValue> {
    let mut cookie = scoped(name, String::new(), attributes);
    cookie.set_max_age(time::Duration::ZERO);
    cookie.set_expires(OffsetDateTime::UNIX_EPOCH);
    header(&cookie, attributes, "")
}

fn scoped<'a>(name: &'a str, value: String, attributes: &'a CookieOptions) -> Cookie<'a> {
    let mut cookie = Cookie::new(name, value);
    cookie.set_path(attributes.path.as_ref());
    if let Some(domain) = attributes.domain.as_deref() {
        cookie.set_domain(domain);
    }
    // Said even if it is false: the crate adds `Secure` by itself to SameSite=None cookies otherwise.
    cookie.set_secure(attributes.secure == Secure::On);
    cookie.set_http_only(attributes.http_only);
    cookie.set_same_site(match attributes.same_site {
        SameSite::Strict => Some(cookie::SameSite::Strict),
        SameSite::Lax => Some(cookie::SameSite::Lax),
        SameSite::None => Some(cookie::SameSite::None),
        SameSite::Auto | SameSite::Unset => None,
    });
    cookie
}

/// The crate would make a partitioned cookie `Secure` even if it is said not to be, and knows no `Priority`.
fn header(cookie: &Cookie<'_>, attributes: &CookieOptions, priority: &str) -> Option<HeaderValue> {
    let partitioned = if attributes.partitioned { "; Partitioned" } else { "" };
    HeaderValue::try_from(format!("{cookie}{partitioned}{priority}")).ok()
}

/// Whole seconds, as the format has them; moments that it can't write are moved to the nearest it can.
fn date(moment: Timestamp) -> Expiration {
    const LAST: i64 = 253_402_300_799; // 9999-12-31T23:59:59Z
    let seconds = moment.as_millis().div_euclid(1000).clamp(0, LAST);
    Expiration::from(OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH))
}
