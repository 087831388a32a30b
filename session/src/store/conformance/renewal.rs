//! Loading with a renewal.

use std::time::Duration;

use super::case::{Checked, Failure};
use super::probe::Probe;
use super::sample::{
    HOUR, MINUTE, between, id, record, record_with_max_age, renewal, same, same_expiry, same_text, within,
};
use crate::id::SessionId;
use crate::store::{Record, Renewal, Timestamp};

cases! {
    "renewal": [
        gives_the_life_of_the_layer,
        gives_the_life_that_the_record_asks_for,
        follows_the_record_and_not_what_is_usual,
        follows_the_layer_and_not_what_is_usual,
        of_a_text_without_a_cookie_gives_the_life_of_the_layer,
        lengthens_a_life,
        shortens_a_life,
        may_wait_until_it_moves_by_enough,
        may_wait_for_a_tenth_of_a_life_at_most,
        does_not_wait_to_shorten_a_life,
        leaves_the_record_and_its_revision,
        finds_no_unknown_record,
        never_revives_an_expired_record,
        to_no_life_leaves_none,
    ]
}

async fn gives_the_life_of_the_layer(store: Probe) -> Checked {
    renews(&store, &record(1), renewal(HOUR), (MINUTE, HOUR)).await
}

async fn gives_the_life_that_the_record_asks_for(store: Probe) -> Checked {
    renews(&store, &record_with_max_age(10 * MINUTE), renewal(HOUR), (MINUTE, 10 * MINUTE)).await?;
    renews(&store, &record_with_max_age(2 * HOUR), renewal(HOUR), (MINUTE, 2 * HOUR)).await
}

async fn follows_the_record_and_not_what_is_usual(store: Probe) -> Checked {
    let record = record_with_max_age(10 * MINUTE);
    for usual in [MINUTE, 10 * MINUTE, HOUR] {
        renews(&store, &record, Renewal { usual, ..renewal(HOUR) }, (5 * MINUTE, 10 * MINUTE)).await?;
    }
    Ok(())
}

async fn follows_the_layer_and_not_what_is_usual(store: Probe) -> Checked {
    for usual in [MINUTE, 2 * HOUR] {
        renews(&store, &record(1), Renewal { usual, ..renewal(HOUR) }, (5 * MINUTE, HOUR)).await?;
    }
    Ok(())
}

async fn of_a_text_without_a_cookie_gives_the_life_of_the_layer(store: Probe) -> Checked {
    for text in ["{}", r#"{"cookie":null}"#, r#"{"cookie":{"originalMaxAge":"soon"}}"#, r#"{"views":1}"#] {
        renews(&store, &Record::from_json(text), renewal(HOUR), (MINUTE, HOUR)).await?;
    }
    Ok(())
}

async fn lengthens_a_life(store: Probe) -> Checked {
    let steps = in_time!(|brief| {
        let id = id()?;
        let revision = store.stored(&id, &record(1), brief).await?;
        let renewed = renewed(&store, &id, renewal(HOUR)).await?;
        Ok((id, revision, renewed))
    });
    let ((id, revision, renewed), brief) = steps?;
    store.outlast(brief).await?;
    store.holds(&id, &record(1), &revision, renewed).await
}

async fn shortens_a_life(store: Probe) -> Checked {
    renews(&store, &record(1), renewal(MINUTE), (2 * HOUR, MINUTE)).await?;
    renews(&store, &record_with_max_age(MINUTE), renewal(2 * HOUR), (HOUR, MINUTE)).await
}

async fn may_wait_until_it_moves_by_enough(store: Probe) -> Checked {
    let renewal = Renewal { after: 5 * MINUTE, ..renewal(HOUR) };
    stays_or_renews(&store, &record(1), renewal, (57 * MINUTE, HOUR)).await?;
    renews(&store, &record(1), renewal, (53 * MINUTE, HOUR)).await
}

async fn may_wait_for_a_tenth_of_a_life_at_most(store: Probe) -> Checked {
    let (renewal, record) = (Renewal { after: HOUR, ..renewal(24 * HOUR) }, record_with_max_age(10 * MINUTE));
    stays_or_renews(&store, &record, renewal, (Duration::from_secs(570), 10 * MINUTE)).await?;
    renews(&store, &record, renewal, (Duration::from_secs(510), 10 * MINUTE)).await
}

async fn does_not_wait_to_shorten_a_life(store: Probe) -> Checked {
    let renewal = Renewal { after: HOUR, ..renewal(HOUR) };
    renews(&store, &record(1), renewal, (HOUR + MINUTE, HOUR)).await
}

async fn leaves_the_record_and_its_revision(store: Probe) -> Checked {
    let id = id()?;
    let revision = store.stored(&id, &record(1), within(MINUTE)).await?;
    let expires = renewed(&store, &id, renewal(HOUR)).await?;
    store.holds(&id, &record(1), &revision, expires).await?;
    store.replaced(&id, revision, &record(2), within(HOUR)).await?;
    Ok(())
}

async fn finds_no_unknown_record(store: Probe) -> Checked {
    let id = id()?;
    ensure!(store.renew(&id, renewal(HOUR)).await?.is_none(), "`load` finds a record where there is none");
    store.is_none(&id).await
}

async fn never_revives_an_expired_record(store: Probe) -> Checked {
    let id = id()?;
    store.expired(&id, &record(1)).await?;
    ensure!(store.renew(&id, renewal(HOUR)).await?.is_none(), "`load` finds an expired record");
    store.is_none(&id).await
}

/// Whether the record is still shown at its end is open.
async fn to_no_life_leaves_none(store: Probe) -> Checked {
    let id = id()?;
    store.stored(&id, &record_with_max_age(Duration::ZERO), within(HOUR)).await?;
    store.renew(&id, renewal(HOUR)).await?;
    store.outlast(Timestamp::now()).await?;
    store.is_none(&id).await
}

/// Loads with a renewal; gives the expiry that is reported.
async fn renewed(store: &Probe, id: &SessionId, renewal: Renewal) -> Checked<Timestamp> {
    let loaded = store.renew(id, renewal).await?;
    Ok(loaded.ok_or_else(|| Failure::new("`load` with a renewal finds none, but there is a living record"))?.expires)
}

/// A record with `before` to live has `after` to live when it was loaded.
async fn renews(store: &Probe, record: &Record, renewal: Renewal, (before, after): (Duration, Duration)) -> Checked {
    let id = id()?;
    let revision = store.stored(&id, record, within(before)).await?;
    let first = within(after);
    let expires = renewed(store, &id, renewal).await?;
    between(expires, first, within(after))?;
    let loaded = store.living(&id).await?;
    same_text(&loaded, record)?;
    same(&loaded, record, &revision, expires)
}

/// A record with `before` to live is left as it is, or has `after` to live when it was loaded.
async fn stays_or_renews(
    store: &Probe,
    record: &Record,
    renewal: Renewal,
    (before, after): (Duration, Duration),
) -> Checked {
    let (id, old, first) = (id()?, within(before), within(after));
    store.stored(&id, record, old).await?;
    let expires = renewed(store, &id, renewal).await?;
    same_expiry(expires, old).or_else(|_| between(expires, first, within(after)))?;
    same_expiry(store.living(&id).await?.expires, expires)
}
