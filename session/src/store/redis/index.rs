//! Which sessions have which index key.
//!
//! A sorted set for each key has the sessions' ids, with the expiry that was written with them as score. An entry is
//! there before its session, and stays until after it is over: the session is gone, or has other keys. Loading renews a
//! session and not its entries, so that a score that has passed is a reason to look, and no more: the sweep removes the
//! entry if it is over, and writes the new expiry otherwise. An entry with a score in the future is never removed, for
//! its session may be about to come. Who finds that one is over lowers its score instead, so that it is looked at soon.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ::redis::cmd;
use futures_util::future::join_all;

use super::keys::Entry;
use super::operations::life;
use super::reply::NEVER;
use super::scripts::{ADD_ENTRY, REMOVE_ENTRY};
use super::{RedisServer, RedisStore};
use crate::error::StoreError;
use crate::id::SessionId;
use crate::record::{IndexKey, Record};
use crate::store::{Cursor, Page, StoreFuture};
use crate::timestamp::Timestamp;

/// How long an entry is left alone after its expiry, in milliseconds: longer than a write takes, and than the clocks of
/// the site differ.
const GRACE: i64 = 60_000;
/// How often a store looks for what is to be cleaned, in milliseconds.
const SWEEP_INTERVAL: i64 = 60_000;
/// How long one of them may take; the next one goes on where it ended.
const SWEEP_LIMIT: Duration = Duration::from_secs(600);
/// How many entries are looked at in one step.
const STEP: usize = 64;
/// How much longer than its entries a set is kept if no sweep comes by any more: 400 days. Until then, sessions that
/// are renewed stay in it.
const KEPT: i64 = 400 * 86_400_000;

impl<C: RedisServer> RedisStore<C> {
    /// Writes the entries of a record that is about to be stored.
    pub(super) async fn add_entries(
        &self,
        id: &SessionId,
        record: &Record,
        expires: Timestamp,
    ) -> Result<(), StoreError> {
        match record.index() {
            None | Some([]) => Ok(()),
            // Boxed, so that sessions without keys need no room for it.
            Some(keys) => Box::pin(self.add_entries_of(id, keys, expires)).await,
        }
    }

    async fn add_entries_of(&self, id: &SessionId, keys: &[IndexKey], expires: Timestamp) -> Result<(), StoreError> {
        for key in keys {
            let size = self.add_entry(&self.prefix.index_key(key.as_str()), id.as_str(), expires).await?;
            if size == 1 {
                self.plan_cleaning(key.as_str(), expires).await?;
            }
        }
        self.sweep_in_background();
        Ok(())
    }

    pub(super) async fn indexed_page(
        &self,
        key: &IndexKey,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let set = self.prefix.index_key(key.as_str());
        let cursor = after.as_ref().map_or("0", Cursor::as_str);
        let mut command = cmd("ZSCAN");
        command.arg(&set).arg(cursor).arg("COUNT").arg(limit.clamp(1, 1000));
        let (next, entries): (u64, Vec<(String, f64)>) = self.ask(&command).await?.read()?;
        let entries = entries.into_iter().filter_map(|(id, score)| Some((SessionId::new(id).ok()?, score)));
        let entries: BTreeMap<_, _> = entries.collect();
        let mut sessions = Vec::new();
        for (id, entry) in self.entries(key, entries.keys().cloned()).await? {
            match entry {
                Entry::Counts(loaded) => sessions.push((id, loaded)),
                Entry::IsOver => {
                    let score = entries.get(&id).copied().unwrap_or_default();
                    self.drop_entry(key.as_str(), &id, as_timestamp(score)).await;
                }
            }
        }
        Ok(Page { sessions, next: (next != 0).then(|| Cursor::new(next.to_string())) })
    }

    /// Has the entries looked at soon that a session had, and not the `kept` ones.
    pub(super) async fn retire_entries(&self, id: &SessionId, former: &str, kept: &[IndexKey]) {
        if former.is_empty() {
            return;
        }
        let is_over = |key: &&str| !key.is_empty() && kept.iter().all(|kept| kept.as_str() != *key);
        join_all(former.split(' ').filter(is_over).map(|key| self.drop_entry(key, id, NEVER))).await;
    }

    /// Removes an entry that is over once its score, which it is said to have, has passed long ago; lowers the score if
    /// that is in the future. Nothing depends on that, so a failure is none of the operation's.
    async fn drop_entry(&self, key: &str, id: &SessionId, score: Timestamp) {
        let (set, now) = (self.prefix.index_key(key), Timestamp::now());
        let passed = now.plus_millis(-GRACE);
        let dropped = async {
            if score <= passed {
                return self.remove_entry(&set, id.as_str(), passed).await;
            }
            if score > now {
                let lower = cmd("ZADD").arg(&set).arg("XX").arg("LT").arg(now.as_millis()).arg(id.as_str()).take();
                self.ask(&lower).await?.read::<i64>()?;
                self.plan_cleaning_before(key, now).await?;
            }
            Ok(())
        };
        if let Err(error) = dropped.await {
            tracing::debug!(?id, %error, "an entry of the index stays until its session's expiry");
        }
    }

