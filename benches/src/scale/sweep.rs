//! Very many sessions that expire at the same moment, in this library's memory store, and a reader of others meanwhile.

use std::time::{Duration, Instant};

use session::store::{Record, Timestamp};
use session::{MemoryStore, SessionId, Store};
use tokio::runtime::Runtime;

use crate::rounds::median;
use crate::table::number;
use crate::visit::Visit;
use crate::{Outcome, allocations};

const ROUNDS: usize = 5;
const EXPIRING: usize = 500_000;
const LIVING: usize = 1_000;
/// Until they expire: longer than it takes to make them.
const LIFE: Duration = Duration::from_secs(4);
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

pub(super) fn sentence(runtime: &Runtime) -> Outcome<String> {
    let (mut quiet, mut sweeping, mut returned) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let before = allocations::bytes();
        let store = MemoryStore::new().sweep_interval(SWEEP_INTERVAL);
        let living = runtime.block_on(fill(&store))?;
        let made = allocations::bytes() - before;
        quiet.push(longest_wait(runtime, &store, &living, |_| false)?);
        let all_swept = format!("stored: {LIVING},");
        sweeping.push(longest_wait(runtime, &store, &living, |store| !format!("{store:?}").contains(&all_swept))?);
        drop((store, living));
        // What this thread asked for and did not give back, the sweeper did.
        returned.push((allocations::bytes() - before) as f64 / made as f64 * 100.0);
    }
    Ok(format!(
        "{} sessions of the memory store expire at once: the longest read of another one while they are removed takes {} µs, \
         and {} µs in a second before, when nothing expires (medians of {ROUNDS}). {} % of the memory come back.\n",
        number(EXPIRING as f64),
        number(median(sweeping)),
        number(median(quiet)),
        number(median(returned)),
    ))
}

/// Those that go on living.
async fn fill(store: &MemoryStore) -> Outcome<Vec<SessionId>> {
    let (json, now) = (serde_json::to_vec(&Visit::signed_in(7))?, Timestamp::now());
    let mut living = Vec::with_capacity(LIVING);
    for number in 0..EXPIRING + LIVING {
        let (id, lives) = (SessionId::random()?, number < LIVING);
        let expires = now.saturating_add(if lives { Duration::from_secs(3600) } else { LIFE });
        let _ = store.create(&id, Record::from_json(json.clone()), expires).await?;
        if lives {
            living.push(id);
        }
    }
    Ok(living)
}

/// In microseconds, while that is so, and for a second at least.
fn longest_wait(
    runtime: &Runtime,
    store: &MemoryStore,
    ids: &[SessionId],
    goes_on: impl Fn(&MemoryStore) -> bool,
) -> Outcome<f64> {
    let (begin, mut longest) = (Instant::now(), Duration::ZERO);
    runtime.block_on(async {
        while begin.elapsed() < SWEEP_INTERVAL || goes_on(store) {
            if begin.elapsed() > Duration::from_secs(60) {
                return Err("expired sessions were not removed".into());
            }
            for id in ids {
                let start = Instant::now();
                let _ = store.load(id, None).await?;
                longest = longest.max(start.elapsed());
            }
        }
        Ok(longest.as_secs_f64() * 1e6)
    })
}
