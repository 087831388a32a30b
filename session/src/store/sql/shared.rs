//! What the clones of a store share: the pool, the statements, the task that removes expired sessions.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use sqlx::Connection as _;
use sqlx::pool::PoolConnection;
use sqlx::{Error, Pool};
use tokio::sync::{Mutex, MutexGuard, OnceCell};
use tokio::task::AbortHandle;

use super::attempts::Attempts;
use super::dialect::Statements;
use super::driver::Driver;
#[cfg(any(feature = "postgres", feature = "mysql"))]
use crate::error::StoreError;

/// How many expired sessions are removed in one step.
pub(super) const BATCH: u32 = 1000;

/// How long a server may take to let a connection in.
#[cfg(any(feature = "postgres", feature = "mysql"))]
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a pool has no connection: it says itself only that it has waited for too long. One connection says more.
#[cfg(any(feature = "postgres", feature = "mysql"))]
pub(super) async fn cause<C: sqlx::Connection>(url: &str, error: Error) -> StoreError {
    if !matches!(error, Error::PoolTimedOut) {
        return StoreError::new(error);
    }
    match tokio::time::timeout(CONNECT_TIMEOUT, C::connect(url)).await {
        Ok(Err(cause)) => StoreError::new(cause),
        _ => StoreError::new(error),
    }
}

#[derive(Clone)]
pub(super) struct Settings {
    pub(super) table: Box<str>,
    pub(super) sweep_interval: Duration,
    pub(super) time_zone: Option<Box<str>>,
}

pub(super) struct Shared<D: Driver> {
    pub(super) pool: Pool<D::Database>,
    pub(super) settings: Settings,
    statements: OnceCell<Statements>,
    /// Locked by who writes, if the database has one writer at a time and makes others wait by turning them away.
    writer: Option<Mutex<()>>,
}

impl<D: Driver> Shared<D> {
    pub(super) fn new(pool: Pool<D::Database>, settings: Settings) -> Arc<Self> {
        let writer = D::DIALECT.single_writer.then(Mutex::default);
        Arc::new(Self { pool, settings, statements: OnceCell::new(), writer })
    }

    pub(super) async fn statements(&self) -> Result<&Statements, Error> {
        match self.statements.get() {
            Some(statements) => Ok(statements),
            // Boxed, since only the first operation gets here, and each has room for it otherwise.
            None => Box::pin(self.make_statements()).await,
        }
    }

    async fn make_statements(&self) -> Result<&Statements, Error> {
        let made = async {
            let zone = match &self.settings.time_zone {
                Some(zone) => zone.to_string(),
                None if D::DIALECT.has_time_zone => self.time_zone().await?,
                None => String::new(),
            };
            Ok(Statements::new(&D::DIALECT, &self.settings.table, &zone))
        };
        self.statements.get_or_try_init(|| made).await
    }

    async fn time_zone(&self) -> Result<String, Error> {
        let mut attempts = Attempts::new();
        loop {
            let mut connection = self.acquire(&attempts).await?;
            let zone = D::time_zone(&mut connection).await;
            match connection.ended(zone) {
                Ok(zone) => return Ok(zone),
                Err(error) => attempts.again::<D>(error).await?,
            }
        }
    }

    /// A connection; after one was lost, one that answers.
    pub(super) async fn acquire(&self, attempts: &Attempts) -> Result<InUse<D>, Error> {
        if attempts.has_lost_a_reply() { Box::pin(self.acquire_that_answers()).await } else { self.acquire_any().await }
    }

    async fn acquire_any(&self) -> Result<InUse<D>, Error> {
        Ok(InUse { connection: self.pool.acquire().await?, is_done: false })
    }

    /// Connections that idled while another one was lost were lost, too. One that says nothing until the operation is given
    /// up is closed as any other in use: sqlx would ask it again, with no end, before its place in the pool is free.
    async fn acquire_that_answers(&self) -> Result<InUse<D>, Error> {
        let mut connection = self.acquire_any().await?;
        for _ in 0..self.pool.options().get_max_connections() {
            if connection.ping().await.is_ok() {
                break;
            }
            drop(connection);
            connection = self.acquire_any().await?;
        }
        Ok(connection)
    }

    pub(super) async fn write_alone(&self) -> Option<MutexGuard<'_, ()>> {
        match &self.writer {
            Some(writer) => Some(writer.lock().await),
            None => None,
        }
    }

    /// Removes all sessions that have expired.
    pub(super) async fn sweep_all(&self) -> Result<u64, Error> {
        let mut removed = 0;
        loop {
            let batch = self.sweep(BATCH).await?;
            removed += batch;
            if batch < BATCH.into() {
                return Ok(removed);
            }
            tokio::task::yield_now().await;
        }
    }
}

/// The task that removes expired sessions. It ends with the last clone of the store, in the middle of its work or not.
#[derive(Default)]
pub(super) struct Sweeper(OnceLock<AbortHandle>);

impl Sweeper {
    /// Starts with the first operation.
    pub(super) fn start<D: Driver>(&self, shared: &Arc<Shared<D>>) {
        if !shared.settings.sweep_interval.is_zero() {
            self.0.get_or_init(|| tokio::spawn(sweep_repeatedly(Arc::clone(shared))).abort_handle());
        }
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        if let Some(task) = self.0.get() {
            task.abort();
        }
    }
}

async fn sweep_repeatedly<D: Driver>(shared: Arc<Shared<D>>) {
    loop {
        tokio::time::sleep(shared.settings.sweep_interval).await;
        if let Err(error) = shared.sweep_all().await {
            tracing::warn!(%error, "expired sessions could not be removed; this is tried again");
        }
    }
}

/// A connection in use. If the work on it is given up half-way, it is closed where sqlx loses track of that: with MySQL and
/// PostgreSQL, a transaction whose beginning was not confirmed would stay open, so that what others write with the
/// connection looks stored, and is lost. It is closed, too, if the server takes no writes any more: the next one leads to
/// the server that does.
pub(super) struct InUse<D: Driver> {
    connection: PoolConnection<D::Database>,
    is_done: bool,
}

impl<D: Driver> InUse<D> {
    /// Gives the connection back with this result: nothing is under way on it.
    pub(super) fn ended<T>(mut self, result: Result<T, Error>) -> Result<T, Error> {
        self.is_done = !matches!(&result, Err(Error::Database(cause)) if D::is_demoted(&**cause));
        result
    }
}

impl<D: Driver> Deref for InUse<D> {
    type Target = PoolConnection<D::Database>;

    fn deref(&self) -> &Self::Target {
        &self.connection
    }
}

impl<D: Driver> DerefMut for InUse<D> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.connection
    }
}

impl<D: Driver> Drop for InUse<D> {
    fn drop(&mut self) {
        if !self.is_done && D::DIALECT.closes_dropped {
            self.connection.close_on_drop();
        }
    }
}
