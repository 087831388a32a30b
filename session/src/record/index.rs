//! The values by which sessions are found.

use std::fmt;
use std::sync::Arc;

use base64ct::{Base64UrlUnpadded, Encoding};
use sha2::{Digest, Sha256};

/// A value by which sessions are found: the name of an `#[session(index)]` field, and the SHA-256 of its value's JSON.
///
/// A text of visible ASCII characters without blanks, at most 128 bytes long.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IndexKey(Arc<str>);

/// The longest part of a field's name that is kept as it is; the digest tells the rest apart.
const NAME_LEN: usize = 80;

impl IndexKey {
    /// The key of a value, written as JSON, of the field that is stored under this name.
    #[must_use]
    pub fn new(field: &str, value_json: &[u8]) -> Self {
        let digest = Sha256::new().chain_update(field).chain_update(b"\0").chain_update(value_json).finalize();
        let mut buffer = [0; 43];
        let digest = Base64UrlUnpadded::encode(&digest, &mut buffer).unwrap_or_default();
        let is_visible = |letter: &char| letter.is_ascii_alphanumeric() || *letter == '_' || *letter == '-';
        let name: String = field.chars().filter(is_visible).take(NAME_LEN).collect();
        Self(format!("{name}:{digest}").into())
    }

    /// The key as text, to be stored.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for IndexKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IndexKey({})", self.0.split(':').next().unwrap_or_default())
    }
}
