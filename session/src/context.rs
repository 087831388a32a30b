//! What all requests of a layer share: its options, its keys, and its store behind a deadline.

use std::borrow::Cow;
use std::ops::ControlFlow;
use std::sync::Arc;

use http::HeaderValue;
use http::request::Parts;

use crate::cookie::response::{self, AttributeText};
use crate::cookie::{CookieOptions, SessionCookie, path_matches, request};
use crate::error::SessionError;
use crate::id::SessionId;
use crate::lifecycle::Rules;
use crate::options::{CookieSource, Ids, Options};
use crate::record::{Absent, IndexKey, Meta, Record, Revision, UsualCookie};
use crate::secret::{IdSigner, Keyring, Piece};
use crate::store::{Created, Cursor, Loaded, Page, Renamed, Renewal, Store, StoreFuture, Updated};
use crate::timestamp::Timestamp;
use crate::transport::Transport;
use crate::turns::Turns;

/// How often an id is drawn before it counts as an error.
pub(crate) const ID_TRIES: u32 = 8;

/// What a cookie of 4096 bytes has room for beside the name and the signature, once it is encoded.
const LONGEST_ENCODED_ID: usize = 3072;

/// One layer's options, keys and store.
pub(crate) struct LayerContext {
    pub(crate) options: Options,
    /// How a load renews a session.
    renewal: Renewal,
    /// Whether a request says more about its session than which connection it came over.
    depends_on_requests: bool,
    signer: IdSigner,
    store: Arc<dyn Store>,
    /// The configured cookie, unless each request has its own.
    cookie: Arc<CookieOptions>,
    /// What headers say of it, over a connection that isn't secure and one that is.
    headers: Option<[CookieHeaders; 2]>,
    /// What the store says of itself.
    pub(crate) shares_records: bool,
    pub(crate) turns: Turns,
    /// The defaults of express-session: what attributes are that an express record doesn't have.
    express_cookie: Arc<CookieOptions>,
    /// What most records say of their cookie, if one is configured for all requests.
    usual_cookie: Option<UsualCookie>,
}

struct CookieHeaders {
    attributes: AttributeText,
    removal: Option<HeaderValue>,
}

/// What a request says about its session.
pub(crate) struct RequestFacts {
    /// The configured cookie, if it is made for each request.
    cookie: Option<Arc<CookieOptions>>,
    pub(crate) secure_connection: bool,
    /// For `genid`, which may be called when the request itself is long gone.
    parts: Option<Box<Parts>>,
}

impl RequestFacts {
    /// What is known without a request.
    pub(crate) const NONE: Self = Self { cookie: None, secure_connection: false, parts: None };
}

impl LayerContext {
    pub(crate) fn new(store: Arc<dyn Store>, keyring: &Keyring, options: Options) -> Self {
        let header = options.transport.request_header();
        let purpose = match options.transport {
            Transport::Cookie => ("session cookie", &*options.name),
            _ => ("session token", header.as_str()),
        };
        let signer = IdSigner::new(keyring, &options.signature, purpose);
        let strict = options.policy.rules == Rules::Safe;
        let (shares_records, express_cookie) = (store.shares_records(), Arc::new(CookieOptions::express()));
        let (cookie, headers, usual_cookie) = match &options.cookie {
            CookieSource::Fixed(cookie) => {
                let headers = [false, true].map(|is_secure| {
                    let attributes = AttributeText::new(&cookie.resolved(is_secure, strict));
                    CookieHeaders { removal: attributes.removal(&options.name), attributes }
                });
                let absent = if strict { cookie } else { &express_cookie };
                (Arc::clone(cookie), Some(headers), UsualCookie::new(cookie, absent))
            }
            CookieSource::PerRequest(_) => (Arc::default(), None, None),
        };
        Self {
            renewal: options.renewal(),
            depends_on_requests: options.depends_on_requests(),
            options,
            signer,
            store,
            cookie,
            headers,
            shares_records,
            turns: Turns::default(),
            express_cookie,
            usual_cookie,
        }
    }

    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// What a request says about its session; none if it lies outside the cookie's path.
    #[inline]
    pub(crate) fn read_request(&self, parts: &Parts) -> Result<Option<RequestFacts>, Box<SessionError>> {
        if self.depends_on_requests {
            return self.read_whole_request(parts);
        }
        let secure_connection = self.options.proxy.is_secure(parts);
        Ok(Some(RequestFacts { cookie: None, secure_connection, parts: None }))
    }

