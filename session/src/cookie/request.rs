//! Reading the session cookie from a request's headers.
//!
//! Over bytes, so that other cookies can hold what they like; pairs are split at `;`, only space and tab are trimmed,
//! names are compared exactly and never decoded (a parser that decodes names, or trims Unicode blanks, lets `__Host-`
//! be forged: CVE-2020-8184). Values are decoded as express-session's `cookie` package does.

use std::ops::ControlFlow;

use http::header::{COOKIE, HeaderMap};
use memchr::memchr;

/// What browsers send at most for a cookie's name and value: RFC 6265bis §5.6. Longer values are as good as none.
const MAX_LEN: usize = 4096;

/// What `look` finds in the values of the cookies of this name, as they came. It is shown one after the other, in the order
/// of the `Cookie` lines, which count as one.
///
/// A value of `LEN` bytes behind `s:`, as those that this library makes, is shown to `look_at_usual` first, which takes
/// nothing that has a `%`, a `;`, a quote or a blank in it: then nobody needs to look for those.
pub(crate) fn find<R, const LEN: usize>(
    headers: &HeaderMap,
    name: &str,
    look_at_usual: impl Fn(&[u8; LEN]) -> Option<R>,
    mut look: impl FnMut(&[u8]) -> ControlFlow<R>,
) -> Option<R> {
    for line in headers.get_all(COOKIE) {
        let mut rest = line.as_bytes();
        loop {
            rest = trim_start(rest);
            if let Some(found) = usual_value(rest, name.as_bytes()).and_then(&look_at_usual) {
                return Some(found);
            }
            let end = memchr(b';', rest);
            let pair = end.map_or(rest, |end| &rest[..end]);
            if let Some(ControlFlow::Break(found)) = value_of(pair, name.as_bytes()).map(&mut look) {
                return Some(found);
            }
            let Some(end) = end else { break };
            rest = &rest[end + 1..];
        }
    }
    None
}

/// What may be the value of the first cookie, if that has this name. It may as well end earlier.
#[inline]
fn usual_value<'a, const LEN: usize>(cookies: &'a [u8], name: &[u8]) -> Option<&'a [u8; LEN]> {
    let value = cookies.strip_prefix(name)?.strip_prefix(b"=s%3A")?;
    let (value, rest) = value.split_first_chunk()?;
    matches!(rest, [] | [b';', ..]).then_some(value)
}

/// Values up to this length are decoded without an allocation; one that this library makes has about 80 bytes.
const SHORT: usize = 128;

/// What `read` makes of a signed value: of what is decoded from it, after `s:`. None if it isn't signed, is too long, or
/// `read` makes nothing of it. It makes something of texts only.
pub(crate) fn signed<R>(value: &[u8], read: impl Fn(&[u8]) -> Option<R>) -> Option<R> {
    match value.strip_prefix(b"s%3A") {
        // What this library makes has no other escapes.
        Some(signed) if memchr(b'%', signed).is_none() && value.len() <= MAX_LEN => read(signed),
        _ => decoded(value, |value| read(value.strip_prefix(b"s:")?)),
    }
}

/// What `read` makes of the decoded value.
#[inline(never)]
fn decoded<R>(value: &[u8], read: impl Fn(&[u8]) -> Option<R>) -> Option<R> {
    if value.len() > MAX_LEN {
        return None;
    }
    let value = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(value);
    let (mut short, mut long);
    let buffer: &mut [u8] = if value.len() <= SHORT {
        short = [0; SHORT];
        &mut short
    } else {
        long = vec![0; value.len()];
        &mut long
    };
    match percent_decoded(value, buffer) {
        Some(decoded) => read(decoded).or_else(|| str::from_utf8(decoded).is_err().then(|| read(value))?),
        // What isn't properly encoded stays as it is, and so does what is then no text.
        None => read(value),
    }
}

/// The value of a pair of this name, if it begins with that.
#[inline]
fn value_of<'a>(pair: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let rest = pair.strip_prefix(name)?;
    let value = trim_start(rest).strip_prefix(b"=")?;
    Some(trim_end(trim_start(value)))
}

/// `buffer` is as long as `value`, or longer.
fn percent_decoded<'a>(value: &[u8], buffer: &'a mut [u8]) -> Option<&'a [u8]> {
    let (mut rest, mut len) = (value, 0);
    while !rest.is_empty() {
        let plain = memchr(b'%', rest).unwrap_or(rest.len());
        buffer.get_mut(len..len + plain)?.copy_from_slice(&rest[..plain]);
        (rest, len) = (&rest[plain..], len + plain);
        if let [b'%', escape @ ..] = rest {
            let [high, low, after @ ..] = escape else { return None };
            *buffer.get_mut(len)? = hex(*high)? << 4 | hex(*low)?;
            (rest, len) = (after, len + 1);
        }
    }
    buffer.get(..len)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
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
