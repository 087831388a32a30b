//! Reading the session cookie from a request's headers.
//!
//! Over bytes, so that other cookies can hold what they like; pairs are split at `;`, only space and tab are trimmed,
//! names are compared exactly and never decoded (a parser that decodes names, or trims Unicode blanks, lets `__Host-`
//! be forged: CVE-2020-8184). Values are decoded as express-session's `cookie` package does.

use std::borrow::Cow;

use http::header::{COOKIE, HeaderMap};
use percent_encoding::percent_decode;

/// What browsers send at most for a cookie's name and value: RFC 6265bis §5.6. Longer values are as good as none.
const MAX_LEN: usize = 4096;

/// The decoded values of all cookies of this name, in the order of the `Cookie` lines, which count as one. None in the
/// place of one that is too long, or no text.
pub(crate) fn values<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = Option<Cow<'a, str>>> {
    headers
        .get_all(COOKIE)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b';'))
        .filter_map(move |pair| value_of(pair, name.as_bytes()))
        .map(decode)
}

fn value_of<'a>(pair: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let rest = trim_start(pair).strip_prefix(name)?;
    let value = trim_start(rest).strip_prefix(b"=")?;
    Some(trim_end(trim_start(value)))
}

/// Takes quotes off and undoes percent encoding; what isn't properly encoded stays as it is.
fn decode(value: &[u8]) -> Option<Cow<'_, str>> {
    if value.len() > MAX_LEN {
        return None;
    }
    let value = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(value);
    if !value.contains(&b'%') || !is_well_encoded(value) {
        return str::from_utf8(value).ok().map(Cow::Borrowed);
    }
    match percent_decode(value).decode_utf8() {
        Ok(decoded) => Some(decoded),
        Err(_) => str::from_utf8(value).ok().map(Cow::Borrowed),
    }
}

fn is_well_encoded(value: &[u8]) -> bool {
    let mut escapes = value.split(|byte| *byte == b'%');
    escapes.next();
    escapes.all(|escape| escape.get(..2).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)))
}

fn trim_start(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    bytes
}

fn trim_end(mut bytes: &[u8]) -> &[u8] {
    while let [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}
