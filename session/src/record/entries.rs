//! The pairs at the top level of a record, found without parsing what need not be parsed.

use std::borrow::Cow;

use memchr::memchr2;
use serde::de::{DeserializeSeed, Error as _, IgnoredAny};
use serde_json::{Deserializer, Error};

use super::UsualCookie;
use super::find::{plain_text_end, plain_value_end};

/// The pairs of a record, in order: each key, and its value as it is written.
///
/// Only what is needed to find them is looked at. Whether the text is JSON is found out by whoever parses it; of one that
/// isn't, there are any pairs, perhaps up to an error.
pub(super) struct Entries<'a>(Option<Walk<'a>>);

impl<'a> Entries<'a> {
    pub(super) fn of(json: &'a str) -> Result<Self, Error> {
        Walk::over(json, None).map(Some).map(Self)
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<(Cow<'a, str>, &'a str), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let entry = self.0.as_mut()?.next_entry().transpose();
        if !matches!(entry, Some(Ok(_))) {
            self.0 = None;
        }
        entry
    }
}

/// A walk over the top level of a record, from key to value and on to the next key, up to the first error.
pub(super) struct Walk<'a> {
    json: &'a str,
    at: usize,
    key_start: usize,
    is_at_first: bool,
    /// A value that is passed over without a look at what is in it.
    usual: Option<&'a UsualCookie>,
}

impl<'a> Walk<'a> {
    pub(super) fn over(json: &'a str, usual: Option<&'a UsualCookie>) -> Result<Self, Error> {
        let start = after_blanks(json.as_bytes(), 0);
        let is_object = json.as_bytes().get(start) == Some(&b'{');
        if is_object {
            Ok(Self { json, at: start + 1, key_start: start + 1, is_at_first: true, usual })
        } else {
            Err(not_an_object())
        }
    }

    fn next_entry(&mut self) -> Result<Option<(Cow<'a, str>, &'a str)>, Error> {
        let Some(key) = self.next_key()? else { return Ok(None) };
        Ok(Some((key, self.skip_value()?)))
    }

    /// Where the last key begins.
    pub(super) const fn key_start(&self) -> usize {
        self.key_start
    }

    /// How far it is: at a value behind its key, at what follows behind a value.
    pub(super) const fn position(&self) -> usize {
        self.at
    }

