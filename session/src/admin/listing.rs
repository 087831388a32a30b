//! Sessions, one after the other.

use std::collections::HashSet;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::SystemTime;
use std::vec;

use super::{Index, PAGE, Sessions, has_key};
use crate::content::has_timed_out;
use crate::data::SessionData;
use crate::error::{SessionError, StoreError};
use crate::id::SessionId;
use crate::record::Decoded;
use crate::store::{Cursor, Loaded};
use crate::timestamp::Timestamp;

/// Sessions, loaded page by page as they are asked for. Each is as it was when its page was loaded; those that come, go or
/// change their id meanwhile may be missed.
///
/// ```
/// # use session::{Session, SessionError, Sessions};
/// # #[derive(Session)] struct Visit { #[session(index)] user: Option<String>, device: String }
/// async fn devices(sessions: &Sessions<Visit>, user: &str) -> Result<Vec<String>, SessionError> {
///     let mut devices = Vec::new();
///     let mut found = sessions.find(Visit::by_user(user));
///     while let Some(session) = found.next().await? {
///         devices.push(session.device.clone());
///     }
///     Ok(devices)
/// }
/// ```
pub struct Listing<T> {
    sessions: Sessions<T>,
    index: Option<Index<T>>,
    page_size: usize,
    /// Where the next page begins; the outer option is none after the last page.
    next: Option<Option<Cursor>>,
    page: vec::IntoIter<(SessionId, Loaded)>,
    /// Those that were found by the index: a store may list them again.
    found: HashSet<SessionId>,
}

impl<T: SessionData> Listing<T> {
    pub(super) fn new(sessions: Sessions<T>, index: Option<Index<T>>) -> Self {
        Self { sessions, index, page_size: PAGE, next: Some(None), page: Vec::new().into_iter(), found: HashSet::new() }
    }

    /// How many sessions are loaded at a time. Default: 256.
    #[must_use]
    pub const fn page_size(mut self, page_size: usize) -> Self {
        self.page_size = page_size;
        self
    }

    /// Goes on where another listing was: from its [`cursor`](Self::cursor). What that one has shown may come again.
    #[must_use]
    pub fn resume_from(mut self, cursor: Cursor) -> Self {
        self.next = Some(Some(cursor));
        self
    }

    /// Where the next page begins; none before the first page and after the last one.
    #[must_use]
    pub fn cursor(&self) -> Option<&Cursor> {
        self.next.as_ref()?.as_ref()
    }

    /// The next session; none after the last one. Sessions that can't be read are passed over, with an event.
    ///
    /// # Errors
    /// The store's; [`SessionError::Encode`] if the value that is looked for can't be written as JSON.
    pub async fn next(&mut self) -> Result<Option<StoredSession<T>>, SessionError> {
        loop {
            for (key, loaded) in self.page.by_ref() {
                if self.index.is_some() && !self.found.insert(key.clone()) {
                    continue;
                }
                if let Some(session) = shown(&self.sessions, self.index.as_ref(), key, loaded)? {
                    return Ok(Some(session));
                }
            }
            // It stays until the page is there: whoever gives up, or is told of an error, may ask again.
            let Some(after) = self.next.clone() else { return Ok(None) };
            let layer = &self.sessions.layer;
            let page = match &self.index {
                None => layer.all(after, self.page_size).await?,
                Some(index) => layer.find(index.key()?, after, self.page_size).await?,
            };
            self.next = page.next.map(Some);
            self.page = page.sessions.into_iter();
        }
    }
}

/// A session as a listing shows it, if it does.
fn shown<T: SessionData>(
    sessions: &Sessions<T>,
    index: Option<&Index<T>>,
    key: SessionId,
    loaded: Loaded,
) -> Result<Option<StoredSession<T>>, SessionError> {
    let decoded = match sessions.decode(&loaded.record) {
        Ok(decoded) => decoded,
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "a listing passes over a session");
            return Ok(None);
        }
    };
    let is_wanted = match index {
        Some(index) => has_key(&decoded, index.key()?),
        None => true,
    };
    let lives = decoded.moved().is_none() && !has_timed_out(&sessions.layer, &decoded.meta);
    Ok((is_wanted && lives).then(|| StoredSession {
        sessions: sessions.clone(),
        key,
        decoded,
        expires: loaded.expires,
    }))
}

/// A session in the store, to be looked at: it dereferences to the session type.
pub struct StoredSession<T> {
    sessions: Sessions<T>,
    key: SessionId,
    decoded: Arc<Decoded<T>>,
    expires: Timestamp,
}

impl<T: SessionData> StoredSession<T> {
    /// Whether this is the session of an id: the one of the request, say, among those of its user.
    #[must_use]
    pub fn is(&self, id: &SessionId) -> bool {
        *self.sessions.layer.key(id) == self.key
    }

    /// What the store knows the session by: its id, or with [`Options::hash_ids`](crate::Options::hash_ids) the hash of
    /// it. [`Sessions::destroy_key`] takes it.
    #[must_use]
    pub const fn key(&self) -> &SessionId {
        &self.key
    }

    /// Until when it lives if it is not used.
    #[must_use]
    pub fn expires(&self) -> SystemTime {
        self.expires.into()
    }

    /// Destroys it.
    ///
    /// # Errors
    /// The store's.
    pub async fn destroy(self) -> Result<(), StoreError> {
        self.sessions.layer.destroy_key(&self.key).await
    }
}

impl<T> Deref for StoredSession<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.decoded.value
    }
}

impl<T> fmt::Debug for StoredSession<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredSession").field("key", &self.key).finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Listing<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listing").field("index", &self.index).finish_non_exhaustive()
    }
}
