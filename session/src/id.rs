//! Session ids: made, checked, and never shown.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use base64ct::{Base64UrlUnpadded, Encoding};
use sha2::{Digest, Sha256};

use crate::error::SessionError;

/// The longest id that a cookie carries with room for its signature and encoding.
const MAX_LEN: usize = 2048;
/// Bytes of entropy in a generated id; the same as express-session's uid-safe(24).
const RANDOM_BYTES: usize = 24;
/// A generated id's length.
const USUAL: usize = 32;

/// The id of a session: 1 to 2048 bytes of UTF-8.
///
/// It is a secret: whoever knows it, signed, has the session. `Debug` therefore shows a few digits of its hash only,
/// enough to tell two ids apart in a log.
///
/// ```
/// let id = session::SessionId::random()?;
/// assert_eq!(id.as_str().len(), 32);
/// assert!(!format!("{id:?}").contains(id.as_str()));
/// # Ok::<(), session::SessionError>(())
/// ```
#[derive(Clone)]
pub struct SessionId(Text);

#[derive(Clone)]
enum Text {
    /// As long as a generated one: no allocation is needed.
    Usual(Usual),
    Other(Arc<str>),
}

/// The mark, which tells it from the other, is a word and comes last, so that however an id is moved, the same bytes of it
/// go together: a processor waits where it reads other pieces than were just written.
#[derive(Clone)]
#[repr(C)]
struct Usual {
    bytes: [u8; USUAL],
    mark: Mark,
}

#[derive(Clone)]
#[repr(u64)]
enum Mark {
    Usual,
}

impl SessionId {
    /// A new id: 24 bytes from the operating system, written in 32 URL-safe characters.
    ///
    /// # Errors
    /// [`SessionError::Random`] if the operating system gives no random bytes.
    pub fn random() -> Result<Self, SessionError> {
        let mut random = [0; RANDOM_BYTES];
        getrandom::fill(&mut random).map_err(|error| SessionError::Random(error.into()))?;
        Ok(Self::encode(&random))
    }

    /// A new id of 40 letters and digits.
    pub(crate) fn alphanumeric() -> Result<Self, SessionError> {
        const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        let mut id = String::with_capacity(40);
        while id.len() < 40 {
            let mut random = [0; 48];
            getrandom::fill(&mut random).map_err(|error| SessionError::Random(error.into()))?;
            // A byte beyond the last whole multiple of 62 would favour some letters.
            let letters = random.iter().filter(|byte| **byte < 248);
            let letters = letters.filter_map(|byte| LETTERS.get(usize::from(byte % 62)));
            id.extend(letters.take(40 - id.len()).map(|letter| char::from(*letter)));
        }
        Ok(Self::from_text(&id))
    }

    /// An id of the application's own making.
    ///
    /// # Errors
    /// [`SessionError::InvalidId`] if it is empty or longer than 2048 bytes.
    pub fn new(id: impl AsRef<str>) -> Result<Self, SessionError> {
        let id = id.as_ref();
        if id.is_empty() || id.len() > MAX_LEN {
            return Err(SessionError::InvalidId { len: id.len() });
        }
        Ok(Self::from_text(id))
    }

    /// The id that these bytes are the text of, if they are one.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        match <[u8; USUAL]>::try_from(bytes) {
            // For so few letters, this is several times faster than looking for UTF-8.
            Ok(bytes) if bytes.is_ascii() => Some(Self(Text::Usual(Usual { bytes, mark: Mark::Usual }))),
            _ => Self::new(str::from_utf8(bytes).ok()?).ok(),
        }
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            // Only whole texts are ever put there.
            Text::Usual(id) => str::from_utf8(&id.bytes).unwrap_or_default(),
            Text::Other(text) => text,
        }
    }

    /// The text, shared if it is not as long as a generated one.
    #[cfg(feature = "memory")]
    pub(crate) fn shared_text(&self) -> Arc<str> {
        match &self.0 {
            Text::Usual(_) => self.as_str().into(),
            Text::Other(text) => Arc::clone(text),
        }
    }

    /// The id's bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Text::Usual(id) => &id.bytes,
            Text::Other(text) => text.as_bytes(),
        }
    }

    /// The SHA-256 of this id, as an id: the key under which a store keeps the session if ids are hashed at rest.
    pub(crate) fn hashed(&self) -> Self {
        Self::encode(&Sha256::digest(self.as_bytes()))
    }

    /// The id that is the text of these bytes.
    pub(crate) fn encode(bytes: &[u8]) -> Self {
        let mut buffer = [0; 43];
        Self::from_text(Base64UrlUnpadded::encode(bytes, &mut buffer).unwrap_or_default())
    }

    pub(crate) fn from_text(text: &str) -> Self {
        Self(match text.as_bytes().try_into() {
            Ok(bytes) => Text::Usual(Usual { bytes, mark: Mark::Usual }),
            Err(_) => Text::Other(text.into()),
        })
    }
}

impl PartialEq for SessionId {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Text::Usual(id), Text::Usual(other)) => id.bytes == other.bytes,
            _ => self.as_bytes() == other.as_bytes(),
        }
    }
}

impl Eq for SessionId {}

impl Hash for SessionId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl PartialOrd for SessionId {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for SessionId {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digest = Sha256::digest(self.as_bytes());
        let prefix = digest.iter().take(4).fold(0_u32, |all, byte| all << 8 | u32::from(*byte));
        write!(f, "SessionId(#{prefix:08x})")
    }
}
