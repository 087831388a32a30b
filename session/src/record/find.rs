//! Where a name or a plain value ends, found by looking at eight letters at a time.

/// The end of a text that has nothing escaped: its quote. For any other, where its first backslash or control character
/// is.
#[inline]
pub(super) fn plain_text_end(bytes: &[u8], start: usize) -> Option<usize> {
    first(bytes, start, |word| below(word, b' ') | same(word, b'"') | same(word, b'\\'))
}

/// The end of a number, `true`, `false` or `null`: a comma, a bracket or a blank.
#[inline]
pub(super) fn plain_value_end(bytes: &[u8], start: usize) -> Option<usize> {
    const LETTER_CASE: u64 = each(b'}' ^ b']');
    let mut at = start;
    loop {
        at = first(bytes, at, |word| below(word, b'-') | same(word | LETTER_CASE, b'}'))?;
        // The one letter of a number that comes before the minus.
        if bytes.get(at) != Some(&b'+') {
            return Some(at);
        }
        at += 1;
    }
}

/// The first letter from `start` on that `marks` marks in its word.
#[inline]
fn first(bytes: &[u8], start: usize, marks: impl Fn(u64) -> u64) -> Option<usize> {
    let mut at = start;
    while let Some(word) = bytes.get(at..)?.first_chunk() {
        let found = marks(u64::from_le_bytes(*word));
        if found != 0 {
            return Some(at + place(found));
        }
        at += size_of::<u64>();
    }
    let mut word = [b'a'; size_of::<u64>()];
    word.iter_mut().zip(bytes.get(at..)?).for_each(|(letter, last)| *letter = *last);
    let found = marks(u64::from_le_bytes(word));
    (found != 0).then(|| at + place(found))
}

/// Which letter of a word is the first that is marked.
const fn place(marks: u64) -> usize {
    (marks.trailing_zeros() / u8::BITS) as usize
}

const fn each(letter: u8) -> u64 {
    u64::from_ne_bytes([letter; 8])
}

/// Marks the letters below an ASCII letter in their highest bits. The first mark is right; behind it, others may be wrong.
const fn below(word: u64, letter: u8) -> u64 {
    word.wrapping_sub(each(letter)) & !word & each(0x80)
}

/// Marks those that are the same as a letter, in the same way.
const fn same(word: u64, letter: u8) -> u64 {
    below(word ^ each(letter), 1)
}

#[cfg(test)]
mod tests {
    use super::{plain_text_end, plain_value_end};

    #[test]
    fn each_letter_ends_what_it_ends_at_each_place() {
        for letter in 0..=u8::MAX {
            let ends_text = matches!(letter, b'"' | b'\\' | ..b' ');
            let ends_value = matches!(letter, b'}' | b']' | ..b'-') && letter != b'+';
            for length in 1..20 {
                for (start, place) in (0..length).flat_map(|start| (start..length).map(move |place| (start, place))) {
                    let mut text = vec![0xff; length];
                    text[place] = letter;
                    assert_eq!(plain_text_end(&text, start), ends_text.then_some(place), "{letter} {start} {length}");
                    assert_eq!(plain_value_end(&text, start), ends_value.then_some(place), "{letter} {start} {length}");
                }
            }
        }
    }

    #[test]
    fn the_first_of_several_ends_counts() {
        for text in [&b"abc\"\\\"\x01"[..], b"abc\\\"\"\"\"\"\"\"", b"abc\x1f\x20\x21\x22\x23\x24"] {
            assert_eq!(plain_text_end(text, 0), Some(3));
        }
        for (text, end) in [("1,2,3]}", 1), ("-1.5e+30}", 8), ("null ,", 4), ("true]", 4), ("1+++++++++}", 10)] {
            assert_eq!(plain_value_end(text.as_bytes(), 0), Some(end), "{text}");
        }
        assert_eq!((plain_value_end(b"12", 0), plain_value_end(b"12", 3)), (None, None));
    }
}
