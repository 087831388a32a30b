//! Walking over all sessions.

use std::collections::{BTreeSet, HashSet};
use std::hash::{BuildHasher, RandomState};

use ::redis::cmd;
use futures_util::future::join_all;

use super::reply::Reply;
use super::{RedisServer, RedisStore};
use crate::error::StoreError;
use crate::id::SessionId;
use crate::store::{Cursor, Loaded, Page};

/// How many keys are looked at in one step.
const STEP: usize = 1000;

/// A place in the key space: a server, and its cursor.
struct Place {
    node: String,
    cursor: u64,
}

impl<C: RedisServer> RedisStore<C> {
    pub(super) async fn page(&self, after: Option<Cursor>, limit: usize) -> Result<Page, StoreError> {
        let nodes = self.server.nodes().await.map_err(StoreError::new)?;
        let place = match after {
            Some(cursor) => Some(Place::read(&cursor)?),
            None => Place::next(&nodes, None),
        };
        let Some(place) = place else { return Ok(Page { sessions: Vec::new(), next: None }) };
        if !nodes.contains(&place.node) {
            return Err(StoreError::new("the cluster has other servers than when the listing began: begin again"));
        }
        let (cursor, keys) = self.scan(&place, limit.clamp(1, STEP)).await?;
        let ids: BTreeSet<_> = keys.iter().filter_map(|key| self.prefix.id(key)).collect();
        let next = if cursor == 0 { Place::next(&nodes, Some(&place.node)) } else { Some(Place { cursor, ..place }) };
        Ok(Page { sessions: self.peek_at(ids).await?, next: next.map(|place| place.write()) })
    }

    /// Those of these sessions that live.
    pub(super) async fn peek_at(
        &self,
        ids: impl IntoIterator<Item = SessionId>,
    ) -> Result<Vec<(SessionId, Loaded)>, StoreError> {
        let peek = async |id: SessionId| Ok(self.peek(&id).await?.map(|loaded| (id, loaded)));
        let found = join_all(ids.into_iter().map(peek)).await;
        found.into_iter().filter_map(Result::transpose).collect()
    }

    /// Scans may show a key again. Of each, 64 bits are remembered: less than the keys, and among a million, one in thirty
    /// million counts has two keys for one.
    pub(super) async fn count(&self) -> Result<usize, StoreError> {
        let (hasher, mut seen) = (RandomState::new(), HashSet::new());
        for node in self.server.nodes().await.map_err(StoreError::new)? {
            let mut place = Place { node, cursor: 0 };
            loop {
                let (cursor, keys) = self.answer(self.scan(&place, STEP)).await?;
                let keys = keys.iter().filter(|key| self.prefix.id(key).is_some());
                seen.extend(keys.map(|key| hasher.hash_one(key)));
                if cursor == 0 {
                    break;
                }
                place.cursor = cursor;
            }
        }
        Ok(seen.len())
    }

    pub(super) async fn remove_all(&self) -> Result<(), StoreError> {
        for node in self.server.nodes().await.map_err(StoreError::new)? {
            let mut place = Place { node, cursor: 0 };
            loop {
                let (cursor, keys) = self.answer(self.scan(&place, STEP)).await?;
                if !keys.is_empty() {
                    self.answer(self.ask(cmd("UNLINK").arg(keys))).await?.read::<i64>()?;
                }
                if cursor == 0 {
                    break;
                }
                place.cursor = cursor;
            }
        }
        Ok(())
    }

    /// A step over the keys of one server: where the next one begins, and the sessions' keys in this one.
    async fn scan(&self, place: &Place, count: usize) -> Result<(u64, Vec<Vec<u8>>), StoreError> {
        let mut command = cmd("SCAN");
        command.arg(place.cursor).arg("MATCH").arg(self.prefix.pattern()).arg("COUNT").arg(count);
        // Sets of the index may have the same prefix.
        command.arg("TYPE").arg("string");
        let value = self.server.send_to(&place.node, &command).await.map_err(StoreError::new)?;
        Reply { value, repeated: false }.read()
    }
}

impl Place {
    /// The beginning of the server after this one, or of the first.
    fn next(nodes: &[String], after: Option<&String>) -> Option<Self> {
        let node = nodes.iter().find(|node| after.is_none_or(|after| *node > after));
        node.map(|node| Self { node: node.clone(), cursor: 0 })
    }

    fn read(cursor: &Cursor) -> Result<Self, StoreError> {
        let (cursor, node) = cursor.as_str().split_once('@').unwrap_or((cursor.as_str(), ""));
        Ok(Self { cursor: cursor.parse().map_err(StoreError::new)?, node: node.to_owned() })
    }

    fn write(&self) -> Cursor {
        Cursor::new(format!("{}@{}", self.cursor, self.node))
    }
}
