//! The sessions, in a map.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use super::cookie::Id;
use crate::visit::Visit;

const LIFE_MILLIS: u64 = 24 * 3600 * 1000;

pub(super) struct Sessions {
    map: Mutex<HashMap<Id, Entry, BuildHasherDefault<IdHasher>>>,
    keeps_json: bool,
}

struct Entry {
    visit: Arc<Visit>,
    json: Option<Box<[u8]>>,
    expires: AtomicU64,
}

impl Sessions {
    pub(super) fn new(keeps_json: bool) -> Self {
        Self { map: Mutex::default(), keeps_json }
    }

    /// The living session, renewed.
    pub(super) fn load(&self, id: &Id) -> Option<Arc<Visit>> {
        let map = self.lock();
        let entry = map.get(id)?;
        let now = now();
        if entry.expires.load(Ordering::Relaxed) <= now {
            return None;
        }
        entry.expires.store(now + LIFE_MILLIS, Ordering::Relaxed);
        Some(Arc::clone(&entry.visit))
    }

    pub(super) fn store(&self, id: Id, visit: Arc<Visit>) {
        let json = self.keeps_json.then(|| serde_json::to_vec(&*visit).unwrap_or_default().into_boxed_slice());
        let expires = AtomicU64::new(now() + LIFE_MILLIS);
        let before = self.lock().insert(id, Entry { visit, json, expires });
        drop(before);
    }

    pub(super) fn destroy(&self, id: &Id) {
        let before = self.lock().remove(id);
        drop(before.map(|entry| entry.json));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Id, Entry, BuildHasherDefault<IdHasher>>> {
        self.map.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |age| age.as_millis().try_into().unwrap_or(u64::MAX))
}

/// Ids are random, and nobody gets here with one that was not signed: eight of their bytes are a hash.
#[derive(Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(chunk) = bytes.first_chunk() {
            // The map looks at the lowest bits and the highest; the product's best are high.
            self.0 = u64::from_le_bytes(*chunk).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(26);
        }
    }

    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}
