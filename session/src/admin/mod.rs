//! Sessions from outside a request: listed, found by an index, destroyed, migrated.

mod index;
mod listing;
mod migration;

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::content::{decode, moved_to};
use crate::context::{LayerContext, RequestFacts};
use crate::data::{SessionData, index_of};
use crate::error::{SessionError, StoreError};
use crate::id::SessionId;
use crate::record::{Decoded, IndexKey, Record};
use crate::store::Cursor;

pub use self::index::Index;
pub use self::listing::{Listing, StoredSession};
pub use self::migration::{Migration, MigrationProgress};

/// How many sessions are asked for at a time.
const PAGE: usize = 256;
/// How often an index is looked through for sessions that moved while they were destroyed.
const PASSES: u32 = 64;
/// So many times in a row must nothing be found: a session that changes its id while it is looked for is missed once, and
/// the requests that could change it again have the id that is gone.
const EMPTY_PASSES: u32 = 2;

/// All sessions of a layer: to count, list, find, destroy and migrate them. From
/// [`SessionLayer::sessions`](crate::SessionLayer::sessions); cheap to clone, made for an application's state.
///
/// ```
/// use session::{MemoryStore, Secret, Session, SessionError, SessionLayer, Sessions};
///
/// #[derive(Session)]
/// struct Visit {
///     #[session(index)]
///     user: Option<String>,
/// }
///
/// /// Logging out everywhere else.
/// async fn log_out_others(sessions: &Sessions<Visit>, session: &Session<Visit>) -> Result<usize, SessionError> {
///     let Some(user) = &session.user else { return Ok(0) };
///     sessions.destroy_others(&Visit::by_user(user), session.id()?).await
/// }
///
/// # fn main() -> Result<(), session::ConfigError> {
/// let layer = SessionLayer::<Visit>::new(MemoryStore::new(), Secret::random()?);
/// let sessions: Sessions<Visit> = layer.sessions();
/// # Ok(())
/// # }
/// ```
pub struct Sessions<T> {
    layer: Arc<LayerContext>,
    data: PhantomData<fn() -> T>,
}

impl<T: SessionData> Sessions<T> {
    pub(crate) const fn new(layer: Arc<LayerContext>) -> Self {
        Self { layer, data: PhantomData }
    }

    /// The number of living sessions, of other types in the same store too.
    ///
    /// Some stores look at every session for it. It may take as long as that takes:
    /// [`Options::store_timeout`](crate::Options::store_timeout) is for what a request waits for.
    ///
    /// # Errors
    /// The store's.
    #[expect(clippy::len_without_is_empty, reason = "emptiness costs a store as much as the number")]
    pub async fn len(&self) -> Result<usize, StoreError> {
        self.layer.len().await
    }

    /// All living sessions, page by page. Each comes once, or, with servers that rearrange what they list (Redis), now and
    /// then again on a later page: [`StoredSession::key`] tells.
    #[must_use]
    pub fn all(&self) -> Listing<T> {
        Listing::new(self.clone(), None)
    }

    /// The living sessions whose indexed field has a value, page by page: `sessions.find(Visit::by_user("ada"))`. Each
    /// comes once; their ids are kept in memory for that.
    #[must_use]
    pub fn find(&self, index: Index<T>) -> Listing<T> {
        Listing::new(self.clone(), Some(index))
    }

    /// Destroys the session of an id, as [`Session::id`](crate::Session::id) gives it. No session is no error.
    ///
    /// What a listing shows has a [key](StoredSession::key), which is another one with
    /// [`Options::hash_ids`](crate::Options::hash_ids): [`destroy_key`](Self::destroy_key).
    ///
    /// # Errors
    /// The store's.
    pub async fn destroy(&self, id: &SessionId) -> Result<(), StoreError> {
        self.layer.destroy(id).await
    }

