//! Requests of this process that write one session take turns, once they have got in each other's way.
//!
//! Compare-and-swap alone lets one of many writers win at a time, and each of the others asks the store in vain: with 64
//! of them, most of the store's work is refusing. In a queue, each writer begins with what the one before it has stored,
//! and is refused only because of another process.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::id::SessionId;
use crate::record::{Record, Revision};

/// The queues of a layer. Sessions that nobody contests have none.
#[derive(Default)]
pub(crate) struct Turns {
    queues: Mutex<HashMap<SessionId, Arc<Queue>>>,
    /// How many there are, for those who only want to know that there is none.
    number: AtomicUsize,
}

type Queue = tokio::sync::Mutex<Known>;

/// What those in a queue know from those before them.
#[derive(Default)]
enum Known {
    #[default]
    Nothing,
    /// The session as it was stored last.
    Stored(Record, Revision),
    /// The store failed: nobody waits for somebody else's failure.
    Failure,
}

impl Turns {
    /// A place in the queue of a session, if it has one.
    pub(crate) fn contested(&self, id: &SessionId) -> Option<Place<'_>> {
        if self.number.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let queue = Arc::clone(self.queues().get(id)?);
        Some(Place { turns: self, id: id.clone(), queue })
    }

    /// A place in the queue of a session, which begins with it if there is none.
    pub(crate) fn join(&self, id: &SessionId) -> Place<'_> {
        let mut queues = self.queues();
        let queue = Arc::clone(queues.entry(id.clone()).or_default());
        self.number.store(queues.len(), Ordering::Relaxed);
        Place { turns: self, id: id.clone(), queue }
    }

    /// A panic in another thread leaves the map whole.
    fn queues(&self) -> MutexGuard<'_, HashMap<SessionId, Arc<Queue>>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in a queue. It is left when the value is dropped.
pub(crate) struct Place<'a> {
    turns: &'a Turns,
    id: SessionId,
    queue: Arc<Queue>,
}

impl Place<'_> {
    /// Waits for one's turn.
    pub(crate) async fn turn(&self) -> Turn<'_> {
        let known = self.queue.lock().await;
        Turn((!matches!(*known, Known::Failure)).then_some(known))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut queues = self.turns.queues();
        // The map's, and this one: places are taken under the same lock.
        if Arc::strong_count(&self.queue) == 2 {
            queues.remove(&self.id);
            self.turns.number.store(queues.len(), Ordering::Relaxed);
        }
    }
}

/// A turn, which ends when the value is dropped. After a failure of the store all in the queue go on at the same time.
pub(crate) struct Turn<'a>(Option<tokio::sync::MutexGuard<'a, Known>>);

impl Turn<'_> {
    /// What the one before has stored.
    pub(crate) fn latest(&mut self) -> Option<(Record, Revision)> {
        match std::mem::take(&mut **self.0.as_mut()?) {
            Known::Stored(record, revision) => Some((record, revision)),
            _ => None,
        }
    }

    /// Tells the next one what is stored.
    pub(crate) fn stored(mut self, record: Record, revision: Revision) {
        self.tell(Known::Stored(record, revision));
    }

    /// Tells the others that the store failed.
    pub(crate) fn failed(mut self) {
        self.tell(Known::Failure);
    }

    fn tell(&mut self, known: Known) {
        if let Some(place) = &mut self.0 {
            **place = known;
        }
    }
}
