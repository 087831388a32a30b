//! The answer of a store, at once or later.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;

use super::clock::Clock;
use crate::error::StoreError;

/// What a store's operation returns: an answer that is there at once, which costs no allocation, or a boxed future.
///
/// ```
/// use session::store::StoreFuture;
///
/// fn at_once<'a>() -> StoreFuture<'a, usize> {
///     StoreFuture::ready(Ok(7))
/// }
///
/// fn after_io<'a>() -> StoreFuture<'a, usize> {
///     StoreFuture::new(async { Ok(7) })
/// }
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// assert_eq!(at_once().await?, after_io().await?);
/// # Ok::<(), session::StoreError>(()) }).unwrap();
/// ```
#[must_use = "a store does nothing until it is awaited"]
pub struct StoreFuture<'a, T>(Answer<'a, T>);

enum Answer<'a, T> {
    Ready(Option<Result<T, StoreError>>),
    Later(Pin<Box<Later<Waited<'a, T>>>>),
}

type Waited<'a, T> = dyn Future<Output = Result<T, StoreError>> + Send + 'a;

pin_project! {
    /// An answer that is waited for, and how long.
    struct Later<F: ?Sized> {
        limit: Option<Duration>,
        clock: Option<Clock>,
        #[pin]
        answer: F,
    }
}

impl<'a, T> StoreFuture<'a, T> {
    /// An answer that is there.
    pub const fn ready(answer: Result<T, StoreError>) -> Self {
        Self(Answer::Ready(Some(answer)))
    }

    /// An answer that has to be waited for.
    pub fn new(answer: impl Future<Output = Result<T, StoreError>> + Send + 'a) -> Self {
        Self(Answer::Later(Box::pin(Later { limit: None, clock: None, answer })))
    }

    /// Gives up after so long a wait, with [`StoreError::Timeout`]. Of several limits the shortest counts. The layer sets
    /// [`Options::store_timeout`](crate::Options::store_timeout); a store sets one only if it knows better.
    ///
    /// A future with a limit is to be polled in a Tokio runtime that has a clock. An answer that is there at once needs
    /// none. The waits of a thread use the same timers again, so that a limit costs little unless it is reached.
    ///
    /// ```
    /// use std::time::Duration;
    /// use session::StoreError;
    /// use session::store::StoreFuture;
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let never = StoreFuture::<()>::new(std::future::pending());
    /// let limit = Duration::from_millis(10);
    /// assert!(matches!(never.within(limit).await, Err(StoreError::Timeout { after }) if after == limit));
    /// # });
    /// ```
    pub fn within(mut self, limit: Duration) -> Self {
        if let Answer::Later(later) = &mut self.0 {
            let kept = later.as_mut().project().limit;
            *kept = Some(kept.map_or(limit, |kept| kept.min(limit)));
        }
        self
    }

    /// The answer, if it is there; otherwise what has to be awaited.
    pub(crate) fn into_answer(self) -> Result<Result<T, StoreError>, Self> {
        match self.0 {
            Answer::Ready(Some(answer)) => Ok(answer),
            later => Err(Self(later)),
        }
    }
}

/// The answer of a [`StoreFuture`], awaited if it must be. What is kept while something is awaited lies in the future that
/// awaits it; an answer that is there need not go there.
macro_rules! answer {
    ($future:expr) => {
        match $future.into_answer() {
            Ok(answer) => answer,
            Err(later) => later.await,
        }
    };
}

pub(crate) use answer;

/// A ready answer is moved out, never pinned.
impl<T> Unpin for StoreFuture<'_, T> {}

impl<T> Future for StoreFuture<'_, T> {
    type Output = Result<T, StoreError>;

    /// # Panics
    /// If it is polled again after it has answered.
    #[expect(clippy::expect_used, reason = "as every future, it is not polled after it has ended")]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Answer::Ready(answer) => Poll::Ready(answer.take().expect("polled after it had answered")),
            Answer::Later(answer) => answer.as_mut().poll(context),
        }
    }
}

impl<T, F: Future<Output = Result<T, StoreError>> + ?Sized> Future for Later<F> {
    type Output = F::Output;

    /// The clock starts when the answer isn't there at the first look.
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        if let Poll::Ready(answer) = this.answer.poll(context) {
            if let Some(clock) = this.clock.take() {
                clock.put_back();
            }
            return Poll::Ready(answer);
        }
        let Some(after) = *this.limit else { return Poll::Pending };
        ready!(this.clock.get_or_insert_with(|| Clock::set(after)).poll(context));
        Poll::Ready(Err(StoreError::Timeout { after }))
    }
}

impl<T> fmt::Debug for StoreFuture<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreFuture(..)")
    }
}
