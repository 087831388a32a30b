//! Moving an expiry.

use super::case::Checked;
use super::probe::Probe;
use super::sample::{HOUR, MINUTE, SHORT, id, record, within};

cases! {
    "touch": [
        moves_the_expiry,
        lengthens_a_life,
        shortens_a_life,
        leaves_the_record_and_its_revision,
        never_creates_a_record,
        never_revives_a_destroyed_record,
        never_revives_an_expired_record,
        leaves_other_records_alone,
    ]
}

async fn moves_the_expiry(store: Probe) -> Checked {
    let id = id()?;
    let revision = store.stored(&id, &record(1), within(HOUR)).await?;
    for life in [2 * HOUR, MINUTE, HOUR] {
        let expires = within(life);
        ensure!(store.touch(&id, expires).await?, "`touch` reports a living record as gone");
        store.holds(&id, &record(1), &revision, expires).await?;
    }
    Ok(())
}

async fn lengthens_a_life(store: Probe) -> Checked {
    let expires = within(HOUR);
    let steps = in_time!(|brief| {
        let id = id()?;
        let revision = store.stored(&id, &record(1), brief).await?;
        ensure!(store.touch(&id, expires).await?, "`touch` reports a living record as gone");
        Ok((id, revision))
    });
    let ((id, revision), brief) = steps?;
    store.outlast(brief).await?;
    store.holds(&id, &record(1), &revision, expires).await
}

async fn shortens_a_life(store: Probe) -> Checked {
    let id = id()?;
    store.stored(&id, &record(1), within(HOUR)).await?;
    let expires = within(SHORT);
    ensure!(store.touch(&id, expires).await?, "`touch` reports a living record as gone");
    store.outlast(expires).await?;
    store.is_none(&id).await
}

/// An update that was begun before the touch must succeed: nobody changed the record.
async fn leaves_the_record_and_its_revision(store: Probe) -> Checked {
    let (id, expires) = (id()?, within(HOUR));
    let revision = store.stored(&id, &record(1), within(MINUTE)).await?;
    store.touch(&id, expires).await?;
    store.holds(&id, &record(1), &revision, expires).await?;
    store.replaced(&id, revision, &record(2), expires).await?;
    Ok(())
}

async fn never_creates_a_record(store: Probe) -> Checked {
    store.is_none(&id()?).await
}

async fn never_revives_a_destroyed_record(store: Probe) -> Checked {
    let id = id()?;
    store.stored(&id, &record(1), within(HOUR)).await?;
    store.destroy(&id).await?;
    ensure!(!store.touch(&id, within(HOUR)).await?, "`touch` reports a destroyed record as living");
    store.is_none(&id).await
}

async fn never_revives_an_expired_record(store: Probe) -> Checked {
    let id = id()?;
    store.expired(&id, &record(1)).await?;
    ensure!(!store.touch(&id, within(HOUR)).await?, "`touch` reports an expired record as living");
    store.is_none(&id).await
}

async fn leaves_other_records_alone(store: Probe) -> Checked {
    let (one, other, expires) = (id()?, id()?, within(HOUR));
    store.stored(&one, &record(1), expires).await?;
    let revision = store.stored(&other, &record(2), expires).await?;
    store.touch(&one, within(MINUTE)).await?;
    store.holds(&other, &record(2), &revision, expires).await
}
