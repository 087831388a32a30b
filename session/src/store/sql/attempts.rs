//! Doing again what failed, where that is safe.

use std::time::Duration;

use sqlx::Error;

use super::driver::Driver;

/// How often a transaction that the server gave up is tried again, and how often a connection may be lost.
const TRANSIENT: u32 = 10;
const LOST: u32 = 3;

/// The tries of one operation.
pub(super) struct Attempts {
    transient: u32,
    lost: u32,
}

impl Attempts {
    pub(super) const fn new() -> Self {
        Self { transient: 0, lost: 0 }
    }

    /// Whether an earlier try may have been carried out, and its connections can't be trusted.
    pub(super) const fn has_lost_a_reply(&self) -> bool {
        self.lost > 0
    }

    /// Waits for the next try after this error.
    ///
    /// # Errors
    /// The error, if there is no next try.
    pub(super) async fn again<D: Driver>(&mut self, error: Error) -> Result<(), Error> {
        match &error {
            Error::Database(cause) if D::is_transient(&**cause) && self.transient < TRANSIENT => {
                self.transient += 1;
                tokio::time::sleep(Duration::from_millis(1 << self.transient.min(6))).await;
                Ok(())
            }
            _ if is_lost::<D>(&error) && self.lost < LOST => {
                self.lost += 1;
                // The first time at once; then whoever ends connections is perhaps not done with the others.
                if self.lost > 1 {
                    tokio::time::sleep(Duration::from_millis(5 << self.lost)).await;
                }
                Ok(())
            }
            _ => Err(error),
        }
    }
}

/// Whether the connection ended, so that nobody knows what the server did.
fn is_lost<D: Driver>(error: &Error) -> bool {
    match error {
        Error::Io(_) | Error::WorkerCrashed => true,
        Error::Database(cause) => D::is_lost(&**cause),
        _ => false,
    }
}
