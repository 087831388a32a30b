//! Listing, counting and removing all sessions.

use std::collections::BTreeSet;

use super::case::Checked;
use super::probe::Probe;
use super::sample::{HOUR, ago, id, record, same, within};
use crate::id::SessionId;
use crate::store::Updated;

/// More than a page of many stores, and odd.
const SESSIONS: u64 = 61;

cases! {
    "list": [
        has_each_session_with_its_record,
        has_no_destroyed_session,
        has_no_expired_session,
        has_the_new_id_of_a_renamed_session_only,
        in_pages_of_one_is_whole,
        in_pages_of_seven_is_whole,
        in_pages_of_a_thousand_is_whole,
        with_a_limit_of_zero_is_whole,
        with_the_largest_limit_is_whole,
        has_pages_of_about_the_limit,
        has_those_that_stay_while_others_come_and_go,
        goes_on_after_a_session_that_was_destroyed,
    ]
    exclusive: [
        of_an_empty_store_is_empty,
        is_as_long_as_len,
        counts_living_sessions_only,
        is_empty_after_clear,
    ]
}

async fn has_each_session_with_its_record(store: Probe) -> Checked {
    let (one, two, expires, later) = (id()?, id()?, within(HOUR), within(2 * HOUR));
    let first = store.stored(&one, &record(1), expires).await?;
    let second = store.stored(&two, &record(2), expires).await?;
    let third = store.replaced(&two, second, &record(3), later).await?;
    let listed = store.listed(None, 100).await?;
    ensure!(listed.contains_key(&one) && listed.contains_key(&two), "a living session is not listed");
    listed.get(&one).map_or(Ok(()), |found| same(found, &record(1), &first, expires))?;
    listed.get(&two).map_or(Ok(()), |found| same(found, &record(3), &third, later))
}

async fn has_no_destroyed_session(store: Probe) -> Checked {
    let ids = store.filled(3, &[]).await?;
    for id in ids {
        store.destroy(&id).await?;
        ensure!(!store.listed(None, 100).await?.contains_key(&id), "a destroyed session is listed");
    }
    Ok(())
}

async fn has_no_expired_session(store: Probe) -> Checked {
    let (expired, past) = (id()?, id()?);
    store.stored(&past, &record(1), ago(HOUR)).await?;
    store.expired(&expired, &record(2)).await?;
    let listed = store.listed(None, 100).await?;
    ensure!(!listed.contains_key(&expired) && !listed.contains_key(&past), "an expired session is listed");
    Ok(())
}

async fn has_the_new_id_of_a_renamed_session_only(store: Probe) -> Checked {
    let (old, new, expires) = (id()?, id()?, within(HOUR));
    let revision = store.stored(&old, &record(1), expires).await?;
    store.renamed((&old, revision), &new, &record(2), expires).await?;
    let listed = store.listed(None, 100).await?;
    ensure!(listed.contains_key(&new), "a renamed session is not listed");
    ensure!(!listed.contains_key(&old), "a renamed session is listed under its old id");
    Ok(())
}

async fn in_pages_of_one_is_whole(store: Probe) -> Checked {
    is_whole(&store, 1).await
}

async fn in_pages_of_seven_is_whole(store: Probe) -> Checked {
    is_whole(&store, 7).await
}

async fn in_pages_of_a_thousand_is_whole(store: Probe) -> Checked {
    is_whole(&store, 1000).await
}

async fn with_a_limit_of_zero_is_whole(store: Probe) -> Checked {
    is_whole(&store, 0).await
}

async fn with_the_largest_limit_is_whole(store: Probe) -> Checked {
    is_whole(&store, usize::MAX).await
}

