//! Operations at the same time, from clones of one store.

use super::case::{Checked, Failure};
use super::probe::{Probe, both, together};
use super::sample::{HOUR, MINUTE, id, indexed, key, number_in, record, renewal, same_text, within};
use crate::id::SessionId;
use crate::store::{Created, IndexKey, Renamed, Revision, Updated};

const TASKS: u64 = 16;
const ROUNDS: u64 = 20;

cases! {
    "races": [
        of_many_creates_one_wins,
        of_many_creates_over_an_expired_record_one_wins,
        of_many_updates_of_one_revision_one_wins,
        lose_no_increment,
        of_destroy_and_update_end_destroyed,
        of_destroy_and_touch_end_destroyed,
        of_destroy_and_renewal_end_destroyed,
        of_rename_and_update_let_one_win,
        of_rename_and_destroy_leave_one_record_or_none,
        of_rename_and_touch_leave_no_old_record,
        of_many_renames_of_one_record_one_wins,
        of_many_renames_to_one_id_one_wins,
        of_updates_end_with_the_keys_of_the_last,
        of_all_writes_leave_nothing_of_a_key_that_is_destroyed,
    ]
}

async fn of_many_creates_one_wins(store: Probe) -> Checked {
    for _ in 0..ROUNDS {
        one_create_wins(&store, &id()?).await?;
    }
    Ok(())
}

async fn of_many_creates_over_an_expired_record_one_wins(store: Probe) -> Checked {
    let id = id()?;
    store.expired(&id, &record(99)).await?;
    one_create_wins(&store, &id).await
}

async fn one_create_wins(store: &Probe, id: &SessionId) -> Checked {
    let expires = within(HOUR);
    let answers = together((0..TASKS).map(|number| {
        let (store, id) = (store.clone(), id.clone());
        async move { Ok((number, store.create(&id, &record(number), expires).await?)) }
    }));
    let mut winner = None;
    for (number, created) in answers.await? {
        if let Created::Stored(revision) = created {
            ensure!(winner.is_none(), "two of {TASKS} parallel `create`s of one id stored their record");
            winner = Some((number, revision));
        }
    }
    let (number, revision) = winner.ok_or_else(|| Failure::new("no one of the parallel `create`s won"))?;
    store.holds(id, &record(number), &revision, expires).await
}

async fn of_many_updates_of_one_revision_one_wins(store: Probe) -> Checked {
    for _ in 0..ROUNDS {
        let (id, expires) = (id()?, within(HOUR));
        let expected = store.stored(&id, &record(99), expires).await?;
        let answers = together((0..TASKS).map(|number| {
            let (store, id, expected) = (store.clone(), id.clone(), expected.clone());
            async move { Ok((number, store.update(&id, expected, &record(number), expires).await?)) }
        }));
        let (mut winner, mut reported) = (None, Vec::new());
        for (number, updated) in answers.await? {
            match updated {
                Updated::Replaced(revision) => {
                    ensure!(winner.is_none(), "two of {TASKS} parallel `update`s of one revision replaced it");
                    winner = Some((number, revision));
                }
                Updated::Conflict(current) => reported.push(current),
                Updated::Gone => return Err(Failure::new("`update` reports a living record as gone")),
            }
        }
        let (number, revision) = winner.ok_or_else(|| Failure::new("no one of the parallel `update`s won"))?;
        for current in reported {
            same_text(&current, &record(number))?;
            ensure!(current.revision == revision, "a conflict reports another revision than the winner's");
        }
        store.holds(&id, &record(number), &revision, expires).await?;
    }
    Ok(())
}

async fn lose_no_increment(store: Probe) -> Checked {
    const EACH: u64 = 5;
    let id = id()?;
    store.stored(&id, &record(0), within(HOUR)).await?;
    let increments = (0..TASKS).map(|_| {
        let (store, id) = (store.clone(), id.clone());
        async move {
            for _ in 0..EACH {
                increment(&store, &id).await?;
            }
            Ok(())
        }
    });
    together(increments).await?;
    let number = number_in(&store.living(&id).await?)?;
    ensure!(number == TASKS * EACH, "{} parallel increments of 0 gave {number}", TASKS * EACH);
    Ok(())
}

async fn increment(store: &Probe, id: &SessionId) -> Checked {
    let mut current = store.living(id).await?;
    loop {
        let next = record(number_in(&current)? + 1);
        tokio::task::yield_now().await;
        match store.update(id, current.revision, &next, within(HOUR)).await? {
            Updated::Replaced(_) => return Ok(()),
            Updated::Conflict(theirs) => current = theirs,
            Updated::Gone => return Err(Failure::new("`update` reports a living record as gone")),
        }
    }
}

/// What was acknowledged as destroyed is not there afterwards, whoever writes it meanwhile.
async fn of_destroy_and_update_end_destroyed(store: Probe) -> Checked {
    for round in 0..ROUNDS {
        let id = id()?;
        let revision = store.stored(&id, &record(0), within(HOUR)).await?;
        both(round, destroy(store.clone(), id.clone()), update_while_living(store.clone(), id.clone(), revision))
            .await?;
        store.is_none(&id).await?;
    }
    Ok(())
}

