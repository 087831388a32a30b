//! Secrets, and the signatures made with them.

use std::fmt;
use std::sync::Arc;

use base64ct::{Base64Unpadded, Base64UrlUnpadded, Encoding};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::base64;
use crate::error::ConfigError;
use crate::id::{SessionId, TEXT_LEN};

const MIN_LEN: usize = 32;
/// Of a SHA-256 value.
const CODE_LEN: usize = 32;
/// The same in base64 without padding.
const SIGNATURE_LEN: usize = 43;
/// Of a generated id, a dot, and the signature.
pub(crate) const SIGNED_LEN: usize = TEXT_LEN + 1 + SIGNATURE_LEN;
/// What the keys of bound signatures are extracted from a secret with.
const SALT: &[u8] = b"session bound signatures";

/// The bytes that session ids are signed with. Wiped from memory when dropped; `Debug` shows nothing of them.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// A secret of at least 32 bytes, from a random generator or a secret store, the same on every machine of a site.
    ///
    /// # Errors
    /// [`ConfigError::SecretEmpty`] or [`ConfigError::SecretShort`].
    ///
    /// ```
    /// use session::Secret;
    ///
    /// assert!(Secret::new([7; 32]).is_ok());
    /// assert!(Secret::new("keyboard cat").is_err());
    /// ```
    pub fn new(bytes: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        match bytes.as_ref().len() {
            0 => Err(ConfigError::SecretEmpty),
            len if len < MIN_LEN => Err(ConfigError::SecretShort { len }),
            _ => Ok(Self(Zeroizing::new(bytes.as_ref().to_vec()))),
        }
    }

    /// A new secret of 32 random bytes, for sessions that need not outlive the process.
    ///
    /// # Errors
    /// [`ConfigError::Random`] if the operating system gives no random bytes.
    pub fn random() -> Result<Self, ConfigError> {
        let mut bytes = Zeroizing::new(vec![0; MIN_LEN]);
        getrandom::fill(&mut bytes).map_err(|error| ConfigError::Random(error.into()))?;
        Ok(Self(bytes))
    }

    /// A secret of any length but zero, for sites that share sessions with a service that already has a short one.
    ///
    /// # Errors
    /// [`ConfigError::SecretEmpty`].
    pub fn legacy(bytes: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        if bytes.as_ref().is_empty() {
            return Err(ConfigError::SecretEmpty);
        }
        Ok(Self(Zeroizing::new(bytes.as_ref().to_vec())))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// One or more secrets: the first signs, all verify. Rotate by putting a new secret first and taking the old one out when
/// nobody has a cookie any more that it signed.
///
/// A cookie is signed anew only when it is sent again, and a session that is used lives on with the one it has. So switch
/// [`rolling`](crate::Options::rolling) on with the new secret: each use of a session sends its cookie then. After the longest
/// life of a session (the longest max-age that one has, or [`ttl`](crate::Options::ttl) without any), take the old secret out.
/// Without `rolling`, nothing but an [`absolute_timeout`](crate::Options::absolute_timeout) says when that is: who still has
/// an old cookie is logged out. So it is with a [token](crate::Transport), which is sent again only when the session gets
/// another id, by [`rotate_id`](crate::Session::rotate_id), say.
///
/// ```
/// use session::{Keyring, Secret};
///
/// let (new, old) = (Secret::new([1; 32])?, Secret::new([2; 32])?);
/// let keyring = Keyring::new(new).with_older(old);
/// # Ok::<(), session::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Keyring(Vec<Secret>);

impl Keyring {
    /// A keyring with the secret that signs.
    #[must_use]
    pub fn new(secret: Secret) -> Self {
        Self(vec![secret])
    }

    /// Accepts signatures made with an older secret too.
    #[must_use]
    pub fn with_older(mut self, secret: Secret) -> Self {
        self.0.push(secret);
        self
    }
}

impl From<Secret> for Keyring {
    fn from(secret: Secret) -> Self {
        Self::new(secret)
    }
}

impl TryFrom<Vec<Secret>> for Keyring {
    type Error = ConfigError;

    fn try_from(secrets: Vec<Secret>) -> Result<Self, ConfigError> {
        if secrets.is_empty() { Err(ConfigError::SecretsEmpty) } else { Ok(Self(secrets)) }
    }
}

/// How a session id is signed.
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum Signature {
    /// HMAC-SHA256 with a key derived from the secret and the cookie's name (by HKDF, RFC 5869), so that a value signed for
    /// another cookie or another layer is worth nothing here; in base64url, of which nothing has to be escaped in a cookie.
    /// The default.
    #[default]
    Bound,
    /// HMAC-SHA256 with the secret itself, byte for byte what cookie-signature and express-session make.
    Express,
    /// Signs as [`Bound`](Self::Bound), and accepts what was signed as [`Express`](Self::Express) too: to leave
    /// express-session's signatures behind without logging anybody out. A session whose cookie has the old signature
    /// keeps it until its cookie is sent again.
    BoundOrExpress,
    /// The application's own. The secrets are then not used.
    Custom(Arc<dyn Signer>),
    /// None: the id travels as it is, as with express-token-session. Only for a [token transport](crate::Transport);
    /// whoever learns an id, from a dump of the store, say, has the session.
    Unsigned,
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bound => "Bound",
            Self::Express => "Express",
            Self::BoundOrExpress => "BoundOrExpress",
            Self::Custom(_) => "Custom(..)",
            Self::Unsigned => "Unsigned",
        })
    }
}

