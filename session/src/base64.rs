//! Reading base64 without padding, eight letters at a time, into words.
//!
//! A few comparisons for each letter, which compilers make for sixteen letters at once: a library's decoder, for texts of any
//! length, takes several times as many instructions, and what a request runs through has to fit into the processor's cache.

/// The two letters in which alphabets differ.
#[derive(Clone, Copy)]
pub(crate) struct Alphabet([u8; 2]);

/// Base64url (RFC 4648 §5).
pub(crate) const URL_SAFE: Alphabet = Alphabet(*b"-_");
/// Base64 (RFC 4648 §4).
pub(crate) const STANDARD: Alphabet = Alphabet(*b"+/");

impl Alphabet {
    /// The 48 bits of each eight letters, the first letter's highest; none if something is no letter.
    #[inline]
    pub(crate) fn read<const N: usize>(self, text: &[[u8; 8]; N]) -> Option<[u64; N]> {
        const TOO_MUCH: u64 = u64::from_ne_bytes([0b1100_0000; 8]);
        let mut values = [[0; 8]; N];
        for (value, letter) in values.as_flattened_mut().iter_mut().zip(text.as_flattened()) {
            *value = self.value(*letter);
        }
        let values = values.map(u64::from_be_bytes);
        let is_read = values.iter().fold(0, |all, eight| all | eight) & TOO_MUCH == 0;
        is_read.then(|| values.map(squeezed))
    }

    /// What a letter stands for; what is none, for more than 63.
    #[inline]
    const fn value(self, letter: u8) -> u8 {
        // One after the other, without branches.
        let mut value = u8::MAX;
        value = if letter.wrapping_sub(b'A') < 26 { letter.wrapping_sub(b'A') } else { value };
        value = if letter.wrapping_sub(b'a') < 26 { letter.wrapping_sub(b'a' - 26) } else { value };
        value = if letter.wrapping_sub(b'0') < 10 { letter.wrapping_add(52 - b'0') } else { value };
        value = if letter == self.0[0] { 62 } else { value };
        if letter == self.0[1] { 63 } else { value }
    }
}

/// The lower six bits of each byte, without the others.
const fn squeezed(bytes: u64) -> u64 {
    let twos = (bytes & 0x3f00_3f00_3f00_3f00) >> 2 | bytes & 0x003f_003f_003f_003f;
    let fours = (twos & 0x0fff_0000_0fff_0000) >> 4 | twos & 0x0000_0fff_0000_0fff;
    fours >> 32 << 24 | fours & 0x00ff_ffff
}

/// Three words of four such pieces.
pub(crate) const fn words([first, second, third, last]: [u64; 4]) -> [u64; 3] {
    [first << 16 | second >> 32, second << 32 | third >> 16, third << 48 | last]
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "a test that can't go on fails")]
mod tests {
    use base64ct::{Base64Unpadded, Base64UrlUnpadded, Encoding};

    use super::*;

    fn read(alphabet: Alphabet, text: &str) -> Option<Vec<u8>> {
        let pieces: [u64; 4] = alphabet.read(text.as_bytes().as_chunks().0.try_into().ok()?)?;
        Some(words(pieces).map(u64::to_be_bytes).concat())
    }

    #[test]
    fn reads_what_others_write() {
        let mut text = [0; 32];
        for first in 0..=u8::MAX {
            let bytes: [u8; 24] = std::array::from_fn(|index| first.wrapping_mul(37).wrapping_add(11 * index as u8));
            assert_eq!(read(STANDARD, Base64Unpadded::encode(&bytes, &mut text).unwrap()), Some(bytes.to_vec()));
            assert_eq!(read(URL_SAFE, Base64UrlUnpadded::encode(&bytes, &mut text).unwrap()), Some(bytes.to_vec()));
        }
    }

    #[test]
    fn refuses_what_is_no_letter() {
        for (alphabet, last) in [(STANDARD, b"+/"), (URL_SAFE, b"-_")] {
            for byte in 0..=u8::MAX {
                let mut text = [[b'A'; 8]; 2];
                text[1][3] = byte;
                let is_letter = byte.is_ascii_alphanumeric() || last.contains(&byte);
                assert_eq!(alphabet.read(&text).is_some(), is_letter, "{byte}");
            }
        }
    }
}