    #[inline(never)]
    fn read_whole_request(&self, parts: &Parts) -> Result<Option<RequestFacts>, Box<SessionError>> {
        let own_cookie = match &self.options.cookie {
            CookieSource::Fixed(_) => None,
            CookieSource::PerRequest(make) => {
                let cookie = make(parts);
                self.options.check_cookie(&cookie).map_err(SessionError::Cookie)?;
                Some(Arc::new(cookie))
            }
        };
        let cookie = own_cookie.as_ref().unwrap_or(&self.cookie);
        if !self.covers(&cookie.path, parts) {
            return Ok(None);
        }
        let secure_connection = self.options.proxy.is_secure(parts);
        let cookie = match self.options.policy.rules {
            Rules::Safe => own_cookie,
            // `auto` is decided when the session begins, and kept in its record.
            Rules::Express => Some(Arc::new(cookie.resolved(secure_connection, false))),
        };
        let parts = matches!(self.options.ids, Ids::Custom(_)).then(|| Box::new(parts.clone()));
        Ok(Some(RequestFacts { cookie, secure_connection, parts }))
    }

    /// The configured cookie, for this request.
    pub(crate) fn cookie<'a>(&'a self, request: &'a RequestFacts) -> &'a Arc<CookieOptions> {
        request.cookie.as_ref().unwrap_or(&self.cookie)
    }

    /// The id that the request brings, validly signed; after so many others, if it has several cookies or tokens. For
    /// express-session the first cookie alone counts, whatever it is.
    pub(crate) fn presented_id(&self, parts: &Parts, skipped: usize) -> Option<SessionId> {
        if !self.options.transport.is_cookie() {
            return self.presented_token(parts, skipped);
        }
        let is_first_only = self.options.policy.rules == Rules::Express;
        let mut to_skip = skipped;
        let usual = |signed: &_| if skipped == 0 { self.signer.verify_generated(signed).map(Some) } else { None };
        request::find(&parts.headers, &self.options.name, usual, |value| {
            match request::signed(value, |signed| self.verify(signed)) {
                Some(_) if to_skip > 0 => to_skip -= 1,
                Some(id) => return ControlFlow::Break(Some(id)),
                None => {}
            }
            if is_first_only { ControlFlow::Break(None) } else { ControlFlow::Continue(()) }
        })?
    }

    #[inline(never)]
    fn presented_token(&self, parts: &Parts, skipped: usize) -> Option<SessionId> {
        let tokens = self.options.transport.tokens(&parts.headers);
        tokens.filter_map(|token| self.verify(token.as_bytes())).nth(skipped)
    }

    fn verify(&self, signed: &[u8]) -> Option<SessionId> {
        SessionId::from_bytes(self.signer.verify(signed)?)
    }

    /// express-session stores new sessions that nobody can come back to, too.
    pub(crate) fn stores_only_what_is_announced(&self) -> bool {
        self.options.policy.rules == Rules::Safe
    }

    /// What travels, before it is encoded for its header.
    pub(crate) fn token(&self, id: &SessionId) -> String {
        let mut token = String::from(if self.options.transport.is_cookie() { "s:" } else { "" });
        self.signer.sign(id.as_str(), &mut |(Piece::Plain(text) | Piece::Any(text))| token.push_str(text));
        token
    }

    /// The header that gives the client a token; none if it can't stand in one.
    pub(crate) fn set_token(&self, id: &SessionId) -> Option<HeaderValue> {
        self.options.transport.header_value(&self.token(id))
    }

