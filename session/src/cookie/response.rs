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
use crate::secret::Piece;
use crate::timestamp::Timestamp;

/// A cookie's attributes as headers have them, its expiry aside: made once for those that most cookies have.
pub(crate) struct AttributeText {
    /// What browsers tell cookies of one name apart by, or refuse to replace them for.
    scope: String,
    priority: &'static str,
}

impl AttributeText {
    /// The attributes are resolved: neither `secure` nor `same_site` is auto.
    pub(crate) fn new(attributes: &CookieOptions) -> Self {
        let priority = match attributes.priority {
            None => "",
            Some(Priority::Low) => "; Priority=Low",
            Some(Priority::Medium) => "; Priority=Medium",
            Some(Priority::High) => "; Priority=High",
        };
        Self { scope: scope(attributes), priority }
    }

    /// The header that gives the client a session. `write_signed` writes the cookie's value, in pieces. None if something
    /// in it can't stand in a header.
    pub(crate) fn set(
        &self,
        name: &str,
        write_signed: impl FnOnce(&mut dyn FnMut(Piece<'_>)),
        expires: Option<Timestamp>,
    ) -> Option<HeaderValue> {
        // A usual cookie has just this room, so that it need not be moved to become a header.
        let room = name.len() + SIGNED.len() + USUAL_VALUE + self.scope.len() + self.priority.len();
        let mut line = String::with_capacity(room);
        line.extend([name, SIGNED]);
        write_signed(&mut |piece| match piece {
            Piece::Plain(text) => line.push_str(text),
            Piece::Any(text) => encode(&mut line, text),
        });
        line.extend([&*self.scope, self.priority]);
        if let Some(expires) = expires {
            write!(line, "; Expires={}", date(expires)).ok()?;
        }
        HeaderValue::try_from(line).ok()
    }

    /// The header that takes the cookie away: of exactly the same scope, since browsers keep the old one otherwise. And as
    /// much for other sites, since from an embedded page browsers take nothing but `SameSite=None`: RFC 6265bis §5.7.
    pub(crate) fn removal(&self, name: &str) -> Option<HeaderValue> {
        let line = format!("{name}={}; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT", self.scope);
        HeaderValue::try_from(line).ok()
    }
}

/// What a signed value begins with, `s:`, encoded.
const SIGNED: &str = "=s%3A";
/// An id of 32 letters, a dot, and a signature of 43.
const USUAL_VALUE: usize = 76;

fn scope(attributes: &CookieOptions) -> String {
    let mut scope = String::new();
    if attributes.http_only {
        scope.push_str("; HttpOnly");
    }
    scope.push_str(match attributes.same_site {
        SameSite::Strict => "; SameSite=Strict",
        SameSite::Lax => "; SameSite=Lax",
        SameSite::None => "; SameSite=None",
        SameSite::Auto | SameSite::Unset => "",
    });
    if attributes.secure == Secure::On {
        scope.push_str("; Secure");
    }
    scope.extend(["; Path=", &attributes.path]);
    if let Some(domain) = &attributes.domain {
        scope.extend(["; Domain=", domain]);
    }
    if attributes.partitioned {
        scope.push_str("; Partitioned");
    }
    scope
}

/// How many bytes a text has in a cookie's value.
pub(crate) fn encoded_len(text: &str) -> usize {
    text.bytes().map(|byte| if is_plain(byte) { 1 } else { 3 }).sum()
}

/// As JavaScript's `encodeURIComponent` does it, with which express-session encodes the value.
fn encode(line: &mut String, text: &str) {
    // Without an early end, this is several letters a step.
    if text.bytes().fold(true, |all, byte| all & is_plain(byte)) {
        return line.push_str(text);
    }
    for character in text.chars() {
        let mut bytes = [0; 4];
        let bytes = character.encode_utf8(&mut bytes);
        match bytes.as_bytes() {
            [byte] if is_plain(*byte) => line.push(character),
            bytes => line.extend(percent_encode(bytes, NON_ALPHANUMERIC)),
        }
    }
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
