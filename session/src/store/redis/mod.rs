//! Sessions on a Redis or Valkey server, or a cluster of them.

#[cfg(feature = "redis-cluster")]
mod cluster;
mod connection;
mod index;
mod keys;
mod listing;
mod operations;
mod rename;
mod reply;
mod scripts;
mod server;
mod update;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64};
use std::time::Duration;

use ::redis::Client;
use ::redis::aio::ConnectionLike;

#[cfg(feature = "redis-cluster")]
pub use self::cluster::{RedisCluster, RedisClusterStore};
pub use self::connection::RedisConnection;
pub use self::server::RedisServer;
use super::{Created, Cursor, IndexKey, Loaded, Page, Renamed, Renewal, Store, StoreFuture, Updated};
use crate::error::StoreError;
use crate::id::SessionId;
use crate::record::{Record, Revision};
use crate::timestamp::Timestamp;

/// How long an operation may take, if its commands have no limit of their own: one clock is enough.
const LIMIT: Duration = Duration::from_secs(3);

/// A store on a Redis server (6.2 or later) or a Valkey server. Clones share their connection.
///
/// ```no_run
/// use session::RedisStore;
///
/// # async fn connect() -> Result<(), session::StoreError> {
/// let store = RedisStore::connect("redis://127.0.0.1:6379").await?;
/// # Ok(()) }
/// ```
///
/// # Keys
///
/// | key | type | what |
/// |---|---|---|
/// | `sess:<id>` | string | a session: its JSON, with the session's expiry as the key's |
/// | `sess-index:<key>` | sorted set | ids of sessions with an index key, each with its expiry as it was written last |
/// | `sess-index:` | sorted set | the index keys in use, each with the moment when its set is to be cleaned |
/// | `sess-index:{sess:<id>}` | hash | the index keys with which a session was stored last, in its one field |
///
/// The first are those of connect-redis, so that services on Node.js share the sessions. [`prefix`](Self::prefix)
/// changes all of them. The others exist only if the session type has indexed fields, and the last ones only for sessions
/// that have, or had, index keys.
///
/// The server should never evict (`maxmemory-policy noeviction`), or it logs people out. When it is full, saving is an
/// error and everything else goes on.
///
/// # Commands
///
/// | operation | commands |
/// |---|---|
/// | load, with the expiry renewed | 1 (`GETEX`); 2 for a session whose life is not the layer's usual one |
/// | load without renewal, create, update, touch, destroy, change of the id | 1 |
/// | update of a session that somebody else has changed | 1; 2 where `SET` compares |
/// | create, update, change of the id, with *n* index keys | 1 + *n*, and one more for the first session of a key |
/// | update, destroy, change of the id, that takes *n* index keys away | 2 × *n* more |
/// | change of the id, on a cluster | 2 |
///
/// On Redis 8.4 and Valkey 8.1, or later, an update is a `SET` that compares (`IFEQ`), if the session is no longer than 16 KiB
/// and its type has no indexed fields; otherwise a script does it, which takes the server longer. The first update finds
/// out what the server can.
///
/// A load writes the expiry whether or not it moves by much ([`Renewal::after`]): that costs no more than reading. A
/// command whose connection breaks before the answer is sent a second time, and what the first one wrote is recognised.
///
/// The entries of a session in the index are written before the session and outlive it, or its having the key; whoever
/// looks sees only those whose session lives and was stored with the key. They are removed about a minute later, when
/// somebody looks or by a sweep in the background, which goes with the writes of sessions that have keys. Sessions that
/// Node wrote meanwhile keep their keys.
///
/// On a cluster, a session whose id has a closing brace, which no generated one has, can be listed by a key that it had
/// before.
#[derive(Clone)]
pub struct RedisStore<C = RedisConnection> {
    server: C,
    prefix: Prefix,
    last_sweep: Arc<AtomicI64>,
    /// Whether the server's `SET` compares, as far as is known.
    set_compares: Arc<AtomicBool>,
    /// How long an operation may take, if its commands have no limit of their own.
    limit: Option<Duration>,
}

impl RedisStore {
    /// Connects to one server: `redis://[user:password@]host:port/database`, or `unix:///path`.
    ///
    /// The connection comes back by itself when it breaks, or when it has fallen silent. An operation is given up after
    /// 3 s. For TLS, turn that feature of the `redis` crate on.
    ///
    /// # Errors
    /// A URL that isn't one, or a server that can't be reached.
    pub async fn connect(url: impl AsRef<str>) -> Result<Self, StoreError> {
        let client = Client::open(url.as_ref()).map_err(StoreError::new)?;
        let connection = RedisConnection::connect_untimed(client).await.map_err(StoreError::new)?;
        Ok(Self { limit: Some(LIMIT), ..Self::new(connection) })
    }
}

impl<C: ConnectionLike + Clone + Send + Sync + 'static> RedisStore<C> {
    /// A store over a connection of one's own making, to one server; for a cluster, see `RedisClusterStore`.
    ///
    /// ```no_run
    /// use session::RedisStore;
    ///
    /// # async fn connect() -> Result<(), Box<dyn std::error::Error>> {
    /// let client = redis::Client::open("redis://127.0.0.1:6379")?;
    /// let store = RedisStore::new(client.get_multiplexed_async_connection().await?);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn new(connection: C) -> Self {
        Self::over(connection, Prefix::default())
    }
}

impl<C> RedisStore<C> {
    fn over(server: C, prefix: Prefix) -> Self {
        Self {
            server,
            prefix,
            last_sweep: Arc::new(AtomicI64::new(0)),
            set_compares: Arc::new(AtomicBool::new(true)),
            limit: None,
        }
    }

