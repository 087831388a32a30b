//! This library's stores on servers, with few sessions and with many.

mod place;

use std::time::{Duration, Instant};

use session::store::{Loaded, Record, Renewal, Timestamp};
use session::{SessionId, Store};
use tokio::runtime::Runtime;

use self::place::{Kind, Place};
use crate::Outcome;
use crate::rounds::median;
use crate::table::{Table, number};
use crate::visit::Visit;

const OPERATIONS: usize = 1000;
const LIFE: Duration = Duration::from_secs(24 * 3600);
/// Between one session and the next one that is used: a prime, so that they lie far apart.
const STRIDE: usize = 611_953;

pub(super) fn table(runtime: &Runtime, sizes: &[usize]) -> Outcome<String> {
    let headings =
        ["", "sessions", "load", "load, renewed", "update", "touch", "bytes a session", "bytes with an index key"];
    let mut table = Table::new(headings);
    for kind in Kind::ALL {
        runtime.block_on(measure(kind, sizes, &mut table))?;
    }
    Ok(format!(
        "On servers of this machine, by the number of sessions: microseconds of an operation, one at a time (medians of \
         {}), and bytes a session there.\n\n{table}",
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
        let with_key = bytes_with_key(kind, *size).await?;
        let took = operations(&*place.store(), &ids).await?;
        let figures = took.into_iter().chain([bytes, with_key]).map(number);
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

/// A record as the layer writes it.
fn record(visit: &Visit) -> Outcome<Record> {
    let cookie = r#"{"cookie":{"originalMaxAge":null,"expires":null,"httpOnly":true,"path":"/"},"#;
    Ok(Record::from_json([cookie.as_bytes(), &serde_json::to_vec(visit)?[1..]].concat()))
}

fn expiry() -> Timestamp {
    Timestamp::now().saturating_add(LIFE)
}

/// Medians in microseconds: a load whose renewal isn't due, one whose renewal is, an update, a touch.
async fn operations(store: &dyn Store, ids: &[SessionId]) -> Outcome<[f64; 4]> {
    let mut took = [const { Vec::new() }; 4];
    let renewal = |after: Duration| Some(Renewal { ttl: LIFE, usual: LIFE, after });
    // The sessions were made within the last hour.
    let (seldom, always) = (renewal(Duration::from_secs(3600)), renewal(Duration::ZERO));
    for number in 0..OPERATIONS {
        let id = &ids[number * STRIDE % ids.len()];
        let mut start = Instant::now();
        let mut lap = |operation: usize| {
            took[operation].push(start.elapsed().as_secs_f64() * 1e6);
            start = Instant::now();
        };
        store.load(id, seldom).await?.ok_or("a session is missing")?;
        lap(0);
        let Loaded { revision, .. } = store.load(id, always).await?.ok_or("a session is missing")?;
        lap(1);
        let changed = record(&Visit { views: number as u64, ..Visit::signed_in(7) })?;
        let _ = store.update(id, revision, changed, expiry()).await?;
        lap(2);
        store.touch(id, expiry()).await?;
        lap(3);
    }
    Ok(took.map(median))
}
