//! Operations that are given up before they end: they have happened wholly or not at all, and the store goes on.
//!
//! A server may carry out what it was sent after its answer is awaited no more, so each case looks until it is settled.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use super::case::{Checked, Failure};
use super::probe::Probe;
use super::sample::{HOUR, MINUTE, between, id, indexed, key, record, renewal, same, same_expiry, same_text, within};
use crate::id::SessionId;
use crate::store::{Created, Loaded, Record, Renamed, Revision, StoreFuture, Timestamp, Updated};

cases! {
    "dropped": [
        create_leaves_a_whole_record_or_none,
        update_leaves_the_old_record_or_the_new,
        touch_leaves_the_old_expiry_or_the_new,
        renewal_leaves_the_old_expiry_or_the_new,
        rename_leaves_one_record,
        destroy_leaves_a_whole_record_or_none,
        listings_leave_the_store_usable,
        operations_give_no_answers_to_others,
    ]
}

/// When an operation is given up.
#[derive(Clone, Copy)]
enum Cut {
    /// After it was polled so often.
    Polls(u32),
    /// After so long.
    Wait(Duration),
}

const CUTS: [Cut; 9] = [
    Cut::Polls(0),
    Cut::Polls(1),
    Cut::Polls(2),
    Cut::Polls(3),
    Cut::Polls(5),
    Cut::Wait(Duration::from_micros(100)),
    Cut::Wait(Duration::from_millis(1)),
    Cut::Wait(Duration::from_millis(2)),
    Cut::Wait(Duration::from_millis(5)),
];

/// How long what was given up may take to settle.
const SETTLING: Duration = Duration::from_secs(3);

async fn create_leaves_a_whole_record_or_none(store: Probe) -> Checked {
    for cut in CUTS {
        let (id, key, expires) = (id()?, key()?, within(HOUR));
        let new = indexed(1, &[&key]);
        cut.off(store.store().create(&id, new.clone(), expires)).await;
        if let Some(loaded) = store.load(&id).await? {
            same(&loaded, &new, &loaded.revision, expires)?;
        }
        store.create(&id, &new, expires).await?;
        let loaded = store.living(&id).await?;
        same(&loaded, &new, &loaded.revision, expires)?;
        ensure!(store.finds(&key, &id).await?, "`find` does not list a session by its key");
    }
    Ok(())
}

async fn update_leaves_the_old_record_or_the_new(store: Probe) -> Checked {
    for cut in CUTS {
        let (id, keys, expires) = (id()?, [key()?, key()?, key()?], within(HOUR));
        let [first, second, third] = &keys;
        let (old, new, last) = (indexed(1, &[first]), indexed(2, &[second]), indexed(3, &[third]));
        let revision = store.stored(&id, &old, within(MINUTE)).await?;
        cut.off(store.store().update(&id, revision, new.clone(), expires)).await;
        let loaded = store.living(&id).await?;
        if same_text(&loaded, &old).is_err() {
            same(&loaded, &new, &loaded.revision, expires)?;
        }
        let revision = replaced_at_last(&store, &id, loaded, (&last, expires)).await?;
        store.holds(&id, &last, &revision, expires).await?;
        for key in &keys {
            let is_found = store.finds(key, &id).await?;
            ensure!(is_found == (key == third), "after an `update` that was dropped, the index is not the record's");
        }
    }
    Ok(())
}

/// An update that was given up may still win a race.
async fn replaced_at_last(
    store: &Probe,
    id: &SessionId,
    mut current: Loaded,
    (last, expires): (&Record, Timestamp),
) -> Checked<Revision> {
    for _ in 0..10 {
        match store.update(id, current.revision, last, expires).await? {
            Updated::Replaced(revision) => return Ok(revision),
            Updated::Conflict(theirs) => current = theirs,
            Updated::Gone => return Err(Failure::new("an `update` that was dropped removed the record")),
        }
    }
    Err(Failure::new("after an `update` that was dropped, every update is a conflict"))
}

async fn touch_leaves_the_old_expiry_or_the_new(store: Probe) -> Checked {
    for cut in CUTS {
        let (id, before, after) = (id()?, within(MINUTE), within(HOUR));
        let revision = store.stored(&id, &record(1), before).await?;
        cut.off(store.store().touch(&id, after)).await;
        is_renewed_or_not(&store, &id, revision, (before, after)).await?;
    }
    Ok(())
}

async fn renewal_leaves_the_old_expiry_or_the_new(store: Probe) -> Checked {
    for cut in CUTS {
        let (id, before, after) = (id()?, within(MINUTE), within(HOUR));
        let revision = store.stored(&id, &record(1), before).await?;
        cut.off(store.store().load(&id, Some(renewal(HOUR)))).await;
        is_renewed_or_not(&store, &id, revision, (before, after)).await?;
    }
    Ok(())
}

