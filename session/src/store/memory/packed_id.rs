//! Ids, as the maps of a memory store keep them, and their hashes.
//!
//! Nearly all ids are random, and nobody gets as far as the store with one that was not signed. For applications that make
//! ids of what a visitor sends, the hash begins with a number that nobody knows.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash, Hasher};
use std::num::NonZeroU64;
use std::sync::Arc;

use crate::id::SessionId;

/// An id. Of a generated one, which is base64url, the 24 bytes that it is the text of: a store of a million sessions
/// consists of ids for a good part.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum PackedId {
    /// Words, the first of which, as it is never zero, tells this one from the other.
    Generated(NonZeroU64, [u64; 2]),
    Other(Arc<str>),
}

impl PackedId {
    pub(super) fn of(id: &SessionId) -> Self {
        let words = id.words().and_then(|[first, rest @ ..]| Some((NonZeroU64::new(first)?, rest)));
        words.map_or_else(|| Self::Other(id.shared_text()), |(first, rest)| Self::Generated(first, rest))
    }

    pub(super) fn unpacked(&self) -> SessionId {
        match self {
            Self::Generated(first, [second, third]) => SessionId::from_words([first.get(), *second, *third]),
            Self::Other(text) => SessionId::from_text(text),
        }
    }

    /// Which of so many shards has the session.
    pub(super) fn shard_of(&self, shards: usize) -> usize {
        let word = match self {
            Self::Generated(first, [_, last]) => first.get() ^ last.swap_bytes(),
            Self::Other(text) => text.bytes().fold(0, |all: u64, byte| all.rotate_left(8) ^ u64::from(byte)),
        };
        usize::try_from(folded(word, MULTIPLIER) >> 32).unwrap_or(0) % shards
    }
}

impl Hash for PackedId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Generated(first, rest) => {
                state.write_u64(first.get());
                rest.iter().for_each(|word| state.write_u64(*word));
            }
            Self::Other(text) => state.write(text.as_bytes()),
        }
    }
}

#[derive(Clone)]
pub(super) struct IdHashing {
    seed: u64,
}

impl Default for IdHashing {
    fn default() -> Self {
        Self { seed: RandomState::new().hash_one(()) }
    }
}

impl BuildHasher for IdHashing {
    type Hasher = IdHasher;

    fn build_hasher(&self) -> IdHasher {
        IdHasher(self.seed)
    }
}

/// Eight bytes a step, each with a multiplication whose two halves are laid over each other.
pub(super) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks();
        for word in words {
            self.write_u64(u64::from_le_bytes(*word));
        }
        // With its length, so that no end is as good as none.
        self.write_u64(rest.iter().fold(bytes.len() as u64, |all, byte| all << 8 | u64::from(*byte)));
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = folded(self.0 ^ word, MULTIPLIER);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// An odd number without a pattern: the golden ratio, in 64 bits.
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

fn folded(one: u64, other: u64) -> u64 {
    let product = u128::from(one) * u128::from(other);
    #[expect(clippy::cast_possible_truncation, reason = "its lower half")]
    let lower = product as u64;
    lower ^ (product >> 64) as u64
}
