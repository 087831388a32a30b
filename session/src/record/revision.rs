//! What tells the states of a record apart.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::Record;

/// Which state of a record a store handed out: made by the store, and compared by it when the record is updated.
///
/// A counter; a digest, or whatever bytes the server knows the state by; or the record: its text then says which state it
/// is, and what the server compares need not be made before there is an update. A store in this process, which keeps
/// records as they are, can do with their [identity](Self::identity).
///
/// ```
/// use session::store::{Record, Revision};
///
/// assert_eq!(Revision::from(7), Revision::from(7));
/// assert_ne!(Revision::from(7), Revision::from([7; 32]));
///
/// let record = Record::from_json(r#"{"cookie":{"originalMaxAge":null}}"#);
/// assert_eq!(Revision::from(record.clone()).as_bytes(), record.json());
/// ```
#[derive(Clone)]
pub struct Revision(Mark);

#[derive(Clone)]
enum Mark {
    Counter(Counter),
    Bytes(Arc<[u8]>),
    Record(Record),
    Identity(Record),
}

/// Aligned, so that it is moved as the word that it is: a processor waits where it reads other pieces than were just
/// written.
#[derive(Clone)]
#[repr(align(8))]
struct Counter([u8; 8]);

impl Revision {
    /// This very record, no other one of the same text, and no revision of another kind. While somebody knows the revision,
    /// nothing else is the same.
    ///
    /// ```
    /// use session::store::{Record, Revision};
    ///
    /// let (record, other) = (Record::from_json("{}"), Record::from_json("{}"));
    /// let revision = Revision::identity(record.clone());
    /// assert!(revision.is_identity_of(&record) && !revision.is_identity_of(&other));
    /// assert_eq!(revision, Revision::identity(record.clone()));
    /// assert_ne!(revision, Revision::identity(other));
    /// assert_ne!(revision, Revision::from(record));
    /// ```
    #[must_use]
    pub const fn identity(record: Record) -> Self {
        Self(Mark::Identity(record))
    }

    /// Whether this is the [identity](Self::identity) of a record.
    #[must_use]
    pub fn is_identity_of(&self, record: &Record) -> bool {
        matches!(&self.0, Mark::Identity(mine) if Arc::ptr_eq(&mine.0, &record.0))
    }

    /// The revision's bytes: those that it was made of; those of the counter, in little-endian order; or the record's text.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Mark::Counter(Counter(bytes)) => bytes,
            Mark::Bytes(bytes) => bytes,
            Mark::Record(record) | Mark::Identity(record) => record.json(),
        }
    }
}

impl From<u64> for Revision {
    fn from(counter: u64) -> Self {
        Self(Mark::Counter(Counter(counter.to_le_bytes())))
    }
}

impl<const N: usize> From<[u8; N]> for Revision {
    fn from(bytes: [u8; N]) -> Self {
        Self(Mark::Bytes(bytes.into()))
    }
}

impl From<Vec<u8>> for Revision {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Mark::Bytes(bytes.into()))
    }
}

impl From<Record> for Revision {
    fn from(record: Record) -> Self {
        Self(Mark::Record(record))
    }
}

impl PartialEq for Revision {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (_, Mark::Identity(record)) => self.is_identity_of(record),
            (Mark::Identity(_), _) => false,
            _ => self.as_bytes() == other.as_bytes(),
        }
    }
}

impl Eq for Revision {}

impl Hash for Revision {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl fmt::Debug for Revision {
    /// Shows nothing of a record.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_tuple("Revision");
        match &self.0 {
            Mark::Record(record) | Mark::Identity(record) => shown.field(record).finish(),
            _ => shown.field(&self.as_bytes()).finish(),
        }
    }
}