/// Signs and verifies session ids in the application's own way.
///
/// An implementation compares in constant time and signs with a key that only the servers know.
pub trait Signer: Send + Sync + 'static {
    /// The text that carries `id` to the client; in a cookie, without the leading `s:`.
    fn sign(&self, id: &str) -> String;

    /// The id in a text that [`sign`](Self::sign) made, or none if it was made or changed by anybody else.
    fn verify<'a>(&self, signed: &'a str) -> Option<&'a str>;
}

/// Signs and verifies ids for one layer, with the key states prepared once.
#[derive(Clone)]
pub(crate) enum IdSigner {
    Hmac(Vec<Key>),
    Custom(Arc<dyn Signer>),
    Unsigned,
}

/// A piece of what is sent.
#[derive(Clone, Copy)]
pub(crate) enum Piece<'a> {
    /// Nothing of it need be escaped, in a cookie or elsewhere.
    Plain(&'a str),
    Any(&'a str),
}

#[derive(Clone)]
pub(crate) struct Key {
    state: Hmac<Sha256>,
    alphabet: Alphabet,
}

/// How codes are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Alphabet {
    /// With `-` and `_`, which stay as they are in a cookie.
    UrlSafe,
    /// With `+` and `/`, as cookie-signature has it.
    Express,
}

impl IdSigner {
    /// `purpose` and `name` say what a bound signature is for.
    pub(crate) fn new(keyring: &Keyring, signature: &Signature, (purpose, name): (&str, &str)) -> Self {
        let keys = keyring.0.iter();
        let bound = keys.clone().map(|secret| Key::bound(secret, purpose, name));
        let express = keys.map(Key::express);
        match signature {
            Signature::Bound => Self::Hmac(bound.collect()),
            Signature::Express => Self::Hmac(express.collect()),
            Signature::BoundOrExpress => Self::Hmac(bound.chain(express).collect()),
            Signature::Custom(signer) => Self::Custom(Arc::clone(signer)),
            Signature::Unsigned => Self::Unsigned,
        }
    }

    /// Writes `<id>.<signature>`, in pieces.
    pub(crate) fn sign(&self, id: &str, write: &mut dyn FnMut(Piece<'_>)) {
        match self {
            Self::Unsigned => write(Piece::Any(id)),
            Self::Custom(signer) => write(Piece::Any(&signer.sign(id))),
            Self::Hmac(keys) => {
                let mut buffer = [0; SIGNATURE_LEN];
                write(Piece::Any(id));
                write(Piece::Plain("."));
                keys.iter().take(1).for_each(|key| write(key.signature(id, &mut buffer)));
            }
        }
    }

    /// The id in `<id>.<signature>`, if any of the secrets made the signature. There is one way to write it: base64 in which
    /// bits are left over that aren't zero is refused.
    pub(crate) fn verify<'a>(&self, signed: &'a [u8]) -> Option<&'a [u8]> {
        match self {
            Self::Unsigned => Some(signed),
            Self::Custom(signer) => signer.verify(str::from_utf8(signed).ok()?).map(str::as_bytes),
            Self::Hmac(keys) => {
                let (id, signature) = signed.split_at_checked(signed.len().checked_sub(SIGNATURE_LEN)?)?;
                let id = id.strip_suffix(b".")?;
                let signature = signature.try_into().ok()?;
                keys.iter().any(|key| key.made(signature, id)).then_some(id)
            }
        }
    }

    /// The same for what nearly all clients present: a generated id with a signature in base64url, which are read in one
    /// step, and have no letter that is ever escaped. None if it is anything else.
    pub(crate) fn verify_generated(&self, signed: &[u8; SIGNED_LEN]) -> Option<SessionId> {
        let Self::Hmac(keys) = self else { return None };
        let (id, signature) = signed.split_first_chunk()?;
        let signature: &[u8; SIGNATURE_LEN] = signature.strip_prefix(b".")?.try_into().ok()?;
        let mut text = [[b'A'; 8]; TEXT_LEN / 8 + SIGNATURE_PIECES];
        text.as_flattened_mut()[..TEXT_LEN].copy_from_slice(id);
        text.as_flattened_mut()[TEXT_LEN..][..SIGNATURE_LEN].copy_from_slice(signature);
        let [first, second, third, fourth, signature @ ..] = base64::URL_SAFE.read(&text)?;
        let presented = code_of(signature)?;
        let made = |key: &Key| key.alphabet == Alphabet::UrlSafe && is_same(&key.code(id), &presented);
        keys.iter().any(made).then(|| SessionId::generated(*id, base64::words([first, second, third, fourth])))
    }
}

