//! Every setting of a session layer, its default, and which settings go together.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderName, Response, uri};

use crate::cookie::{CookieOptions, check_name};
use crate::error::{ConfigError, SessionError};
use crate::lifecycle::{Policy, Rules, Unset};
use crate::secret::{Signature, Signer};
use crate::store::Renewal;
use crate::transport::Transport;

type MakeCookie = Arc<dyn Fn(&Parts) -> CookieOptions + Send + Sync>;
type MakeId = Arc<dyn Fn(&Parts) -> String + Send + Sync>;
type OnError = Arc<dyn Fn(&SessionError) -> Response<Bytes> + Send + Sync>;

const LONGEST_GRACE: Duration = Duration::from_secs(60);

/// The settings of a [`SessionLayer`](crate::SessionLayer).
///
/// [`Options::default`] is what a site of today should use; [`Options::express`] behaves as express-session does.
///
/// ```
/// use std::time::Duration;
/// use session::{CookieOptions, Options};
///
/// let options = Options::default()
///     .name("__Host-sid")
///     .cookie(CookieOptions::default().secure(session::Secure::On).max_age(Duration::from_secs(3600)))
///     .rolling(true);
/// ```
#[derive(Clone)]
pub struct Options {
    pub(crate) name: Cow<'static, str>,
    pub(crate) signature: Signature,
    pub(crate) cookie: CookieSource,
    pub(crate) transport: Transport,
    pub(crate) send_token: bool,
    pub(crate) ids: Ids,
    pub(crate) proxy: Proxy,
    pub(crate) ttl: Duration,
    pub(crate) absolute_timeout: Option<Duration>,
    pub(crate) touch_after: Duration,
    pub(crate) rotate_grace: Option<Duration>,
    pub(crate) store_timeout: Duration,
    pub(crate) cache_headers: bool,
    pub(crate) hash_ids: bool,
    pub(crate) on_error: Option<OnError>,
    pub(crate) on_invalid: OnInvalid,
    pub(crate) max_size: Option<usize>,
    pub(crate) eager: bool,
    pub(crate) policy: Policy,
}

/// Where a request's cookie settings come from.
#[derive(Clone)]
pub(crate) enum CookieSource {
    Fixed(Arc<CookieOptions>),
    PerRequest(MakeCookie),
}

/// Where ids come from.
#[derive(Clone)]
pub(crate) enum Ids {
    Random,
    /// 40 letters and digits, as those of express-token-session.
    Alphanumeric,
    Custom(MakeId),
}

/// How to tell that a connection is secure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Proxy {
    /// No proxy is trusted: only a direct TLS connection is secure, that is, one whose requests have the scheme `https`
    /// or a [`SecureConnection`] among their extensions. The default.
    #[default]
    None,
    /// The proxy in front sets `X-Forwarded-Proto`, and nobody can reach the server but through it. The first value of
    /// that header decides.
    TrustForwardedProto,
    /// A proxy in front terminates TLS for every request.
    AssumeTls,
}

/// Put into a request's extensions by whoever terminated its TLS connection: the connection is then secure.
#[derive(Clone, Copy, Debug)]
pub struct SecureConnection;

/// What happens when a stored record can't be read as the session type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnInvalid {
    /// The handler's extractor answers 500, and the record is kept. The default.
    #[default]
    Reject,
    /// The request has a new session; the record is left to its expiry.
    StartFresh,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            name: Cow::Borrowed("connect.sid"),
            signature: Signature::Bound,
            cookie: CookieSource::Fixed(Arc::new(CookieOptions::default())),
            transport: Transport::Cookie,
            send_token: true,
            ids: Ids::Random,
            proxy: Proxy::None,
            ttl: Duration::from_secs(24 * 60 * 60),
            absolute_timeout: None,
            touch_after: Duration::from_secs(60),
            rotate_grace: None,
            store_timeout: Duration::from_secs(5),
            cache_headers: true,
            hash_ids: false,
            on_error: None,
            on_invalid: OnInvalid::Reject,
            max_size: Some(1024 * 1024),
            eager: false,
            policy: Policy {
                rules: Rules::Safe,
                resave: false,
                save_uninitialized: false,
                rolling: false,
                unset: Unset::Keep,
                clear_cookie: true,
            },
        }
    }
}

impl Options {
    /// The behaviour of express-session 1.19, with `resave` and `saveUninitialized` off as its documentation asks for.
    ///
    /// Two things stay as they are here: a destroyed session is never written again, and parallel changes are merged.
    #[must_use]
    pub fn express() -> Self {
        let default = Self::default();
        Self {
            signature: Signature::Express,
            cookie: CookieSource::Fixed(Arc::new(CookieOptions::express())),
            touch_after: Duration::ZERO,
            cache_headers: false,
            max_size: None,
            eager: true,
            policy: Policy { rules: Rules::Express, clear_cookie: false, ..default.policy },
            ..default
        }
    }

