//! Ids, records and expiries to test with, and how they are compared.

use std::time::Duration;

use super::case::{Checked, Failure};
use crate::id::SessionId;
use crate::store::{IndexKey, Loaded, Record, Renewal, Revision, Timestamp};

pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const HOUR: Duration = Duration::from_secs(3600);
/// The life of a record that is to expire during a case.
pub(super) const SHORT: Duration = Duration::from_millis(100);
/// The life of a record that is to be renewed, and then to outlive what it had: the first one that is tried, and the
/// last.
pub(super) const BRIEF: [Duration; 2] = [Duration::from_millis(400), Duration::from_secs(12)];

/// How much earlier than asked for a record may expire: the difference of clocks, and the way of an answer.
const EARLY: Duration = Duration::from_millis(250);
/// How much later: an expiry may be kept in whole seconds, rounded up.
pub(super) const LATE: Duration = Duration::from_millis(1100);

/// An id that no other case has.
pub(super) fn id() -> Checked<SessionId> {
    Ok(SessionId::random()?)
}

/// The record number so and so: of two numbers, the texts differ.
pub(super) fn record(number: u64) -> Record {
    Record::from_json(format!(
        r#"{{"cookie":{{"expires":null,"httpOnly":true,"originalMaxAge":null,"path":"/"}},"number":{number}}}"#
    ))
}

/// The number of such a record.
pub(super) fn number_in(loaded: &Loaded) -> Checked<u64> {
    let text = shown(&loaded.record);
    let number = text.split(r#""number":"#).nth(1).and_then(|rest| rest.trim_end_matches('}').parse().ok());
    number.ok_or_else(|| Failure::new(format!("the record is {text}, which nobody stored")))
}

/// A record whose cookie has a max-age of its own.
pub(super) fn record_with_max_age(max_age: Duration) -> Record {
    let millis = max_age.as_millis();
    Record::from_json(format!(r#"{{"cookie":{{"httpOnly":true,"originalMaxAge":{millis},"path":"/"}},"number":1}}"#))
}

pub(super) fn indexed(number: u64, keys: &[&IndexKey]) -> Record {
    record(number).with_index(keys.iter().map(|key| (*key).clone()).collect::<Vec<_>>())
}

/// A key that no other case has.
pub(super) fn key() -> Checked<IndexKey> {
    Ok(IndexKey::new("user", id()?.as_bytes()))
}

/// So much later than now.
pub(super) fn within(life: Duration) -> Timestamp {
    Timestamp::now().saturating_add(life)
}

/// So much earlier than now.
pub(super) fn ago(duration: Duration) -> Timestamp {
    earlier(Timestamp::now(), duration)
}

/// A renewal that always moves the expiry.
pub(super) const fn renewal(ttl: Duration) -> Renewal {
    Renewal { ttl, usual: ttl, after: Duration::ZERO }
}

pub(super) fn same(loaded: &Loaded, record: &Record, revision: &Revision, expires: Timestamp) -> Checked {
    same_text(loaded, record)?;
    ensure!(loaded.revision == *revision, "the record's revision is not the one that was given out for it");
    same_expiry(loaded.expires, expires)
}

pub(super) fn same_text(loaded: &Loaded, record: &Record) -> Checked {
    let (found, stored) = (&loaded.record, record);
    ensure!(found.json() == stored.json(), "the record is {} and should be {}", shown(found), shown(stored));
    Ok(())
}

pub(super) fn same_expiry(kept: Timestamp, asked: Timestamp) -> Checked {
    between(kept, asked, asked)
}

/// An expiry that the store computed at a moment of which only this is known.
pub(super) fn between(kept: Timestamp, first: Timestamp, last: Timestamp) -> Checked {
    let off = kept.as_millis().saturating_sub(first.as_millis());
    let is_near = kept >= earlier(first, EARLY) && kept <= last.saturating_add(LATE);
    ensure!(is_near, "the expiry is {off} ms off (more than 250 ms early, or 1 s late)");
    Ok(())
}

/// Whether a record of this expiry may be none by now.
pub(super) fn may_have_expired(expires: Timestamp) -> bool {
    Timestamp::now() >= earlier(expires, EARLY)
}

fn earlier(moment: Timestamp, duration: Duration) -> Timestamp {
    let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(moment.as_millis().saturating_sub(millis))
}

/// The beginning of a record's text.
fn shown(record: &Record) -> String {
    let text = String::from_utf8_lossy(record.json());
    let start: String = text.chars().take(200).collect();
    if start.len() < text.len() { format!("{start}… ({} bytes)", text.len()) } else { start }
}
