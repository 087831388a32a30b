//! Where sessions are kept: the contract of a store, and the stores that come with this library.

mod cached;
mod clock;
#[cfg(feature = "conformance")]
pub mod conformance;
mod future;
#[cfg(feature = "memory")]
mod memory;
#[cfg(feature = "redis")]
mod redis;
mod shared;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
mod sql;

use std::time::Duration;

pub use self::cached::Cached;
pub use self::future::StoreFuture;
pub(crate) use self::future::answer;
#[cfg(feature = "memory")]
pub use self::memory::MemoryStore;
#[cfg(feature = "redis-cluster")]
pub use self::redis::{RedisCluster, RedisClusterStore};
#[cfg(feature = "redis")]
pub use self::redis::{RedisConnection, RedisServer, RedisStore};
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
pub use self::sql::SqlStore;
#[cfg(feature = "mysql")]
pub use self::sql::{MySql, MySqlStore};
#[cfg(feature = "postgres")]
pub use self::sql::{Postgres, PostgresStore};
#[cfg(feature = "sqlite")]
pub use self::sql::{Sqlite, SqliteStore};
pub use crate::record::{IndexKey, Record, Revision};
pub use crate::timestamp::Timestamp;

use crate::id::SessionId;
use crate::timestamp::millis;

/// A store of sessions. **This documentation is the contract**; what a store answers is believed. The feature
/// `conformance` brings a kit that tests a store against it, `session::store::conformance`.
///
/// - A record whose expiry has passed (`expires <= now`) is none: it is not loaded, updated, touched, counted or listed.
/// - [`update`](Self::update) and [`touch`](Self::touch) **never create** a record, whatever happened before: a session
///   that was destroyed stays destroyed.
/// - An id is any text of 1 to 2048 bytes. Two ids are the same only if all their bytes are. One with a NUL may be
///   refused, with an error. A record's text comes back byte for byte.
/// - Every [`Timestamp`] is an expiry. It is kept to the millisecond, or to the second, rounded up; what the server
///   can't express becomes the last moment, or the first, that it can.
/// - A [`Revision`] stands for one text of one record. It changes when the text is replaced, not when the expiry moves;
///   one of a record that was destroyed is not its successor's.
/// - The keys of [`Record::index`] are stored, replaced, moved and removed with their record. A record without any (none,
///   not an empty list) needs no look at what is indexed.
/// - Every answer of the server is looked at. An operation that may not have been carried out is an error.
/// - An operation that is dropped before it ends has happened wholly or not at all, and leaves the connection usable.
///
/// No operation has a default body, so that a wrapper can't forget one. The trait is `dyn`-safe. A store that answers
/// at once returns [`StoreFuture::ready`]; others wrap an `async` block in [`StoreFuture::new`].
#[expect(clippy::len_without_is_empty, reason = "emptiness costs a store as much as the number")]
pub trait Store: Send + Sync + 'static {
    /// The record of `id`, with its revision and expiry; none if there is none or it has expired.
    ///
    /// With `renewal`, the expiry is moved as [`Renewal::expires`] says, in the same round trip where the server can do
    /// it. It is either what it was or the renewed one, never something between. A record that can't be renewed any more
    /// is none.
    fn load<'a>(&'a self, id: &'a SessionId, renewal: Option<Renewal>) -> StoreFuture<'a, Option<Loaded>>;

    /// Stores a new record. An `id` that has a living record is left as it is and reported as [`Created::Taken`].
    fn create<'a>(&'a self, id: &'a SessionId, record: Record, expires: Timestamp) -> StoreFuture<'a, Created>;

    /// Replaces the record of `id`, and its expiry, if its revision is still `expected`.
    fn update<'a>(
        &'a self,
        id: &'a SessionId,
        expected: Revision,
        record: Record,
        expires: Timestamp,
    ) -> StoreFuture<'a, Updated>;

    /// Moves the expiry of `id` and nothing else; tells whether there was a living record.
    fn touch<'a>(&'a self, id: &'a SessionId, expires: Timestamp) -> StoreFuture<'a, bool>;

    /// Puts `record` under the id `new` in place of the record of `old`, if that one's revision is still `expected`.
    ///
    /// In one atomic step where the server can do it; otherwise `new` is created before `old` is destroyed, and
    /// destroyed again if `old` turns out to have changed or gone.
    fn rename<'a>(
        &'a self,
        old: &'a SessionId,
        expected: Revision,
        new: &'a SessionId,
        record: Record,
        expires: Timestamp,
    ) -> StoreFuture<'a, Renamed>;

    /// Removes the record of `id`. No record is no error.
    fn destroy<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, ()>;

    /// Some of the living sessions, in an order of the store's own: from the beginning, or those after a page. About
    /// `limit` of them, where zero counts as one; a page can be empty and not the last one. Sessions that come, go or
    /// change their id meanwhile may be missed.
    ///
    /// Those that stay are listed at least once: a page has no session twice, but a later page may have it again, as it
    /// happens with servers that rearrange what they list. Who counts or collects sessions has to know them by their id.
    fn all(&self, after: Option<Cursor>, limit: usize) -> StoreFuture<'_, Page>;

    /// Some of the living sessions that were stored with `key` in their record's [index](Record::index), as
    /// [`all`](Self::all) lists them.
    ///
    /// A session that keeps the key while its record is replaced is listed all the while. One that changes its id may be
    /// missed by a listing; of two, one after the other, one has it, unless it changes its id again.
    ///
    /// A session may be listed that no longer has the key, while its record is replaced, or after it was replaced by
    /// one without an index: who asks looks at the record.
    fn find<'a>(&'a self, key: &'a IndexKey, after: Option<Cursor>, limit: usize) -> StoreFuture<'a, Page>;

    /// The number of living sessions: each counts once.
    fn len(&self) -> StoreFuture<'_, usize>;

    /// Removes all sessions.
    fn clear(&self) -> StoreFuture<'_, ()>;

    /// Whether the store keeps records as they are, in this process, and gives the same ones back. Their texts are made
    /// only if somebody asks for them, then.
    ///
    /// Default: false, which is right for any store. One that says true loses nothing by it but the error that a session
    /// which can't be written as JSON would be.
    fn shares_records(&self) -> bool {
        false
    }
}

