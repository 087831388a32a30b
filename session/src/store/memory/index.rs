//! Which sessions have which index key.

use std::collections::{BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::packed_id::PackedId;
use crate::record::{IndexKey, Record};

/// Locked after a shard, never before one. Records without an index don't come here.
#[derive(Default)]
pub(super) struct Index(Mutex<HashMap<IndexKey, BTreeSet<PackedId>>>);

impl Index {
    pub(super) fn insert(&self, id: &PackedId, record: &Record) {
        let keys = record.index().unwrap_or_default();
        if !keys.is_empty() {
            let mut index = self.lock();
            keys.iter().for_each(|key| {
                index.entry(key.clone()).or_default().insert(id.clone());
            });
        }
    }

    pub(super) fn remove(&self, id: &PackedId, record: &Record) {
        self.remove_but(id, record, &[]);
    }

    fn remove_but(&self, id: &PackedId, record: &Record, kept: &[IndexKey]) {
        let keys = record.index().unwrap_or_default();
        if keys.is_empty() {
            return;
        }
        let mut index = self.lock();
        for key in keys.iter().filter(|key| !kept.contains(key)) {
            if let Some(ids) = index.get_mut(key) {
                ids.remove(id);
                if ids.is_empty() {
                    index.remove(key);
                }
            }
        }
    }

    /// The session is found all the while by the keys that both records have.
    pub(super) fn replace(&self, id: &PackedId, old: &Record, new: &Record) {
        let kept = new.index().unwrap_or_default();
        if old.index().unwrap_or_default() != kept {
            self.insert(id, new);
            self.remove_but(id, old, kept);
        }
    }

    /// Ids with this key, in order, after one of them.
    pub(super) fn ids(&self, key: &IndexKey, after: Option<&PackedId>, limit: usize) -> Vec<PackedId> {
        let after = after.map_or(Bound::Unbounded, Bound::Excluded);
        let index = self.lock();
        let ids = index.get(key).into_iter().flat_map(|ids| ids.range((after, Bound::Unbounded)));
        ids.take(limit).cloned().collect()
    }

    /// A panic in another thread leaves the index whole.
    fn lock(&self) -> MutexGuard<'_, HashMap<IndexKey, BTreeSet<PackedId>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