async fn of_destroy_and_touch_end_destroyed(store: Probe) -> Checked {
    for round in 0..ROUNDS {
        let id = id()?;
        store.stored(&id, &record(0), within(MINUTE)).await?;
        both(round, destroy(store.clone(), id.clone()), touch_while_living(store.clone(), id.clone())).await?;
        store.is_none(&id).await?;
    }
    Ok(())
}

async fn of_destroy_and_renewal_end_destroyed(store: Probe) -> Checked {
    for round in 0..ROUNDS {
        let id = id()?;
        store.stored(&id, &record(0), within(MINUTE)).await?;
        both(round, destroy(store.clone(), id.clone()), renew_while_living(store.clone(), id.clone())).await?;
        store.is_none(&id).await?;
    }
    Ok(())
}

async fn of_rename_and_update_let_one_win(store: Probe) -> Checked {
    for round in 0..ROUNDS {
        let (old, new, expires) = (id()?, id()?, within(HOUR));
        let expected = store.stored(&old, &record(0), expires).await?;
        let (updating, updated, seen) = (store.clone(), old.clone(), expected.clone());
        let update = async move { updating.update(&updated, seen, &record(2), expires).await };
        match both(round, rename(store.clone(), (old.clone(), expected), new.clone()), update).await? {
            (Renamed::Stored(revision), Updated::Gone) => {
                store.holds(&new, &record(1), &revision, expires).await?;
                store.is_none(&old).await?;
            }
            (Renamed::Conflict(_), Updated::Replaced(revision)) => {
                store.holds(&old, &record(2), &revision, expires).await?;
                store.is_none(&new).await?;
            }
            other => return Err(Failure::new(format!("of `rename` and `update` not exactly one won: {other:?}"))),
        }
    }
    Ok(())
}

async fn of_rename_and_destroy_leave_one_record_or_none(store: Probe) -> Checked {
    for round in 0..ROUNDS {
        let (old, new, expires) = (id()?, id()?, within(HOUR));
        let expected = store.stored(&old, &record(0), expires).await?;
        let rename = rename(store.clone(), (old.clone(), expected), new.clone());
        let (renamed, ()) = both(round, rename, destroy(store.clone(), old.clone())).await?;
        store.is_none(&old).await?;
        match renamed {
            Renamed::Stored(revision) => store.holds(&new, &record(1), &revision, expires).await?,
            Renamed::Gone => store.is_none(&new).await?,
            other => return Err(Failure::new(format!("`rename` beside `destroy` answers {other:?}"))),
        }
    }
    Ok(())
}

async fn of_rename_and_touch_leave_no_old_record(store: Probe) -> Checked {
    for round in 0..ROUNDS {
        let (old, new, expires) = (id()?, id()?, within(HOUR));
        let expected = store.stored(&old, &record(0), within(MINUTE)).await?;
        let rename = rename(store.clone(), (old.clone(), expected), new.clone());
        match both(round, rename, touch_while_living(store.clone(), old.clone())).await? {
            (Renamed::Stored(revision), ()) => store.holds(&new, &record(1), &revision, expires).await?,
            (other, ()) => return Err(Failure::new(format!("`rename` beside `touch` answers {other:?}"))),
        }
        store.is_none(&old).await?;
    }
    Ok(())
}

async fn destroy(store: Probe, id: SessionId) -> Checked {
    store.destroy(&id).await
}

async fn rename(store: Probe, (old, expected): (SessionId, Revision), new: SessionId) -> Checked<Renamed> {
    store.rename((&old, expected), &new, &record(1), within(HOUR)).await
}

async fn update_while_living(store: Probe, id: SessionId, mut expected: Revision) -> Checked {
    for number in 1..100 {
        match store.update(&id, expected, &record(number), within(HOUR)).await? {
            Updated::Replaced(revision) => expected = revision,
            Updated::Conflict(_) => return Err(Failure::new("`update` reports a conflict with nobody")),
            Updated::Gone => break,
        }
    }
    Ok(())
}

async fn touch_while_living(store: Probe, id: SessionId) -> Checked {
    for _ in 0..100 {
        if !store.touch(&id, within(HOUR)).await? {
            break;
        }
    }
    Ok(())
}

async fn renew_while_living(store: Probe, id: SessionId) -> Checked {
    for _ in 0..100 {
        if store.renew(&id, renewal(HOUR)).await?.is_none() {
            break;
        }
    }
    Ok(())
}