    /// The next key. None behind the last one.
    // Not in line, here and below: reading and writing a record pass through the same code, which is in the cache then.
    #[inline(never)]
    pub(super) fn next_key(&mut self) -> Result<Option<Cow<'a, str>>, Error> {
        let bytes = self.json.as_bytes();
        let mut start = after_blanks(bytes, self.at);
        let is_at_first = std::mem::take(&mut self.is_at_first);
        match bytes.get(start) {
            Some(b'}') => {
                self.at = start;
                return Ok(None);
            }
            Some(b',') if !is_at_first => start = after_blanks(bytes, start + 1),
            _ if is_at_first => {}
            _ => return Err(not_an_object()),
        }
        self.key_start = start;
        self.key(start).map(Some).ok_or_else(not_an_object)
    }

    /// The key that begins here.
    #[inline]
    fn key(&mut self, start: usize) -> Option<Cow<'a, str>> {
        let bytes = self.json.as_bytes();
        if bytes.get(start) != Some(&b'"') {
            return None;
        }
        let quote = plain_text_end(bytes, start + 1)?;
        let is_plain = bytes.get(quote) == Some(&b'"');
        let end = if is_plain { quote + 1 } else { string_end(bytes, start)? };
        let colon = after_blanks(bytes, end);
        self.at = after_blanks(bytes, colon + 1);
        if bytes.get(colon) != Some(&b':') {
            return None;
        }
        if is_plain {
            return self.json.get(start + 1..end - 1).map(Cow::Borrowed);
        }
        // The parser knows what is escaped, and refuses control characters.
        serde_json::from_str(self.json.get(start..end)?).ok().map(Cow::Owned)
    }

    /// The last key once more; the walk is over then.
    pub(super) fn last_key(&mut self) -> Option<Cow<'a, str>> {
        (self.at, self.is_at_first) = (self.key_start, true);
        self.next_key().ok()?
    }

    /// The value, as it is written.
    #[inline(never)]
    pub(super) fn skip_value(&mut self) -> Result<&'a str, Error> {
        let (bytes, start) = (self.json.as_bytes(), self.at);
        let usual = self.usual.filter(|_| bytes.get(start) == Some(&b'{'));
        let known = usual.and_then(|usual| usual.length_in(self.json.get(start..)?));
        let end = known.map(|length| start + length).or_else(|| value_end(bytes, start)).ok_or_else(not_an_object)?;
        let value = self.json.get(self.at..end).ok_or_else(not_an_object)?;
        self.at = end;
        Ok(value)
    }

    /// The value, parsed.
    #[inline]
    pub(super) fn parse_value<S: DeserializeSeed<'a>>(&mut self, seed: S) -> Result<S::Value, Error> {
        let mut deserializer = Deserializer::from_str(self.json.get(self.at..).unwrap_or_default());
        let value = seed.deserialize(&mut deserializer)?;
        self.at += deserializer.into_iter::<IgnoredAny>().byte_offset();
        Ok(value)
    }

    /// Where the pairs of a record that was read before end.
    pub(super) fn end_of_pairs(json: &str) -> Result<usize, Error> {
        json.trim_ascii_end().strip_suffix('}').map(str::len).ok_or_else(not_an_object)
    }

    /// Whether the record ends here, behind its last pair.
    pub(super) fn end(&self) -> Result<(), Error> {
        let rest = self.json.as_bytes().get(self.at..).and_then(|rest| rest.strip_prefix(b"}"));
        let is_end = rest.is_some_and(|rest| after_blanks(rest, 0) == rest.len());
        if is_end { Ok(()) } else { Err(not_an_object()) }
    }
}

fn not_an_object() -> Error {
    Error::custom("a record is a JSON object")
}

#[inline]
fn after_blanks(bytes: &[u8], start: usize) -> usize {
    let mut at = start;
    while bytes.get(at).is_some_and(|byte| *byte <= b' ' && matches!(byte, b' ' | b'\t' | b'\n' | b'\r')) {
        at += 1;
    }
    at
}

/// The end of the string that begins here.
#[inline]
fn string_end(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        at += memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes.get(at) == Some(&b'"') {
            return Some(at + 1);
        }
        // Behind a backslash, a quote is a letter.
        at += 2;
    }
}

/// The end of the value that begins here.
#[inline]
fn value_end(bytes: &[u8], start: usize) -> Option<usize> {
    match bytes.get(start)? {
        b'"' => string_end(bytes, start),
        b'{' | b'[' => nested_end(bytes, start),
        _ => plain_value_end(bytes, start).filter(|end| *end > start),
    }
}

/// The end of the object or array that begins here.
fn nested_end(bytes: &[u8], start: usize) -> Option<usize> {
    let (mut at, mut depth) = (start, 0_usize);
    loop {
        let is_structural = |byte: &u8| STRUCTURAL[usize::from(*byte)];
        at += bytes.get(at..)?.iter().position(is_structural)?;
        match bytes.get(at)? {
            b'"' => at = string_end(bytes, at)?,
            b'{' | b'[' => (at, depth) = (at + 1, depth + 1),
            _ if depth == 1 => return Some(at + 1),
            _ => (at, depth) = (at + 1, depth - 1),
        }
    }
}

/// What strings, objects and arrays begin and end with.
const STRUCTURAL: [bool; 256] = {
    let mut is_structural = [false; 256];
    let (mut at, bytes) = (0, b"\"{}[]");
    while at < bytes.len() {
        is_structural[bytes[at] as usize] = true;
        at += 1;
    }
    is_structural
};

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that can't go on fails")]
mod tests {
    use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
    use std::marker::PhantomData;
    use std::sync::Arc;

    use serde::de::{Deserialize, Deserializer as _, MapAccess, Visitor};
    use serde_json::Value;
    use serde_json::value::RawValue;

