//! Ids and texts that are not kept as they are.

use std::marker::PhantomData;

use session::store::{Created, Loaded, Record, Renamed, Renewal, Revision, StoreFuture, Updated};
use session::{MemoryStore, SessionId, Store, StoreError, Timestamp};

use super::Flaw;

/// What becomes of an id or a text.
pub(crate) trait Shape: Send + Sync + 'static {
    fn id(id: &str) -> String {
        id.to_owned()
    }

    fn text(text: &str) -> String {
        text.to_owned()
    }
}

pub(crate) struct Shaped<S>(PhantomData<S>);

impl<S> Clone for Shaped<S> {
    fn clone(&self) -> Self {
        Self(PhantomData)
    }
}

impl<S> Default for Shaped<S> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

fn shaped_id<S: Shape>(id: &SessionId) -> Result<SessionId, StoreError> {
    SessionId::new(S::id(id.as_str())).map_err(StoreError::new)
}

fn shaped<S: Shape>(record: &Record) -> Record {
    let shaped = Record::from_json(S::text(&String::from_utf8_lossy(record.json())));
    record.index().map_or_else(|| shaped.clone(), |index| shaped.clone().with_index(index))
}

impl<S: Shape> Flaw for Shaped<S> {
    fn load<'a>(
        &'a self,
        store: &'a MemoryStore,
        id: &'a SessionId,
        renewal: Option<Renewal>,
    ) -> StoreFuture<'a, Option<Loaded>> {
        StoreFuture::new(async move { store.load(&shaped_id::<S>(id)?, renewal).await })
    }

    fn create<'a>(
        &'a self,
        store: &'a MemoryStore,
        id: &'a SessionId,
        record: Record,
        expires: Timestamp,
    ) -> StoreFuture<'a, Created> {
        StoreFuture::new(async move { store.create(&shaped_id::<S>(id)?, shaped::<S>(&record), expires).await })
    }

    fn update<'a>(
        &'a self,
        store: &'a MemoryStore,
        id: &'a SessionId,
        expected: Revision,
        record: Record,
        expires: Timestamp,
    ) -> StoreFuture<'a, Updated> {
        StoreFuture::new(
            async move { store.update(&shaped_id::<S>(id)?, expected, shaped::<S>(&record), expires).await },
        )
    }

    fn touch<'a>(&'a self, store: &'a MemoryStore, id: &'a SessionId, expires: Timestamp) -> StoreFuture<'a, bool> {
        StoreFuture::new(async move { store.touch(&shaped_id::<S>(id)?, expires).await })
    }

    fn rename<'a>(
        &'a self,
        store: &'a MemoryStore,
        old: (&'a SessionId, Revision),
        new: &'a SessionId,
        record: Record,
        expires: Timestamp,
    ) -> StoreFuture<'a, Renamed> {
        StoreFuture::new(async move {
            let (from, to) = (shaped_id::<S>(old.0)?, shaped_id::<S>(new)?);
            store.rename(&from, old.1, &to, shaped::<S>(&record), expires).await
        })
    }

    fn destroy<'a>(&'a self, store: &'a MemoryStore, id: &'a SessionId) -> StoreFuture<'a, ()> {
        StoreFuture::new(async move { store.destroy(&shaped_id::<S>(id)?).await })
    }
}

fn cut(text: &str, bytes: usize) -> String {
    text.char_indices()
        .take_while(|(start, letter)| start + letter.len_utf8() <= bytes)
        .map(|(_, letter)| letter)
        .collect()
}

macro_rules! shapes {
    ($method:ident: $($flaw:ident = $shape:ident, $map:expr;)+) => {$(
        pub(crate) struct $shape;

        impl Shape for $shape {
            fn $method(text: &str) -> String {
                let map: fn(&str) -> String = $map;
                map(text)
            }
        }

        pub(crate) type $flaw = Shaped<$shape>;
    )+};
}

shapes! {
    id:
    IdsWithoutCase = WithoutCase, |id| id.to_lowercase();
    IdsWithoutBlanks = WithoutBlanks, |id| format!("{}{}", id.trim_end(), if id.trim().is_empty() { id } else { "" });
    IdsWithoutAccents = WithoutAccents, |id| id.replace(['é', 'è', 'ê'], "e");
    IdsOf255Bytes = Of255Bytes, |id| cut(id, 255);
    IdsEndAtNul = EndAtNul, |id| id.split('\0').next().unwrap_or_default().to_owned();
}

shapes! {
    text:
    TextsParsed = Parsed, |text| serde_json::from_str::<serde_json::Value>(text).expect("JSON").to_string();
    TextsOf64KiB = Of64KiB, |text| cut(text, 65_535);
    TextsTrimmed = Trimmed, |text| text.trim().to_owned();
    TextsOfThreeBytes = OfThreeBytes, |text| text.replace(|letter: char| letter.len_utf8() > 3, "?");
}

/// An id is a pattern to `destroy`, as in a query with `LIKE`.
#[derive(Clone, Default)]
pub(crate) struct IdsArePatterns;

impl Flaw for IdsArePatterns {
    fn destroy<'a>(&'a self, store: &'a MemoryStore, id: &'a SessionId) -> StoreFuture<'a, ()> {
        StoreFuture::new(async move {
            let Some(start) = id.as_str().strip_suffix('%') else { return store.destroy(id).await };
            for (other, _) in store.all(None, usize::MAX).await?.sessions {
                if other.as_str().starts_with(start) {
                    store.destroy(&other).await?;
                }
            }
            Ok(())
        })
    }
}
