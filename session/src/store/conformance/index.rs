//! Finding sessions by the keys of their records.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use tokio::task::yield_now;

use super::case::{Checked, Failure};
use super::probe::{Probe, both};
use super::sample::{
    HOUR, MINUTE, ago, between, id, indexed, key, record, renewal, same, same_expiry, same_text, within,
};
use crate::id::SessionId;
use crate::store::{IndexKey, Loaded, Renamed};

/// As in the listing of all.
const SESSIONS: u64 = 61;

/// How long something changes while another task looks.
const A_WHILE: Duration = Duration::from_millis(200);

cases! {
    "index": [
        finds_a_session_with_its_record,
        finds_by_each_of_many_keys,
        finds_nothing_by_another_key,
        finds_by_the_longest_key,
        finds_no_session_without_keys,
        lists_each_session_of_a_key,
        lists_those_that_stay_while_others_come_and_go,
        finds_a_session_by_a_key_that_it_keeps_while_another_one_changes,
        misses_a_session_that_changes_its_id_once_at_most,
        is_replaced_with_the_record,
        is_removed_by_an_empty_list,
        harms_no_update_without_keys,
        moves_to_a_new_id,
        is_replaced_by_a_rename,
        leaves_no_old_id_after_a_rename_without_keys,
        is_removed_with_the_record,
        expires_with_the_record,
        is_not_inherited_from_an_expired_record,
        lives_as_long_as_the_record,
        is_not_changed_by_what_is_refused,
        takes_a_key_twice,
    ]
}

async fn finds_a_session_with_its_record(store: Probe) -> Checked {
    let (id, key, expires) = (id()?, key()?, within(HOUR));
    let first = store.stored(&id, &indexed(1, &[&key]), within(MINUTE)).await?;
    let second = store.replaced(&id, first, &indexed(2, &[&key]), expires).await?;
    same(&found(&store, &key, &id).await?, &record(2), &second, expires)?;
    let soon = within(MINUTE);
    store.touch(&id, soon).await?;
    same(&found(&store, &key, &id).await?, &record(2), &second, soon)
}

async fn finds_by_each_of_many_keys(store: Probe) -> Checked {
    let (id, keys) = (id()?, many_keys()?);
    store.stored(&id, &indexed(1, &keys.iter().collect::<Vec<_>>()), within(HOUR)).await?;
    for key in &keys {
        found(&store, key, &id).await?;
    }
    Ok(())
}

async fn finds_nothing_by_another_key(store: Probe) -> Checked {
    let (id, has) = (id()?, key()?);
    store.stored(&id, &indexed(1, &[&has]), within(HOUR)).await?;
    ensure!(store.listed(Some(&key()?), 100).await?.is_empty(), "`find` lists sessions of another key");
    Ok(())
}

async fn finds_by_the_longest_key(store: Probe) -> Checked {
    let (one, other, field) = (id()?, id()?, "f".repeat(1000));
    let (key, near) = (IndexKey::new(&field, one.as_bytes()), IndexKey::new(&field, other.as_bytes()));
    store.stored(&one, &indexed(1, &[&key]), within(HOUR)).await?;
    store.stored(&other, &indexed(2, &[&near]), within(HOUR)).await?;
    is_found_only_by(&store, &one, &key, &[&near]).await?;
    is_found_only_by(&store, &other, &near, &[&key]).await
}

async fn finds_no_session_without_keys(store: Probe) -> Checked {
    let (one, other, key) = (id()?, id()?, key()?);
    store.stored(&one, &record(1), within(HOUR)).await?;
    store.stored(&other, &indexed(2, &[]), within(HOUR)).await?;
    ensure!(store.listed(Some(&key), 100).await?.is_empty(), "`find` lists sessions that have no key");
    Ok(())
}

