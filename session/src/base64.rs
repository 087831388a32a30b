//! Reading base64, four letters at a time.
//!
//! In few instructions of code: those of a library's decoder, for texts of any length, are several times as many, and what a
//! request runs through has to fit into the processor's cache.

/// Which letters a text is written with, of those that not all alphabets have.
#[derive(Clone, Copy)]
pub(crate) struct Letters(u8);

impl Letters {
    /// Whether all of them are letters of base64url.
    pub(crate) const fn are_url_safe(self) -> bool {
        self.0 & STANDARD == 0
    }

    /// Whether all of them are letters of base64 as it was first.
    pub(crate) const fn are_standard(self) -> bool {
        self.0 & URL_SAFE == 0
    }
}

/// Reads three bytes for each four letters.
#[inline]
pub(crate) fn read(text: &[[u8; 4]], bytes: &mut [[u8; 3]]) -> Letters {
    let mut letters = 0;
    for (three, four) in bytes.iter_mut().zip(text) {
        let values = four.map(|letter| VALUES[usize::from(letter)]);
        letters |= values.iter().fold(0, |all, value| all | value);
        let bits = values.iter().fold(0, |bits, value| bits << 6 | u32::from(value & VALUE));
        let [_, read @ ..] = bits.to_be_bytes();
        *three = read;
    }
    Letters(letters)
}

/// The bits that are a letter's value.
const VALUE: u8 = 63;
/// What only one of the alphabets has is marked as such; what neither has, as both.
const STANDARD: u8 = 64;
const URL_SAFE: u8 = 128;

const VALUES: [u8; 256] = {
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut values = [STANDARD | URL_SAFE; 256];
    let mut value = 0;
    while value < 62 {
        values[letters[value as usize] as usize] = value;
        value += 1;
    }
    (values[b'+' as usize], values[b'/' as usize]) = (STANDARD | 62, STANDARD | 63);
    (values[b'-' as usize], values[b'_' as usize]) = (URL_SAFE | 62, URL_SAFE | 63);
    values
};