    async fn add_entry(&self, set: &[u8], member: &str, expires: Timestamp) -> Result<i64, StoreError> {
        self.write_entry(set, member, expires, &[]).await
    }

    async fn write_entry(
        &self,
        set: &[u8],
        member: &str,
        expires: Timestamp,
        condition: &[&[u8]],
    ) -> Result<i64, StoreError> {
        let arguments = [expires.as_millis().to_string(), life(expires).saturating_add(KEPT).to_string()];
        let [score, kept] = arguments.each_ref().map(String::as_bytes);
        let arguments = [&[member.as_bytes(), score, kept], condition].concat();
        self.run(&ADD_ENTRY, &[set], &arguments).await?.read()
    }

    /// Removes an entry, unless it was written anew.
    async fn remove_entry(&self, set: &[u8], member: &str, passed: Timestamp) -> Result<(), StoreError> {
        let passed = passed.as_millis().to_string();
        self.run(&REMOVE_ENTRY, &[set], &[member.as_bytes(), passed.as_bytes()]).await?.read::<i64>().map(drop)
    }

    async fn plan_cleaning(&self, key: &str, expires: Timestamp) -> Result<(), StoreError> {
        self.add_entry(&self.prefix.index_key(""), key, expires.plus_millis(GRACE)).await.map(drop)
    }

    /// Sooner than it was planned, if it was.
    async fn plan_cleaning_before(&self, key: &str, expires: Timestamp) -> Result<(), StoreError> {
        self.write_entry(&self.prefix.index_key(""), key, expires.plus_millis(GRACE), &[b"LT"]).await.map(drop)
    }

    fn sweep_in_background(&self) {
        let now = Timestamp::now();
        let last = self.last_sweep.load(Ordering::Relaxed);
        let is_due = now.as_millis().saturating_sub(last) >= SWEEP_INTERVAL;
        let swap = || self.last_sweep.compare_exchange(last, now.as_millis(), Ordering::Relaxed, Ordering::Relaxed);
        if is_due && swap().is_ok() {
            let store = self.clone();
            tokio::spawn(async move {
                if let Err(error) = StoreFuture::new(store.sweep(now)).within(SWEEP_LIMIT).await {
                    tracing::debug!(%error, "the index of sessions was not cleaned");
                }
            });
        }
    }

    /// Cleans the sets in which expired entries are due.
    pub(super) async fn sweep(&self, now: Timestamp) -> Result<(), StoreError> {
        let plan = self.prefix.index_key("");
        loop {
            let keys: Vec<String> = self.ask(&lowest(&plan, now)).await?.read()?;
            for key in &keys {
                // Another process need not do the same; if this one ends half-way, somebody else goes on later.
                self.plan_cleaning(key, now).await?;
                self.clean(key, now).await?;
            }
            if keys.len() < STEP {
                return Ok(());
            }
        }
    }

    async fn clean(&self, key: &str, now: Timestamp) -> Result<(), StoreError> {
        let set = self.prefix.index_key(key);
        let passed = now.plus_millis(-GRACE);
        loop {
            let ids: Vec<String> = self.ask(&lowest(&set, passed)).await?.read()?;
            for id in &ids {
                match self.entry_life(key, id).await? {
                    None => self.remove_entry(&set, id, passed).await?,
                    Some(life) => self.add_entry(&set, id, expiry_in(life)).await.map(drop)?,
                }
            }
            if ids.len() < STEP {
                break;
            }
        }
        let first: Vec<(String, f64)> =
            self.ask(cmd("ZRANGE").arg(&set).arg(0).arg(0).arg("WITHSCORES")).await?.read()?;
        if let Some((_, score)) = first.first() {
            return self.plan_cleaning(key, as_timestamp(*score).max(now)).await;
        }
        self.ask(cmd("ZREM").arg(self.prefix.index_key("")).arg(key)).await?.read::<i64>()?;
        // Somebody may have begun the set again before it was taken off the plan.
        let size: i64 = self.ask(cmd("ZCARD").arg(&set)).await?.read()?;
        if size > 0 { self.plan_cleaning(key, now).await } else { Ok(()) }
    }
}

/// The expiry of a key that has so long to live: below zero, for ever.
fn expiry_in(life: i64) -> Timestamp {
    Timestamp::now().plus_millis(if life < 0 { KEPT } else { life })
}

/// Members whose scores have passed.
fn lowest(set: &[u8], passed: Timestamp) -> ::redis::Cmd {
    let mut command = cmd("ZRANGEBYSCORE");
    command.arg(set).arg("-inf").arg(passed.as_millis()).arg("LIMIT").arg(0).arg(STEP);
    command
}

#[expect(clippy::cast_possible_truncation, reason = "exact for all times that occur")]
fn as_timestamp(score: f64) -> Timestamp {
    Timestamp::from_millis(score as i64)
}