    /// Destroys the session that a listing showed, by its [key](StoredSession::key), as it comes back from a page of all
    /// sessions, say. No session is no error; one that has changed its id since has another key.
    ///
    /// A visitor may name any key: to log out one of their own devices, look for it among those that are
    /// [found](Self::find) by their name.
    ///
    /// ```
    /// # use session::{Session, SessionError, SessionId, Sessions};
    /// # #[derive(Session)] struct Visit { views: u32 }
    /// async fn end(sessions: &Sessions<Visit>, key: &str) -> Result<(), SessionError> {
    ///     Ok(sessions.destroy_key(&SessionId::new(key)?).await?)
    /// }
    /// ```
    ///
    /// # Errors
    /// The store's.
    pub async fn destroy_key(&self, key: &SessionId) -> Result<(), StoreError> {
        self.layer.destroy_key(key).await
    }

    /// Destroys all sessions whose indexed field has a value: "log out everywhere". Tells how many there were. None of
    /// them comes back, whatever requests are under way.
    ///
    /// # Errors
    /// The store's, with the sessions destroyed that came before; [`SessionError::Encode`] if the value can't be written
    /// as JSON; [`SessionError::Contended`] if sessions kept changing their ids.
    pub async fn destroy_all(&self, index: &Index<T>) -> Result<usize, SessionError> {
        self.destroy_found(index.key()?, None).await
    }

    /// As [`destroy_all`](Self::destroy_all), but for the session of this id, or the one that it leads to for a
    /// [moment](crate::Options::rotate_grace): "log out my other devices".
    ///
    /// # Errors
    /// As [`destroy_all`](Self::destroy_all).
    pub async fn destroy_others(&self, index: &Index<T>, keep: &SessionId) -> Result<usize, SessionError> {
        let moved = moved_to::<T>(&self.layer, &RequestFacts::NONE, keep).await?;
        let keep = moved.map_or_else(|| self.layer.key(keep).into_owned(), |key| *key);
        self.destroy_found(index.key()?, Some(&keep)).await
    }

    /// Destroys all sessions of the store, however long that takes.
    ///
    /// # Errors
    /// The store's.
    pub async fn clear(&self) -> Result<(), StoreError> {
        self.layer.clear().await
    }

    /// Brings all stored sessions of older versions to the present one. They are upgraded when they are loaded, in any
    /// case; this is for the day when the old struct is to be taken out of the code.
    ///
    /// Nothing in a record tells of which type its session is. Of sessions of other types in the same store, those are
    /// passed over that hold none of this type's fields; one that has a field of the same name would be rewritten. Give
    /// such types a table, or a prefix of keys, each.
    #[must_use]
    pub fn migrate_all(&self) -> Migration<T> {
        Migration::new(self.clone())
    }

    /// A session that changes its id meanwhile is found in the next pass. A listing may miss one that moves while it is
    /// made, so that one empty pass proves nothing; nobody moves sessions in two of them but by rotating them twice.
    async fn destroy_found(&self, key: &IndexKey, keep: Option<&SessionId>) -> Result<usize, SessionError> {
        let (mut destroyed, mut empty_passes) = (0, 0);
        for _ in 0..PASSES {
            let before = destroyed;
            let mut after: Option<Cursor> = None;
            loop {
                let page = self.layer.find(key, after, PAGE).await?;
                for (id, loaded) in &page.sessions {
                    if keep != Some(id) && self.has_key(&loaded.record, key) {
                        self.layer.destroy_key(id).await?;
                        destroyed += 1;
                    }
                }
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            empty_passes = if destroyed == before { empty_passes + 1 } else { 0 };
            if empty_passes == EMPTY_PASSES {
                return Ok(destroyed);
            }
        }
        Err(SessionError::Contended { tries: PASSES })
    }

    /// Whether a record has an index key. One that can't be read has those that the store found it under.
    fn has_key(&self, record: &Record, key: &IndexKey) -> bool {
        self.decode(record).map_or(true, |decoded| has_key(&decoded, key))
    }

    fn decode(&self, record: &Record) -> Result<Arc<Decoded<T>>, SessionError> {
        decode(&self.layer, &RequestFacts::NONE, record)
    }
}

fn has_key<T: SessionData>(decoded: &Decoded<T>, key: &IndexKey) -> bool {
    index_of(&decoded.value).is_ok_and(|keys| keys.is_some_and(|keys| keys.contains(key)))
}

impl<T> Clone for Sessions<T> {
    fn clone(&self) -> Self {
        Self { layer: Arc::clone(&self.layer), data: PhantomData }
    }
}

impl<T> fmt::Debug for Sessions<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sessions(..)")
    }
}
