//! Hashes of ids.
//!
//! Nearly all ids are random, and nobody gets as far as the store with one that was not signed. For applications that make
//! ids of what a visitor sends, the hash begins with a number that nobody knows.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

use crate::id::SessionId;

/// An odd number without a pattern: the golden ratio, in 64 bits.
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

/// Which of so many shards has the session.
pub(super) fn shard_of(id: &SessionId, shards: usize) -> usize {
    let id = id.as_bytes();
    let word = match (id.first_chunk(), id.last_chunk()) {
        (Some(first), Some(last)) => u64::from_le_bytes(*first) ^ u64::from_be_bytes(*last),
        _ => id.iter().fold(0, |all, byte| all << 8 | u64::from(*byte)),
    };
    let hash = folded(word, MULTIPLIER);
    usize::try_from(hash >> 32).unwrap_or(0) % shards
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
        if !rest.is_empty() {
            self.write_u64(rest.iter().fold(0, |all, byte| all << 8 | u64::from(*byte)));
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = folded(self.0 ^ word, MULTIPLIER);
    }

    fn write_usize(&mut self, len: usize) {
        self.write_u64(len as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

fn folded(one: u64, other: u64) -> u64 {
    let product = u128::from(one) * u128::from(other);
    #[expect(clippy::cast_possible_truncation, reason = "its lower half")]
    let lower = product as u64;
    lower ^ (product >> 64) as u64
}