    /// The header that gives the client a cookie.
    pub(crate) fn set_cookie(
        &self,
        id: &SessionId,
        (attributes, expires): (&Arc<CookieOptions>, Option<Timestamp>),
        secure_connection: bool,
    ) -> Option<HeaderValue> {
        let sign = |write: &mut dyn FnMut(Piece<'_>)| self.signer.sign(id.as_str(), write);
        let name = &self.options.name;
        match self.headers(attributes, secure_connection) {
            Some(headers) => headers.attributes.set(name, sign, expires),
            None => self.attribute_text(attributes, secure_connection).set(name, sign, expires),
        }
    }

    /// The header that takes a cookie away that was sent with these attributes.
    pub(crate) fn remove_cookie(&self, sent: &Arc<CookieOptions>, secure_connection: bool) -> Option<HeaderValue> {
        match self.headers(sent, secure_connection) {
            Some(headers) => headers.removal.clone(),
            None => self.attribute_text(sent, secure_connection).removal(&self.options.name),
        }
    }

    fn attribute_text(&self, attributes: &CookieOptions, secure_connection: bool) -> AttributeText {
        AttributeText::new(&attributes.resolved(secure_connection, self.options.policy.rules == Rules::Safe))
    }

    /// Those that are there for cookies of the configured attributes.
    fn headers(&self, attributes: &Arc<CookieOptions>, secure_connection: bool) -> Option<&CookieHeaders> {
        let headers = self.headers.as_ref().filter(|_| Arc::ptr_eq(&self.cookie, attributes))?;
        headers.get(usize::from(secure_connection))
    }

    pub(crate) fn new_id(&self, request: &RequestFacts) -> Result<SessionId, SessionError> {
        match (&self.options.ids, &request.parts) {
            (Ids::Custom(genid), Some(parts)) => {
                let id = SessionId::new(genid(parts))?;
                if response::encoded_len(id.as_str()) > LONGEST_ENCODED_ID || !id.is_text() {
                    return Err(SessionError::InvalidId { len: id.as_bytes().len() });
                }
                Ok(id)
            }
            (Ids::Alphanumeric, _) => SessionId::alphanumeric(),
            _ => SessionId::random(),
        }
    }

    /// What a stored record means by what it doesn't say.
    pub(crate) fn absent<'a>(&'a self, request: &'a RequestFacts) -> Absent<'a> {
        let attributes = match self.options.policy.rules {
            Rules::Safe => self.cookie(request),
            Rules::Express => &self.express_cookie,
        };
        let cookie_too = !self.options.transport.is_cookie();
        Absent { attributes, cookie_too, usual: self.usual_cookie.as_ref() }
    }

    /// Until when a session may live that began as `meta` says; none if there is no absolute timeout.
    pub(crate) fn deadline(&self, meta: &Meta) -> Option<Timestamp> {
        let timeout = self.options.absolute_timeout?;
        Some(meta.created_at()?.saturating_add(timeout))
    }

    /// What a record says that is written now. A session from before there was an absolute timeout, or from Node, begins
    /// with that: nobody knows better.
    pub(crate) fn dated(&self, meta: Meta, now: Timestamp) -> Meta {
        if self.options.absolute_timeout.is_some() { meta.or_created(now) } else { meta }
    }

    /// Until when the store keeps a session that is renewed now.
    pub(crate) fn expiry(&self, cookie: &SessionCookie, meta: Meta, now: Timestamp) -> Timestamp {
        let expires = cookie.expires_at().unwrap_or_else(|| now.saturating_add(self.options.ttl));
        self.deadline(&meta).map_or(expires, |deadline| deadline.min(expires))
    }

    fn covers(&self, cookie_path: &str, parts: &Parts) -> bool {
        if cookie_path == "/" || !self.options.transport.is_cookie() {
            return true;
        }
        #[cfg(feature = "axum")]
        let uri = parts.extensions.get::<::axum::extract::OriginalUri>().map_or(&parts.uri, |original| &original.0);
        #[cfg(not(feature = "axum"))]
        let uri = &parts.uri;
        match self.options.policy.rules {
            Rules::Safe => path_matches(cookie_path, uri.path()),
            Rules::Express => uri.path().starts_with(cookie_path),
        }
    }

    pub(crate) fn load<'a>(&'a self, id: &'a SessionId, renew: bool) -> StoreFuture<'a, Option<Loaded>> {
        let renewal = renew.then_some(self.renewal);
        self.ask(id, move |store, key| store.load(key, renewal))
    }

    /// Loads by the store's key, and renews nothing.
    pub(crate) fn load_key<'a>(&'a self, key: &'a SessionId) -> StoreFuture<'a, Option<Loaded>> {
        self.in_time(self.store.load(key, None))
    }

    pub(crate) fn create<'a>(
        &'a self,
        id: &'a SessionId,
        record: Record,
        expires: Timestamp,
    ) -> StoreFuture<'a, Created> {
        self.ask(id, move |store, key| store.create(key, record, expires))
    }

    pub(crate) fn update<'a>(
        &'a self,
        id: &'a SessionId,
        expected: Revision,
        record: Record,
        expires: Timestamp,
    ) -> StoreFuture<'a, Updated> {
        self.ask(id, move |store, key| store.update(key, expected, record, expires))
    }

    pub(crate) fn update_key<'a>(
        &'a self,
        key: &'a SessionId,
        expected: Revision,
        record: Record,
        expires: Timestamp,
    ) -> StoreFuture<'a, Updated> {
        self.in_time(self.store.update(key, expected, record, expires))
    }

    pub(crate) fn rename<'a>(
        &'a self,
        (old, new): (&'a SessionId, &'a SessionId),
        expected: Revision,
        record: Record,
        expires: Timestamp,
    ) -> StoreFuture<'a, Renamed> {
        StoreFuture::new(async move {
            let (old, new) = (self.key(old), self.key(new));
            self.in_time(self.store.rename(&old, expected, &new, record, expires)).await
        })
    }

    pub(crate) fn touch<'a>(&'a self, id: &'a SessionId, expires: Timestamp) -> StoreFuture<'a, bool> {
        self.ask(id, move |store, key| store.touch(key, expires))
    }

    pub(crate) fn destroy<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, ()> {
        self.ask(id, |store, key| store.destroy(key))
    }

    pub(crate) fn destroy_key<'a>(&'a self, key: &'a SessionId) -> StoreFuture<'a, ()> {
        self.in_time(self.store.destroy(key))
    }

    pub(crate) fn all(&self, after: Option<Cursor>, limit: usize) -> StoreFuture<'_, Page> {
        self.in_time(self.store.all(after, limit))
    }

    pub(crate) fn find<'a>(&'a self, key: &'a IndexKey, after: Option<Cursor>, limit: usize) -> StoreFuture<'a, Page> {
        self.in_time(self.store.find(key, after, limit))
    }

    /// However long it takes: a store may have to look at every session.
    pub(crate) fn len(&self) -> StoreFuture<'_, usize> {
        self.store.len()
    }

    /// However long it takes, too.
    pub(crate) fn clear(&self) -> StoreFuture<'_, ()> {
        self.store.clear()
    }

    /// What the store knows the session by.
    pub(crate) fn key<'a>(&self, id: &'a SessionId) -> Cow<'a, SessionId> {
        if self.options.hash_ids { Cow::Owned(id.hashed()) } else { Cow::Borrowed(id) }
    }

    /// Asks the store about the session of an id.
    fn ask<'a, R: Send + 'a>(
        &'a self,
        id: &'a SessionId,
        question: impl for<'k> FnOnce(&'k dyn Store, &'k SessionId) -> StoreFuture<'k, R> + Send + 'a,
    ) -> StoreFuture<'a, R> {
        match self.key(id) {
            Cow::Borrowed(key) => self.in_time(question(&*self.store, key)),
            Cow::Owned(key) => StoreFuture::new(async move { self.in_time(question(&*self.store, &key)).await }),
        }
    }

    fn in_time<'a, R>(&self, answer: StoreFuture<'a, R>) -> StoreFuture<'a, R> {
        answer.within(self.options.store_timeout)
    }
}
