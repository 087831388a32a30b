//! The configuration file: express-session's options, by their names.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::OriginalUri;
use axum::http::request::Parts;
use axum::http::{Response, StatusCode};
use serde::Deserialize;
use serde_json::Value;
use session::{ConfigError, CookieOptions, Keyring, Options, Priority, Proxy, SameSite, Secret, Secure, Unset};

/// What the server is started with. Unknown keys are ignored.
#[derive(Deserialize)]
pub(crate) struct Config {
    secret: Option<OneOrMany<SecretText>>,
    name: Option<String>,
    #[serde(default)]
    resave: bool,
    #[serde(default, rename = "saveUninitialized")]
    save_uninitialized: bool,
    #[serde(default)]
    rolling: bool,
    #[serde(default)]
    unset: UnsetName,
    /// None if it is null: the application decides.
    #[serde(default = "untrusted")]
    pub(crate) proxy: Option<bool>,
    #[serde(default)]
    cookie: CookieConfig,
    cookie_by_path: Option<Vec<(String, CookieConfig)>>,
    genid: Option<GeneratorConfig>,
    #[serde(default = "root")]
    pub(crate) mount: String,
    #[serde(default = "one")]
    pub(crate) layers: u8,
    #[serde(default)]
    pub(crate) store: StoreConfig,
}

/// How the store behaves.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct StoreConfig {
    pub(crate) fail: Failing,
    pub(crate) fail_code: Option<String>,
    /// Whether it can move the expiry of a record; it can if this is absent.
    pub(crate) touch: Option<bool>,
    pub(crate) delay: Delays,
}

/// Which operations fail.
pub(crate) type Failing = Option<OneOrMany<Operation>>;

/// How many milliseconds operations take.
pub(crate) type Delays = std::collections::HashMap<Operation, u64>;

/// An operation of the store, in express-session's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Operation {
    Get,
    Set,
    Touch,
    Destroy,
}

#[derive(Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    pub(crate) fn as_slice(&self) -> &[T] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum SecretText {
    Text(String),
    Hex { hex: String },
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum UnsetName {
    #[default]
    Keep,
    Destroy,
}

#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct CookieConfig {
    path: Option<String>,
    domain: Option<String>,
    http_only: Option<bool>,
    secure: Option<Value>,
    same_site: Option<Value>,
    max_age: Option<u64>,
    partitioned: bool,
    priority: Option<String>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "lowercase")]