    /// An operation, or a step of a longer one, in its time.
    fn answer<'a, T>(&self, answer: impl Future<Output = Result<T, StoreError>> + Send + 'a) -> StoreFuture<'a, T> {
        let answer = StoreFuture::new(answer);
        match self.limit {
            Some(limit) => answer.within(limit),
            None => answer,
        }
    }

    /// What the sessions' keys begin with. Default: `sess:`, as in connect-redis.
    ///
    /// The index has the same prefix with `-index:` in place of its colon. A prefix must not be the beginning of
    /// another one that is in use in the same database.
    ///
    /// ```no_run
    /// # use session::RedisStore;
    /// # async fn connect() -> Result<(), session::StoreError> {
    /// let store = RedisStore::connect("redis://127.0.0.1:6379").await?.prefix("shop:"); // and `shop-index:`
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn prefix(mut self, prefix: impl AsRef<str>) -> Self {
        self.prefix = Prefix::new(prefix.as_ref());
        // Those of another prefix clean their own index.
        self.last_sweep = Arc::default();
        self
    }
}

impl<C> fmt::Debug for RedisStore<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").field("prefix", &self.prefix.sessions).finish_non_exhaustive()
    }
}

impl<C: RedisServer> Store for RedisStore<C> {
    fn load<'a>(&'a self, id: &'a SessionId, renewal: Option<Renewal>) -> StoreFuture<'a, Option<Loaded>> {
        match renewal {
            None => self.answer(self.peek(id)),
            Some(renewal) => self.answer(self.load_and_renew(id, renewal)),
        }
    }

    fn create<'a>(&'a self, id: &'a SessionId, record: Record, expires: Timestamp) -> StoreFuture<'a, Created> {
        self.answer(self.create_session(id, record, expires))
    }

    fn update<'a>(
        &'a self,
        id: &'a SessionId,
        expected: Revision,
        record: Record,
        expires: Timestamp,
    ) -> StoreFuture<'a, Updated> {
        if record.index().is_none() {
            self.answer(self.update_unlisted(id, expected, record, expires))
        } else {
            self.answer(self.update_listed(id, expected, record, expires))
        }
    }

    fn touch<'a>(&'a self, id: &'a SessionId, expires: Timestamp) -> StoreFuture<'a, bool> {
        self.answer(self.touch_session(id, expires))
    }

    fn rename<'a>(
        &'a self,
        old: &'a SessionId,
        expected: Revision,
        new: &'a SessionId,
        record: Record,
        expires: Timestamp,
    ) -> StoreFuture<'a, Renamed> {
        if C::IS_ONE {
            self.answer(self.rename_at_once(old, expected, new, record, expires))
        } else {
            self.answer(self.rename_in_steps(old, expected, new, record, expires))
        }
    }

    fn destroy<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, ()> {
        self.answer(self.destroy_session(id))
    }

    fn all(&self, after: Option<Cursor>, limit: usize) -> StoreFuture<'_, Page> {
        self.answer(self.page(after, limit))
    }

    fn find<'a>(&'a self, key: &'a IndexKey, after: Option<Cursor>, limit: usize) -> StoreFuture<'a, Page> {
        self.answer(self.indexed_page(key, after, limit))
    }

    fn len(&self) -> StoreFuture<'_, usize> {
        StoreFuture::new(self.count())
    }

    fn clear(&self) -> StoreFuture<'_, ()> {
        StoreFuture::new(self.remove_all())
    }
}

/// What keys begin with.
#[derive(Clone)]
struct Prefix {
    sessions: Arc<str>,
    index: Arc<str>,
}

impl Prefix {
    fn new(prefix: &str) -> Self {
        Self { sessions: prefix.into(), index: format!("{}-index:", prefix.trim_end_matches(':')).into() }
    }

    fn key(&self, id: &SessionId) -> Vec<u8> {
        [self.sessions.as_bytes(), id.as_bytes()].concat()
    }

    fn index_key(&self, key: &str) -> Vec<u8> {
        [self.index.as_bytes(), key.as_bytes()].concat()
    }

    /// The key beside a session's, for its list of index keys: a cluster has both in one slot, so that a script may touch
    /// them together. None if it hasn't.
    fn list_key(&self, session: &[u8], is_one: bool) -> Option<Vec<u8>> {
        let tag = hash_tag(session);
        // It ends with a brace or a colon, so that no two sessions have one list.
        let (rest, end): (_, &[u8]) = if tag.len() == session.len() { (&[][..], b"") } else { (session, b":") };
        let list = [self.index.as_bytes(), b"{", tag, b"}", rest, end].concat();
        (is_one || hash_tag(&list) == tag).then_some(list)
    }

    /// The pattern that matches the keys of sessions, for `SCAN`.
    fn pattern(&self) -> String {
        let mut pattern = String::with_capacity(self.sessions.len() + 1);
        for letter in self.sessions.chars() {
            if matches!(letter, '*' | '?' | '[' | ']' | '\\') {
                pattern.push('\\');
            }
            pattern.push(letter);
        }
        pattern.push('*');
        pattern
    }

    /// The id in a session's key.
    fn id(&self, key: &[u8]) -> Option<SessionId> {
        SessionId::new(str::from_utf8(key.strip_prefix(self.sessions.as_bytes())?).ok()?).ok()
    }
}

/// The part of a key that decides on its slot in a cluster: what stands in its first braces, if that is anything.
fn hash_tag(key: &[u8]) -> &[u8] {
    let in_braces = || {
        let (_, rest) = key.split_at_checked(key.iter().position(|byte| *byte == b'{')? + 1)?;
        rest.get(..rest.iter().position(|byte| *byte == b'}')?)
    };
    in_braces().filter(|tag| !tag.is_empty()).unwrap_or(key)
}

impl Default for Prefix {
    fn default() -> Self {
        Self::new("sess:")
    }
}
