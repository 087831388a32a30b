//! A store around another one: it keeps a log of what it was asked, and fails or waits on demand.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use session::store::{
    Created, Cursor, IndexKey, Loaded, Page, Record, Renamed, Renewal, Revision, StoreFuture, Updated,
};
use session::{SessionId, Store, StoreError, Timestamp};

/// An operation of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are named as in the trait")]
pub enum Operation {
    Load,
    Create,
    Update,
    Touch,
    Rename,
    Destroy,
    Len,
    Clear,
    /// `all`, or `find`.
    List,
}

/// What an operation does in place of its work.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// It fails before it does anything.
    Error,
    /// It does its work, and then fails: the reply was lost.
    LostReply,
    /// It does its work, and answers so much later.
    LateReply(Duration),
    /// It waits so long before it does its work.
    Delay(Duration),
}

/// A store that can be watched and made to fail. Clones share everything.
#[derive(Clone, Debug)]
pub struct FaultyStore<S> {
    inner: S,
    log: Arc<Mutex<Vec<Operation>>>,
    /// Each with how many operations it spares first.
    faults: Arc<Mutex<Vec<(Operation, u32, Fault)>>>,
    misses_next: Arc<AtomicBool>,
    is_apart: bool,
}

impl<S: Store> FaultyStore<S> {
    /// A store around `inner`, without faults.
    pub fn new(inner: S) -> Self {
        Self { inner, log: Arc::default(), faults: Arc::default(), misses_next: Arc::default(), is_apart: false }
    }

    /// The same store as one in another process: it gives texts.
    #[must_use]
    pub fn apart(self) -> Self {
        Self { is_apart: true, ..self }
    }

    /// From now on, `operation` has this fault.
    pub fn inject(&self, operation: Operation, fault: Fault) {
        self.inject_after(0, operation, fault);
    }

    /// The same after so many more of these operations.
    pub fn inject_after(&self, spared: u32, operation: Operation, fault: Fault) {
        self.faults.lock().unwrap().push((operation, spared, fault));
    }

    /// From now on, nothing has a fault.
    pub fn heal(&self) {
        self.faults.lock().unwrap().clear();
    }

    /// The next listing by an index shows nothing, as if the session had changed its id while it was made.
    pub fn miss_next(&self) {
        self.misses_next.store(true, Ordering::Relaxed);
    }

    /// What was asked since the last call, listings aside.
    pub fn take_log(&self) -> Vec<Operation> {
        std::mem::take(&mut self.log.lock().unwrap())
    }

    /// What a store in another process would have read.
    fn read(&self, loaded: Loaded) -> Loaded {
        if !self.is_apart {
            return loaded;
        }
        Loaded { record: Record::from_json(loaded.record.json().clone()), ..loaded }
    }

    fn carry_out<'a, T: Send + 'a>(&self, operation: Operation, work: StoreFuture<'a, T>) -> StoreFuture<'a, T> {
        self.log.lock().unwrap().push(operation);
        self.faulty(operation, work)
    }

    fn fault_of(&self, operation: Operation) -> Option<Fault> {
        let mut faults = self.faults.lock().unwrap();
        let (_, spared, fault) = faults.iter_mut().find(|(faulty, ..)| *faulty == operation)?;
        let is_due = *spared == 0;
        *spared = spared.saturating_sub(1);
        is_due.then_some(*fault)
    }

    fn faulty<'a, T: Send + 'a>(&self, operation: Operation, work: StoreFuture<'a, T>) -> StoreFuture<'a, T> {
        let fault = self.fault_of(operation);
        StoreFuture::new(async move {
            match fault {
                None => work.await,
                Some(Fault::Error) => Err(StoreError::new("the server is down")),
                Some(Fault::LostReply) => work.await.and(Err(StoreError::new("the connection broke"))),
                Some(Fault::LateReply(delay)) => {
                    let done = work.await;
                    tokio::time::sleep(delay).await;
                    done
                }
                Some(Fault::Delay(delay)) => {
                    tokio::time::sleep(delay).await;
                    work.await
                }
            }
        })
    }
}

/// The inner operation begins when it is awaited, so that a failing one does nothing.
macro_rules! deferred {
    ($work:expr) => {
        StoreFuture::new(async move { $work.await })
    };
}

impl<S: Store> Store for FaultyStore<S> {
    fn load<'a>(&'a self, id: &'a SessionId, renewal: Option<Renewal>) -> StoreFuture<'a, Option<Loaded>> {
        let load = async move { Ok(self.inner.load(id, renewal).await?.map(|loaded| self.read(loaded))) };
        self.carry_out(Operation::Load, StoreFuture::new(load))
    }

    fn create<'a>(&'a self, id: &'a SessionId, record: Record, expires: Timestamp) -> StoreFuture<'a, Created> {
        self.carry_out(Operation::Create, deferred!(self.inner.create(id, record, expires)))
    }

    fn update<'a>(
        &'a self,
        id: &'a SessionId,
        expected: Revision,
        record: Record,
        expires: Timestamp,
    ) -> StoreFuture<'a, Updated> {
        let update = async move {
            Ok(match self.inner.update(id, expected, record, expires).await? {
                Updated::Conflict(theirs) => Updated::Conflict(self.read(theirs)),
                other => other,
            })
        };
        self.carry_out(Operation::Update, StoreFuture::new(update))
    }

    fn touch<'a>(&'a self, id: &'a SessionId, expires: Timestamp) -> StoreFuture<'a, bool> {
        self.carry_out(Operation::Touch, deferred!(self.inner.touch(id, expires)))
    }

    fn rename<'a>(
        &'a self,
        old: &'a SessionId,
        expected: Revision,
        new: &'a SessionId,
        record: Record,
        expires: Timestamp,
    ) -> StoreFuture<'a, Renamed> {
        let rename = async move {
            Ok(match self.inner.rename(old, expected, new, record, expires).await? {
                Renamed::Conflict(theirs) => Renamed::Conflict(self.read(theirs)),
                other => other,
            })
        };
        self.carry_out(Operation::Rename, StoreFuture::new(rename))
    }

    fn destroy<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, ()> {
        self.carry_out(Operation::Destroy, deferred!(self.inner.destroy(id)))
    }

    fn all(&self, after: Option<Cursor>, limit: usize) -> StoreFuture<'_, Page> {
        self.faulty(Operation::List, deferred!(self.inner.all(after, limit)))
    }

    fn find<'a>(&'a self, key: &'a IndexKey, after: Option<Cursor>, limit: usize) -> StoreFuture<'a, Page> {
        if self.misses_next.swap(false, Ordering::Relaxed) {
            return StoreFuture::ready(Ok(Page { sessions: Vec::new(), next: None }));
        }
        self.faulty(Operation::List, deferred!(self.inner.find(key, after, limit)))
    }

    fn len(&self) -> StoreFuture<'_, usize> {
        self.carry_out(Operation::Len, self.inner.len())
    }

    fn clear(&self) -> StoreFuture<'_, ()> {
        self.carry_out(Operation::Clear, deferred!(self.inner.clear()))
    }

    fn shares_records(&self) -> bool {
        self.inner.shares_records() && !self.is_apart
    }
}