    /// The behaviour of the package express-token-session 1.2, for API and mobile clients: the bare id, 40 letters and
    /// digits, travels in the header `X-AUTH_TOKEN`; a session begins when a handler makes one, which hands
    /// [`session.token()`](crate::Session::token) to the client; an unknown token is no session; the session is saved at
    /// the end of every response.
    ///
    /// Ids that aren't signed are safe only as long as nobody else can read the store. `nginx` drops headers with an
    /// underscore in their name unless `underscores_in_headers` is on.
    #[must_use]
    pub fn express_token() -> Self {
        let default = Self::default();
        Self {
            transport: Transport::Header(HeaderName::from_static("x-auth_token")),
            send_token: false,
            signature: Signature::Unsigned,
            ids: Ids::Alphanumeric,
            touch_after: Duration::ZERO,
            cache_headers: false,
            max_size: None,
            policy: Policy { resave: true, ..default.policy },
            ..default
        }
    }

    /// Where the session's id travels. Default: [`Transport::Cookie`]. With another one, the cookie's settings mean
    /// nothing but its max-age, which is the life of a session in place of [`ttl`](Self::ttl).
    #[must_use]
    pub fn transport(mut self, transport: Transport) -> Self {
        self.transport = transport;
        self
    }

    /// With a token transport, puts a new or changed token into the response header of the same name, so that a handler
    /// need not hand it out. Default: true. Scripts on other origins see the header only if the response's
    /// `Access-Control-Expose-Headers` names it.
    #[must_use]
    pub const fn send_token(mut self, send_token: bool) -> Self {
        self.send_token = send_token;
        self
    }

    /// The cookie's name. Default: `connect.sid`. Two layers in one app need two names.
    #[must_use]
    pub fn name(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.name = name.into();
        self
    }

    /// How ids are signed. Default: [`Signature::Bound`].
    #[must_use]
    pub fn signature(mut self, signature: Signature) -> Self {
        self.signature = signature;
        self
    }

    /// Signs ids in the application's own way, in place of the secrets.
    ///
    /// ```
    /// use session::{Options, Signer};
    ///
    /// struct Vault;
    ///
    /// impl Signer for Vault {
    ///     fn sign(&self, id: &str) -> String {
    ///         format!("{id}.{}", mac(id))
    ///     }
    ///
    ///     fn verify<'a>(&self, signed: &'a str) -> Option<&'a str> {
    ///         let (id, given) = signed.rsplit_once('.')?;
    ///         equal_in_constant_time(&mac(id), given).then_some(id)
    ///     }
    /// }
    /// # fn mac(id: &str) -> String { id.len().to_string() }
    /// # fn equal_in_constant_time(one: &str, other: &str) -> bool { one == other }
    ///
    /// let options = Options::default().signer(Vault);
    /// ```
    #[must_use]
    pub fn signer(self, signer: impl Signer) -> Self {
        self.signature(Signature::Custom(Arc::new(signer)))
    }

    /// The cookie's settings. Default: [`CookieOptions::default`].
    #[must_use]
    pub fn cookie(mut self, cookie: CookieOptions) -> Self {
        self.cookie = CookieSource::Fixed(Arc::new(cookie));
        self
    }

    /// The cookie's settings, made for each request. Settings that don't go together are then an error of the request.
    ///
    /// The request is as the first to ask for the session sees it, a handler as a rule: below axum's `nest`, `request.uri`
    /// lacks the path of the nest. The whole one is among the extensions.
    ///
    /// ```
    /// use axum::extract::OriginalUri;
    /// use session::{CookieOptions, Options, SameSite};
    ///
    /// let options = Options::default().cookie_with(|request| {
    ///     let uri = request.extensions.get::<OriginalUri>().map_or(&request.uri, |original| &original.0);
    ///     let cookie = CookieOptions::default();
    ///     if uri.path().starts_with("/embed") { cookie.same_site(SameSite::Auto) } else { cookie }
    /// });
    /// ```
    #[must_use]
    pub fn cookie_with(mut self, cookie: impl Fn(&Parts) -> CookieOptions + Send + Sync + 'static) -> Self {
        self.cookie = CookieSource::PerRequest(Arc::new(cookie));
        self
    }

