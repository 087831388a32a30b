//! What tells the states of a record apart.

use std::fmt;
use std::hash::{Hash, Hasher};

use super::Record;

/// Which state of a record a store handed out: made by the store, and compared by it when the record is updated.
///
/// A counter, a digest of the record, or the record itself: its text then says which state it is, and what the server
/// compares need not be made before there is an update.
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
    Bytes([u8; 32]),
    Record(Record),
}

impl Revision {
    /// The revision's bytes: those of the digest; those of the counter, in little-endian order, and 24 zeros; or the
    /// record's text.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Mark::Bytes(bytes) => bytes,
            Mark::Record(record) => record.json(),
        }
    }
}

impl From<u64> for Revision {
    fn from(counter: u64) -> Self {
        let mut bytes = [0; 32];
        let (start, _) = bytes.split_at_mut(8);
        start.copy_from_slice(&counter.to_le_bytes());
        Self(Mark::Bytes(bytes))
    }
}

impl From<[u8; 32]> for Revision {
    fn from(digest: [u8; 32]) -> Self {
        Self(Mark::Bytes(digest))
    }
}

impl From<Record> for Revision {
    fn from(record: Record) -> Self {
        Self(Mark::Record(record))
    }
}

impl PartialEq for Revision {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
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
        match &self.0 {
            Mark::Bytes(bytes) => f.debug_tuple("Revision").field(bytes).finish(),
            Mark::Record(record) => f.debug_tuple("Revision").field(record).finish(),
        }
    }
}