enum GeneratorConfig {
    Fixed(Vec<String>),
    From(FromWhat),
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum FromWhat {
    Path,
}

/// How many of the fixed ids were given out.
#[derive(Default)]
pub(crate) struct Generator(AtomicUsize);

impl Generator {
    pub(crate) fn start_over(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

#[expect(clippy::unnecessary_wraps, reason = "what serde asks for")]
const fn untrusted() -> Option<bool> {
    Some(false)
}

fn root() -> String {
    "/".to_owned()
}

const fn one() -> u8 {
    1
}

impl Config {
    pub(crate) fn keyring(&self) -> Result<Keyring, ConfigError> {
        let secrets = self.secret.as_ref().map(OneOrMany::as_slice).unwrap_or_default();
        secrets.iter().map(SecretText::secret).collect::<Result<Vec<_>, _>>()?.try_into()
    }

    pub(crate) fn options(&self, generator: &Arc<Generator>) -> Result<Options, String> {
        let mut options = Options::express()
            .on_error(|error| with_status_500(error.public_text()))
            .resave(self.resave)
            .save_uninitialized(self.save_uninitialized)
            .rolling(self.rolling)
            .unset(match self.unset {
                UnsetName::Keep => Unset::Keep,
                UnsetName::Destroy => Unset::Destroy,
            })
            .proxy(if self.proxy == Some(true) { Proxy::TrustForwardedProto } else { Proxy::None });
        if let Some(name) = &self.name {
            options = options.name(name.clone());
        }
        options = match &self.cookie_by_path {
            None => options.cookie(self.cookie.options()?),
            Some(by_path) => {
                let by_path: Vec<_> = by_path
                    .iter()
                    .map(|(prefix, cookie)| Ok((prefix.clone(), cookie.options()?)))
                    .collect::<Result<_, String>>()?;
                options.cookie_with(move |request| {
                    let hit = by_path.iter().find(|(prefix, _)| path(request).starts_with(prefix.as_str()));
                    hit.map_or_else(CookieOptions::express, |(_, cookie)| cookie.clone())
                })
            }
        };
        Ok(match self.genid.clone() {
            None => options,
            Some(GeneratorConfig::From(FromWhat::Path)) => options.genid(|request| path(request).to_owned()),
            Some(GeneratorConfig::Fixed(ids)) => {
                let generator = Arc::clone(generator);
                options.genid(move |_| {
                    let next = generator.0.fetch_add(1, Ordering::Relaxed);
                    ids.get(next).or(ids.last()).cloned().unwrap_or_default()
                })
            }
        })
    }
}

/// What express makes of an error, a failing store's too.
fn with_status_500(text: &'static str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(text.as_bytes()));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}

/// The path as it was sent, below a mount point too.
fn path(request: &Parts) -> &str {
    request.extensions.get::<OriginalUri>().map_or(&request.uri, |original| &original.0).path()
}

impl SecretText {
    fn secret(&self) -> Result<Secret, ConfigError> {
        match self {
            Self::Text(text) => Secret::legacy(text),
            Self::Hex { hex } => {
                let digits = hex.as_bytes().chunks(2);
                let byte = |pair| str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok());
                Secret::legacy(digits.filter_map(byte).collect::<Vec<_>>())
            }
        }
    }
}

impl CookieConfig {
    fn options(&self) -> Result<CookieOptions, String> {
        let mut cookie = CookieOptions::express().partitioned(self.partitioned);
        if let Some(path) = &self.path {
            cookie = cookie.path(path.clone());
        }
        if let Some(domain) = &self.domain {
            cookie = cookie.domain(domain.clone());
        }
        if let Some(http_only) = self.http_only {
            cookie = cookie.http_only(http_only);
        }
        if let Some(secure) = &self.secure {
            cookie = cookie.secure(secure_of(secure).ok_or("cookie.secure is not in the table")?);
        }
        if let Some(same_site) = &self.same_site {
            cookie = cookie.same_site(same_site_of(same_site).ok_or("cookie.sameSite is not in the table")?);
        }
        if let Some(max_age) = self.max_age {
            cookie = cookie.max_age(Duration::from_millis(max_age));
        }
        if let Some(priority) = &self.priority {
            cookie = cookie.priority(priority_of(priority).ok_or("cookie.priority is not in the table")?);
        }
        Ok(cookie)
    }
}

pub(crate) fn secure_of(value: &Value) -> Option<Secure> {
    match value {
        Value::Bool(true) => Some(Secure::On),
        Value::Bool(false) => Some(Secure::Off),
        Value::String(text) if text == "auto" => Some(Secure::Auto),
        _ => None,
    }
}

pub(crate) fn same_site_of(value: &Value) -> Option<SameSite> {
    match value {
        Value::Bool(true) => Some(SameSite::Strict),
        Value::Bool(false) | Value::Null => Some(SameSite::Unset),
        Value::String(text) => match text.as_str() {
            "strict" => Some(SameSite::Strict),
            "lax" => Some(SameSite::Lax),
            "none" => Some(SameSite::None),
            "auto" => Some(SameSite::Auto),
            _ => None,
        },
        _ => None,
    }
}

pub(crate) fn priority_of(name: &str) -> Option<Priority> {
    match name {
        "low" => Some(Priority::Low),
        "medium" => Some(Priority::Medium),
        "high" => Some(Priority::High),
        _ => None,
    }
}
