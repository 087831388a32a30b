//! The settings of the session cookie, and which of them go together.

use std::borrow::Cow;
use std::time::Duration;

use crate::error::ConfigError;

/// What browsers keep a cookie for at most: RFC 6265bis §5.5.
pub(super) const MAX_AGE_LIMIT: Duration = Duration::from_secs(400 * 24 * 60 * 60);

/// The settings of the session cookie, express-session's `cookie` option.
///
/// ```
/// use std::time::Duration;
/// use session::{CookieOptions, SameSite};
///
/// let cookie = CookieOptions::default().max_age(Duration::from_secs(3600)).same_site(SameSite::Strict);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CookieOptions {
    pub(crate) path: Cow<'static, str>,
    pub(crate) domain: Option<Cow<'static, str>>,
    pub(crate) http_only: bool,
    pub(crate) secure: Secure,
    pub(crate) same_site: SameSite,
    pub(crate) max_age: Option<Duration>,
    pub(crate) partitioned: bool,
    pub(crate) priority: Option<Priority>,
}

/// When the cookie is `Secure`, that is, goes over encrypted connections only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Secure {
    /// Always. Over a connection that isn't secure, the cookie is then not sent at all.
    On,
    /// Never.
    Off,
    /// On secure connections, see [`Options::proxy`](crate::Options::proxy). The default.
    #[default]
    Auto,
}

/// Whether the cookie comes along on requests from other sites: RFC 6265bis §4.1.2.7.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SameSite {
    /// Never, not even when a link on another site is followed: visitors then arrive logged out.
    Strict,
    /// Only when a link is followed. The default.
    #[default]
    Lax,
    /// Always. Browsers then ask for [`Secure`].
    None,
    /// [`None`](Self::None) where the cookie goes out as `Secure`, [`Lax`](Self::Lax) elsewhere. For express-session,
    /// [`None`](Self::None) on every secure connection.
    Auto,
    /// The attribute is left out, and the browser decides.
    Unset,
}

/// Which cookies a browser drops last when it has too many (a draft that Chromium follows).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// Dropped first.
    Low,
    /// What a cookie without the attribute has.
    Medium,
    /// Dropped last.
    High,
}

impl Default for CookieOptions {
    /// `Path=/`, `HttpOnly`, `SameSite=Lax`, `Secure` on secure connections, kept until the browser closes.
    fn default() -> Self {
        Self {
            path: Cow::Borrowed("/"),
            domain: None,
            http_only: true,
            secure: Secure::Auto,
            same_site: SameSite::Lax,
            max_age: None,
            partitioned: false,
            priority: None,
        }
    }
}

impl CookieOptions {
    /// express-session's own defaults: `Path=/`, `HttpOnly`, neither `Secure` nor `SameSite`.
    #[must_use]
    pub fn express() -> Self {
        Self { secure: Secure::Off, same_site: SameSite::Unset, ..Self::default() }
    }

    /// The paths that the cookie is for. Default: `/`, all of them. Requests outside it have no session.
    #[must_use]
    pub fn path(mut self, path: impl Into<Cow<'static, str>>) -> Self {
        self.path = path.into();
        self
    }

    /// The domain whose hosts share the cookie. Default: none, that is, only the host that sets it.
    #[must_use]
    pub fn domain(mut self, domain: impl Into<Cow<'static, str>>) -> Self {
        self.domain = Some(domain.into());
        self
    }

    /// Keeps scripts in the page from reading the cookie. Default: true.
    #[must_use]
    pub const fn http_only(mut self, http_only: bool) -> Self {
        self.http_only = http_only;
        self
    }

    /// When the cookie is `Secure`. Default: [`Secure::Auto`].
    #[must_use]
    pub const fn secure(mut self, secure: Secure) -> Self {
        self.secure = secure;
        self
    }

    /// Whether the cookie comes along from other sites. Default: [`SameSite::Lax`].
    #[must_use]
    pub const fn same_site(mut self, same_site: SameSite) -> Self {
        self.same_site = same_site;
        self
    }