async fn lists_each_session_of_a_key(store: Probe) -> Checked {
    let (key, other) = (key()?, super::sample::key()?);
    let ids: BTreeSet<_> = store.filled(SESSIONS, &[&key, &other]).await?.into_iter().collect();
    store.filled(10, &[&other]).await?;
    for limit in [0, 1, 7, 1000, usize::MAX] {
        let listed: BTreeSet<_> = store.listed(Some(&key), limit).await?.into_keys().collect();
        ensure!(listed == ids, "`find` lists {} of {SESSIONS} sessions in pages of {limit}", listed.len());
    }
    Ok(())
}

async fn lists_those_that_stay_while_others_come_and_go(store: Probe) -> Checked {
    let key = key()?;
    let stay: BTreeSet<_> = store.filled(SESSIONS, &[&key]).await?.into_iter().collect();
    let mut go = store.filled(SESSIONS, &[&key]).await?;
    let mut listed = BTreeSet::new();
    let mut after = None;
    loop {
        let page = store.page(Some(&key), after, 5).await?;
        listed.extend(page.sessions.into_iter().map(|(id, _)| id).filter(|id| stay.contains(id)));
        after = page.next;
        if after.is_none() {
            break;
        }
        for id in go.split_off(go.len().saturating_sub(5)) {
            store.destroy(&id).await?;
        }
        if listed.len() < stay.len() {
            store.filled(2, &[&key]).await?;
        }
    }
    ensure!(listed == stay, "of {} sessions that stayed, {} are found", stay.len(), listed.len());
    Ok(())
}

async fn finds_a_session_by_a_key_that_it_keeps_while_another_one_changes(store: Probe) -> Checked {
    let (id, kept, others) = (id()?, key()?, [key()?, key()?]);
    let mut expected = store.stored(&id, &indexed(0, &[&kept, &others[0]]), within(HOUR)).await?;
    let end = Instant::now() + A_WHILE;
    let changes = {
        let (store, id, kept) = (store.clone(), id.clone(), kept.clone());
        async move {
            for (number, other) in (1..).zip(others.iter().cycle().skip(1)).take_while(|_| Instant::now() < end) {
                expected = store.replaced(&id, expected, &indexed(number, &[&kept, other]), within(HOUR)).await?;
                yield_now().await;
            }
            Ok(())
        }
    };
    let looks = async move {
        while Instant::now() < end {
            ensure!(store.finds(&kept, &id).await?, "`find` misses a session by a key that it keeps");
            yield_now().await;
        }
        Ok(())
    };
    both(0, changes, looks).await.map(|_| ())
}

async fn misses_a_session_that_changes_its_id_once_at_most(store: Probe) -> Checked {
    let (mut old, key) = (id()?, key()?);
    let mut expected = store.stored(&old, &indexed(0, &[&key]), within(HOUR)).await?;
    let end = Instant::now() + A_WHILE;
    for round in (0..).take_while(|_| Instant::now() < end) {
        let new = id()?;
        let change = {
            let (store, new, record) = (store.clone(), new.clone(), indexed(round, &[&key]));
            async move { store.rename((&old, expected), &new, &record, within(HOUR)).await }
        };
        let looks = {
            let (store, key) = (store.clone(), key.clone());
            async move { Ok([store.listed(Some(&key), 100).await?, store.listed(Some(&key), 100).await?]) }
        };
        let (renamed, listings) = both(round, change, looks).await?;
        let Renamed::Stored(revision) = renamed else {
            return Err(Failure::new(format!("`rename` that nobody disturbs answers {renamed:?}")));
        };
        let is_missed = listings.iter().all(BTreeMap::is_empty);
        ensure!(!is_missed, "two `find`s, one after the other, both miss a session that changes its id once meanwhile");
        (old, expected) = (new, revision);
    }
    Ok(())
}

async fn is_replaced_with_the_record(store: Probe) -> Checked {
    let (id, a, b, c) = (id()?, key()?, key()?, key()?);
    let first = store.stored(&id, &indexed(1, &[&a, &b]), within(HOUR)).await?;
    store.replaced(&id, first, &indexed(2, &[&b, &c]), within(HOUR)).await?;
    found(&store, &b, &id).await?;
    is_found_only_by(&store, &id, &c, &[&a]).await
}

