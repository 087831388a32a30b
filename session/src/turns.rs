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
    queues: Mutex<Queues>,
    /// How many there are, for those who only want to know that there is none.
    number: AtomicUsize,
}

/// Each queue, and how many places in it are taken.
type Queues = HashMap<SessionId, (usize, Arc<Queue>)>;

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
        let mut queues = self.queues();
        let (places, queue) = queues.get_mut(id)?;
        Some(self.place(id, places, queue))
    }

    /// A place in the queue of a session, which begins with it if there is none.
    pub(crate) fn join(&self, id: &SessionId) -> Place<'_> {
        let mut queues = self.queues();
        let (places, queue) = queues.entry(id.clone()).or_default();
        let place = self.place(id, places, queue);
        self.number.store(queues.len(), Ordering::Relaxed);
        place
    }

    fn place(&self, id: &SessionId, places: &mut usize, queue: &Arc<Queue>) -> Place<'_> {
        *places += 1;
        Place { turns: self, id: id.clone(), queue: Arc::clone(queue) }
    }

    /// A panic in another thread leaves the map whole.
    fn queues(&self) -> MutexGuard<'_, Queues> {
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
        let Some((places, _)) = queues.get_mut(&self.id) else { return };
        *places -= 1;
        if *places == 0 {
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that can't go on fails")]
mod tests {
    use std::hint::spin_loop;

    use super::*;

    #[test]
    fn places_that_are_left_at_the_same_time_leave_no_queue() {
        let (id, turns, arrivals, left) =
            (SessionId::random().unwrap(), Turns::default(), AtomicUsize::new(0), AtomicUsize::new(0));
        // Closer to each other than a barrier that sleeps would let them go on.
        let meet = |meetings: &mut usize| {
            arrivals.fetch_add(1, Ordering::SeqCst);
            *meetings += 1;
            while arrivals.load(Ordering::SeqCst) < 2 * *meetings {
                spin_loop();
            }
        };
        let come_and_go = || {
            let mut meetings = 0;
            for _ in 0..2000 {
                let place = turns.join(&id);
                meet(&mut meetings);
                drop(place);
                meet(&mut meetings);
                left.fetch_add(turns.queues().len(), Ordering::SeqCst);
                meet(&mut meetings);
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(come_and_go);
            scope.spawn(come_and_go);
        });
        assert_eq!(left.into_inner(), 0);
    }
}