    use super::*;
    use crate::cookie::CookieOptions;

    /// The keys and values as serde_json finds them.
    struct Parsed<V>(PhantomData<V>);

    impl<'de, V: Deserialize<'de>> Visitor<'de> for Parsed<V> {
        type Value = Vec<(String, V)>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut pairs = Vec::new();
            while let Some(pair) = map.next_entry()? {
                pairs.push(pair);
            }
            Ok(pairs)
        }
    }

    fn parsed<'de, V: Deserialize<'de>>(json: &'de str) -> Result<Vec<(String, V)>, Error> {
        let mut deserializer = Deserializer::from_str(json);
        let pairs = deserializer.deserialize_map(Parsed(PhantomData))?;
        deserializer.end().map(|()| pairs)
    }

    /// A pair as it is written.
    #[derive(Debug, PartialEq, Eq)]
    struct Pair<'a> {
        key: Cow<'a, str>,
        raw_key: &'a str,
        value: &'a str,
    }

    fn found<'a>(json: &'a str, usual: Option<&'a UsualCookie>) -> Result<Vec<Pair<'a>>, Error> {
        let mut walk = Walk::over(json, usual)?;
        let mut pairs = Vec::new();
        while let Some(key) = walk.next_key()? {
            let start = walk.key_start();
            let raw_key = &json[start..walk.position()];
            let value = walk.skip_value()?;
            assert_eq!(json[start..walk.position()], [raw_key, value].concat(), "{json}");
            pairs.push(Pair { key, raw_key, value });
        }
        Ok(pairs)
    }

    /// Writes any JSON, with any blanks; `next` gives numbers below its argument.
    struct Writer<'a> {
        text: String,
        next: &'a mut dyn FnMut(usize) -> usize,
    }

    impl Writer<'_> {
        fn one_of(&mut self, texts: &[&str]) {
            let text = texts[(self.next)(texts.len())];
            self.text.push_str(text);
        }

        fn blanks(&mut self) {
            self.one_of(&["", "", "", " ", "\n\t", "\r\n  "]);
        }

        fn string(&mut self) {
            self.text.push('"');
            for _ in 0..(self.next)(5) {
                self.one_of(&["a", "views", "é", "\\\"", "\\\\", "\\u0075", "{", "}", "[", "]", ",", ":", " ", "🦀"]);
            }
            self.text.push('"');
        }

        fn value(&mut self, depth: usize) {
            match (self.next)(if depth == 0 { 2 } else { 4 }) {
                0 => self.one_of(&["null", "true", "false", "0", "-1.5e+3", "12345678901234567890"]),
                1 => self.string(),
                2 => self.pairs('{', '}', depth),
                _ => self.pairs('[', ']', depth),
            }
        }

        fn pairs(&mut self, open: char, close: char, depth: usize) {
            self.text.push(open);
            self.blanks();
            for index in 0..(self.next)(4) {
                if index > 0 {
                    self.text.push(',');
                    self.blanks();
                }
                if open == '{' {
                    self.string();
                    self.blanks();
                    self.text.push(':');
                    self.blanks();
                }
                self.value(depth - 1);
                self.blanks();
            }
            self.text.push(close);
        }
    }

    fn any_record(seed: u64) -> String {
        let mut count = 0_u64;
        let mut next = |below: usize| {
            count += 1;
            usize::try_from(BuildHasherDefault::<DefaultHasher>::default().hash_one((seed, count)) >> 1).unwrap()
                % below
        };
        let mut writer = Writer { text: String::new(), next: &mut next };
        writer.blanks();
        writer.pairs('{', '}', 4);
        writer.blanks();
        writer.text
    }

    #[test]
    fn the_pairs_are_those_that_a_parser_finds() {
        for seed in 0..10_000 {
            let json = any_record(seed);
            let pairs = found(&json, None).unwrap();
            let keys_and_values: Vec<_> = pairs.iter().map(|pair| (pair.key.to_string(), pair.value)).collect();
            let expected = parsed::<&RawValue>(&json).unwrap();
            let expected: Vec<_> = expected.into_iter().map(|(key, value)| (key, value.get())).collect();
            assert_eq!(keys_and_values, expected, "{json}");
            for pair in &pairs {
                let key: String = serde_json::from_str(pair.raw_key.trim_end().strip_suffix(':').unwrap()).unwrap();
                assert_eq!(key, pair.key);
            }
            let entries: Result<Vec<_>, _> = Entries::of(&json).unwrap().collect();
            let pairs: Vec<_> = pairs.into_iter().map(|pair| (pair.key, pair.value)).collect();
            assert_eq!(entries.unwrap(), pairs);
        }
    }

    /// Parses each value.
    fn walked(json: &str) -> Result<Vec<(String, Value)>, Error> {
        let mut walk = Walk::over(json, None)?;
        let mut pairs = Vec::new();
        while let Some(key) = walk.next_key()? {
            pairs.push((key.into_owned(), walk.parse_value(PhantomData)?));
        }
        walk.end().map(|()| pairs)
    }

    #[test]
    fn a_walk_that_parses_all_values_takes_and_refuses_what_a_parser_does() {
        const OTHERS: [&str; 12] = ["", "{", "}", "[", "]", ",", ":", "\"", "\\", "0", " ", "\n"];
        let mut refused = 0;
        for seed in 0..20_000 {
            let mut json = any_record(seed);
            // One letter is another, or none.
            let (start, letter) =
                json.char_indices().nth(usize::try_from(seed).unwrap() % json.chars().count()).unwrap();
            json.replace_range(start..start + letter.len_utf8(), OTHERS[usize::try_from(seed).unwrap() % 12]);
            let expected = parsed(&json).ok();
            refused += usize::from(expected.is_none());
            assert_eq!(walked(&json).ok(), expected, "{json}");
        }
        assert!((2_000..18_000).contains(&refused), "{refused}");
    }

    #[test]
    fn a_cookie_that_is_known_ends_where_it_ends() {
        let attributes = Arc::new(CookieOptions::default());
        let usual = UsualCookie::new(&attributes, &attributes).unwrap();
        let rest = r#""httpOnly":true,"path":"/","sameSite":"lax"}"#;
        let date = r#""2026-01-01T00:00:00.000Z""#;
        let mut known = 0;
        for life in ["null", "60000", "-1", "1.5", "\"a\"", "[1,2]", "{\"a\":1", "\"x"] {
            for expires in ["null", date, "\"soon\"", "\"2026-01-01T00:00:00.00\\\"\"", "7", "nul"] {
                let cookie = format!(r#"{{"originalMaxAge":{life},"expires":{expires},{rest}"#);
                known += usize::from(usual.length_in(&cookie) == Some(cookie.len()));
                for json in
                    [format!(r#"{{"cookie":{cookie},"views":1}}"#), format!(r#"{{"a":[{cookie}],"b":{cookie}}}"#)]
                {
                    assert_eq!(found(&json, Some(&usual)).ok(), found(&json, None).ok(), "{json}");
                }
            }
        }
        assert_eq!(known, 3 * 2);
    }

    #[test]
    fn the_pairs_end_with_the_first_error() {
        let all: Vec<_> =
            Entries::of(r#"{"a":1,"b"}"#).unwrap().map(|entry| entry.map(|(_, value)| value).ok()).collect();
        assert_eq!(all, [Some("1"), None]);
    }

    #[test]
    fn what_is_cut_off_or_no_object_is_an_error() {
        let whole = r#" {"a" : {"b":["}",1]} , "c":"\"" , "d":true} "#;
        assert_eq!(found(whole, None).unwrap().len(), 3);
        for end in 0..whole.len() - 2 {
            assert!(found(&whole[..end], None).is_err(), "{}", &whole[..end]);
        }
        for other in ["", "null", "[]", "1", "\"a\"", "{a:1}", "{\"a\" 1}", "{\"a\":}", "{,}"] {
            assert!(found(other, None).is_err(), "{other}");
        }
    }
}
