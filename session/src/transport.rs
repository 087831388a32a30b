//! Where a session's id travels between client and server.

use std::borrow::Cow;

use http::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderName, HeaderValue, SET_COOKIE};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use crate::error::ConfigError;

/// The longest token that is looked at, as long as the longest cookie.
const MAX_LEN: usize = 4096;

/// What can't stand in a header as it is. The ids and signatures of this library have nothing of it.
const ENCODED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'%').add(b',');

/// Where a session's id travels. A request never falls back from one to another, and an id is never read from a URL or
/// a body.
///
/// Browsers use cookies. Clients of an API, which have no cookie jar, take a token: no cookie is read or written then,
/// and a session begins when a handler makes one ([`initialize`](crate::Session::initialize), or a first set).
///
/// ```
/// use session::{Options, Transport};
///
/// let options = Options::default().transport(Transport::Bearer);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Transport {
    /// The session cookie. The default.
    #[default]
    Cookie,
    /// A header such as `X-Auth-Token`, which holds the token and nothing else.
    Header(HeaderName),
    /// `Authorization: Bearer <token>`, RFC 6750 §2.1.
    Bearer,
}

impl Transport {
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        match self {
            Self::Header(name) if [COOKIE, SET_COOKIE, AUTHORIZATION].contains(name) => {
                Err(ConfigError::Transport { header: name.as_str().to_owned() })
            }
            _ => Ok(()),
        }
    }

    pub(crate) const fn is_cookie(&self) -> bool {
        matches!(self, Self::Cookie)
    }

    /// The request header that the id comes in.
    pub(crate) fn request_header(&self) -> HeaderName {
        match self {
            Self::Cookie => COOKIE,
            Self::Header(name) => name.clone(),
            Self::Bearer => AUTHORIZATION,
        }
    }

    /// The response header that the id goes out in.
    pub(crate) fn response_header(&self) -> HeaderName {
        match self {
            Self::Cookie => SET_COOKIE,
            Self::Header(name) => name.clone(),
            Self::Bearer => AUTHORIZATION,
        }
    }

    /// The tokens that a request brings.
    pub(crate) fn tokens<'a>(&'a self, headers: &'a HeaderMap) -> impl Iterator<Item = Cow<'a, str>> {
        let is_bearer = *self == Self::Bearer;
        headers
            .get_all(self.request_header())
            .iter()
            .filter(|value| value.len() <= MAX_LEN)
            .filter_map(|value| value.to_str().ok())
            .filter_map(move |value| if is_bearer { after_bearer(value) } else { Some(value) })
            .filter_map(|token| percent_decode_str(token.trim_matches([' ', '\t'])).decode_utf8().ok())
    }

    /// The value of the response header for this token; none if it can't stand in one.
    pub(crate) fn header_value(&self, token: &str) -> Option<HeaderValue> {
        let token = utf8_percent_encode(token, ENCODED);
        let value = if *self == Self::Bearer { format!("Bearer {token}") } else { token.to_string() };
        HeaderValue::try_from(value).ok()
    }
}

/// The scheme's name is compared without case: RFC 9110 §11.1.
fn after_bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}
