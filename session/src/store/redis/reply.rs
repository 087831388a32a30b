//! Sending commands, and what their answers mean.

use std::io;

use ::redis::{Cmd, ErrorKind, FromRedisValue, RedisResult, ServerErrorKind, Value, from_redis_value};
use bytes::Bytes;

use super::scripts::{Script, is_session};
use super::{RedisServer, RedisStore};
use crate::error::StoreError;
use crate::record::Record;
use crate::store::Loaded;
use crate::timestamp::Timestamp;

/// The end of the year 9999: the last expiry, and that of a session whose key has none.
pub(super) const NEVER: Timestamp = Timestamp::from_millis(253_402_300_799_999);

/// An answer, and whether the command may have been carried out before, by a try whose answer was lost.
pub(super) struct Reply {
    pub(super) value: Value,
    pub(super) repeated: bool,
}

/// What a script finds under a session's key.
pub(super) enum Found {
    /// Nothing.
    Gone,
    /// What it was told to expect; it did its work. The index keys that the session had before, as far as the script
    /// looked.
    Expected(String),
    /// The other key has a session.
    Taken,
    /// Something else: its value, and its life in milliseconds.
    Other(Bytes, i64),
}

impl<C: RedisServer> RedisStore<C> {
    /// Sends a command; again, if the connection breaks before the answer.
    pub(super) async fn ask(&self, command: &Cmd) -> Result<Reply, StoreError> {
        let (result, repeated) = self.try_to_ask(command).await;
        Ok(Reply { value: result.map_err(StoreError::new)?, repeated })
    }

    pub(super) async fn try_to_ask(&self, command: &Cmd) -> (RedisResult<Value>, bool) {
        let result = self.server.send(command).await;
        match &result {
            Err(error) if error.is_connection_dropped() && !error.is_connection_refusal() => {
                // Boxed, since few commands get here, and each has room for it otherwise.
                (Box::pin(self.server.send(command)).await, true)
            }
            _ => (result, false),
        }
    }

    pub(super) async fn run(&self, script: &Script, keys: &[&[u8]], arguments: &[&[u8]]) -> Result<Reply, StoreError> {
        let answer = self.try_to_ask(&script.by_digest(keys, arguments)).await;
        self.or_by_source(script, keys, arguments, answer).await
    }

    /// The answer to a script's digest. If the server lost the script, it is sent.
    pub(super) async fn or_by_source(
        &self,
        script: &Script,
        keys: &[&[u8]],
        arguments: &[&[u8]],
        (result, repeated): (RedisResult<Value>, bool),
    ) -> Result<Reply, StoreError> {
        match result {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                // Boxed, since it happens once a script and server.
                let reply = Box::pin(self.ask(&script.by_source(keys, arguments))).await?;
                Ok(Reply { repeated: repeated || reply.repeated, ..reply })
            }
            result => Ok(Reply { value: result.map_err(StoreError::new)?, repeated }),
        }
    }
}

impl Reply {
    pub(super) fn read<T: FromRedisValue>(self) -> Result<T, StoreError> {
        from_redis_value(self.value).map_err(StoreError::new)
    }

    pub(super) fn found(self) -> Result<Found, StoreError> {
        match self.value {
            Value::Int(0) => Ok(Found::Gone),
            Value::Int(1) => Ok(Found::Expected(String::new())),
            Value::Int(2) => Ok(Found::Taken),
            Value::Array(mut parts) => match (parts.pop(), parts.pop(), parts.pop()) {
                (Some(Value::Int(life)), Some(Value::BulkString(value)), None) => Ok(Found::Other(value.into(), life)),
                (Some(Value::BulkString(keys)), None, None) => {
                    Ok(Found::Expected(String::from_utf8(keys).map_err(StoreError::new)?))
                }
                _ => Err(unexpected()),
            },
            _ => Err(unexpected()),
        }
    }
}

/// The session of this value and life in milliseconds, if it is one.
pub(super) fn loaded(value: Bytes, life: i64, now: Timestamp) -> Option<Loaded> {
    let expires = if life < 0 { NEVER } else { now.plus_millis(life) };
    is_session(&value).then(|| {
        let record = Record::from_json(value);
        Loaded { revision: record.clone().into(), record, expires }
    })
}

pub(super) fn unexpected() -> StoreError {
    StoreError::new(io::Error::new(io::ErrorKind::InvalidData, "the server gave an answer that makes no sense"))
}
