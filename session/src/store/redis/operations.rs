//! What is done with one session.

use std::time::Duration;

use ::redis::{Value, cmd};
use bytes::Bytes;
use tokio::runtime::Handle;

use super::reply::{Found, NEVER, loaded, unexpected};
use super::scripts::{CORRECT_LIFE, CREATE, DESTROY, PEEK, command, expectation};
use super::{RedisServer, RedisStore};
use crate::error::StoreError;
use crate::id::SessionId;
use crate::record::Record;
use crate::store::{Created, Loaded, Renewal};
use crate::timestamp::Timestamp;

/// The life from now on, in milliseconds, to the end of the year 9999 at most. The server counts it, so that its clock
/// need not be ours.
pub(super) fn life(expires: Timestamp) -> i64 {
    life_from(Timestamp::now(), expires)
}

pub(super) fn life_from(now: Timestamp, expires: Timestamp) -> i64 {
    expires.min(NEVER).as_millis().saturating_sub(now.as_millis()).max(0)
}

impl<C: RedisServer> RedisStore<C> {
    pub(super) async fn peek(&self, id: &SessionId) -> Result<Option<Loaded>, StoreError> {
        let now = Timestamp::now();
        match self.run(&PEEK, &[&self.prefix.key(id)], &[]).await?.found()? {
            Found::Gone => Ok(None),
            Found::Other(value, life) => Ok(loaded(value, life, now)),
            Found::Expected(_) | Found::Taken => Err(unexpected()),
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
        let usual = life_from(now, now.saturating_add(renewal.usual)).max(1);
        let reply = self.ask(command("GETEX", key.len()).arg(&key).arg("PX").arg(usual)).await?;
        let value: Bytes = match reply.value {
            Value::Nil => return Ok(None),
            Value::BulkString(value) => value.into(),
            _ => return Err(unexpected()),
        };
        let Some(found) = loaded(value, usual, now) else { return Ok(None) };
        let own = found.record.max_age().unwrap_or(renewal.ttl);
        if own != renewal.usual || own.is_zero() {
            // Boxed, so that sessions of the usual life need no room for it.
            return Box::pin(self.correct_life(&key, found, own)).await;
        }
        Ok(Some(found))
    }

    async fn correct_life(&self, key: &[u8], found: Loaded, own: Duration) -> Result<Option<Loaded>, StoreError> {
        let own = life(Timestamp::now().saturating_add(own));
        let expires = Timestamp::now().plus_millis(own);
        // Only if the record is still the same: a newer one may have another life.
        let (expected, own_life) = (expectation(&found.revision), own.to_string());
        let corrected = self.run(&CORRECT_LIFE, &[key], &[&expected, own_life.as_bytes()]).await?.found()?;
        if own == 0 || matches!(corrected, Found::Gone) {
            return Ok(None);
        }
        Ok(Some(Loaded { expires, ..found }))
    }

    pub(super) async fn create_session(
        &self,
        id: &SessionId,
        record: Record,
        expires: Timestamp,
    ) -> Result<Created, StoreError> {
        self.add_entries(id, &record, expires).await?;
        let (key, value) = (self.prefix.key(id), record.json().as_ref());
        let stored = Created::Stored(record.clone().into());
        let life = life(expires);
        if life == 0 {
            let is_taken: bool = self.ask(cmd("EXISTS").arg(&key)).await?.read()?;
            return Ok(if is_taken { Created::Taken } else { stored });
        }
        let (is_stored, repeated) = match self.list(&key, &record, expires) {
            None => {
                let reply = self
                    .ask(command("SET", key.len() + value.len()).arg(&key).arg(value).arg("NX").arg("PX").arg(life))
                    .await?;
                (reply.value == Value::Okay, reply.repeated)
            }
            Some(list) => {
                let life = life.to_string();
                let reply = self.run_listed(&CREATE, &[&key], &[value, life.as_bytes()], Some(&list)).await?;
                (reply.value != Value::Int(2), reply.repeated)
            }
        };
        if !is_stored && repeated {
            // Only then: two visitors for whom one id was drawn may well begin with the same text.
            let current = self.ask(cmd("GET").arg(&key)).await?.value;
            let is_mine = matches!(current, Value::BulkString(current) if current == value);
            return Ok(if is_mine { stored } else { Created::Taken });
        }
        Ok(if is_stored { stored } else { Created::Taken })
    }

    pub(super) async fn touch_session(&self, id: &SessionId, expires: Timestamp) -> Result<bool, StoreError> {
        self.ask(cmd("PEXPIRE").arg(self.prefix.key(id)).arg(life(expires))).await?.read()
    }

    pub(super) async fn destroy_session(&self, id: &SessionId) -> Result<(), StoreError> {
        let key = self.prefix.key(id);
        let Some(list) = self.prefix.list_key(&key, C::IS_ONE) else {
            return self.ask(cmd("UNLINK").arg(key)).await?.read::<i64>().map(drop);
        };
        match self.run(&DESTROY, &[&key, &list], &[]).await?.found()? {
            Found::Expected(former) => {
                self.retire_entries(id, &former, &[]).await;
                Ok(())
            }
            _ => Err(unexpected()),
        }
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
                if let Err(error) = store.answer(store.renew(&id, renewal)).await {
                    tracing::debug!(?id, %error, "a session's expiry was not corrected after a load that was given up");
                }
            });
        }
    }
}