    /// Makes the ids of new sessions. Called once for each session that a request begins. Default: 24 random bytes.
    ///
    /// An id that exists already is never overwritten: another one is drawn, up to eight times. The request's path is that
    /// which [`cookie_with`](Self::cookie_with) gets.
    ///
    /// ```
    /// use session::{Options, SessionId};
    ///
    /// let options = Options::default().genid(|request| {
    ///     let region = request.headers.get("x-region").and_then(|region| region.to_str().ok()).unwrap_or("eu");
    ///     SessionId::random().map_or_else(|_| String::new(), |id| format!("{region}-{}", id.as_str()))
    /// });
    /// ```
    #[must_use]
    pub fn genid(mut self, genid: impl Fn(&Parts) -> String + Send + Sync + 'static) -> Self {
        self.ids = Ids::Custom(Arc::new(genid));
        self
    }

    /// Writes the session back at the end of every request that loaded it, changed or not. Default: false.
    #[must_use]
    pub const fn resave(mut self, resave: bool) -> Self {
        self.policy.resave = resave;
        self
    }

    /// Stores and announces new sessions that nothing was written to. Default: false.
    #[must_use]
    pub const fn save_uninitialized(mut self, save_uninitialized: bool) -> Self {
        self.policy.save_uninitialized = save_uninitialized;
        self
    }

    /// Sends the cookie with every response to a request that used its session, so that its expiry in the browser moves
    /// too. None is sent if a handle outlives the response and has not saved the session. Default: false.
    ///
    /// The store isn't asked again before the response leaves. If another request logged in meanwhile, or changed the id for
    /// another reason, a response that comes after its own gives the browser the old id back, and the visitor is logged out.
    /// Where that may happen, leave this off: a cookie with a max-age is sent again by each request that changes the
    /// session, too, and such a request finds out.
    #[must_use]
    pub const fn rolling(mut self, rolling: bool) -> Self {
        self.policy.rolling = rolling;
        self
    }

    /// What becomes of a session that a handler unset. Default: [`Unset::Keep`].
    #[must_use]
    pub const fn unset(mut self, unset: Unset) -> Self {
        self.policy.unset = unset;
        self
    }

    /// How to tell that a connection is secure. Default: [`Proxy::None`].
    #[must_use]
    pub const fn proxy(mut self, proxy: Proxy) -> Self {
        self.proxy = proxy;
        self
    }

    /// The stored life, from each renewal on, of a session whose cookie has no max-age. Default: 24 h.
    #[must_use]
    pub const fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// The longest life of a session since it began, whatever its activity. Default: none.
    ///
    /// A session that doesn't say when it began, since it comes from Node or is older than this option, begins with its
    /// next save. One that is only read lives on until then.
    #[must_use]
    pub const fn absolute_timeout(mut self, timeout: Duration) -> Self {
        self.absolute_timeout = Some(timeout);
        self
    }

    /// The stored expiry is renewed at most once in this time, or in a tenth of the session's life if that is shorter, so
    /// that a store does not write at every read. A session may end this much earlier than its idle limit, never later.
    /// Default: 60 s.
    #[must_use]
    pub const fn touch_after(mut self, touch_after: Duration) -> Self {
        self.touch_after = touch_after;
        self
    }

    /// How long the id that a session had before a [rotation](crate::Session::rotate_id) still leads to it, so that parallel
    /// requests of the same page find it, those that are under way too: they read it, and nothing that they change is
    /// stored; but to destroy it ends it, for which each destruction looks at the store once more. At most a minute. Default:
    /// none; the old id is dead at once.
    ///
    /// For this long, whoever knows the old id can read what the session holds after the rotation.
    #[must_use]
    pub const fn rotate_grace(mut self, grace: Duration) -> Self {
        self.rotate_grace = Some(grace);
        self
    }

    /// Sends a removal cookie with the response to a request that ended its session: by `destroy()`, by `regenerate()` when
    /// nothing is set afterwards, or by `unset()` with [`Unset::Destroy`]. Default: true.
    ///
    /// The cookie of a session that is merely not found, or that another request ended meanwhile, stays: that other request
    /// may have been a login, whose new cookie a later response must not take away.
    #[must_use]
    pub const fn clear_cookie(mut self, clear_cookie: bool) -> Self {
        self.policy.clear_cookie = clear_cookie;
        self
    }

    /// How long a store may take for an answer before it counts as failed. Default: 5 s. A store may have a shorter limit of
    /// its own: that of a connection which `RedisStore::connect` makes is 3 s. After a change of the id without an answer, the
    /// store is asked whether it was made, twice at most.
    #[must_use]
    pub const fn store_timeout(mut self, timeout: Duration) -> Self {
        self.store_timeout = timeout;
        self
    }

    /// Adds `Vary: Cookie` to responses of requests that used their session, beside what they vary by already, and
    /// `Cache-Control: no-cache="Set-Cookie"` to those that set a cookie, unless the handler set that header. Default: true.
    #[must_use]
    pub const fn cache_headers(mut self, cache_headers: bool) -> Self {
        self.cache_headers = cache_headers;
        self
    }

