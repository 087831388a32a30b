//! What became of the cases.

use std::fmt;

use super::{Case, Failure};

/// What became of all cases. `Display` gives a line for each.
#[derive(Debug, Default)]
pub struct Report {
    outcomes: Vec<Outcome>,
}

/// What became of a case.
#[derive(Debug)]
#[non_exhaustive]
pub struct Outcome {
    /// The case.
    pub case: &'static Case,
    /// Why it failed, if it did.
    pub failure: Option<Failure>,
}

impl Report {
    pub(super) fn push(&mut self, case: &'static Case, result: Result<(), Failure>) {
        self.outcomes.push(Outcome { case, failure: result.err() });
    }

    /// The outcome of each case, in order.
    #[must_use]
    pub fn outcomes(&self) -> &[Outcome] {
        &self.outcomes
    }

    /// Whether the store keeps the contract.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.outcomes.iter().all(|outcome| outcome.failure.is_none())
    }

    /// Ends the test if a case failed.
    ///
    /// # Panics
    /// If a case failed, with the names of all that did, and why.
    #[expect(clippy::panic, reason = "it is an assertion of the test that calls it")]
    #[track_caller]
    pub fn assert(&self) {
        if !self.passed() {
            let failed = self.outcomes.iter().filter(|outcome| outcome.failure.is_some());
            let lines: String = failed.map(|outcome| format!("\n{outcome}")).collect();
            panic!("the store does not keep the contract:{lines}");
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.outcomes.iter().try_for_each(|outcome| writeln!(f, "{outcome}"))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.case.name();
        match &self.failure {
            None => write!(f, "{name}: passed"),
            Some(failure) => write!(f, "{name}: FAILED: {failure}"),
        }
    }
}