async fn of_many_renames_of_one_record_one_wins(store: Probe) -> Checked {
    for _ in 0..ROUNDS {
        let (old, expires) = (id()?, within(HOUR));
        let expected = store.stored(&old, &record(0), expires).await?;
        let news = (0..8).map(|_| id()).collect::<Checked<Vec<_>>>()?;
        let answers = together(news.clone().into_iter().map(|new| {
            let (store, old, expected) = (store.clone(), old.clone(), expected.clone());
            async move { Ok((store.rename((&old, expected), &new, &record(1), expires).await?, new)) }
        }));
        let mut winners = Vec::new();
        for (renamed, new) in answers.await? {
            match renamed {
                Renamed::Stored(revision) => winners.push((new, revision)),
                _ => store.is_none(&new).await?,
            }
        }
        ensure!(winners.len() == 1, "{} of 8 parallel `rename`s of one record won", winners.len());
        for (new, revision) in winners {
            store.holds(&new, &record(1), &revision, expires).await?;
        }
        store.is_none(&old).await?;
    }
    Ok(())
}

async fn of_many_renames_to_one_id_one_wins(store: Probe) -> Checked {
    for _ in 0..ROUNDS {
        let (new, expires) = (id()?, within(HOUR));
        let mut olds = Vec::new();
        for number in 0..8 {
            let old = id()?;
            let revision = store.stored(&old, &record(number), expires).await?;
            olds.push((number, old, revision));
        }
        let answers = together(olds.into_iter().map(|(number, old, revision)| {
            let (store, new) = (store.clone(), new.clone());
            async move {
                let renamed = store.rename((&old, revision.clone()), &new, &record(number + 100), expires).await?;
                Ok((renamed, number, old, revision))
            }
        }));
        let mut winners = Vec::new();
        for (renamed, number, old, before) in answers.await? {
            match renamed {
                Renamed::Stored(revision) => {
                    store.is_none(&old).await?;
                    winners.push((number, revision));
                }
                Renamed::Taken => store.holds(&old, &record(number), &before, expires).await?,
                other => return Err(Failure::new(format!("`rename` to an id that is wanted answers {other:?}"))),
            }
        }
        ensure!(winners.len() == 1, "{} of 8 parallel `rename`s to one id won", winners.len());
        for (number, revision) in winners {
            store.holds(&new, &record(number + 100), &revision, expires).await?;
        }
    }
    Ok(())
}

async fn of_updates_end_with_the_keys_of_the_last(store: Probe) -> Checked {
    let keys = (0..TASKS).map(|_| key()).collect::<Checked<Vec<_>>>()?;
    for _ in 0..ROUNDS {
        let id = id()?;
        let expected = store.stored(&id, &indexed(99, &[]), within(HOUR)).await?;
        let updates = (0..).zip(keys.clone()).map(|(number, key)| {
            let (store, id, expected) = (store.clone(), id.clone(), expected.clone());
            async move { store.update(&id, expected, &indexed(number, &[&key]), within(HOUR)).await }
        });
        together(updates).await?;
        let winner = number_in(&store.living(&id).await?)?;
        for (number, key) in (0..).zip(&keys) {
            let is_found = store.finds(key, &id).await?;
            ensure!(
                is_found == (number == winner),
                "after parallel `update`s, the winner is not found by its key alone"
            );
        }
    }
    Ok(())
}

/// Logging out everywhere: requests that loaded a session before go on with it, and one destroys all that it finds.
async fn of_all_writes_leave_nothing_of_a_key_that_is_destroyed(store: Probe) -> Checked {
    const SESSIONS: u64 = 10;
    for round in 0..ROUNDS / 4 {
        let key = key()?;
        let mut sessions = Vec::new();
        for number in 0..SESSIONS {
            let id = id()?;
            let revision = store.stored(&id, &indexed(number, &[&key]), within(HOUR)).await?;
            sessions.push((id, revision));
        }
        let requests = sessions.iter().flat_map(|session| (0..TASKS).map(move |number| (session.clone(), number)));
        let requests: Vec<_> =
            requests.map(|(session, number)| request(store.clone(), session, key.clone(), number)).collect();
        let destroying = destroy_all(store.clone(), key.clone());
        let (seen, ()) = both(round, together(requests), destroying).await?;
        // A session that changed its id in between is found now: whatever lives has its key.
        destroy_all(store.clone(), key.clone()).await?;
        for id in seen.into_iter().flatten().chain(sessions.into_iter().map(|(id, _)| id)) {
            store.is_none(&id).await?;
        }
    }
    Ok(())
}

/// A request that loaded the session, and the new id that it may have given it.
async fn request(
    store: Probe,
    (id, revision): (SessionId, Revision),
    key: IndexKey,
    number: u64,
) -> Checked<Option<SessionId>> {
    let mine = indexed(number, &[&key]);
    match number % 4 {
        0 => drop(store.update(&id, revision, &mine, within(HOUR)).await?),
        1 => drop(store.touch(&id, within(HOUR)).await?),
        2 => drop(store.renew(&id, renewal(HOUR)).await?),
        _ => {
            let new = super::sample::id()?;
            store.rename((&id, revision), &new, &mine, within(HOUR)).await?;
            return Ok(Some(new));
        }
    }
    Ok(None)
}

async fn destroy_all(store: Probe, key: IndexKey) -> Checked {
    loop {
        let found = store.listed(Some(&key), 100).await?;
        if found.is_empty() {
            return Ok(());
        }
        for id in found.keys() {
            store.destroy(id).await?;
        }
    }
}