async fn is_removed_by_an_empty_list(store: Probe) -> Checked {
    let (id, key, expires) = (id()?, key()?, within(HOUR));
    let first = store.stored(&id, &indexed(1, &[&key]), within(MINUTE)).await?;
    let second = store.replaced(&id, first, &indexed(2, &[]), expires).await?;
    ensure!(!store.finds(&key, &id).await?, "`find` lists a session by a key that was taken from it");
    store.holds(&id, &record(2), &second, expires).await
}

/// Whether the old key finds the session is open then: who asks looks at the record.
async fn harms_no_update_without_keys(store: Probe) -> Checked {
    let (id, old, new, expires) = (id()?, key()?, key()?, within(HOUR));
    let first = store.stored(&id, &indexed(1, &[&old]), within(MINUTE)).await?;
    let second = store.replaced(&id, first, &record(2), expires).await?;
    store.holds(&id, &record(2), &second, expires).await?;
    store.listed(Some(&old), 1).await?.get(&id).map_or(Ok(()), |loaded| same_text(loaded, &record(2)))?;
    store.replaced(&id, second, &indexed(3, &[&new]), within(HOUR)).await?;
    is_found_only_by(&store, &id, &new, &[&old]).await?;
    store.destroy(&id).await?;
    ensure!(!store.finds(&old, &id).await?, "`find` lists a destroyed session");
    Ok(())
}

async fn moves_to_a_new_id(store: Probe) -> Checked {
    let (old, new, key, expires) = (id()?, id()?, key()?, within(HOUR));
    let first = store.stored(&old, &indexed(1, &[&key]), expires).await?;
    let second = store.renamed((&old, first), &new, &indexed(2, &[&key]), expires).await?;
    same(&found(&store, &key, &new).await?, &record(2), &second, expires)?;
    ensure!(!store.finds(&key, &old).await?, "`find` lists the old id of a renamed session");
    Ok(())
}

async fn is_replaced_by_a_rename(store: Probe) -> Checked {
    let (old, new, before, after) = (id()?, id()?, key()?, key()?);
    let first = store.stored(&old, &indexed(1, &[&before]), within(HOUR)).await?;
    store.renamed((&old, first), &new, &indexed(2, &[&after]), within(HOUR)).await?;
    is_found_only_by(&store, &new, &after, &[&before]).await?;
    ensure!(store.listed(Some(&before), 100).await?.is_empty(), "`find` lists the old id of a renamed session");
    Ok(())
}

async fn leaves_no_old_id_after_a_rename_without_keys(store: Probe) -> Checked {
    let (old, new, key) = (id()?, id()?, key()?);
    let first = store.stored(&old, &indexed(1, &[&key]), within(HOUR)).await?;
    store.renamed((&old, first), &new, &record(2), within(HOUR)).await?;
    ensure!(!store.finds(&key, &old).await?, "`find` lists the old id of a renamed session");
    Ok(())
}

async fn is_removed_with_the_record(store: Probe) -> Checked {
    let (one, other, key) = (id()?, id()?, key()?);
    store.stored(&one, &indexed(1, &[&key]), within(HOUR)).await?;
    store.stored(&other, &indexed(2, &[&key]), within(HOUR)).await?;
    store.destroy(&one).await?;
    ensure!(!store.finds(&key, &one).await?, "`find` lists a destroyed session");
    found(&store, &key, &other).await?;
    store.stored(&one, &indexed(3, &[]), within(HOUR)).await?;
    ensure!(!store.finds(&key, &one).await?, "`find` lists a new session by the key of a destroyed one");
    Ok(())
}

async fn expires_with_the_record(store: Probe) -> Checked {
    let (expired, past, lives, key) = (id()?, id()?, id()?, key()?);
    store.stored(&lives, &indexed(1, &[&key]), within(HOUR)).await?;
    store.stored(&past, &indexed(2, &[&key]), ago(HOUR)).await?;
    store.expired(&expired, &indexed(3, &[&key])).await?;
    let listed = store.listed(Some(&key), 100).await?;
    ensure!(!listed.contains_key(&expired) && !listed.contains_key(&past), "`find` lists an expired session");
    ensure!(listed.contains_key(&lives), "`find` does not list a session beside one that has expired");
    Ok(())
}

