//! Which index keys a session has.
//!
//! The index itself can't tell: an entry stays when its session is written with other keys, or was refused. So each
//! session that has keys has a list of them, which one script replaces together with the session. An entry counts if its
//! session's list has the key. A session without a list has the keys of all its entries: so nobody is left out when a
//! list has ended before its session, which loads renew alone. The sweep renews both.

use ::redis::{Value, from_redis_value};
use futures_util::future::join_all;

use super::operations::life;
use super::reply::{Reply, loaded, unexpected};
use super::scripts::{KEEP_LIST, PEEK_LISTED, Script};
use super::{RedisServer, RedisStore};
use crate::error::StoreError;
use crate::id::SessionId;
use crate::record::{IndexKey, Record};
use crate::store::Loaded;
use crate::timestamp::Timestamp;

/// How much longer than its session, as it was written last, a list is kept: longer than a sweep stays away.
const KEPT: i64 = 86_400_000;

/// What a script is told about a session's list.
pub(super) struct List {
    key: Vec<u8>,
    /// The index keys, with blanks between them.
    keys: String,
    life: String,
}

/// What an entry of the index leads to.
pub(super) enum Entry {
    /// A session that has the key.
    Counts(Loaded),
    /// A session that has not, or none.
    IsOver,
}

impl<C: RedisServer> RedisStore<C> {
    /// The list of a session that is about to be stored with this record; none if that says nothing about keys.
    pub(super) fn list(&self, session: &[u8], record: &Record, expires: Timestamp) -> Option<List> {
        let keys: Vec<_> = record.index()?.iter().map(IndexKey::as_str).collect();
        let key = self.prefix.list_key(session, C::IS_ONE)?;
        Some(List { key, keys: keys.join(" "), life: life(expires).saturating_add(KEPT).to_string() })
    }

    /// Runs a script whose last key, and last two arguments, are a list.
    pub(super) async fn run_listed(
        &self,
        script: &Script,
        keys: &[&[u8]],
        arguments: &[&[u8]],
        list: Option<&List>,
    ) -> Result<Reply, StoreError> {
        let Some(list) = list else { return self.run(script, keys, arguments).await };
        let keys = [keys, &[&list.key]].concat();
        self.run(script, &keys, &[arguments, &[list.keys.as_bytes(), list.life.as_bytes()]].concat()).await
    }

    /// What the entries of these sessions lead to.
    pub(super) async fn entries(
        &self,
        key: &IndexKey,
        ids: impl IntoIterator<Item = SessionId>,
    ) -> Result<Vec<(SessionId, Entry)>, StoreError> {
        let look = async |id: SessionId| Ok((self.entry(key, &id).await?, id));
        let entries = join_all(ids.into_iter().map(look)).await;
        entries.into_iter().map(|entry| entry.map(|(entry, id)| (id, entry))).collect()
    }

    async fn entry(&self, key: &IndexKey, id: &SessionId) -> Result<Entry, StoreError> {
        let now = Timestamp::now();
        let session = self.prefix.key(id);
        let list = self.prefix.list_key(&session, C::IS_ONE);
        let keys: Vec<_> = [&session].into_iter().chain(&list).map(Vec::as_slice).collect();
        let mut parts = match self.run(&PEEK_LISTED, &keys, &[]).await?.value {
            Value::Int(0) => return Ok(Entry::IsOver),
            Value::Array(parts) => parts.into_iter(),
            _ => return Err(unexpected()),
        };
        let (Some(Value::BulkString(value)), Some(Value::Int(life)), Some(listed)) =
            (parts.next(), parts.next(), parts.next())
        else {
            return Err(unexpected());
        };
        let listed: Option<String> = from_redis_value(listed).map_err(StoreError::new)?;
        let found = loaded(value.into(), life, now).filter(|_| has_key(listed.as_deref(), key.as_str()));
        Ok(found.map_or(Entry::IsOver, Entry::Counts))
    }

    /// How long an entry counts from now on, in milliseconds, as the server says it; none if it is over. The session's
    /// list is kept as long.
    pub(super) async fn entry_life(&self, key: &str, id: &str) -> Result<Option<i64>, StoreError> {
        let session = [self.prefix.sessions.as_bytes(), id.as_bytes()].concat();
        let list = self.prefix.list_key(&session, C::IS_ONE);
        let keys: Vec<_> = [&session].into_iter().chain(&list).map(Vec::as_slice).collect();
        let kept = KEPT.to_string();
        let (life, listed): (i64, Option<String>) = self.run(&KEEP_LIST, &keys, &[kept.as_bytes()]).await?.read()?;
        Ok((life != -2 && has_key(listed.as_deref(), key)).then_some(life))
    }
}

fn has_key(listed: Option<&str>, key: &str) -> bool {
    listed.is_none_or(|listed| listed.split(' ').any(|listed| listed == key))
}
