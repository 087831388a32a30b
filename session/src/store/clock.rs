//! Clocks for waits that have a limit.

use std::cell::RefCell;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::runtime::{Handle, Id};
use tokio::time::{Instant, Sleep, sleep, sleep_until};

/// A clock that is set for one wait, and kept by its thread for the next one.
///
/// To set a timer and to take it back costs two locks, and, where no other one is set for an earlier moment, a system call
/// that wakes the runtime up for it; and hardly any wait lasts until its limit. So a clock goes on when its wait is over.
/// The next wait only notes when it ends itself, and sets the clock anew if that strikes before.
pub(super) struct Clock {
    /// Strikes when the wait has lasted too long, or before.
    sleep: Pin<Box<Sleep>>,
    deadline: Instant,
    runtime: Id,
}

/// A thread's clocks that nobody waits with, all of one runtime.
struct Idle {
    runtime: Option<Id>,
    clocks: Vec<Pin<Box<Sleep>>>,
}

/// How many clocks a thread keeps.
const CAPACITY: usize = 128;

thread_local! {
    static IDLE: RefCell<Idle> = const { RefCell::new(Idle { runtime: None, clocks: Vec::new() }) };
}

impl Clock {
    /// A clock for a wait of this length, from now on.
    ///
    /// # Panics
    /// Outside a Tokio runtime, or in one without a clock, as [`sleep`] does.
    pub(super) fn set(limit: Duration) -> Self {
        let runtime = Handle::current().id();
        let deadline = Instant::now().checked_add(limit).unwrap_or_else(|| sleep(limit).deadline());
        let mut sleep = taken(runtime).unwrap_or_else(|| Box::pin(sleep_until(deadline)));
        if sleep.deadline() > deadline {
            sleep.as_mut().reset(deadline);
        }
        Self { sleep, deadline, runtime }
    }

    /// Whether the wait has lasted too long.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.sleep.as_mut().poll(context));
            if self.sleep.deadline() >= self.deadline {
                return Poll::Ready(());
            }
            self.sleep.as_mut().reset(self.deadline);
        }
    }

    /// Keeps the clock for another wait. Whoever waited with it may be woken up by it once more.
    pub(super) fn put_back(self) {
        let Self { sleep, runtime, .. } = self;
        let surplus = IDLE.with_borrow_mut(|idle| {
            if idle.runtime != Some(runtime) || idle.clocks.len() == CAPACITY {
                return Some(sleep);
            }
            idle.clocks.push(sleep);
            None
        });
        // Not while they are borrowed: with a clock, what it would have woken up may come to its end.
        drop(surplus);
    }
}

/// A clock of this runtime, by the number that Tokio gives each. Those of another one, which may have ended, are let go.
fn taken(runtime: Id) -> Option<Pin<Box<Sleep>>> {
    let (clock, foreign) = IDLE.with_borrow_mut(|idle| {
        if idle.runtime.replace(runtime) == Some(runtime) {
            (idle.clocks.pop(), Vec::new())
        } else {
            (None, mem::take(&mut idle.clocks))
        }
    });
    drop(foreign);
    clock
}