    /// Keeps sessions under the SHA-256 of their id, so that a dump of the store shows no id. Default: false.
    ///
    /// Switching it on or off ends all sessions.
    #[must_use]
    pub const fn hash_ids(mut self, hash_ids: bool) -> Self {
        self.hash_ids = hash_ids;
        self
    }

    /// Shapes the response to a session error, in place of the built-in text. The error's `source` tells the cause.
    ///
    /// ```
    /// use session::Options;
    ///
    /// let options = Options::default().on_error(|error| {
    ///     let mut response = http::Response::new("please try again".into());
    ///     *response.status_mut() = error.status();
    ///     response
    /// });
    /// ```
    #[must_use]
    pub fn on_error(mut self, on_error: impl Fn(&SessionError) -> Response<Bytes> + Send + Sync + 'static) -> Self {
        self.on_error = Some(Arc::new(on_error));
        self
    }

    /// What happens when a record can't be read as the session type. Default: [`OnInvalid::Reject`].
    #[must_use]
    pub const fn on_invalid(mut self, on_invalid: OnInvalid) -> Self {
        self.on_invalid = on_invalid;
        self
    }

    /// The largest record, in bytes. A larger one is an error before anything is written. None: no limit.
    /// Default: 1 MiB.
    #[must_use]
    pub fn max_size(mut self, max_size: impl Into<Option<usize>>) -> Self {
        self.max_size = max_size.into();
        self
    }

    /// Loads and renews the session at every request with a cookie, whether a handler asks for it or not.
    /// Default: false.
    #[must_use]
    pub const fn eager(mut self, eager: bool) -> Self {
        self.eager = eager;
        self
    }

    /// How a load renews a session.
    pub(crate) fn renewal(&self) -> Renewal {
        let max_age = match &self.cookie {
            CookieSource::Fixed(cookie) => cookie.max_age,
            CookieSource::PerRequest(_) => None,
        };
        Renewal { ttl: self.ttl, usual: max_age.unwrap_or(self.ttl), after: self.touch_after }
    }

    /// Whether a request says more about its session than its connection does: other attributes of the cookie, an id, or
    /// that it lies outside the cookie's path.
    pub(crate) fn depends_on_requests(&self) -> bool {
        let is_everywhere = match &self.cookie {
            CookieSource::Fixed(cookie) => cookie.path == "/" || !self.transport.is_cookie(),
            CookieSource::PerRequest(_) => false,
        };
        !is_everywhere || self.policy.rules == Rules::Express || matches!(self.ids, Ids::Custom(_))
    }

    /// Whether these settings go together.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        check_name(&self.name)?;
        self.transport.check()?;
        if self.transport.is_cookie() && matches!(self.signature, Signature::Unsigned) {
            return Err(ConfigError::Unsigned);
        }
        if let CookieSource::Fixed(cookie) = &self.cookie {
            self.check_cookie(cookie)?;
        }
        if let Some(grace) = self.rotate_grace.filter(|grace| *grace > LONGEST_GRACE) {
            return Err(ConfigError::Grace { grace });
        }
        let durations = [
            ("ttl", Some(self.ttl)),
            ("store_timeout", Some(self.store_timeout)),
            ("absolute_timeout", self.absolute_timeout),
            ("rotate_grace", self.rotate_grace),
        ];
        if self.max_size == Some(0) {
            return Err(ConfigError::Zero { option: "max_size" });
        }
        if let Some((option, _)) = durations.into_iter().find(|(_, duration)| *duration == Some(Duration::ZERO)) {
            return Err(ConfigError::Zero { option });
        }
        Ok(())
    }

    pub(crate) fn check_cookie(&self, cookie: &CookieOptions) -> Result<(), ConfigError> {
        cookie.check(&self.name, self.policy.rules == Rules::Safe)
    }
}

impl Proxy {
    /// Whether a request came over a secure connection.
    pub(crate) fn is_secure(self, request: &Parts) -> bool {
        let is_https = request.uri.scheme().is_some_and(|scheme| *scheme == uri::Scheme::HTTPS);
        if is_https || request.extensions.get::<SecureConnection>().is_some() {
            return true;
        }
        match self {
            Self::None => false,
            Self::AssumeTls => true,
            Self::TrustForwardedProto => request
                .headers
                .get("x-forwarded-proto")
                .and_then(|value| value.as_bytes().split(|byte| *byte == b',').next())
                .is_some_and(|first| first.trim_ascii().eq_ignore_ascii_case(b"https")),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("name", &self.name).field("policy", &self.policy).finish_non_exhaustive()
    }
}
