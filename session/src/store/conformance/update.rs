//! Replacing a record.

use super::case::{Checked, Failure};
use super::probe::Probe;
use super::sample::{HOUR, MINUTE, id, record, same, within};
use crate::id::SessionId;
use crate::store::{Loaded, Revision, Updated};

cases! {
    "update": [
        replaces_the_record_and_its_expiry,
        shortens_a_life,
        lengthens_a_life,
        changes_the_revision,
        stores_the_same_text_again,
        never_creates_a_record,
        never_revives_a_destroyed_record,
        never_revives_an_expired_record,
        reports_the_current_record_on_a_conflict,
        changes_nothing_on_a_conflict,
        follows_a_conflict_by_its_revision,
        refuses_a_revision_that_was_never_given_out,
        refuses_the_revision_of_a_predecessor,
    ]
}

async fn replaces_the_record_and_its_expiry(store: Probe) -> Checked {
    let (id, expires) = (id()?, within(HOUR));
    let first = store.stored(&id, &record(1), within(MINUTE)).await?;
    let second = store.replaced(&id, first, &record(2), expires).await?;
    store.holds(&id, &record(2), &second, expires).await
}

async fn shortens_a_life(store: Probe) -> Checked {
    let (id, expires) = (id()?, within(MINUTE));
    let first = store.stored(&id, &record(1), within(HOUR)).await?;
    let second = store.replaced(&id, first, &record(2), expires).await?;
    store.holds(&id, &record(2), &second, expires).await
}

async fn lengthens_a_life(store: Probe) -> Checked {
    let expires = within(HOUR);
    let steps = in_time!(|brief| {
        let id = id()?;
        let first = store.stored(&id, &record(1), brief).await?;
        let second = store.replaced(&id, first, &record(2), expires).await?;
        Ok((id, second))
    });
    let ((id, second), brief) = steps?;
    store.outlast(brief).await?;
    store.holds(&id, &record(2), &second, expires).await
}

async fn changes_the_revision(store: Probe) -> Checked {
    let (id, expires) = (id()?, within(HOUR));
    let mut revisions = vec![store.stored(&id, &record(0), expires).await?];
    for number in 1..20 {
        let expected = revisions.last().cloned().unwrap_or_else(|| Revision::from(0));
        let revision = store.replaced(&id, expected, &record(number), expires).await?;
        ensure!(!revisions.contains(&revision), "a revision is given out again for another text");
        revisions.push(revision);
    }
    Ok(())
}

async fn stores_the_same_text_again(store: Probe) -> Checked {
    let (id, expires) = (id()?, within(HOUR));
    let first = store.stored(&id, &record(1), within(MINUTE)).await?;
    let second = store.replaced(&id, first, &record(1), expires).await?;
    store.holds(&id, &record(1), &second, expires).await?;
    store.replaced(&id, second, &record(2), expires).await?;
    Ok(())
}

async fn never_creates_a_record(store: Probe) -> Checked {
    let (id, other) = (id()?, id()?);
    let revision = store.stored(&other, &record(1), within(HOUR)).await?;
    is_gone(&store, &id, revision).await?;
    is_gone(&store, &id, Revision::from(0)).await
}

async fn never_revives_a_destroyed_record(store: Probe) -> Checked {
    let id = id()?;
    let revision = store.stored(&id, &record(1), within(HOUR)).await?;
    store.destroy(&id).await?;
    is_gone(&store, &id, revision).await
}

async fn never_revives_an_expired_record(store: Probe) -> Checked {
    let id = id()?;
    let revision = store.expired(&id, &record(1)).await?;
    is_gone(&store, &id, revision).await
}

async fn reports_the_current_record_on_a_conflict(store: Probe) -> Checked {
    let (id, expires) = (id()?, within(HOUR));
    let first = store.stored(&id, &record(1), within(MINUTE)).await?;
    let second = store.replaced(&id, first.clone(), &record(2), expires).await?;
    same(&conflict(&store, &id, first).await?, &record(2), &second, expires)
}

async fn changes_nothing_on_a_conflict(store: Probe) -> Checked {
    let (id, expires) = (id()?, within(HOUR));
    let first = store.stored(&id, &record(1), expires).await?;
    let second = store.replaced(&id, first.clone(), &record(2), expires).await?;
    conflict(&store, &id, first).await?;
    store.holds(&id, &record(2), &second, expires).await
}

async fn follows_a_conflict_by_its_revision(store: Probe) -> Checked {
    let (id, expires) = (id()?, within(HOUR));
    let first = store.stored(&id, &record(1), expires).await?;
    store.replaced(&id, first.clone(), &record(2), expires).await?;
    let current = conflict(&store, &id, first).await?;
    let third = store.replaced(&id, current.revision, &record(3), expires).await?;
    store.holds(&id, &record(3), &third, expires).await
}

async fn refuses_a_revision_that_was_never_given_out(store: Probe) -> Checked {
    let (id, expires) = (id()?, within(HOUR));
    let revision = store.stored(&id, &record(1), expires).await?;
    for made_up in [[0xff; 32], [0x27; 32]] {
        let current = conflict(&store, &id, made_up.into()).await?;
        same(&current, &record(1), &revision, expires)?;
    }
    store.holds(&id, &record(1), &revision, expires).await
}

/// A late request that has loaded the destroyed record writes over its successor otherwise.
async fn refuses_the_revision_of_a_predecessor(store: Probe) -> Checked {
    let (id, expires) = (id()?, within(HOUR));
    let late = store.stored(&id, &record(1), expires).await?;
    store.destroy(&id).await?;
    let revision = store.stored(&id, &record(2), expires).await?;
    same(&conflict(&store, &id, late).await?, &record(2), &revision, expires)
}

/// What is stored, as `update` reports it to who expects something else.
async fn conflict(store: &Probe, id: &SessionId, expected: Revision) -> Checked<Loaded> {
    match store.update(id, expected, &record(99), within(MINUTE)).await? {
        Updated::Conflict(current) => Ok(current),
        other => Err(Failure::new(format!("`update` against another revision answers {other:?}"))),
    }
}

async fn is_gone(store: &Probe, id: &SessionId, expected: Revision) -> Checked {
    let updated = store.update(id, expected, &record(99), within(HOUR)).await?;
    ensure!(matches!(updated, Updated::Gone), "`update` where there is no record answers {updated:?}");
    store.is_none(id).await
}
