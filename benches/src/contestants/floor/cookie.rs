//! The signed cookie `sid=<32 characters>.<43 characters>`.

use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderValue};
use base64ct::{Base64UrlUnpadded, Encoding};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

pub(super) const ID_LEN: usize = 32;
const SIGNATURE_LEN: usize = 43;

pub(super) type Id = [u8; ID_LEN];

/// A key that is prepared once.
pub(super) struct Key(Hmac<Sha256>);

impl Key {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
    pub(super) fn new() -> Self {
        Self(Hmac::new_from_slice(&[7; 32]).expect("a key"))
    }

    fn sign(&self, id: &Id) -> [u8; SIGNATURE_LEN] {
        let code = self.0.clone().chain_update(id).finalize().into_bytes();
        let mut text = [0; SIGNATURE_LEN];
        let _ = Base64UrlUnpadded::encode(&code, &mut text);
        text
    }

    /// The id of the request's cookie.
    pub(super) fn verified(&self, headers: &HeaderMap) -> Option<Id> {
        let cookies = headers.get_all(COOKIE).iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
        let value = cookies.filter_map(|cookie| cookie.trim_ascii().strip_prefix(b"sid=")).next()?;
        let (id, signature) = value.split_first_chunk::<ID_LEN>()?;
        let signature = signature.strip_prefix(b".")?;
        bool::from(self.sign(id).ct_eq(signature)).then_some(*id)
    }

    pub(super) fn set(&self, id: &Id) -> Option<HeaderValue> {
        let mut value = Vec::with_capacity(128);
        value.extend_from_slice(b"sid=");
        value.extend_from_slice(id);
        value.push(b'.');
        value.extend_from_slice(&self.sign(id));
        value.extend_from_slice(b"; HttpOnly; SameSite=Lax; Path=/");
        HeaderValue::from_maybe_shared(axum::body::Bytes::from(value)).ok()
    }
}

pub(super) fn removal() -> HeaderValue {
    HeaderValue::from_static("sid=; HttpOnly; SameSite=Lax; Path=/; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT")
}

pub(super) fn random_id() -> Id {
    let (mut random, mut id) = ([0; 24], [0; ID_LEN]);
    let _ = getrandom::fill(&mut random);
    let _ = Base64UrlUnpadded::encode(&random, &mut id);
    id
}
