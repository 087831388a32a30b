//! What is done with one session.

use ::redis::{Value, cmd};
use bytes::Bytes;
use tokio::runtime::Handle;

use super::reply::{Found, NEVER, Reply, loaded, unexpected};
use super::scripts::{CORRECT_LIFE, PEEK, REMOVE, RENAME, UPDATE, digest_text, revision};
use super::{RedisServer, RedisStore};
use crate::error::StoreError;
use crate::id::SessionId;
use crate::record::{Record, Revision};
use crate::store::{Created, Loaded, Renamed, Renewal, Updated};
use crate::timestamp::Timestamp;

/// The life from now on, in milliseconds, to the end of the year 9999 at most. The server counts it, so that its clock
/// need not be ours.
pub(super) fn life(expires: Timestamp) -> i64 {
    expires.min(NEVER).as_millis().saturating_sub(Timestamp::now().as_millis()).max(0)
}

impl<C: RedisServer> RedisStore<C> {
    pub(super) async fn peek(&self, id: &SessionId) -> Result<Option<Loaded>, StoreError> {
        let now = Timestamp::now();
        match self.run(&PEEK, &[&self.prefix.key(id)], &[]).await?.found()? {
            Found::Gone => Ok(None),
            Found::Other(value, life) => Ok(loaded(value, life, now)),
            Found::Expected | Found::Taken => Err(unexpected()),
        }
    }

    /// The expiry is moved before the record's own life is known, and corrected afterwards if that is another one.
    pub(super) async fn load_and_renew(&self, id: &SessionId, renewal: Renewal) -> Result<Option<Loaded>, StoreError> {
        let mut unfinished = Unfinished { store: self, id, renewal, is_armed: true };
        let result = self.renew(id, renewal).await;
        unfinished.is_armed = false;
        result
    }

    async fn renew(&self, id: &SessionId, renewal: Renewal) -> Result<Option<Loaded>, StoreError> {
        let key = self.prefix.key(id);
        let now = Timestamp::now();
        let usual = life(now.saturating_add(renewal.usual)).max(1);
        let reply = self.ask(cmd("GETEX").arg(&key).arg("PX").arg(usual)).await?;
        let value: Bytes = match reply.value {
            Value::Nil => return Ok(None),
            Value::BulkString(value) => value.into(),
            _ => return Err(unexpected()),
        };
        let Some(mut found) = loaded(value, usual, now) else { return Ok(None) };
        let own = found.record.max_age().unwrap_or(renewal.ttl);
        if own != renewal.usual || own.is_zero() {
            let own = life(Timestamp::now().saturating_add(own));
            found.expires = Timestamp::now().plus_millis(own);
            // Only if the record is still the same: a newer one may have another life.
            let arguments = [digest_text(found.revision), own.to_string()];
            let [expected, own_life] = arguments.each_ref().map(String::as_bytes);
            let corrected = self.run(&CORRECT_LIFE, &[&key], &[expected, own_life]).await?.found()?;
            if own == 0 || matches!(corrected, Found::Gone) {
                return Ok(None);
            }
        }
        Ok(Some(found))
    }

    pub(super) async fn create_session(
        &self,
        id: &SessionId,
        record: Record,
        expires: Timestamp,
    ) -> Result<Created, StoreError> {
        self.add_entries(id, &record, expires).await?;
        self.create_record(id, &record, expires).await
    }

    async fn create_record(&self, id: &SessionId, record: &Record, expires: Timestamp) -> Result<Created, StoreError> {
        let key = self.prefix.key(id);
        let stored = Created::Stored(revision(record.json()));
        let life = life(expires);
        if life == 0 {
            let is_taken: bool = self.ask(cmd("EXISTS").arg(&key)).await?.read()?;
            return Ok(if is_taken { Created::Taken } else { stored });
        }
        let value = record.json().as_ref();
        let Reply { value: answer, repeated } =
            self.ask(cmd("SET").arg(&key).arg(value).arg("NX").arg("PX").arg(life)).await?;
        match answer {
            Value::Okay => Ok(stored),
            // Only then: two visitors for whom one id was drawn may well begin with the same text.
            Value::Nil if repeated => {
                let current = self.ask(cmd("GET").arg(&key)).await?.value;
                let is_mine = matches!(current, Value::BulkString(current) if current == value);
                Ok(if is_mine { stored } else { Created::Taken })
            }
            Value::Nil => Ok(Created::Taken),
            _ => Err(unexpected()),
        }
    }

