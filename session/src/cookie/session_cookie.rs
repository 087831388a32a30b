//! The cookie of one session, which may differ from the configured one.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::options::{CookieOptions, MAX_AGE_LIMIT, Priority, SameSite, Secure};
use crate::timestamp::{Millis, Timestamp, millis};
use std::borrow::Cow;

/// The cookie settings of one session: the configured ones, until the session changes them. They are stored with the
/// session and used from then on.
///
/// ```no_run
/// # use session::{Session, Live};
/// # #[derive(session::Session)] struct Visit { views: u32 }
/// # fn handler(mut session: Session<Visit>) {
/// use std::time::Duration;
///
/// session.cookie_mut().set_max_age(Some(Duration::from_secs(30 * 24 * 3600))); // "remember me"
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionCookie {
    /// Shared with the configuration, or with the stored record, until something is set.
    attributes: Arc<CookieOptions>,
    /// Negative if a moment in the past was set. None: until the browser closes.
    original_max_age: Option<Millis>,
    expires: Option<Timestamp>,
}

impl SessionCookie {
    /// The cookie of a new session.
    pub(crate) fn new(attributes: Arc<CookieOptions>) -> Self {
        let original_max_age = attributes.max_age.map(millis);
        let expires = original_max_age.map(|age| Timestamp::now().plus_millis(age));
        Self::stored(attributes, original_max_age, expires)
    }

    /// The cookie of a stored session.
    pub(crate) fn stored(
        attributes: Arc<CookieOptions>,
        original_max_age: Option<i64>,
        expires: Option<Timestamp>,
    ) -> Self {
        Self { attributes, original_max_age: original_max_age.map(Millis::new), expires }
    }

    /// The time left until the cookie expires; none for a cookie that lasts until the browser closes.
    ///
    /// It is reset to [`original_max_age`](Self::original_max_age) with every renewal.
    #[must_use]
    pub fn max_age(&self) -> Option<Duration> {
        self.expires.map(|expires| expires.saturating_since(Timestamp::now()))
    }

    /// The moment at which the cookie expires; none for a cookie that lasts until the browser closes.
    #[must_use]
    pub fn expires(&self) -> Option<SystemTime> {
        self.expires.map(SystemTime::from)
    }

    /// The whole life that a renewal gives, `originalMaxAge` of express-session.
    #[must_use]
    pub fn original_max_age(&self) -> Option<Duration> {
        self.original_max_age.map(|age| Duration::from_millis(u64::try_from(age.get()).unwrap_or(0)))
    }

    /// The paths that the cookie is for.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.attributes.path
    }

    /// The domain whose hosts share the cookie.
    #[must_use]
    pub fn domain(&self) -> Option<&str> {
        self.attributes.domain.as_deref()
    }

    /// Whether scripts in the page are kept from reading the cookie.
    #[must_use]
    pub fn http_only(&self) -> bool {
        self.attributes.http_only
    }

    /// When the cookie is `Secure`.
    #[must_use]
    pub fn secure(&self) -> Secure {
        self.attributes.secure
    }

    /// Whether the cookie comes along from other sites.
    #[must_use]
    pub fn same_site(&self) -> SameSite {
        self.attributes.same_site
    }

    /// Whether the cookie is kept in a jar for each top-level site.
    #[must_use]
    pub fn partitioned(&self) -> bool {
        self.attributes.partitioned
    }

    /// Which cookies the browser drops last.
    #[must_use]
    pub fn priority(&self) -> Option<Priority> {
        self.attributes.priority
    }

    /// Sets the life of the session and its cookie from each renewal on, in whole milliseconds; none: until the
    /// browser closes. Zero ends the session with this response. More than 400 days are cut to that, as browsers do
    /// (RFC 6265bis §5.5).
    pub fn set_max_age(&mut self, max_age: Option<Duration>) {
        self.set_original_max_age(max_age);
        self.renew(Timestamp::now());
    }

    /// Sets the moment at which the cookie expires. The time left until then becomes the
    /// [`original_max_age`](Self::original_max_age); a moment in the past ends the session with this response, one more
    /// than 400 days away is cut to that.
    pub fn set_expires(&mut self, expires: Option<SystemTime>) {
        let now = Timestamp::now();
        self.expires = expires.map(|expires| Timestamp::from(expires).min(now.saturating_add(MAX_AGE_LIMIT)));
        let left = |expires: Timestamp| Millis::new(expires.as_millis().saturating_sub(now.as_millis()));
        self.original_max_age = self.expires.map(left);
    }

    /// Sets the life that the next renewal gives, at most 400 days, and leaves the time that is left now as it is.
    pub fn set_original_max_age(&mut self, max_age: Option<Duration>) {
        self.original_max_age = max_age.map(|age| Millis::new(millis(age.min(MAX_AGE_LIMIT))));
    }

    /// Sets the paths that the cookie is for.
    pub fn set_path(&mut self, path: impl Into<Cow<'static, str>>) {
        self.attributes_mut().path = path.into();
    }

    /// Sets the domain whose hosts share the cookie.
    pub fn set_domain(&mut self, domain: Option<Cow<'static, str>>) {
        self.attributes_mut().domain = domain;
    }

    /// Keeps scripts in the page from reading the cookie, or lets them.
    pub fn set_http_only(&mut self, http_only: bool) {
        self.attributes_mut().http_only = http_only;
    }

    /// Sets when the cookie is `Secure`.
    pub fn set_secure(&mut self, secure: Secure) {
        self.attributes_mut().secure = secure;
    }

    /// Sets whether the cookie comes along from other sites.
    pub fn set_same_site(&mut self, same_site: SameSite) {
        self.attributes_mut().same_site = same_site;
    }

    /// Sets whether the cookie is kept in a jar for each top-level site.
    pub fn set_partitioned(&mut self, partitioned: bool) {
        self.attributes_mut().partitioned = partitioned;
    }

    /// Sets which cookies the browser drops last.
    pub fn set_priority(&mut self, priority: Option<Priority>) {
        self.attributes_mut().priority = priority;
    }

    /// Resets the time left to the whole life, express-session's `resetMaxAge`.
    pub(crate) fn renew(&mut self, now: Timestamp) {
        self.expires = self.expires_if_renewed(now);
    }

    pub(crate) fn expires_if_renewed(&self, now: Timestamp) -> Option<Timestamp> {
        self.original_max_age.map(|age| now.plus_millis(age.get()))
    }

    /// Replaces `auto` by what it means on a connection, for express-session.
    pub(crate) fn resolve(&mut self, secure_connection: bool) {
        let resolved = self.attributes.resolved(secure_connection, false);
        if resolved != *self.attributes {
            self.attributes = Arc::new(resolved);
        }
    }

    pub(crate) fn attributes(&self) -> &Arc<CookieOptions> {
        &self.attributes
    }

    pub(crate) fn attributes_mut(&mut self) -> &mut CookieOptions {
        Arc::make_mut(&mut self.attributes)
    }

    pub(crate) fn original_max_age_millis(&self) -> Option<i64> {
        self.original_max_age.map(Millis::get)
    }

    pub(crate) const fn expires_at(&self) -> Option<Timestamp> {
        self.expires
    }

    /// Whether the settings differ, the time that is left aside.
    pub(crate) fn differs_from(&self, other: &Self) -> bool {
        self.original_max_age != other.original_max_age
            || !(Arc::ptr_eq(&self.attributes, &other.attributes) || self.attributes == other.attributes)
    }
}
