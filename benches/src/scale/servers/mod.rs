//! This library's stores on servers, with few sessions and with many.

mod place;

use std::sync::Arc;
use std::time::{Duration, Instant};

use session::store::{Loaded, Record, Renewal, Timestamp};
use session::{SessionId, Store};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use self::place::{Kind, Place};
use crate::Outcome;
use crate::rounds::median;
use crate::table::{Table, number};
use crate::visit::Visit;

const OPERATIONS: usize = 1000;
const LIFE: Duration = Duration::from_secs(24 * 3600);
/// How many loads are under way at once.
const AT_ONCE: usize = 64;
/// Two more tables of a million sessions would take long, and say nothing new.
const MOST_WITH_KEY: usize = 100_000;
/// A renewal that isn't due, since the sessions were made within the last hour.
const SELDOM: Option<Renewal> = renewal(Duration::from_secs(3600));
const ALWAYS: Option<Renewal> = renewal(Duration::ZERO);
/// Between one session and the next one that is used: a prime, so that they lie far apart.
const STRIDE: usize = 611_953;

pub(super) fn table(runtime: &Runtime, sizes: &[usize]) -> Outcome<String> {
    let headings = [
        "",
        "sessions",
        "load",
        "load, renewed",
        "update",
        "touch",
        "loads a second",
        "bytes a session",
        "with an index key",
    ];
    let mut table = Table::new(headings);
    for kind in Kind::ALL {
        runtime.block_on(measure(kind, sizes, &mut table))?;
    }
    Ok(format!(
        "On servers of this machine, by the number of sessions: microseconds of an operation, one at a time (medians of \
         {}), loads a second with {AT_ONCE} under way, and bytes a session there.\n\n{table}",
        number(OPERATIONS as f64)
    ))
}

async fn measure(kind: Kind, sizes: &[usize], table: &mut Table) -> Outcome<()> {
    let place = Place::new(kind).await?;
    let (empty, mut ids) = (place.bytes().await?, Vec::new());
    for size in sizes {
        let more = (ids.len()..*size).map(|_| SessionId::random()).collect::<Result<Vec<_>, _>>()?;
        place.fill(&more, false).await?;
        ids.extend(more);
        let bytes = (place.bytes().await? - empty) / ids.len() as f64;
        let with_key = if *size <= MOST_WITH_KEY { number(bytes_with_key(kind, *size).await?) } else { String::new() };
        let took = operations(&*place.store(), &ids).await?;
        let figures = took.into_iter().chain([loads_a_second(place.store(), &ids).await?, bytes]).map(number);
        let figures = figures.chain([with_key]);
        table.row(kind.name(), [number(*size as f64)].into_iter().chain(figures));
    }
    Ok(())
}

/// In a place of their own, so that they stand side by side.
async fn bytes_with_key(kind: Kind, sessions: usize) -> Outcome<f64> {
    let place = Place::new(kind).await?;
    let empty = place.bytes().await?;
    let ids = (0..sessions).map(|_| SessionId::random()).collect::<Result<Vec<_>, _>>()?;
    place.fill(&ids, true).await?;
    Ok((place.bytes().await? - empty) / sessions as f64)
}

async fn loads_a_second(store: Arc<dyn Store>, ids: &[SessionId]) -> Outcome<f64> {
    let (start, mut tasks) = (Instant::now(), JoinSet::new());
    for task in 0..AT_ONCE {
        let ids = (0..OPERATIONS).map(|number| &ids[(task + number * AT_ONCE) * STRIDE % ids.len()]);
        let (ids, store) = (ids.cloned().collect::<Vec<_>>(), Arc::clone(&store));
        tasks.spawn(async move {
            for id in &ids {
                store.load(id, SELDOM).await?;
            }
            Outcome::Ok(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok((AT_ONCE * OPERATIONS) as f64 / start.elapsed().as_secs_f64())
}

/// A record as the layer writes it.
fn record(visit: &Visit) -> Outcome<Record> {
    let cookie = r#"{"cookie":{"originalMaxAge":null,"expires":null,"httpOnly":true,"path":"/"},"#;
    Ok(Record::from_json([cookie.as_bytes(), &serde_json::to_vec(visit)?[1..]].concat()))
}

const fn renewal(after: Duration) -> Option<Renewal> {
    Some(Renewal { ttl: LIFE, usual: LIFE, after })
}

fn expiry() -> Timestamp {
    Timestamp::now().saturating_add(LIFE)
}

/// Medians in microseconds: a load whose renewal isn't due, one whose renewal is, an update, a touch.
async fn operations(store: &dyn Store, ids: &[SessionId]) -> Outcome<[f64; 4]> {
    let mut took = [const { Vec::new() }; 4];
    for number in 0..OPERATIONS {
        let id = &ids[number * STRIDE % ids.len()];
        let mut start = Instant::now();
        let mut lap = |operation: usize| {
            took[operation].push(start.elapsed().as_secs_f64() * 1e6);
            start = Instant::now();
        };
        store.load(id, SELDOM).await?.ok_or("a session is missing")?;
        lap(0);
        let Loaded { revision, .. } = store.load(id, ALWAYS).await?.ok_or("a session is missing")?;
        lap(1);
        let changed = record(&Visit { views: number as u64, ..Visit::signed_in(7) })?;
        let _ = store.update(id, revision, changed, expiry()).await?;
        lap(2);
        store.touch(id, expiry()).await?;
        lap(3);
    }
    Ok(took.map(median))
}