impl Key {
    /// Derived by HKDF, RFC 5869, in which the secret is no key but a text: whoever has texts of their choice signed with
    /// it, by cookie-signature, say, never gets this key. `purpose` has no zero byte, so that no two pairs are one text.
    fn bound(secret: &Secret, purpose: &str, name: &str) -> Self {
        let extracted = derived(SALT, &[&secret.0]);
        // A key is one block long, the first.
        let expanded = derived(&*extracted, &[purpose.as_bytes(), b"\0", name.as_bytes(), &[1]]);
        Self { state: keyed(&*expanded), alphabet: Alphabet::UrlSafe }
    }

    fn express(secret: &Secret) -> Self {
        Self { state: keyed(&secret.0), alphabet: Alphabet::Express }
    }

    fn code(&self, id: &[u8]) -> [u8; CODE_LEN] {
        self.state.clone().chain_update(id).finalize().into_bytes().into()
    }

    fn signature<'a>(&self, id: &str, buffer: &'a mut [u8; SIGNATURE_LEN]) -> Piece<'a> {
        let code = self.code(id.as_bytes());
        // A code always fits its 43 letters.
        match self.alphabet {
            Alphabet::UrlSafe => Piece::Plain(Base64UrlUnpadded::encode(&code, buffer).unwrap_or_default()),
            Alphabet::Express => Piece::Any(Base64Unpadded::encode(&code, buffer).unwrap_or_default()),
        }
    }

    fn made(&self, signature: &[u8; SIGNATURE_LEN], id: &[u8]) -> bool {
        let alphabet = match self.alphabet {
            Alphabet::UrlSafe => base64::URL_SAFE,
            Alphabet::Express => base64::STANDARD,
        };
        presented(signature, alphabet).is_some_and(|presented| is_same(&self.code(id), &presented))
    }
}

/// A code, in words.
type Words = [u64; CODE_LEN / 8];

/// As many pieces of eight letters as a signature needs.
const SIGNATURE_PIECES: usize = SIGNATURE_LEN.div_ceil(8);

/// The code that a client presents. It is no secret: how long it takes to read it tells nothing of ours.
fn presented(signature: &[u8; SIGNATURE_LEN], alphabet: base64::Alphabet) -> Option<Words> {
    let mut text = [[b'A'; 8]; SIGNATURE_PIECES];
    text.as_flattened_mut()[..SIGNATURE_LEN].copy_from_slice(signature);
    code_of(alphabet.read(&text)?)
}

/// The code in a signature that was read with letters behind it that are zero, up to a whole piece. They are left over,
/// with two bits of the last of its own.
fn code_of([first, second, third, fourth, fifth, last]: [u64; SIGNATURE_PIECES]) -> Option<Words> {
    let [one, two, three] = base64::words([first, second, third, fourth]);
    let [four, left_over, _] = base64::words([fifth, last, 0, 0]);
    (left_over == 0).then_some([one, two, three, four])
}

/// Compares two codes in the same time, whatever they are: word by word, which is several times faster than byte by byte.
fn is_same(mine: &[u8; CODE_LEN], theirs: &Words) -> bool {
    let (words, _) = mine.as_chunks();
    let mine: Words = std::array::from_fn(|index| words.get(index).map_or(0, |word| u64::from_be_bytes(*word)));
    mine.ct_eq(theirs).into()
}

fn derived(key: &[u8], text: &[&[u8]]) -> Zeroizing<[u8; CODE_LEN]> {
    let state = text.iter().fold(keyed(key), |state, piece| state.chain_update(piece));
    Zeroizing::new(state.finalize().into_bytes().into())
}

#[expect(clippy::expect_used, reason = "HMAC takes keys of every length: RFC 2104 §2")]
fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("a key of any length")
}
