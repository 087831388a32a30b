//! A kit that tests a store, anybody's, against the contract of [`Store`], the races included.
//!
//! [`run`] runs every case, and [`Report::assert`] tells which failed and why:
//!
//! ```
//! use session::MemoryStore;
//! use session::store::conformance;
//!
//! # #[tokio::main]
//! # async fn main() {
//! conformance::run(async || MemoryStore::new()).await.assert();
//! # }
//! ```
//!
//! A harness that reports each case as a test of its own takes them from [`cases`]:
//!
//! ```
//! use session::MemoryStore;
//! use session::store::conformance;
//!
//! # #[tokio::main]
//! # async fn main() {
//! for case in conformance::cases().filter(|case| case.name().starts_with("create::")) {
//!     let result = case.run(MemoryStore::new()).await;
//!     assert!(result.is_ok(), "{}: {result:?}", case.name());
//! }
//! # }
//! ```
//!
//! # The store under test
//!
//! - Each case gets a store that is empty and that nobody else uses: a folder, a table or a key prefix of its own on a
//!   server that others share. Ids are random, so what an earlier case left behind harms none but those that count or
//!   remove all sessions ([`Case::is_exclusive`]).
//! - It is cloned, and its clones are used from several tasks at once. An `Arc` of any store, `Arc<dyn Store>` too, is
//!   such a store.
//! - The cases need a tokio runtime with its clock; on a multi-threaded one, the races are real. Some wait for a record
//!   to expire; none takes longer than a minute.
//!
//! # What is tolerated
//!
//! - An expiry may be kept in whole seconds, rounded up. Up to 250 ms are the difference of clocks, either way.
//! - A revision may be a digest: it changes when a record is replaced by another text, not when by the same.
//! - A page may have up to ten times as many sessions as were asked for, and may be empty. A later page may have a session
//!   again.
//! - A renewal may move the expiry although it need not yet ([`Renewal::after`](crate::store::Renewal::after)).
//! - An id with a NUL may be refused with an error. It is never cut.

/// Ends a case unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err($crate::store::conformance::Failure::new(format!($($message)+)));
        }
    };
}

/// Takes steps while a brief expiry is ahead: again with a later one if it was no more, for a busy machine takes its time.
/// Gives what they gave, and the expiry.
macro_rules! in_time {
    (|$brief:ident| $steps:block) => {{
        let [mut life, longest] = $crate::store::conformance::sample::BRIEF;
        loop {
            let $brief = $crate::store::conformance::sample::within(life);
            let result: $crate::store::conformance::case::Checked<_> = async { $steps }.await;
            match result {
                Err(_) if $crate::store::conformance::sample::may_have_expired($brief) && life < longest => life *= 2,
                result => break result.map(|given| (given, $brief)),
            }
        }
    }};
}

/// The cases of a theme, each an async function of the store under test.
macro_rules! cases {
    ($theme:literal: [$($case:ident,)+] $(exclusive: [$($alone:ident,)+])?) => {
        pub(super) const CASES: &[$crate::store::conformance::Case] = &[
            $($crate::store::conformance::Case::new(
                concat!($theme, "::", stringify!($case)), false, |store| Box::pin($case(store))
            ),)+
            $($($crate::store::conformance::Case::new(
                concat!($theme, "::", stringify!($alone)), true, |store| Box::pin($alone(store))
            ),)+)?
        ];
    };
}

mod case;
mod create;
mod destroy;
mod dropped;
mod expiry;
mod handles;
mod ids;
mod index;
mod list;
mod load;
mod probe;
mod races;
mod rename;
mod renewal;
mod report;
mod sample;
mod texts;
mod touch;
mod update;

pub use self::case::{Case, Failure};
pub use self::report::{Outcome, Report};

use super::Store;

const THEMES: &[&[Case]] = &[
    load::CASES,
    create::CASES,
    update::CASES,
    touch::CASES,
    rename::CASES,
    destroy::CASES,
    expiry::CASES,
    renewal::CASES,
    ids::CASES,
    texts::CASES,
    list::CASES,
    index::CASES,
    races::CASES,
    dropped::CASES,
    handles::CASES,
];

/// All cases.
///
/// ```
/// use session::store::conformance;
///
/// assert!(conformance::cases().any(|case| case.name() == "create::leaves_a_taken_id_alone"));
/// ```
pub fn cases() -> impl Iterator<Item = &'static Case> {
    THEMES.iter().copied().flatten()
}

/// Runs all cases, one after the other. `open` opens the store anew for each.
pub async fn run<S: Store + Clone>(open: impl AsyncFn() -> S) -> Report {
    let mut report = Report::default();
    for case in cases() {
        let result = case.run(open().await).await;
        report.push(case, result);
    }
    report
}