async fn is_renewed_or_not(
    store: &Probe,
    id: &SessionId,
    revision: Revision,
    (before, after): (Timestamp, Timestamp),
) -> Checked {
    let loaded = store.living(id).await?;
    same_text(&loaded, &record(1))?;
    ensure!(loaded.revision == revision, "an operation that was dropped changed the revision");
    // A renewal counts from the moment at which it is carried out.
    same_expiry(loaded.expires, before).or_else(|_| between(loaded.expires, after, within(HOUR)))?;
    store.replaced(id, revision, &record(2), within(HOUR)).await?;
    Ok(())
}

async fn rename_leaves_one_record(store: Probe) -> Checked {
    for cut in CUTS {
        let (old, new, other, expires) = (id()?, id()?, id()?, within(HOUR));
        let revision = store.stored(&old, &record(1), expires).await?;
        cut.off(store.store().rename(&old, revision, &new, record(2), expires)).await;
        let (id, loaded) = settled(&store, &old, &new).await?;
        let whole = if id == old { record(1) } else { record(2) };
        same(&loaded, &whole, &loaded.revision, expires)?;
        let renamed = store.rename((&id, loaded.revision), &other, &record(3), expires).await?;
        // A rename that was given up may still win the race.
        let is_moved = matches!(renamed, Renamed::Stored(_)) || store.load(&new).await?.is_some();
        ensure!(is_moved, "after a `rename` that was dropped, another one answers {renamed:?}");
    }
    Ok(())
}

/// The one of the two ids that has a record.
async fn settled(store: &Probe, old: &SessionId, new: &SessionId) -> Checked<(SessionId, Loaded)> {
    let until = within(SETTLING);
    loop {
        match (store.load(new).await?, store.load(old).await?) {
            (Some(loaded), None) => return Ok((new.clone(), loaded)),
            (None, Some(loaded)) => return Ok((old.clone(), loaded)),
            (new, _) => {
                let found = if new.is_some() { "both ids have" } else { "no id has" };
                let is_late = Timestamp::now() > until;
                ensure!(!is_late, "after a `rename` that was dropped, {found} a record");
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn destroy_leaves_a_whole_record_or_none(store: Probe) -> Checked {
    for cut in CUTS {
        let (id, key, expires) = (id()?, key()?, within(HOUR));
        let revision = store.stored(&id, &indexed(1, &[&key]), expires).await?;
        cut.off(store.store().destroy(&id)).await;
        if let Some(loaded) = store.load(&id).await? {
            same(&loaded, &record(1), &revision, expires)?;
        }
        store.destroy(&id).await?;
        store.is_none(&id).await?;
        ensure!(!store.finds(&key, &id).await?, "`find` lists a destroyed session");
    }
    Ok(())
}

async fn listings_leave_the_store_usable(store: Probe) -> Checked {
    let key = key()?;
    let ids = store.filled(20, &[&key]).await?;
    for cut in CUTS {
        cut.off(store.store().all(None, 7)).await;
        cut.off(store.store().find(&key, None, 7)).await;
        cut.off(store.store().len()).await;
        let listed = store.listed(Some(&key), 7).await?;
        ensure!(listed.len() == ids.len(), "after a `find` that was dropped, {} of 20 are listed", listed.len());
    }
    Ok(())
}

/// The answer to what was given up must not become the next one's, nor its connection be lost.
async fn operations_give_no_answers_to_others(store: Probe) -> Checked {
    let (one, other, expires) = (id()?, id()?, within(HOUR));
    let first = store.stored(&one, &record(1), expires).await?;
    let second = store.stored(&other, &record(2), expires).await?;
    for round in 0..100 {
        let cut = if round % 10 == 0 { Cut::Wait(Duration::from_millis(1)) } else { Cut::Polls(1 + round % 3) };
        cut.off(store.store().load(&one, None)).await;
        store.holds(&other, &record(2), &second, expires).await?;
        cut.off(store.store().create(&one, record(3), expires)).await;
        cut.off(store.store().touch(&other, expires)).await;
        store.holds(&one, &record(1), &first, expires).await?;
    }
    let created = store.create(&one, &record(4), expires).await?;
    ensure!(created == Created::Taken, "`create` under a taken id answers {created:?}");
    Ok(())
}

impl Cut {
    /// Begins an operation and gives it up. It may have ended before.
    async fn off<T>(self, operation: StoreFuture<'_, T>) {
        match self {
            Self::Wait(wait) => drop(tokio::time::timeout(wait, operation).await),
            Self::Polls(times) => {
                let mut operation = pin!(operation);
                for _ in 0..times {
                    let poll = poll_fn(|context| Poll::Ready(operation.as_mut().poll(context).is_ready()));
                    if poll.await {
                        break;
                    }
                    tokio::task::yield_now().await;
                }
            }
        }
    }
}