    /// How long the browser keeps the cookie and the store the session after the last renewal, in whole milliseconds;
    /// at most 400 days. Default: none, that is, until the browser closes, and [`Options::ttl`](crate::Options::ttl)
    /// in the store.
    #[must_use]
    pub const fn max_age(mut self, max_age: Duration) -> Self {
        self.max_age = Some(max_age);
        self
    }

    /// Keeps a cookie jar for each top-level site in which the page is embedded. Needs `Secure`. Default: false.
    #[must_use]
    pub const fn partitioned(mut self, partitioned: bool) -> Self {
        self.partitioned = partitioned;
        self
    }

    /// Which cookies the browser drops last. Default: unset.
    #[must_use]
    pub const fn priority(mut self, priority: Priority) -> Self {
        self.priority = Some(priority);
        self
    }

    /// Whether these settings go together, and with the cookie's name. `strict` adds the rules that browsers follow
    /// but express-session does not check.
    pub(crate) fn check(&self, name: &str, strict: bool) -> Result<(), ConfigError> {
        if !self.path.starts_with('/') || !self.path.bytes().all(is_attribute_byte) {
            return Err(ConfigError::Path { path: self.path.clone().into_owned() });
        }
        if let Some(domain) = self.domain.as_deref().filter(|domain| !is_host_name(domain)) {
            return Err(ConfigError::Domain { domain: domain.to_owned() });
        }
        if let Some(max_age) = self.max_age.filter(|max_age| *max_age > MAX_AGE_LIMIT) {
            return Err(ConfigError::MaxAge { max_age });
        }
        if strict && self.max_age == Some(Duration::ZERO) {
            return Err(ConfigError::Zero { option: "cookie.max_age" });
        }
        self.check_prefix(name)?;
        if strict && self.secure == Secure::Off {
            if self.same_site == SameSite::None {
                return Err(ConfigError::NeedsSecure { attribute: "same_site" });
            }
            if self.partitioned {
                return Err(ConfigError::NeedsSecure { attribute: "partitioned" });
            }
        }
        Ok(())
    }

    /// RFC 6265bis §4.1.3; browsers compare the prefixes without regard to case.
    fn check_prefix(&self, name: &str) -> Result<(), ConfigError> {
        let begins = |prefix: &str| name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
        let host = begins("__Host-");
        if !host && !begins("__Secure-") {
            return Ok(());
        }
        let prefix = if host { "__Host-" } else { "__Secure-" };
        let rule = match self {
            _ if self.secure != Secure::On => "`cookie.secure` must be on",
            _ if host && self.domain.is_some() => "`cookie.domain` must be unset",
            _ if host && self.path != "/" => "`cookie.path` must be `/`",
            _ => return Ok(()),
        };
        Err(ConfigError::Prefix { prefix, rule })
    }

    /// The settings with `auto` replaced by what it means on a connection; `strict` as in [`check`](Self::check).
    pub(crate) fn resolved(&self, secure_connection: bool, strict: bool) -> Self {
        let mut resolved = self.clone();
        resolved.secure = self.secure.resolved(secure_connection);
        let lets_none = secure_connection && (resolved.secure == Secure::On || !strict);
        resolved.same_site = self.same_site.resolved(lets_none);
        resolved
    }
}

impl Secure {
    const fn resolved(self, secure_connection: bool) -> Self {
        match self {
            Self::Auto if secure_connection => Self::On,
            Self::Auto => Self::Off,
            fixed => fixed,
        }
    }
}

impl SameSite {
    const fn resolved(self, lets_none: bool) -> Self {
        match self {
            Self::Auto if lets_none => Self::None,
            Self::Auto => Self::Lax,
            fixed => fixed,
        }
    }
}

/// A cookie's name is a token: RFC 6265 §4.1.1, RFC 9110 §5.6.2.
pub(crate) fn check_name(name: &str) -> Result<(), ConfigError> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(token) {
        return Err(ConfigError::Name { name: name.to_owned() });
    }
    Ok(())
}

const fn is_attribute_byte(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b';'
}

fn is_host_name(domain: &str) -> bool {
    let labels = domain.strip_prefix('.').unwrap_or(domain);
    !labels.is_empty()
        && labels.len() <= 253
        && labels.split('.').all(|label| {
            !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        })
}
