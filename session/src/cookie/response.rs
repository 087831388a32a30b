//! Writing the session cookie to a response, as RFC 6265bis §4.1 has it.
//!
//! By hand: the attributes were checked when the layer was built or the session was saved, and the usual crate makes
//! `SameSite=None` and `Partitioned` cookies `Secure` even if they are said not to be, and knows no `Priority`.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use http::HeaderValue;
use httpdate::HttpDate;
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};

use super::options::{CookieOptions, Priority, SameSite, Secure};
use crate::timestamp::Timestamp;

/// The header that gives the client a session. `attributes` are resolved: neither `secure` nor `same_site` is auto.
/// None if something in them can't stand in a header.
pub(crate) fn set(
    name: &str,
    signed: &str,
    attributes: &CookieOptions,
    expires: Option<Timestamp>,
) -> Option<HeaderValue> {
    let mut line = String::with_capacity(256);
    line.extend([name, "=s%3A"]);
    encode(&mut line, signed);
    scope(&mut line, attributes);
    if let Some(expires) = expires {
        write!(line, "; Expires={}", date(expires)).ok()?;
    }
    if attributes.partitioned {
        line.push_str("; Partitioned");
    }
    line.push_str(match attributes.priority {
        None => "",
        Some(Priority::Low) => "; Priority=Low",
        Some(Priority::Medium) => "; Priority=Medium",
        Some(Priority::High) => "; Priority=High",
    });
    HeaderValue::try_from(line).ok()
}

/// How many bytes a text has in a cookie's value.
pub(crate) fn encoded_len(text: &str) -> usize {
    text.bytes().map(|byte| if is_plain(byte) { 1 } else { 3 }).sum()
}

/// The header that takes the cookie away: of exactly the same scope, since browsers keep the old one otherwise. And as
/// much for other sites, since from an embedded page browsers take nothing but `SameSite=None`: RFC 6265bis §5.7.
pub(crate) fn remove(name: &str, attributes: &CookieOptions) -> Option<HeaderValue> {
    let mut line = String::with_capacity(160);
    line.extend([name, "="]);
    scope(&mut line, attributes);
    line.push_str("; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT");
    if attributes.partitioned {
        line.push_str("; Partitioned");
    }
    HeaderValue::try_from(line).ok()
}

fn scope(line: &mut String, attributes: &CookieOptions) {
    if attributes.http_only {
        line.push_str("; HttpOnly");
    }
    line.push_str(match attributes.same_site {
        SameSite::Strict => "; SameSite=Strict",
        SameSite::Lax => "; SameSite=Lax",
        SameSite::None => "; SameSite=None",
        SameSite::Auto | SameSite::Unset => "",
    });
    if attributes.secure == Secure::On {
        line.push_str("; Secure");
    }
    line.extend(["; Path=", &attributes.path]);
    if let Some(domain) = &attributes.domain {
        line.extend(["; Domain=", domain]);
    }
}

/// As JavaScript's `encodeURIComponent` does it, with which express-session encodes the value.
fn encode(line: &mut String, text: &str) {
    let mut rest = text;
    while let Some(escaped) = rest.bytes().position(|byte| !is_plain(byte)) {
        let (plain, after) = rest.split_at(escaped);
        line.push_str(plain);
        let mut characters = after.chars();
        let bytes = characters.next().map_or(0, char::len_utf8);
        line.extend(percent_encode(&after.as_bytes()[..bytes], NON_ALPHANUMERIC));
        rest = characters.as_str();
    }
    line.push_str(rest);
}

fn is_plain(byte: u8) -> bool {
    PLAIN[usize::from(byte)]
}

/// The bytes that stay as they are.
static PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0;
    while byte < 128_u8 {
        let is_mark = matches!(byte, b'-' | b'_' | b'.' | b'!' | b'~' | b'*' | b'\'' | b'(' | b')');
        plain[byte as usize] = byte.is_ascii_alphanumeric() || is_mark;
        byte += 1;
    }
    plain
};

/// Whole seconds, as the format has them; moments that it can't write are moved to the nearest it can.
fn date(moment: Timestamp) -> HttpDate {
    const LAST: u64 = 253_402_300_799; // 9999-12-31T23:59:59Z
    let seconds = u64::try_from(moment.as_millis().div_euclid(1000)).unwrap_or(0).min(LAST);
    HttpDate::from(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}
