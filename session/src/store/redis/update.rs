//! Replacing a session, if it is still the expected one.

use std::borrow::Cow;
use std::sync::atomic::Ordering;

use ::redis::{Cmd, ErrorKind, RedisResult, ServerErrorKind, Value};
use bytes::Bytes;

use super::operations::life_from;
use super::reply::{Found, Reply, loaded, unexpected};
use super::scripts::{PEEK, UPDATE, UPDATE_LISTED, command, expectation};
use super::{RedisServer, RedisStore};
use crate::error::StoreError;
use crate::id::SessionId;
use crate::record::{Record, Revision};
use crate::store::Updated;
use crate::timestamp::Timestamp;

/// What is to become of a session.
struct Update<'a> {
    key: &'a [u8],
    expected: Cow<'a, [u8]>,
    value: &'a Bytes,
    /// In milliseconds, as a number's text.
    life: String,
}

/// How a server is told.
#[derive(Clone, Copy)]
enum Way {
    /// By its `SET`, where that compares by itself, which is less work than a script: Redis since 8.4, Valkey since 8.1. It
    /// knows nothing of lists and digests, and of lives that are over.
    Set,
    Script,
}

impl<C: RedisServer> RedisStore<C> {
    /// Replaces a session whose type has no index.
    pub(super) async fn update_unlisted(
        &self,
        id: &SessionId,
        expected: Revision,
        record: Record,
        expires: Timestamp,
    ) -> Result<Updated, StoreError> {
        let now = Timestamp::now();
        let key = self.prefix.key(id);
        let life = life_from(now, expires).to_string();
        let update = Update { key: &key, expected: expectation(&expected), value: record.json(), life };
        let way = self.way(&update);
        match self.try_to_ask(&update.command(way)).await {
            (Ok(Value::Okay | Value::Int(1)), _) => Ok(Updated::Replaced(record.into())),
            // Boxed, since few commands get further.
            answer => {
                let reply = Box::pin(self.otherwise(&update, way, answer)).await?;
                updated(reply.repeated, reply.found()?, &record, now)
            }
        }
    }

    fn way(&self, update: &Update<'_>) -> Way {
        let is_plain = matches!(update.expected, Cow::Borrowed(_)) && update.life != "0";
        if is_plain && self.set_compares.load(Ordering::Relaxed) { Way::Set } else { Way::Script }
    }

    /// What else an answer says than that all went well, as the script would have said it.
    async fn otherwise(
        &self,
        update: &Update<'_>,
        way: Way,
        (result, repeated): (RedisResult<Value>, bool),
    ) -> Result<Reply, StoreError> {
        match (way, result) {
            (Way::Script, result) => {
                self.or_by_source(&UPDATE, &[update.key], &update.arguments(), (result, repeated)).await
            }
            (Way::Set, Ok(Value::Nil)) => Ok(Reply { repeated, ..self.run(&PEEK, &[update.key], &[]).await? }),
            (Way::Set, Ok(_)) => Err(unexpected()),
            (Way::Set, Err(error)) if error.kind() == ErrorKind::Server(ServerErrorKind::ResponseError) => {
                self.set_compares.store(false, Ordering::Relaxed);
                let reply = self.run(&UPDATE, &[update.key], &update.arguments()).await?;
                Ok(Reply { repeated: repeated || reply.repeated, ..reply })
            }
            (Way::Set, Err(error)) => Err(StoreError::new(error)),
        }
    }

    /// The same for a session with index keys, of which there is a list.
    pub(super) async fn update_listed(
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
        let (expected, life) = (expectation(&expected), life_from(now, expires).to_string());
        let arguments = [&*expected, record.json(), life.as_bytes()];
        let reply = self.run_listed(&UPDATE_LISTED, &[&key], &arguments, list.as_ref()).await?;
        let (repeated, found) = (reply.repeated, reply.found()?);
        if let Found::Expected(former) = &found {
            self.retire_entries(id, former, record.index().unwrap_or_default()).await;
        }
        updated(repeated, found, &record, now)
    }
}

impl Update<'_> {
    fn command(&self, way: Way) -> Cmd {
        match way {
            Way::Set => {
                let mut set = command("SET", self.key.len() + self.value.len() + self.expected.len());
                set.arg(self.key).arg(&**self.value).arg("IFEQ").arg(&*self.expected).arg("PX").arg(&self.life);
                set
            }
            Way::Script => UPDATE.by_digest(&[self.key], &self.arguments()),
        }
    }

    /// The script's.
    fn arguments(&self) -> [&[u8]; 3] {
        [&self.expected, self.value, self.life.as_bytes()]
    }
}

/// What became of a session.
fn updated(repeated: bool, found: Found, record: &Record, now: Timestamp) -> Result<Updated, StoreError> {
    Ok(match found {
        Found::Expected(_) => Updated::Replaced(record.clone().into()),
        // Only then: in general, others write the very same text. Records that add up have a mark of their own.
        Found::Other(value, _) if repeated && value == *record.json() => Updated::Replaced(record.clone().into()),
        Found::Other(..) if repeated && record.accumulates() => {
            return Err(StoreError::new("the reply to a write was lost, and somebody else has written since"));
        }
        Found::Other(value, life) => loaded(value, life, now).map_or(Updated::Gone, Updated::Conflict),
        Found::Gone => Updated::Gone,
        Found::Taken => return Err(unexpected()),
    })
}
