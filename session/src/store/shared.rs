//! A store behind an `Arc`, `Arc<dyn Store>` too.

use std::sync::Arc;

use super::{
    Created, Cursor, IndexKey, Loaded, Page, Record, Renamed, Renewal, Revision, Store, StoreFuture, Timestamp, Updated,
};
use crate::id::SessionId;

impl<S: Store + ?Sized> Store for Arc<S> {
    fn load<'a>(&'a self, id: &'a SessionId, renewal: Option<Renewal>) -> StoreFuture<'a, Option<Loaded>> {
        (**self).load(id, renewal)
    }

    fn create<'a>(&'a self, id: &'a SessionId, record: Record, expires: Timestamp) -> StoreFuture<'a, Created> {
        (**self).create(id, record, expires)
    }

    fn update<'a>(
        &'a self,
        id: &'a SessionId,
        expected: Revision,
        record: Record,
        expires: Timestamp,
    ) -> StoreFuture<'a, Updated> {
        (**self).update(id, expected, record, expires)
    }

    fn touch<'a>(&'a self, id: &'a SessionId, expires: Timestamp) -> StoreFuture<'a, bool> {
        (**self).touch(id, expires)
    }

    fn rename<'a>(
        &'a self,
        old: &'a SessionId,
        expected: Revision,
        new: &'a SessionId,
        record: Record,
        expires: Timestamp,
    ) -> StoreFuture<'a, Renamed> {
        (**self).rename(old, expected, new, record, expires)
    }

    fn destroy<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, ()> {
        (**self).destroy(id)
    }

    fn all(&self, after: Option<Cursor>, limit: usize) -> StoreFuture<'_, Page> {
        (**self).all(after, limit)
    }

    fn find<'a>(&'a self, key: &'a IndexKey, after: Option<Cursor>, limit: usize) -> StoreFuture<'a, Page> {
        (**self).find(key, after, limit)
    }

    fn len(&self) -> StoreFuture<'_, usize> {
        (**self).len()
    }

    fn clear(&self) -> StoreFuture<'_, ()> {
        (**self).clear()
    }

    fn shares_records(&self) -> bool {
        (**self).shares_records()
    }
}
