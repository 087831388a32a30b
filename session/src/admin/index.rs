//! A value to look for.

use std::any::type_name;
use std::fmt;
use std::marker::PhantomData;

use crate::data::{SessionData, index_keys};
use crate::error::SessionError;
use crate::field::FieldSet;
use crate::record::IndexKey;

/// A value of a field with `#[session(index)]`, to find sessions by: what `Visit::by_user("ada")` gives.
pub struct Index<T> {
    /// None if the value can't be written as JSON.
    key: Option<IndexKey>,
    data: PhantomData<fn() -> T>,
}

impl<T: SessionData> Index<T> {
    /// `set` puts the value into the indexed field of a session: it is written as the session itself would be.
    #[doc(hidden)]
    pub fn new(field: usize, set: impl FnOnce(&mut T)) -> Self {
        let mut session = T::initial();
        set(&mut session);
        let keys = index_keys(&session, FieldSet::from_iter([field])).unwrap_or_default();
        Self { key: keys.into_iter().next(), data: PhantomData }
    }

    pub(super) fn key(&self) -> Result<&IndexKey, SessionError> {
        self.key.as_ref().ok_or_else(|| SessionError::Encode {
            session: type_name::<T>(),
            source: "a value to find sessions by that no session can have".into(),
        })
    }
}

impl<T> Clone for Index<T> {
    fn clone(&self) -> Self {
        Self { key: self.key.clone(), data: PhantomData }
    }
}

impl<T> fmt::Debug for Index<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Index").field(&self.key).finish()
    }
}