async fn is_not_inherited_from_an_expired_record(store: Probe) -> Checked {
    let (id, old, new) = (id()?, key()?, key()?);
    store.expired(&id, &indexed(1, &[&old])).await?;
    store.stored(&id, &indexed(2, &[&new]), within(HOUR)).await?;
    is_found_only_by(&store, &id, &new, &[&old]).await
}

async fn lives_as_long_as_the_record(store: Probe) -> Checked {
    let (key, expires) = (key()?, within(HOUR));
    let steps = in_time!(|brief| {
        let (touched, renewed, updated) = (id()?, id()?, id()?);
        let revision = store.stored(&updated, &indexed(1, &[&key]), brief).await?;
        store.replaced(&updated, revision, &indexed(2, &[&key]), expires).await?;
        store.stored(&touched, &indexed(3, &[&key]), brief).await?;
        ensure!(store.touch(&touched, expires).await?, "`touch` reports a living record as gone");
        store.stored(&renewed, &indexed(4, &[&key]), brief).await?;
        let found = store.renew(&renewed, renewal(HOUR)).await?;
        ensure!(found.is_some(), "`load` finds none, but there is a living record");
        Ok((touched, renewed, updated))
    });
    let ((touched, renewed, updated), brief) = steps?;
    store.outlast(brief).await?;
    same_expiry(found(&store, &key, &updated).await?.expires, expires)?;
    same_expiry(found(&store, &key, &touched).await?.expires, expires)?;
    between(found(&store, &key, &renewed).await?.expires, expires, within(HOUR))
}

async fn is_not_changed_by_what_is_refused(store: Probe) -> Checked {
    let (one, other, key, wrong) = (id()?, id()?, key()?, key()?);
    let stale = store.stored(&one, &indexed(1, &[&key]), within(HOUR)).await?;
    let revision = store.replaced(&one, stale.clone(), &indexed(2, &[&key]), within(HOUR)).await?;
    let refused = indexed(3, &[&wrong]);
    store.create(&one, &refused, within(HOUR)).await?;
    store.update(&one, stale.clone(), &refused, within(HOUR)).await?;
    store.rename((&one, stale.clone()), &other, &refused, within(HOUR)).await?;
    store.update(&other, stale, &refused, within(HOUR)).await?;
    store.stored(&other, &indexed(4, &[]), within(HOUR)).await?;
    store.rename((&one, revision), &other, &refused, within(HOUR)).await?;
    is_found_only_by(&store, &one, &key, &[&wrong]).await?;
    ensure!(store.listed(Some(&wrong), 100).await?.is_empty(), "a record that was refused is indexed");
    Ok(())
}

async fn takes_a_key_twice(store: Probe) -> Checked {
    let (id, key) = (id()?, key()?);
    let revision = store.stored(&id, &indexed(1, &[&key, &key]), within(HOUR)).await?;
    found(&store, &key, &id).await?;
    store.replaced(&id, revision, &indexed(2, &[]), within(HOUR)).await?;
    ensure!(!store.finds(&key, &id).await?, "`find` lists a session by a key that was taken from it");
    Ok(())
}

fn many_keys() -> Checked<Vec<IndexKey>> {
    (0..20).map(|number| Ok(IndexKey::new(&format!("field{number}"), id()?.as_bytes()))).collect()
}

async fn found(store: &Probe, key: &IndexKey, id: &SessionId) -> Checked<Loaded> {
    let found = store.listed(Some(key), 100).await?.remove(id);
    found.ok_or_else(|| Failure::new("`find` does not list a session by its key"))
}

async fn is_found_only_by(store: &Probe, id: &SessionId, key: &IndexKey, others: &[&IndexKey]) -> Checked {
    found(store, key, id).await?;
    for other in others {
        ensure!(!store.finds(other, id).await?, "`find` lists a session by a key that it does not have");
    }
    Ok(())
}
