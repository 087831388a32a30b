//! Loading without a renewal.

use super::case::Checked;
use super::probe::Probe;
use super::sample::{HOUR, id, record, within};

cases! {
    "load": [
        finds_none_under_an_unknown_id,
        finds_what_was_stored,
        changes_nothing,
        keeps_records_apart,
    ]
}

async fn finds_none_under_an_unknown_id(store: Probe) -> Checked {
    store.is_none(&id()?).await
}

async fn finds_what_was_stored(store: Probe) -> Checked {
    let (id, expires) = (id()?, within(HOUR));
    let revision = store.stored(&id, &record(1), expires).await?;
    store.holds(&id, &record(1), &revision, expires).await
}

async fn changes_nothing(store: Probe) -> Checked {
    let (id, expires) = (id()?, within(HOUR));
    let revision = store.stored(&id, &record(1), expires).await?;
    for _ in 0..3 {
        store.holds(&id, &record(1), &revision, expires).await?;
    }
    store.replaced(&id, revision, &record(2), expires).await?;
    Ok(())
}

async fn keeps_records_apart(store: Probe) -> Checked {
    let (one, other, expires) = (id()?, id()?, within(HOUR));
    let first = store.stored(&one, &record(1), expires).await?;
    let second = store.stored(&other, &record(2), expires).await?;
    store.holds(&one, &record(1), &first, expires).await?;
    let third = store.replaced(&other, second, &record(3), expires).await?;
    store.holds(&one, &record(1), &first, expires).await?;
    store.holds(&other, &record(3), &third, expires).await
}
