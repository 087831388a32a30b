//! A case, and why it failed.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio::task::JoinError;

use super::probe::Probe;
use crate::error::SessionError;
use crate::store::Store;

/// A store that gave no answer for so long gives none any more.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// What becomes of a case, or of a step of it.
pub(super) type Checked<T = ()> = Result<T, Failure>;

type Check = fn(Probe) -> Pin<Box<dyn Future<Output = Checked> + Send>>;

/// One thing that the contract asks for.
pub struct Case {
    name: &'static str,
    is_exclusive: bool,
    check: Check,
}

impl Case {
    pub(super) const fn new(name: &'static str, is_exclusive: bool, check: Check) -> Self {
        Self { name, is_exclusive, check }
    }

    /// Its name: a theme and what the store does, as in `create::leaves_a_taken_id_alone`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Whether it counts or removes all sessions, so that the store must be empty and nobody else may use it.
    #[must_use]
    pub const fn is_exclusive(&self) -> bool {
        self.is_exclusive
    }

    /// Tests a store.
    ///
    /// # Errors
    /// What the store did, and what it should have done. A store that panics, or gives no answer within a minute, has
    /// failed.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn run<S: Store + Clone>(&self, store: S) -> Result<(), Failure> {
        let mut task = tokio::spawn((self.check)(Probe::new(store)));
        match tokio::time::timeout(TIME_LIMIT, &mut task).await {
            Ok(result) => result?,
            Err(_) => {
                task.abort();
                Err(Failure::new(format!("the store gave no answer within {} s", TIME_LIMIT.as_secs())))
            }
        }
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Case({})", self.name)
    }
}

/// Why a store failed a case: what it did, and what it should have done.
#[derive(Clone, Debug)]
pub struct Failure(String);

impl Failure {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// An operation that answered with an error.
    pub(super) fn of_operation(operation: &str, error: &dyn Error) -> Self {
        let mut message = format!("`{operation}` failed: {error}");
        let mut source = error.source();
        while let Some(cause) = source {
            message = format!("{message}: {cause}");
            source = cause.source();
        }
        Self(message)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Failure {}

impl From<SessionError> for Failure {
    fn from(error: SessionError) -> Self {
        Self(format!("no session id: {error}"))
    }
}

impl From<JoinError> for Failure {
    fn from(error: JoinError) -> Self {
        Self(format!("the store's task ended before it had answered: {error}"))
    }
}
