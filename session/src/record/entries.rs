//! The pairs at the top level of a record, found without parsing their values.

use std::borrow::Cow;

use memchr::memchr2;
use serde::de::Error as _;
use serde_json::Error;

/// A pair at the top level of a record.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry<'a> {
    pub(super) key: Cow<'a, str>,
    /// The key as it is written, and its colon.
    pub(super) raw_key: &'a str,
    /// The value as it is written.
    pub(super) value: &'a str,
    /// Where the pair begins in the record.
    pub(super) start: usize,
}

impl Entry<'_> {
    pub(super) const fn end(&self) -> usize {
        self.start + self.raw_key.len() + self.value.len()
    }
}

/// The pairs of a record, in order.
///
/// Only what is needed to find them is looked at. Whether the text is JSON is found out by whoever parses it; of one that
/// isn't, there is an error or any pairs.
pub(super) struct Entries<'a> {
    json: &'a str,
    /// Where the next one begins, behind the brace or the comma; none after the last one.
    next: Option<usize>,
}

impl<'a> Entries<'a> {
    pub(super) fn of(json: &'a str) -> Result<Self, Error> {
        let bytes = json.as_bytes();
        let start = after_blanks(bytes, 0);
        let is_object = bytes.get(start) == Some(&b'{');
        let first = after_blanks(bytes, start + 1);
        let is_empty = bytes.get(first) == Some(&b'}');
        if is_object { Ok(Self { json, next: (!is_empty).then_some(first) }) } else { Err(not_an_object()) }
    }

    /// The pair that begins here, and what follows it.
    fn entry(&self, start: usize) -> Option<(Entry<'a>, Option<usize>)> {
        let (json, bytes) = (self.json, self.json.as_bytes());
        let (key_end, is_escaped) = string_end(bytes, start)?;
        let colon = after_blanks(bytes, key_end);
        let value_start = after_blanks(bytes, colon + 1);
        let value_end = value_end(bytes, value_start)?;
        let separator = after_blanks(bytes, value_end);
        let next = match (bytes.get(colon)?, bytes.get(separator)?) {
            (b':', b',') => Some(after_blanks(bytes, separator + 1)),
            (b':', b'}') => None,
            _ => return None,
        };
        let key = if is_escaped {
            Cow::Owned(serde_json::from_str(json.get(start..key_end)?).ok()?)
        } else {
            Cow::Borrowed(json.get(start + 1..key_end - 1)?)
        };
        let (raw_key, value) = (json.get(start..value_start)?, json.get(value_start..value_end)?);
        Some((Entry { key, raw_key, value, start }, next))
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<Entry<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let found = self.entry(self.next?);
        self.next = found.as_ref().and_then(|(_, next)| *next);
        Some(found.map(|(entry, _)| entry).ok_or_else(not_an_object))
    }
}

fn not_an_object() -> Error {
    Error::custom("a record is a JSON object")
}

#[inline]
fn after_blanks(bytes: &[u8], start: usize) -> usize {
    let mut at = start;
    while bytes.get(at).is_some_and(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')) {
        at += 1;
    }
    at
}

/// The end of the string that begins here, and whether something in it is escaped.
#[inline]
fn string_end(bytes: &[u8], start: usize) -> Option<(usize, bool)> {
    let (mut at, mut is_escaped) = (start + 1, false);
    if bytes.get(start) != Some(&b'"') {
        return None;
    }
    loop {
        at += memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes.get(at) == Some(&b'"') {
            return Some((at + 1, is_escaped));
        }
        // Behind a backslash, a quote is a letter.
        (at, is_escaped) = (at + 2, true);
    }
}

/// The end of the value that begins here.
#[inline]
fn value_end(bytes: &[u8], start: usize) -> Option<usize> {
    match bytes.get(start)? {
        b'"' => string_end(bytes, start).map(|(end, _)| end),
        b'{' | b'[' => nested_end(bytes, start),
        _ => {
            let is_outside = |byte: &u8| *byte == b',' || *byte <= b' ' || *byte == b'}' || *byte == b']';
            bytes.get(start..)?.iter().position(is_outside).map(|length| start + length)
        }
    }
}

/// The end of the object or array that begins here.
fn nested_end(bytes: &[u8], start: usize) -> Option<usize> {
    let (mut at, mut depth) = (start, 0_usize);
    loop {
        let is_structural = |byte: &u8| STRUCTURAL[usize::from(*byte)];
        at += bytes.get(at..)?.iter().position(is_structural)?;
        match bytes.get(at)? {
            b'"' => at = string_end(bytes, at)?.0,
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
    use std::collections::hash_map::RandomState;
    use std::hash::BuildHasher;

    use serde::de::{Deserializer, MapAccess, Visitor};
    use serde_json::value::RawValue;

    use super::*;

    /// The keys and values as serde_json finds them.
    struct Parsed;

    impl<'de> Visitor<'de> for Parsed {
        type Value = Vec<(String, &'de str)>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut pairs = Vec::new();
            while let Some((key, value)) = map.next_entry::<String, &RawValue>()? {
                pairs.push((key, value.get()));
            }
            Ok(pairs)
        }
    }

    fn parsed(json: &str) -> Result<Vec<(String, &str)>, Error> {
        let mut deserializer = serde_json::Deserializer::from_str(json);
        let pairs = deserializer.deserialize_map(Parsed)?;
        deserializer.end().map(|()| pairs)
    }

    fn found(json: &str) -> Result<Vec<Entry<'_>>, Error> {
        Entries::of(json)?.collect()
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

    #[test]
    fn the_pairs_are_those_that_a_parser_finds() {
        let random = RandomState::new();
        for seed in 0..20_000_u64 {
            let mut count = 0_u64;
            let mut next = |below: usize| {
                count += 1;
                usize::try_from(random.hash_one((seed, count)) >> 1).unwrap() % below
            };
            let mut writer = Writer { text: String::new(), next: &mut next };
            writer.blanks();
            writer.pairs('{', '}', 4);
            let json = writer.text;
            let entries = found(&json).unwrap();
            let pairs: Vec<_> = entries.iter().map(|entry| (entry.key.to_string(), entry.value)).collect();
            assert_eq!(pairs, parsed(&json).unwrap(), "{json}");
            for entry in &entries {
                assert_eq!(json[entry.start..entry.end()], [entry.raw_key, entry.value].concat(), "{json}");
                let key: String = serde_json::from_str(entry.raw_key.trim_end().strip_suffix(':').unwrap()).unwrap();
                assert_eq!(key, entry.key);
            }
        }
    }

    #[test]
    fn what_is_cut_off_or_no_object_is_an_error() {
        let whole = r#" {"a" : {"b":["}",1]} , "c":"\"" , "d":true} "#;
        assert_eq!(found(whole).unwrap().len(), 3);
        for end in 0..whole.len() - 2 {
            assert!(found(&whole[..end]).is_err(), "{}", &whole[..end]);
        }
        for other in [
            "",
            "null",
            "[]",
            "1",
            "\"a\"",
            "{a:1}",
            "{\"a\" 1}",
            "{\"a\":}",
            "{\"a\":1;\"b\":2}",
            "{,}",
            "{\"a\\x\":1}",
        ] {
            assert!(found(other).is_err() || parsed(other).is_err(), "{other}");
        }
    }
}
