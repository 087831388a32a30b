//! Clones of the store, and tasks that use them.

use super::case::Checked;
use super::probe::{Probe, together};
use super::sample::{HOUR, id, indexed, key, record, within};

cases! {
    "handles": [
        share_their_sessions,
        outlive_the_first,
        are_used_from_many_tasks,
    ]
}

async fn share_their_sessions(store: Probe) -> Checked {
    let (id, new, key, expires) = (id()?, id()?, key()?, within(HOUR));
    let other = store.clone();
    let first = store.stored(&id, &indexed(1, &[&key]), expires).await?;
    other.holds(&id, &record(1), &first, expires).await?;
    let second = other.replaced(&id, first, &indexed(2, &[&key]), expires).await?;
    store.holds(&id, &record(2), &second, expires).await?;
    ensure!(other.finds(&key, &id).await?, "a clone of the store does not find a session by its key");
    ensure!(other.listed(None, 100).await?.contains_key(&id), "a clone of the store does not list a session");
    let third = store.renamed((&id, second), &new, &record(3), expires).await?;
    other.is_none(&id).await?;
    other.holds(&new, &record(3), &third, expires).await?;
    other.destroy(&new).await?;
    store.is_none(&new).await
}

async fn outlive_the_first(store: Probe) -> Checked {
    let (id, expires) = (id()?, within(HOUR));
    let revision = store.stored(&id, &record(1), expires).await?;
    let clone = store.clone();
    drop(store);
    clone.holds(&id, &record(1), &revision, expires).await?;
    clone.replaced(&id, revision, &record(2), expires).await?;
    Ok(())
}

async fn are_used_from_many_tasks(store: Probe) -> Checked {
    let tasks = (0..32).map(|number| {
        let store = store.clone();
        async move {
            let (id, new, expires) = (id()?, id()?, within(HOUR));
            let first = store.stored(&id, &record(number), expires).await?;
            store.holds(&id, &record(number), &first, expires).await?;
            let second = store.replaced(&id, first, &record(number + 100), expires).await?;
            store.touch(&id, expires).await?;
            let third = store.renamed((&id, second), &new, &record(number + 200), expires).await?;
            store.holds(&new, &record(number + 200), &third, expires).await?;
            store.destroy(&new).await?;
            store.is_none(&new).await
        }
    });
    together(tasks).await?;
    Ok(())
}
