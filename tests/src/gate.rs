//! Order without clocks: handlers that wait until a test lets them go on.

use std::sync::Arc;

use tokio::sync::Semaphore;

/// A point in a handler where it waits. Clones are one gate.
#[derive(Clone, Debug)]
pub struct Gate {
    waiting: Arc<Semaphore>,
    open: Arc<Semaphore>,
}

impl Default for Gate {
    fn default() -> Self {
        Self { waiting: Arc::new(Semaphore::new(0)), open: Arc::new(Semaphore::new(0)) }
    }
}

impl Gate {
    /// In a handler: waits here until the gate is opened for one.
    pub async fn pass(&self) {
        self.waiting.add_permits(1);
        self.open.acquire().await.expect("it is never closed").forget();
    }

    /// In a test: waits until this many more handlers are at the gate.
    pub async fn wait_for(&self, handlers: u32) {
        self.waiting.acquire_many(handlers).await.expect("it is never closed").forget();
    }

    /// In a test: lets this many handlers go on.
    pub fn open(&self, handlers: usize) {
        self.open.add_permits(handlers);
    }
}
