//! Giving a session another id.

use super::operations::life;
use super::reply::{Found, loaded, unexpected};
use super::scripts::{REMOVE, RENAME, expectation};
use super::{RedisServer, RedisStore};
use crate::error::StoreError;
use crate::id::SessionId;
use crate::record::{Record, Revision};
use crate::store::{Created, Renamed};
use crate::timestamp::Timestamp;

impl<C: RedisServer> RedisStore<C> {
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
        let list = self.list(&to, &record, expires);
        let former_list = list.as_ref().and_then(|_| self.prefix.list_key(&from, true));
        let keys: Vec<_> = [&from, &to].into_iter().chain(&former_list).map(Vec::as_slice).collect();
        let (expected, life) = (expectation(&expected), life(expires).to_string());
        let arguments = [&*expected, record.json(), life.as_bytes()];
        let reply = self.run_listed(&RENAME, &keys, &arguments, list.as_ref()).await?;
        let stored = Renamed::Stored(record.clone().into());
        match (reply.repeated, reply.found()?) {
            (_, Found::Expected(former)) => {
                self.retire_entries(old, &former, &[]).await;
                Ok(stored)
            }
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
            let (expected, from) = (expectation(&expected), store.prefix.key(&old));
            let list = store.prefix.list_key(&from, C::IS_ONE);
            let keys: Vec<_> = [&from].into_iter().chain(&list).map(Vec::as_slice).collect();
            let reply = store.run(&REMOVE, &keys, &[&expected]).await?;
            let refused = match (reply.repeated, reply.found()?) {
                (_, Found::Expected(former)) => {
                    store.retire_entries(&old, &former, &[]).await;
                    return Ok(Renamed::Stored(revision));
                }
                // Without an answer to the first try, it is that one which removed the record.
                (true, Found::Gone) => return Ok(Renamed::Stored(revision)),
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