    pub(super) async fn update_session(
        &self,
        id: &SessionId,
        expected: Revision,
        record: Record,
        expires: Timestamp,
    ) -> Result<Updated, StoreError> {
        self.add_entries(id, &record, expires).await?;
        let now = Timestamp::now();
        let arguments = [digest_text(expected), life(expires).to_string()];
        let [expected, life] = arguments.each_ref().map(String::as_bytes);
        let reply = self.run(&UPDATE, &[&self.prefix.key(id)], &[expected, record.json(), life]).await?;
        let repeated = reply.repeated;
        Ok(match reply.found()? {
            Found::Expected => Updated::Replaced(revision(record.json())),
            // Only then: in general, others write the very same text, when they count, say.
            Found::Other(value, _) if repeated && value == *record.json() => Updated::Replaced(revision(record.json())),
            Found::Other(value, life) => loaded(value, life, now).map_or(Updated::Gone, Updated::Conflict),
            Found::Gone => Updated::Gone,
            Found::Taken => return Err(unexpected()),
        })
    }

    pub(super) async fn touch_session(&self, id: &SessionId, expires: Timestamp) -> Result<bool, StoreError> {
        self.ask(cmd("PEXPIRE").arg(self.prefix.key(id)).arg(life(expires))).await?.read()
    }

    pub(super) async fn destroy_session(&self, id: &SessionId) -> Result<(), StoreError> {
        self.ask(cmd("UNLINK").arg(self.prefix.key(id))).await?.read::<i64>().map(drop)
    }

    /// Where one script may touch both keys.
    pub(super) async fn rename_at_once(
        &self,
        old: &SessionId,
        expected: Revision,
        new: &SessionId,
        record: Record,
        expires: Timestamp,
    ) -> Result<Renamed, StoreError> {
        self.add_entries(new, &record, expires).await?;
        let now = Timestamp::now();
        let (from, to) = (self.prefix.key(old), self.prefix.key(new));
        let arguments = [digest_text(expected), life(expires).to_string()];
        let [expected, life] = arguments.each_ref().map(String::as_bytes);
        let reply = self.run(&RENAME, &[&from, &to], &[expected, record.json(), life]).await?;
        let stored = Renamed::Stored(revision(record.json()));
        match (reply.repeated, reply.found()?) {
            (_, Found::Expected) => Ok(stored),
            (_, Found::Taken) => Ok(Renamed::Taken),
            (_, Found::Other(value, life)) => Ok(loaded(value, life, now).map_or(Renamed::Gone, Renamed::Conflict)),
            (false, Found::Gone) => Ok(Renamed::Gone),
            // Nobody else knows the new id.
            (true, Found::Gone) => Ok(match self.peek(new).await? {
                Some(found) if found.record.json() == record.json() => stored,
                _ => Renamed::Gone,
            }),
        }
    }

    /// Where one script can't touch both keys. Once begun, it is carried through, whoever waits for it.
    pub(super) async fn rename_in_steps(
        &self,
        old: &SessionId,
        expected: Revision,
        new: &SessionId,
        record: Record,
        expires: Timestamp,
    ) -> Result<Renamed, StoreError> {
        let (store, old, new) = (self.clone(), old.clone(), new.clone());
        let steps = async move {
            let revision = match store.create_session(&new, record, expires).await? {
                Created::Taken => return Ok(Renamed::Taken),
                Created::Stored(revision) => revision,
            };
            let now = Timestamp::now();
            let digest = digest_text(expected);
            let reply = store.run(&REMOVE, &[&store.prefix.key(&old)], &[digest.as_bytes()]).await?;
            let refused = match (reply.repeated, reply.found()?) {
                // Without an answer to the first try, it is that one which removed the record.
                (_, Found::Expected) | (true, Found::Gone) => return Ok(Renamed::Stored(revision)),
                (_, Found::Other(value, life)) => loaded(value, life, now).map_or(Renamed::Gone, Renamed::Conflict),
                (false, Found::Gone) => Renamed::Gone,
                (_, Found::Taken) => return Err(unexpected()),
            };
            store.destroy_session(&new).await?;
            Ok(refused)
        };
        tokio::spawn(steps).await.map_err(StoreError::new)?
    }
}

/// A load that is given up before its end is carried through in the background: in between, a session has the life that
/// others of its layer have, which can be longer than its own.
struct Unfinished<'a, C: RedisServer> {
    store: &'a RedisStore<C>,
    id: &'a SessionId,
    renewal: Renewal,
    is_armed: bool,
}

impl<C: RedisServer> Drop for Unfinished<'_, C> {
    fn drop(&mut self) {
        if !self.is_armed {
            return;
        }
        if let Ok(runtime) = Handle::try_current() {
            let (store, id, renewal) = (self.store.clone(), self.id.clone(), self.renewal);
            runtime.spawn(async move {
                if let Err(error) = store.renew(&id, renewal).await {
                    tracing::debug!(?id, %error, "a session's expiry was not corrected after a load that was given up");
                }
            });
        }
    }
}