/// What [`Store::load`] finds.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The record.
    pub record: Record,
    /// Its revision, to be given back to [`Store::update`].
    pub revision: Revision,
    /// Until when it lives, after a renewal if there was one.
    pub expires: Timestamp,
}

/// What became of [`Store::create`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Created {
    /// The record is stored, with this revision.
    Stored(Revision),
    /// Another living record has the id.
    Taken,
}

/// What became of [`Store::update`].
#[derive(Clone, Debug)]
pub enum Updated {
    /// The record was replaced, and has this revision now.
    Replaced(Revision),
    /// Somebody else replaced it before: here is what is stored now.
    Conflict(Loaded),
    /// There is no such record.
    Gone,
}

/// What became of [`Store::rename`].
#[derive(Clone, Debug)]
pub enum Renamed {
    /// The new id has the record, with this revision; the old id has none.
    Stored(Revision),
    /// The new id belongs to another living record. The old one is as it was.
    Taken,
    /// Somebody else replaced the old id's record before: here it is. Nothing was changed.
    Conflict(Loaded),
    /// The old id has no record, and neither has the new one.
    Gone,
}

/// How a record's expiry moves when it is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// The life of a record whose cookie has no `originalMaxAge`.
    pub ttl: Duration,
    /// The life that most records of the layer ask for, for servers that have to be told before they show the record:
    /// where [`expires`](Self::expires) then says otherwise, the expiry is corrected.
    pub usual: Duration,
    /// The expiry may be left alone as long as it would move by less than this, or than a tenth of the record's life if
    /// that is shorter, so that a store needs no write at every read. A store that moves it for the price of a read may
    /// do so always. Zero: it always moves.
    pub after: Duration,
}

impl Renewal {
    /// The expiry that a record of this [`max_age`](Record::max_age) gets at the moment `now`: none if it stays what it
    /// is. A store for which [`after`](Self::after) is of no use asks with a zero there.
    #[must_use]
    pub fn expires(&self, max_age: Option<Duration>, now: Timestamp, current: Timestamp) -> Option<Timestamp> {
        let life = millis(max_age.unwrap_or(self.ttl));
        let renewed = now.plus_millis(life);
        let moves = match renewed.as_millis().saturating_sub(current.as_millis()) {
            later @ 1.. => later >= millis(self.after) || later.saturating_mul(10) >= life,
            sooner => sooner != 0,
        };
        moves.then_some(renewed)
    }
}

/// A page of [`Store::all`].
#[derive(Clone, Debug)]
pub struct Page {
    /// The sessions, by id.
    pub sessions: Vec<(SessionId, Loaded)>,
    /// Where the next page begins; none after the last one.
    pub next: Option<Cursor>,
}

/// A place in a listing, in the store's own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(String);

impl Cursor {
    /// The place that `text` describes.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// What the store wrote.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
