//! A wait for a store ends with its answer or at its limit, to the millisecond, whatever other waits there were.

#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

use std::future::pending;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use session::StoreError;
use session::store::StoreFuture;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

/// All in milliseconds.
#[derive(Clone, Copy, Debug)]
struct Wait {
    start: u64,
    limit: u64,
    answer: Option<u64>,
    given_up: Option<u64>,
}

#[derive(Debug, PartialEq)]
enum Ending {
    Answer,
    Limit(Duration),
    GivenUp,
    Failure(String),
}

impl Wait {
    /// How it is to end, and when.
    fn expected(self) -> (Ending, u64) {
        let answered = self.answer.map(|after| (after, Ending::Answer));
        let given_up = self.given_up.map(|after| (after, Ending::GivenUp));
        let limit = Some((self.limit, Ending::Limit(millis(self.limit))));
        let (after, ending) =
            [answered, given_up, limit].into_iter().flatten().min_by_key(|(after, _)| *after).unwrap();
        (ending, self.start + after)
    }

    async fn ended(self) -> (Ending, u64) {
        let begin = Instant::now();
        sleep(millis(self.start)).await;
        let answer = StoreFuture::new(async move {
            match self.answer {
                Some(after) => sleep(millis(after)).await,
                None => pending().await,
            }
            Ok(())
        });
        let waited = answer.within(millis(self.limit));
        let ending = match self.given_up {
            Some(after) => timeout(millis(after), waited).await,
            None => Ok(waited.await),
        };
        let ending = match ending {
            Ok(Ok(())) => Ending::Answer,
            Ok(Err(StoreError::Timeout { after })) => Ending::Limit(after),
            Ok(Err(error)) => Ending::Failure(error.to_string()),
            Err(_) => Ending::GivenUp,
        };
        (ending, u64::try_from(begin.elapsed().as_millis()).unwrap())
    }
}

/// No two things happen to a wait at the same time.
fn waits() -> impl Strategy<Value = Vec<Wait>> {
    let moment = || 1..2_000_u64;
    let wait = (moment(), moment(), prop::option::weighted(0.8, moment()), prop::option::weighted(0.1, moment()));
    vec(
        wait.prop_map(|(start, limit, answer, given_up)| Wait {
            start,
            limit: 3 * limit,
            answer: answer.map(|answer| 3 * answer + 1),
            given_up: given_up.map(|given_up| 3 * given_up + 2),
        }),
        1..200,
    )
}

const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

proptest! {
    // Each case has a runtime of its own, on the thread of the one before.
    #[test]
    fn a_wait_ends_with_its_answer_or_at_its_limit(waits in waits()) {
        let endings = runtime().block_on(async {
            let mut tasks = JoinSet::new();
            for (number, wait) in waits.iter().copied().enumerate() {
                tasks.spawn(async move { (number, wait.ended().await) });
            }
            tasks.join_all().await
        });
        for (number, ending) in endings {
            prop_assert_eq!(ending, waits[number].expected(), "{:?}", waits[number]);
        }
    }
}

#[test]
fn a_limit_of_all_time_is_none() {
    runtime().block_on(async {
        let answer = StoreFuture::new(async {
            sleep(Duration::from_secs(3600)).await;
            Ok(7)
        });
        assert_eq!(answer.within(Duration::MAX).await.unwrap(), 7);
    });
}

#[test]
fn a_wait_knows_nothing_of_one_before_it_in_another_runtime() {
    let answered = async |after| {
        let answer = StoreFuture::new(async move {
            sleep(millis(after)).await;
            Ok(())
        });
        answer.within(millis(1_000)).await.unwrap();
    };
    let (passing, lasting) = (runtime(), runtime());
    let mut waiting = Box::pin(answered(10));
    assert!(passing.block_on(async { timeout(millis(5), &mut waiting).await }).is_err());
    lasting.block_on(answered(5));
    passing.block_on(waiting);
    drop(passing);
    lasting.block_on(async {
        let (begin, limit) = (Instant::now(), millis(100));
        let ended = StoreFuture::<()>::new(pending()).within(limit).await;
        assert!(matches!(ended, Err(StoreError::Timeout { after }) if after == limit));
        assert_eq!(begin.elapsed(), limit);
    });
}
