//! Removing a record.

use super::case::Checked;
use super::probe::Probe;
use super::sample::{HOUR, id, record, renewal, within};

cases! {
    "destroy": [
        removes_the_record,
        is_no_error_without_a_record,
        leaves_other_records_alone,
        is_followed_by_no_renewal,
    ]
}

async fn removes_the_record(store: Probe) -> Checked {
    let id = id()?;
    store.stored(&id, &record(1), within(HOUR)).await?;
    store.destroy(&id).await?;
    store.is_none(&id).await
}

async fn is_no_error_without_a_record(store: Probe) -> Checked {
    let id = id()?;
    store.destroy(&id).await?;
    store.stored(&id, &record(1), within(HOUR)).await?;
    store.destroy(&id).await?;
    store.destroy(&id).await?;
    store.is_none(&id).await
}

async fn leaves_other_records_alone(store: Probe) -> Checked {
    let (one, other, expires) = (id()?, id()?, within(HOUR));
    store.stored(&one, &record(1), expires).await?;
    let revision = store.stored(&other, &record(2), expires).await?;
    store.destroy(&one).await?;
    store.holds(&other, &record(2), &revision, expires).await
}

async fn is_followed_by_no_renewal(store: Probe) -> Checked {
    let id = id()?;
    store.stored(&id, &record(1), within(HOUR)).await?;
    store.destroy(&id).await?;
    ensure!(store.renew(&id, renewal(HOUR)).await?.is_none(), "`load` with a renewal finds a destroyed record");
    store.is_none(&id).await
}
