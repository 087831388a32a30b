//! Until when a record lives.

use std::time::Duration;

use super::case::Checked;
use super::probe::Probe;
use super::sample::{HOUR, LATE, MINUTE, ago, id, may_have_expired, record, renewal, same_expiry, same_text, within};
use crate::store::{Timestamp, Updated};

/// 9000-01-01T00:00:00Z
const YEAR_9000: Timestamp = Timestamp::from_millis(221_845_392_000_000);
/// 9000-12-31T00:00:00Z
const END_OF_9000: Timestamp = Timestamp::from_millis(221_876_928_000_000);

cases! {
    "expiry": [
        is_kept_to_the_second_or_finer,
        ends_a_life_and_no_sooner,
        that_has_passed_at_create_leaves_none,
        that_has_passed_at_update_leaves_none,
        that_has_passed_at_touch_leaves_none,
        that_has_passed_at_rename_leaves_none,
        of_the_year_9000_is_kept,
        at_the_end_of_time_is_far_away,
        at_the_beginning_of_time_has_passed,
    ]
}

async fn is_kept_to_the_second_or_finer(store: Probe) -> Checked {
    let hour = within(HOUR).as_millis();
    for millis in [0, 1, 499, 500, 501, 999] {
        let (id, expires) = (id()?, Timestamp::from_millis(hour - hour % 1000 + millis));
        let revision = store.stored(&id, &record(1), expires).await?;
        store.holds(&id, &record(1), &revision, expires).await?;
    }
    Ok(())
}

/// Late in a half second, where rounding down takes most.
async fn ends_a_life_and_no_sooner(store: Probe) -> Checked {
    let soon = within(Duration::from_millis(250)).as_millis();
    let expires = Timestamp::from_millis(soon + (900 - soon % 500) % 500);
    let id = id()?;
    store.stored(&id, &record(1), expires).await?;
    loop {
        let asked = Timestamp::now();
        let Some(loaded) = store.load(&id).await? else { break };
        same_expiry(loaded.expires, expires)?;
        ensure!(asked <= expires.saturating_add(LATE), "a record lives on more than 1 s after its expiry");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let left = expires.saturating_since(Timestamp::now()).as_millis();
    ensure!(may_have_expired(expires), "a record has expired {left} ms too early");
    store.is_none(&id).await
}

async fn that_has_passed_at_create_leaves_none(store: Probe) -> Checked {
    for past in [ago(2 * LATE), ago(HOUR), Timestamp::from_millis(1000), Timestamp::from_millis(0)] {
        let id = id()?;
        store.stored(&id, &record(1), past).await?;
        store.is_none(&id).await?;
        store.stored(&id, &record(2), within(HOUR)).await?;
        same_text(&store.living(&id).await?, &record(2))?;
    }
    Ok(())
}

async fn that_has_passed_at_update_leaves_none(store: Probe) -> Checked {
    let id = id()?;
    let first = store.stored(&id, &record(1), within(HOUR)).await?;
    let second = store.replaced(&id, first, &record(2), ago(2 * LATE)).await?;
    store.is_none(&id).await?;
    let updated = store.update(&id, second, &record(3), within(HOUR)).await?;
    ensure!(matches!(updated, Updated::Gone), "`update` of an expired record answers {updated:?}");
    store.is_none(&id).await
}

async fn that_has_passed_at_touch_leaves_none(store: Probe) -> Checked {
    let id = id()?;
    store.stored(&id, &record(1), within(HOUR)).await?;
    ensure!(store.touch(&id, ago(2 * LATE)).await?, "`touch` reports a living record as gone");
    store.is_none(&id).await
}

async fn that_has_passed_at_rename_leaves_none(store: Probe) -> Checked {
    let (old, new) = (id()?, id()?);
    let revision = store.stored(&old, &record(1), within(HOUR)).await?;
    store.renamed((&old, revision), &new, &record(2), ago(2 * LATE)).await?;
    store.is_none(&old).await?;
    store.is_none(&new).await
}

async fn of_the_year_9000_is_kept(store: Probe) -> Checked {
    let id = id()?;
    let revision = store.stored(&id, &record(1), YEAR_9000).await?;
    store.holds(&id, &record(1), &revision, YEAR_9000).await?;
    store.touch(&id, END_OF_9000).await?;
    store.holds(&id, &record(1), &revision, END_OF_9000).await?;
    let revision = store.replaced(&id, revision, &record(2), YEAR_9000).await?;
    store.holds(&id, &record(2), &revision, YEAR_9000).await
}

/// A life of [`Duration::MAX`] leads there.
async fn at_the_end_of_time_is_far_away(store: Probe) -> Checked {
    let (id, end) = (id()?, Timestamp::from_millis(i64::MAX));
    let first = store.stored(&id, &record(1), end).await?;
    ensure!(store.living(&id).await?.expires >= YEAR_9000, "`create` cuts an expiry short");
    store.replaced(&id, first, &record(2), end).await?;
    ensure!(store.living(&id).await?.expires >= YEAR_9000, "`update` cuts an expiry short");
    store.touch(&id, within(MINUTE)).await?;
    ensure!(store.touch(&id, end).await?, "`touch` reports a living record as gone");
    ensure!(store.living(&id).await?.expires >= YEAR_9000, "`touch` cuts an expiry short");
    store.touch(&id, within(MINUTE)).await?;
    let renewed = store.renew(&id, renewal(Duration::MAX)).await?;
    ensure!(renewed.is_some_and(|renewed| renewed.expires >= YEAR_9000), "a renewal cuts an expiry short");
    ensure!(store.living(&id).await?.expires >= YEAR_9000, "a renewal cuts an expiry short");
    Ok(())
}

async fn at_the_beginning_of_time_has_passed(store: Probe) -> Checked {
    for past in [-1, -86_400_000, i64::MIN] {
        let id = id()?;
        store.stored(&id, &record(1), Timestamp::from_millis(past)).await?;
        store.is_none(&id).await?;
    }
    Ok(())
}
