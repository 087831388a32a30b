//! Statements of this thread, by sqlx's own log. (What PostgreSQL does not log there is `COMMIT`, and transactions are
//! needed for indexed sessions alone.)

use std::cell::RefCell;
use std::fmt;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber, subscriber};

use crate::Outcome;

thread_local! {
    static STATEMENTS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Begins to take notes, for the rest of the process.
pub(super) fn watch() -> Outcome<()> {
    Ok(subscriber::set_global_default(Notes)?)
}

/// The first words of the statements since the last call.
pub(super) fn take() -> Vec<String> {
    STATEMENTS.take()
}

struct Notes;

impl Subscriber for Notes {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "sqlx::query"
    }

    fn event(&self, event: &Event<'_>) {
        event.record(&mut FirstWord);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

struct FirstWord;

impl Visit for FirstWord {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "summary" {
            let word = value.split_whitespace().next().unwrap_or_default().to_lowercase();
            STATEMENTS.with_borrow_mut(|statements| statements.push(word));
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}
