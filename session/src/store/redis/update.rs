//! Replacing a session, if it is still the expected one.

use std::borrow::Cow;
use std::sync::atomic::Ordering;

use ::redis::{ErrorKind, ServerErrorKind, Value};

use super::keys::List;
use super::operations::life_from;
use super::reply::{Found, Reply, loaded, unexpected};
use super::scripts::{PEEK, UPDATE, command, expectation};
use super::{RedisServer, RedisStore};
use crate::error::StoreError;
use crate::id::SessionId;
use crate::record::{Record, Revision};
use crate::store::Updated;
use crate::timestamp::Timestamp;

impl<C: RedisServer> RedisStore<C> {
    pub(super) async fn update_session(
        &self,
        id: &SessionId,
        expected: Revision,
        record: Record,
        expires: Timestamp,
    ) -> Result<Updated, StoreError> {
        self.add_entries(id, &record, expires).await?;
        let now = Timestamp::now();
        let key = self.prefix.key(id);
        let list = self.list(&key, &record, expires);
        let reply = self.compare_and_set(&key, &expected, &record, life_from(now, expires), list.as_ref()).await?;
        let repeated = reply.repeated;
        let replaced = Updated::Replaced(record.clone().into());
        Ok(match reply.found()? {
            Found::Expected(former) => {
                self.retire_entries(id, &former, record.index().unwrap_or_default()).await;
                replaced
            }
            // Only then: in general, others write the very same text. Records that add up have a mark of their own.
            Found::Other(value, _) if repeated && value == *record.json() => replaced,
            Found::Other(..) if repeated && record.accumulates() => {
                return Err(StoreError::new("the reply to a write was lost, and somebody else has written since"));
            }
            Found::Other(value, life) => loaded(value, life, now).map_or(Updated::Gone, Updated::Conflict),
            Found::Gone => Updated::Gone,
            Found::Taken => return Err(unexpected()),
        })
    }

    /// By the server's `SET` where it compares by itself, which is less work than a script: Redis since 8.4, Valkey since
    /// 8.1. It knows nothing of lists and digests, and of lives that are over.
    async fn compare_and_set(
        &self,
        key: &[u8],
        expected: &Revision,
        record: &Record,
        life: i64,
        list: Option<&List>,
    ) -> Result<Reply, StoreError> {
        let (expected, value) = (expectation(expected), record.json());
        let by_script = async || {
            let life = life.to_string();
            self.run_listed(&UPDATE, &[key], &[&expected, value, life.as_bytes()], list).await
        };
        let is_plain = list.is_none() && matches!(expected, Cow::Borrowed(_)) && life > 0;
        if !is_plain || !self.set_compares.load(Ordering::Relaxed) {
            return by_script().await;
        }
        let mut set = command("SET", key.len() + value.len() + expected.len());
        set.arg(key).arg(&**value).arg("IFEQ").arg(&*expected).arg("PX").arg(life);
        let (result, repeated) = self.try_to_ask(&set).await;
        // Boxed, since few commands get further.
        match result {
            Ok(Value::Okay) => Ok(Reply { value: Value::Int(1), repeated }),
            Ok(Value::Nil) => Ok(Reply { repeated, ..Box::pin(self.run(&PEEK, &[key], &[])).await? }),
            Ok(_) => Err(unexpected()),
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::ResponseError) => {
                self.set_compares.store(false, Ordering::Relaxed);
                let reply = Box::pin(by_script()).await?;
                Ok(Reply { repeated: repeated || reply.repeated, ..reply })
            }
            Err(error) => Err(StoreError::new(error)),
        }
    }
}
