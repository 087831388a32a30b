//! The `cookie` part that nearly all records of a layer have.

use std::sync::Arc;

use serde_json::Error;

use super::{BEGINNING, CookieJson, StoredCookie, from_iso8601, to_iso8601};
use crate::cookie::{CookieOptions, SessionCookie};
use crate::timestamp::Timestamp;

const EXPIRES: &str = r#""expires":"#;
const NULL: &str = "null";
/// The length of a moment before the year 10 000, with its quotes.
const DATE: usize = r#""2026-01-01T00:00:00.000Z""#.len();

/// The `cookie` part of the sessions that have the configured cookie. All of it but the life and the expiry is known
/// beforehand, so that it is compared and copied, which costs a tenth of parsing and serializing it.
pub(crate) struct UsualCookie {
    /// What is read from it.
    attributes: Arc<CookieOptions>,
    /// What stands between the life and the expiry.
    middle: String,
    /// What stands after the expiry.
    end: String,
}

impl UsualCookie {
    /// The one of these attributes, for readers that take `absent` for what is left out.
    pub(crate) fn new(attributes: &Arc<CookieOptions>, absent: &Arc<CookieOptions>) -> Option<Self> {
        let cookie = SessionCookie::stored(Arc::clone(attributes), None, None);
        let json = serde_json::to_string(&CookieJson { cookie: &cookie, absent }).ok()?;
        let attributes = serde_json::from_str::<StoredCookie>(&json).ok()?.attributes(absent);
        let rest = json.strip_prefix(BEGINNING)?.strip_prefix(NULL)?;
        let (middle, end) = rest.split_at(rest.find(EXPIRES)? + EXPIRES.len());
        Some(Self { attributes, middle: middle.to_owned(), end: end.strip_prefix(NULL)?.to_owned() })
    }

    /// The cookie that is stored with this text; none if the text is another one.
    pub(in crate::record) fn read(&self, json: &str) -> Option<SessionCookie> {
        let (life, expires, length) = self.parts(json)?;
        let (life, expires) = (life_of(life)?, expiry_of(expires)?);
        (length == json.len()).then(|| SessionCookie::stored(Arc::clone(&self.attributes), life, expires))
    }

    /// How long it is in this text, which begins with it; none if it begins with something else.
    #[inline]
    pub(in crate::record) fn length_in(&self, json: &str) -> Option<usize> {
        self.parts(json).map(|(.., length)| length)
    }

    /// The life and the expiry with which the text begins, and how long it is in all.
    #[inline]
    fn parts<'a>(&self, json: &'a str) -> Option<(&'a str, &'a str, usize)> {
        let life = json.strip_prefix(BEGINNING)?;
        let life = life.split_at(life.bytes().position(|byte| !is_of_number_or_null(byte))?).0;
        let expires = json.get(BEGINNING.len() + life.len()..)?.strip_prefix(&*self.middle)?;
        let (expires, rest) = expires.split_at_checked(if expires.starts_with('"') { DATE } else { NULL.len() })?;
        let is_one = expires == NULL || !expires.get(1..DATE - 1)?.contains(['"', '\\']) && expires.ends_with('"');
        let rest = rest.strip_prefix(&*self.end)?;
        is_one.then_some((life, expires, json.len() - rest.len()))
    }

    /// Whether a session's cookie has these attributes.
    pub(in crate::record) fn is_of(&self, cookie: &SessionCookie) -> bool {
        let attributes = cookie.attributes();
        Arc::ptr_eq(attributes, &self.attributes) || *attributes == self.attributes
    }

    /// Writes the text of a session's cookie, which has these attributes.
    pub(in crate::record) fn write(&self, cookie: &SessionCookie, json: &mut Vec<u8>) -> Result<(), Error> {
        json.extend_from_slice(BEGINNING.as_bytes());
        serde_json::to_writer(&mut *json, &cookie.original_max_age_millis())?;
        json.extend_from_slice(self.middle.as_bytes());
        serde_json::to_writer(&mut *json, &cookie.expires_at().map(to_iso8601))?;
        json.extend_from_slice(self.end.as_bytes());
        Ok(())
    }
}

const fn is_of_number_or_null(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'-' | b'n' | b'u' | b'l')
}

fn life_of(json: &str) -> Option<Option<i64>> {
    if json == NULL { Some(None) } else { json.parse().ok().map(Some) }
}

fn expiry_of(json: &str) -> Option<Option<Timestamp>> {
    if json == NULL { Some(None) } else { from_iso8601(json.strip_prefix('"')?.strip_suffix('"')?).map(Some) }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that can't go on fails")]
mod tests {
    use std::sync::Arc;

    use super::{CookieJson, StoredCookie, UsualCookie};
    use crate::cookie::{CookieOptions, Priority, SameSite, Secure, SessionCookie};
    use crate::timestamp::Timestamp;

    fn several() -> [Arc<CookieOptions>; 4] {
        let others = CookieOptions::default().path("/\"expires\":null,").domain("example.com").http_only(false);
        let more = CookieOptions::express().secure(Secure::On).same_site(SameSite::None).priority(Priority::High);
        [CookieOptions::default(), CookieOptions::express(), others, more.partitioned(true)].map(Arc::new)
    }

    #[test]
    fn reads_what_is_parsed_and_writes_what_is_serialized() {
        let moment = Some(Timestamp::from_millis(1_700_000_000_001));
        for (attributes, absent) in several().iter().flat_map(|one| several().map(|other| (Arc::clone(one), other))) {
            let usual = UsualCookie::new(&attributes, &absent).unwrap();
            for (life, expires) in [(None, None), (Some(60_000), moment), (Some(-1), moment), (None, moment)] {
                let cookie = SessionCookie::stored(Arc::clone(&attributes), life, expires);
                let json = serde_json::to_string(&CookieJson { cookie: &cookie, absent: &absent }).unwrap();
                let parsed: StoredCookie = serde_json::from_str(&json).unwrap();
                assert_eq!(usual.read(&json), Some(parsed.into_cookie(&absent)), "{json}");
                let mut written = Vec::new();
                usual.write(&cookie, &mut written).unwrap();
                assert_eq!(written, json.as_bytes());
            }
        }
    }

    #[test]
    fn leaves_other_texts_to_the_parser() {
        let [usual, other, ..] = several();
        let usual = UsualCookie::new(&usual, &usual).unwrap();
        let rest = r#""httpOnly":true,"path":"/","sameSite":"lax""#;
        assert!(usual.read(&format!(r#"{{"originalMaxAge":null,"expires":null,{rest}}}"#)).is_some());
        for json in [
            format!(r#"{{"originalMaxAge":null,"expires":null,{rest},"secure":true}}"#),
            format!(r#"{{"originalMaxAge":null,"secure":true,"expires":null,{rest}}}"#),
            format!(r#"{{"originalMaxAge":1.5,"expires":null,{rest}}}"#),
            format!(r#"{{"originalMaxAge":null,"expires":"soon",{rest}}}"#),
            format!(r#"{{"originalMaxAge":null,"expires":"2026-01-01T00:00:00.000Z","secure":"auto",{rest}}}"#),
            format!(r#"{{"originalMaxAge":null, "expires":null,{rest}}}"#),
            "null".to_owned(),
        ] {
            assert_eq!(usual.read(&json), None, "{json}");
        }
        assert!(!usual.is_of(&SessionCookie::stored(other, None, None)));
    }
}