async fn has_pages_of_about_the_limit(store: Probe) -> Checked {
    store.filled(SESSIONS, &[]).await?;
    let mut after = None;
    loop {
        let page = store.page(None, after, 3).await?;
        let length = page.sessions.len();
        ensure!(length <= 30, "a page has {length} sessions, and 3 were asked for");
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
}

async fn has_those_that_stay_while_others_come_and_go(store: Probe) -> Checked {
    let stay: BTreeSet<_> = store.filled(SESSIONS, &[]).await?.into_iter().collect();
    let mut go = store.filled(SESSIONS, &[]).await?;
    let mut listed = BTreeSet::new();
    let mut after = None;
    loop {
        let page = store.page(None, after, 5).await?;
        listed.extend(page.sessions.into_iter().map(|(id, _)| id).filter(|id| stay.contains(id)));
        after = page.next;
        if after.is_none() {
            break;
        }
        for id in go.split_off(go.len().saturating_sub(5)) {
            store.destroy(&id).await?;
        }
        // No more come than go, or the listing might never end.
        if listed.len() < stay.len() {
            store.filled(2, &[]).await?;
        }
    }
    ensure!(listed == stay, "of {} sessions that stayed, {} are listed", stay.len(), listed.len());
    Ok(())
}

async fn goes_on_after_a_session_that_was_destroyed(store: Probe) -> Checked {
    let mut left: BTreeSet<_> = store.filled(20, &[]).await?.into_iter().collect();
    let mut after = None;
    loop {
        let page = store.page(None, after, 1).await?;
        for (id, _) in page.sessions {
            store.destroy(&id).await?;
            left.remove(&id);
        }
        after = page.next;
        if after.is_none() {
            ensure!(left.is_empty(), "{} of 20 sessions are not listed, as others are destroyed", left.len());
            return Ok(());
        }
    }
}

async fn of_an_empty_store_is_empty(store: Probe) -> Checked {
    for limit in [0, 1, 100] {
        let number = store.listed(None, limit).await?.len();
        ensure!(number == 0, "{number} sessions are listed in a store that should be empty");
    }
    let length = store.len().await?;
    ensure!(length == 0, "`len` is {length} in a store that should be empty");
    Ok(())
}

async fn is_as_long_as_len(store: Probe) -> Checked {
    has_length(&store, 0).await?;
    let ids = store.filled(7, &[]).await?;
    has_length(&store, 7).await?;
    for (gone, id) in ids.iter().enumerate() {
        store.destroy(id).await?;
        store.destroy(id).await?;
        has_length(&store, 6 - gone).await?;
    }
    Ok(())
}

async fn counts_living_sessions_only(store: Probe) -> Checked {
    let (lives, expired, past, new) = (id()?, id()?, id()?, id()?);
    let revision = store.stored(&lives, &record(1), within(HOUR)).await?;
    store.stored(&past, &record(2), ago(HOUR)).await?;
    store.expired(&expired, &record(3)).await?;
    has_length(&store, 1).await?;
    store.create(&lives, &record(4), within(HOUR)).await?;
    store.touch(&expired, within(HOUR)).await?;
    let revision = store.replaced(&lives, revision, &record(5), within(HOUR)).await?;
    has_length(&store, 1).await?;
    store.renamed((&lives, revision), &new, &record(6), within(HOUR)).await?;
    has_length(&store, 1).await?;
    store.stored(&expired, &record(7), within(HOUR)).await?;
    has_length(&store, 2).await
}

async fn is_empty_after_clear(store: Probe) -> Checked {
    store.clear().await?;
    let key = super::sample::key()?;
    let ids = store.filled(SESSIONS, &[&key]).await?;
    let (id, other) = (super::sample::id()?, super::sample::id()?);
    let revision = store.stored(&id, &record(1), within(HOUR)).await?;
    store.clear().await?;
    has_length(&store, 0).await?;
    ensure!(store.listed(Some(&key), 100).await?.is_empty(), "`find` lists sessions after `clear`");
    for id in ids.iter().take(3).chain([&id]) {
        store.is_none(id).await?;
    }
    let updated = store.update(&id, revision, &record(2), within(HOUR)).await?;
    ensure!(matches!(updated, Updated::Gone), "`update` after `clear` answers {updated:?}");
    store.stored(&id, &record(3), within(HOUR)).await?;
    store.stored(&other, &record(4), within(HOUR)).await?;
    has_length(&store, 2).await
}

/// All of the case's sessions are listed.
async fn is_whole(store: &Probe, limit: usize) -> Checked {
    let ids = store.filled(SESSIONS, &[]).await?;
    let listed = store.listed(None, limit).await?;
    let missing = ids.iter().filter(|id: &&SessionId| !listed.contains_key(*id)).count();
    ensure!(missing == 0, "{missing} of {} sessions are not listed in pages of {limit}", ids.len());
    Ok(())
}

async fn has_length(store: &Probe, number: usize) -> Checked {
    let (length, listed) = (store.len().await?, store.listed(None, 100).await?.len());
    ensure!(length == number, "`len` is {length}, with {number} living sessions");
    ensure!(listed == number, "{listed} sessions are listed, with {number} living ones");
    Ok(())
}
