//! Giving a record another id.

use super::case::{Checked, Failure};
use super::probe::Probe;
use super::sample::{HOUR, MINUTE, id, record, same, within};
use crate::store::{Renamed, Updated};

cases! {
    "rename": [
        moves_the_record,
        leaves_nothing_under_the_old_id,
        frees_the_old_id,
        leaves_both_if_the_new_id_is_taken,
        takes_the_id_of_an_expired_record,
        reports_the_current_record_on_a_conflict,
        creates_nothing_from_nothing,
        creates_nothing_from_a_destroyed_record,
        creates_nothing_from_an_expired_record,
        overwrites_nothing_if_the_old_record_is_gone,
        loses_nothing_if_both_ids_are_the_same,
        goes_on_from_id_to_id,
    ]
}

async fn moves_the_record(store: Probe) -> Checked {
    let (old, new, expires) = (id()?, id()?, within(HOUR));
    let first = store.stored(&old, &record(1), within(MINUTE)).await?;
    let second = store.renamed((&old, first), &new, &record(2), expires).await?;
    store.holds(&new, &record(2), &second, expires).await?;
    store.replaced(&new, second, &record(3), expires).await?;
    Ok(())
}

async fn leaves_nothing_under_the_old_id(store: Probe) -> Checked {
    let (old, new, expires) = (id()?, id()?, within(HOUR));
    let first = store.stored(&old, &record(1), expires).await?;
    let second = store.renamed((&old, first.clone()), &new, &record(1), expires).await?;
    store.is_none(&old).await?;
    for revision in [first, second.clone()] {
        let updated = store.update(&old, revision, &record(3), expires).await?;
        ensure!(matches!(updated, Updated::Gone), "`update` of the old id answers {updated:?}");
    }
    store.is_none(&old).await?;
    store.holds(&new, &record(1), &second, expires).await
}

async fn frees_the_old_id(store: Probe) -> Checked {
    let (old, new, expires) = (id()?, id()?, within(HOUR));
    let first = store.stored(&old, &record(1), expires).await?;
    let second = store.renamed((&old, first), &new, &record(2), expires).await?;
    let third = store.stored(&old, &record(3), expires).await?;
    store.holds(&old, &record(3), &third, expires).await?;
    store.holds(&new, &record(2), &second, expires).await
}

async fn leaves_both_if_the_new_id_is_taken(store: Probe) -> Checked {
    let (old, new, expires) = (id()?, id()?, within(HOUR));
    let first = store.stored(&old, &record(1), expires).await?;
    let second = store.stored(&new, &record(2), expires).await?;
    let renamed = store.rename((&old, first.clone()), &new, &record(3), within(MINUTE)).await?;
    ensure!(matches!(renamed, Renamed::Taken), "`rename` to a taken id answers {renamed:?}");
    store.holds(&old, &record(1), &first, expires).await?;
    store.holds(&new, &record(2), &second, expires).await
}

async fn takes_the_id_of_an_expired_record(store: Probe) -> Checked {
    let (old, new, expires) = (id()?, id()?, within(HOUR));
    let first = store.stored(&old, &record(1), expires).await?;
    store.expired(&new, &record(2)).await?;
    let second = store.renamed((&old, first), &new, &record(3), expires).await?;
    store.holds(&new, &record(3), &second, expires).await?;
    store.is_none(&old).await
}

async fn reports_the_current_record_on_a_conflict(store: Probe) -> Checked {
    let (old, new, expires) = (id()?, id()?, within(HOUR));
    let first = store.stored(&old, &record(1), within(MINUTE)).await?;
    let second = store.replaced(&old, first.clone(), &record(2), expires).await?;
    match store.rename((&old, first), &new, &record(3), within(MINUTE)).await? {
        Renamed::Conflict(current) => same(&current, &record(2), &second, expires)?,
        other => return Err(Failure::new(format!("`rename` against another revision answers {other:?}"))),
    }
    store.holds(&old, &record(2), &second, expires).await?;
    store.is_none(&new).await
}

async fn creates_nothing_from_nothing(store: Probe) -> Checked {
    let (old, new, other) = (id()?, id()?, id()?);
    let revision = store.stored(&other, &record(1), within(HOUR)).await?;
    let renamed = store.rename((&old, revision), &new, &record(2), within(HOUR)).await?;
    ensure!(matches!(renamed, Renamed::Gone), "`rename` of an unknown id answers {renamed:?}");
    store.is_none(&old).await?;
    store.is_none(&new).await
}

async fn creates_nothing_from_a_destroyed_record(store: Probe) -> Checked {
    let (old, new) = (id()?, id()?);
    let revision = store.stored(&old, &record(1), within(HOUR)).await?;
    store.destroy(&old).await?;
    let renamed = store.rename((&old, revision), &new, &record(2), within(HOUR)).await?;
    ensure!(matches!(renamed, Renamed::Gone), "`rename` of a destroyed record answers {renamed:?}");
    store.is_none(&old).await?;
    store.is_none(&new).await
}

async fn creates_nothing_from_an_expired_record(store: Probe) -> Checked {
    let (old, new) = (id()?, id()?);
    let revision = store.expired(&old, &record(1)).await?;
    let renamed = store.rename((&old, revision), &new, &record(2), within(HOUR)).await?;
    ensure!(matches!(renamed, Renamed::Gone), "`rename` of an expired record answers {renamed:?}");
    store.is_none(&old).await?;
    store.is_none(&new).await
}

/// Whether the answer is `Gone` or `Taken` depends on what is looked at first.
async fn overwrites_nothing_if_the_old_record_is_gone(store: Probe) -> Checked {
    let (old, new, expires) = (id()?, id()?, within(HOUR));
    let gone = store.stored(&old, &record(1), expires).await?;
    store.destroy(&old).await?;
    let revision = store.stored(&new, &record(2), expires).await?;
    let renamed = store.rename((&old, gone), &new, &record(3), expires).await?;
    let is_refused = matches!(renamed, Renamed::Gone | Renamed::Taken);
    ensure!(is_refused, "`rename` of a record that is gone to a taken id answers {renamed:?}");
    store.holds(&new, &record(2), &revision, expires).await?;
    store.is_none(&old).await
}

async fn loses_nothing_if_both_ids_are_the_same(store: Probe) -> Checked {
    let (id, expires) = (id()?, within(HOUR));
    let revision = store.stored(&id, &record(1), expires).await?;
    match store.rename((&id, revision.clone()), &id, &record(2), expires).await? {
        Renamed::Taken => store.holds(&id, &record(1), &revision, expires).await,
        Renamed::Stored(revision) => store.holds(&id, &record(2), &revision, expires).await,
        other => Err(Failure::new(format!("`rename` of a record to its own id answers {other:?}"))),
    }
}

async fn goes_on_from_id_to_id(store: Probe) -> Checked {
    let (mut id, expires) = (id()?, within(HOUR));
    let mut revision = store.stored(&id, &record(0), expires).await?;
    for number in 1..10 {
        let next = super::sample::id()?;
        revision = store.renamed((&id, revision), &next, &record(number), expires).await?;
        store.is_none(&id).await?;
        id = next;
    }
    store.holds(&id, &record(9), &revision, expires).await
}
