//! Creating a record.

use super::case::Checked;
use super::probe::Probe;
use super::sample::{HOUR, MINUTE, id, record, within};
use crate::store::Created;

cases! {
    "create": [
        leaves_a_taken_id_alone,
        takes_the_id_of_an_expired_record,
        takes_the_id_of_a_destroyed_record,
        gives_a_revision_to_update_with,
    ]
}

async fn leaves_a_taken_id_alone(store: Probe) -> Checked {
    let (id, expires) = (id()?, within(HOUR));
    let revision = store.stored(&id, &record(1), expires).await?;
    for _ in 0..2 {
        let created = store.create(&id, &record(2), within(MINUTE)).await?;
        ensure!(created == Created::Taken, "`create` under a taken id answers {created:?}");
        store.holds(&id, &record(1), &revision, expires).await?;
    }
    Ok(())
}

async fn takes_the_id_of_an_expired_record(store: Probe) -> Checked {
    let (id, expires) = (id()?, within(HOUR));
    store.expired(&id, &record(1)).await?;
    let revision = store.stored(&id, &record(2), expires).await?;
    store.holds(&id, &record(2), &revision, expires).await
}

async fn takes_the_id_of_a_destroyed_record(store: Probe) -> Checked {
    let (id, expires) = (id()?, within(HOUR));
    store.stored(&id, &record(1), within(MINUTE)).await?;
    store.destroy(&id).await?;
    let revision = store.stored(&id, &record(2), expires).await?;
    store.holds(&id, &record(2), &revision, expires).await
}

async fn gives_a_revision_to_update_with(store: Probe) -> Checked {
    let (id, expires) = (id()?, within(HOUR));
    let revision = store.stored(&id, &record(1), expires).await?;
    store.replaced(&id, revision, &record(2), expires).await?;
    Ok(())
}
