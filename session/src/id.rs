//! Session ids: made, checked, and never shown.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use base64ct::{Base64UrlUnpadded, Encoding};
use sha2::{Digest, Sha256};

use crate::base64;
use crate::error::SessionError;

/// The longest id that a cookie carries with room for its signature and encoding.
const MAX_LEN: usize = 2048;
/// Entropy in a generated id, in words: 24 bytes, as in express-session's uid-safe(24).
const RANDOM_WORDS: usize = 3;
/// The length of a generated id.
pub(crate) const TEXT_LEN: usize = 32;

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
    /// No allocation is needed.
    Generated(Generated),
    Other(Arc<str>),
}

/// An id that is 24 bytes in base64url: its text, and those bytes.
///
/// The mark, which tells it from the other, is a word and comes last, so that however an id is moved, the same bytes of it
/// go together: a processor waits where it reads other pieces than were just written.
#[derive(Clone)]
#[repr(C)]
struct Generated {
    text: [u8; TEXT_LEN],
    words: Words,
    mark: Mark,
}

#[derive(Clone)]
#[repr(u64)]
enum Mark {
    Generated,
}

/// The bytes that a generated id is the text of, as words whose first byte is the highest.
pub(crate) type Words = [u64; RANDOM_WORDS];

impl SessionId {
    /// A new id: 24 bytes from the operating system, written in 32 URL-safe characters.
    ///
    /// # Errors
    /// [`SessionError::Random`] if the operating system gives no random bytes.
    pub fn random() -> Result<Self, SessionError> {
        let mut random = [[0; 8]; RANDOM_WORDS];
        getrandom::fill(random.as_flattened_mut()).map_err(|error| SessionError::Random(error.into()))?;
        Ok(Self::from_words(random.map(u64::from_be_bytes)))
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

    /// The id that a client presents as these bytes, if it can be one.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Self::new(str::from_utf8(bytes).ok()?).ok().filter(Self::is_text)
    }

    /// Whether it has no byte that is zero, which databases take in no text: that of a made-up id would be an error of theirs.
    pub(crate) fn is_text(&self) -> bool {
        !self.as_bytes().contains(&0)
    }

    /// The id of this text, from which these words were read.
    pub(crate) const fn generated(text: [u8; TEXT_LEN], words: Words) -> Self {
        Self(Text::Generated(Generated { text, words, mark: Mark::Generated }))
    }

    /// The id that is the text of these words.
    pub(crate) fn from_words(words: Words) -> Self {
        let mut text = [0; TEXT_LEN];
        // As many bytes as the text has room for.
        let _ = Base64UrlUnpadded::encode(words.map(u64::to_be_bytes).as_flattened(), &mut text);
        Self::generated(text, words)
    }

    /// What a generated id is the text of.
    #[cfg(feature = "memory")]
    pub(crate) const fn words(&self) -> Option<Words> {
        match &self.0 {
            Text::Generated(id) => Some(id.words),
            Text::Other(_) => None,
        }
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            // Letters and digits, and the two others of base64url.
            Text::Generated(id) => str::from_utf8(&id.text).unwrap_or_default(),
            Text::Other(text) => text,
        }
    }

    /// The text, shared unless the id is a generated one.
    #[cfg(feature = "memory")]
    pub(crate) fn shared_text(&self) -> Arc<str> {
        match &self.0 {
            Text::Generated(_) => self.as_str().into(),
            Text::Other(text) => Arc::clone(text),
        }
    }

    /// The id's bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Text::Generated(id) => &id.text,
            Text::Other(text) => text.as_bytes(),
        }
    }

    /// The SHA-256 of this id, as an id: the key under which a store keeps the session if ids are hashed at rest.
    pub(crate) fn hashed(&self) -> Self {
        let mut text = [0; 43];
        let digest = Sha256::digest(self.as_bytes());
        Self(Text::Other(Base64UrlUnpadded::encode(&digest, &mut text).unwrap_or_default().into()))
    }

    pub(crate) fn from_text(text: &str) -> Self {
        // An application's own ids may be such texts, too.
        let generated = || {
            let (pieces, []) = text.as_bytes().as_chunks() else { return None };
            let words = base64::words(base64::URL_SAFE.read(pieces.try_into().ok()?)?);
            Some(Self::generated(text.as_bytes().try_into().ok()?, words))
        };
        generated().unwrap_or_else(|| Self(Text::Other(text.into())))
    }
}

impl PartialEq for SessionId {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Text::Generated(id), Text::Generated(other)) => id.words == other.words,
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
