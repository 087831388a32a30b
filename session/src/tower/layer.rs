//! The configuration of the middleware.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use tower_layer::Layer;

use super::service::SessionService;
use crate::admin::Sessions;
use crate::context::LayerContext;
use crate::data::SessionData;
use crate::error::ConfigError;
use crate::options::Options;
use crate::secret::Keyring;
use crate::store::Store;

/// Gives requests a session of type `T`.
///
/// ```
/// use axum::{Router, routing::get};
/// use session::{MemoryStore, Secret, Session, SessionLayer};
///
/// #[derive(Session)]
/// struct Visit {
///     views: u32,
/// }
///
/// async fn index(mut session: Session<Visit>) -> String {
///     let views = session.views + 1;
///     session.set_views(views);
///     format!("views: {views}")
/// }
///
/// # fn main() -> Result<(), session::ConfigError> {
/// let secret = Secret::new("32 random bytes from a safe place")?;
/// let sessions = SessionLayer::<Visit>::new(MemoryStore::new(), secret);
/// let app: Router = Router::new().route("/", get(index)).layer(sessions);
/// # Ok(())
/// # }
/// ```
///
/// Two session types in one app are two layers, with two cookie names. A second layer for the same type stands aside.
///
/// A layer with a timeout belongs around this one, not between it and the handlers. Where it is around, a handler that it
/// gives up has stored nothing but what it saved itself. Where it is within, it drops the handler midway and answers in its
/// place, and what the handler had set by then is stored.
pub struct SessionLayer<T> {
    context: Arc<LayerContext>,
    data: PhantomData<fn() -> T>,
}

impl<T> SessionLayer<T> {
    /// A layer with the [default options](Options::default). The keys are a [`Secret`](crate::Secret), or a [`Keyring`]
    /// of several.
    pub fn new(store: impl Store, keys: impl Into<Keyring>) -> Self {
        Self::unchecked(store, &keys.into(), Options::default())
    }

    /// A layer with other options.
    ///
    /// # Errors
    /// A [`ConfigError`] that names the option, if options contradict each other or a browser would refuse the cookie.
    ///
    /// ```
    /// use session::{MemoryStore, Options, Secret, SessionLayer};
    ///
    /// # #[derive(session::Session)] struct Visit { views: u32 }
    /// let secret = Secret::new([7; 32])?;
    /// let options = Options::default().name("not a token");
    /// assert!(SessionLayer::<Visit>::with_options(MemoryStore::new(), secret, options).is_err());
    /// # Ok::<(), session::ConfigError>(())
    /// ```
    pub fn with_options(store: impl Store, keys: impl Into<Keyring>, options: Options) -> Result<Self, ConfigError> {
        options.check()?;
        Ok(Self::unchecked(store, &keys.into(), options))
    }

    fn unchecked(store: impl Store, keys: &Keyring, options: Options) -> Self {
        Self { context: Arc::new(LayerContext::new(Arc::new(store), keys, options)), data: PhantomData }
    }

    /// All sessions of the layer, to be listed, found and destroyed from outside a request.
    #[must_use]
    pub fn sessions(&self) -> Sessions<T>
    where
        T: SessionData,
    {
        Sessions::new(Arc::clone(&self.context))
    }

    /// The store that the layer was built with.
    #[must_use]
    pub fn store(&self) -> &dyn Store {
        self.context.store().as_ref()
    }
}

impl<T> Clone for SessionLayer<T> {
    fn clone(&self) -> Self {
        Self { context: Arc::clone(&self.context), data: PhantomData }
    }
}

impl<T> fmt::Debug for SessionLayer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionLayer").field("options", &self.context.options).finish_non_exhaustive()
    }
}

impl<T, Inner> Layer<Inner> for SessionLayer<T> {
    type Service = SessionService<T, Inner>;

    fn layer(&self, inner: Inner) -> Self::Service {
        SessionService::new(inner, Arc::clone(&self.context))
    }
}
