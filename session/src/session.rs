//! The handle on a session.

use std::any::type_name;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use http::request::Parts;

use crate::commit::{self, Plan};
use crate::context::LayerContext;
use crate::cookie::SessionCookie;
use crate::data::{SessionData, SessionFields, Tracked};
use crate::error::{SessionError, SessionRejection};
use crate::id::SessionId;
use crate::lifecycle::Ending;
use crate::slot::Slot;
use crate::state::{Destroyed, Initialized, Live, Readable, Replaceable, State, Uninitialized, Writable};
use crate::status::Status;

/// The session of a request: its fields, typed, and its life.
///
/// `T` is a struct with `#[derive(Session)]`, `S` the [state](crate::state) that the session is in. A handler asks for
/// `Session<T>`, reads fields as if it held a `&T`, and writes them with the setters that the derive generates. What was
/// changed is stored before the response leaves; nothing need be called for it.
///
/// ```
/// use session::Session;
///
/// #[derive(Session)]
/// struct Visit {
///     views: u32,
///     theme: Option<String>,
/// }
///
/// async fn index(mut session: Session<Visit>) -> String {
///     let views = session.views + 1;
///     session.set_views(views);
///     format!("views: {views}, theme: {}", session.theme.as_deref().unwrap_or("light"))
/// }
/// ```
///
/// There is one handle at a time. When it is dropped, the session goes back to the request, for the next extractor or
/// for the commit. A handle that lives longer than the response (in a stream, a WebSocket or a spawned task) saves itself
/// with [`save`](Self::save).
pub struct Session<T: SessionData, S: State = Live> {
    /// None only while the handle is being taken apart.
    handle: Option<Handle<T, S>>,
}

struct Handle<T: SessionData, S: State> {
    fields: T::Fields<S>,
    slot: Arc<Slot<T>>,
}

/// What a [`Live`] session turns out to be: see [`Session::state`].
pub enum LiveState<T: SessionData> {
    /// No stored session, and nothing changed.
    Uninitialized(Session<T, Uninitialized>),
    /// Data that is stored, or will be.
    Initialized(Session<T, Initialized>),
}

/// A transition that the store refused. The session is as it was, and comes back with
/// [`into_session`](Self::into_session).
///
/// ```
/// # use session::{Session, SessionError, Destroyed};
/// # #[derive(Session)] struct Visit { views: u32 }
/// async fn log_out(session: Session<Visit>) -> Result<Session<Visit, Destroyed>, SessionError> {
///     match session.destroy().await {
///         Ok(destroyed) => Ok(destroyed),
///         Err(error) => error.into_session().destroy().await.map_err(SessionError::from), // once more
///     }
/// }
/// ```
pub struct TransitionError<T: SessionData, S: State> {
    error: SessionError,
    session: Session<T, S>,
}

impl<T: SessionData> Session<T> {
    /// The session of a request, for services that don't extract it through axum.
    ///
    /// # Errors
    /// See [`SessionRejection`]: no layer, another handle lives, outside the cookie's path, ended earlier in this
    /// request, or not to be loaded.
    pub async fn from_parts(parts: &Parts) -> Result<Self, SessionRejection> {
        let slot = parts.extensions.get::<Arc<Slot<T>>>();
        let slot = Arc::clone(slot.ok_or(SessionRejection::NoLayer { session: type_name::<T>() })?);
        let content = slot.take(parts).await?;
        Ok(Self { handle: Some(Handle { fields: SessionFields::from_content(content), slot }) })
    }

    /// What the session is now. It is initialized if there is a stored session or something was changed.
    #[must_use]
    pub fn state(self) -> LiveState<T> {
        if self.is_initialized() {
            LiveState::Initialized(self.into_state())
        } else {
            LiveState::Uninitialized(self.into_state())
        }
    }

    pub(crate) fn is_initialized(&self) -> bool {
        self.status().stored.is_some() || self.status().initialized || self.is_modified()
    }
}

impl<T: SessionData> From<Session<T, Uninitialized>> for Session<T> {
    /// Forgets the state, to go on as with a session just extracted.
    fn from(session: Session<T, Uninitialized>) -> Self {
        session.into_state()
    }
}

impl<T: SessionData> From<Session<T, Initialized>> for Session<T> {
    /// Forgets the state, to go on as with a session just extracted.
    fn from(session: Session<T, Initialized>) -> Self {
        session.into_state()
    }
}

impl<T: SessionData> Session<T, Uninitialized> {
    /// Begins a session in earnest: it will be stored and announced, whatever is set.
    pub fn initialize(mut self) -> Session<T, Initialized> {
        self.parts_mut().1.initialized = true;
        self.into_state()
    }
}

impl<T: SessionData, S: State> Session<T, S> {
    /// The session's id. A new session draws it at the first call, and has it for good only when it is stored.
    ///
    /// # Errors
    /// [`SessionError::Random`], or [`SessionError::InvalidId`] if `genid` gave something that can't be an id.
    pub fn id(&self) -> Result<&SessionId, SessionError>
    where
        S: Readable,
    {
        self.status().id(self.layer())
    }

    /// The signed text that leads to this session: what the cookie, or the header of a
    /// [token transport](crate::Transport), holds. For clients that the response's header doesn't reach. A new session's
    /// token leads to it once it is stored, at the end of the request or with [`save`](Self::save).
    ///
    /// It is a secret: whoever has it has the session.
    ///
    /// # Errors
    /// As [`id`](Self::id).
    pub fn token(&self) -> Result<String, SessionError>
    where
        S: Readable,
    {
        Ok(self.layer().token(self.id()?))
    }

    /// Whether no stored session stands behind this one: it was begun by this request, and not saved yet.
    #[must_use]
    pub fn is_new(&self) -> bool
    where
        S: Readable,
    {
        self.status().stored.is_none()
    }

    /// Whether any field differs from what was loaded, or from the initial values of a new session. A field that was
    /// changed and changed back is not modified.
    #[must_use]
    pub fn is_modified(&self) -> bool
    where
        S: Readable,
    {
        self.handle().fields.content().tracked().is_modified()
    }

    /// The cookie settings of this session.
    #[must_use]
    pub fn cookie(&self) -> &SessionCookie
    where
        S: Readable,
    {
        let content = self.handle().fields.content();
        content.status().cookie(&content.tracked().base().cookie)
    }

    /// The cookie settings of this session, to be changed. They are stored with it and used from then on. On a new
    /// session they alone are no reason to store it.
    #[must_use]
    pub fn cookie_mut(&mut self) -> &mut SessionCookie
    where
        S: Writable,
    {
        let (tracked, status, _) = self.parts_mut();
        status.cookie_mut(&tracked.base().cookie)
    }

    /// Stores the session now; the end of the request does it otherwise. What other requests stored meanwhile is merged,
    /// field by field, and can be read afterwards.
    ///
    /// # Errors
    /// [`SessionError::Gone`] if the session was destroyed or has expired since it was loaded: it is not stored again.
    /// [`SessionError::Store`], [`Encode`](SessionError::Encode), [`TooLarge`](SessionError::TooLarge),
    /// [`Contended`](SessionError::Contended): nothing was stored. [`SessionError::Unannounced`] after the response, for a
    /// new session and for changes that give the session another id; [`SessionError::Insecure`] for a new session whose
    /// cookie can't be sent.
    pub async fn save(&mut self) -> Result<(), SessionError>
    where
        S: Writable,
    {
        let (tracked, status, slot) = self.parts_mut();
        let needs_cookie = status.stored.is_none() || commit::changes_id(tracked)?;
        if needs_cookie && slot.is_closed() {
            return Err(SessionError::Unannounced);
        }
        let is_sendable = status.is_sendable(&slot.layer, &tracked.base().cookie);
        if status.stored.is_none() && !is_sendable && slot.layer.stores_only_what_is_announced() {
            return Err(SessionError::Insecure);
        }
        commit::save(&slot.layer, tracked, status).await?;
        self.announce()
    }

    /// Replaces the fields and the cookie settings by what is stored now; changes that were not saved are lost.
    ///
    /// # Errors
    /// [`SessionError::Gone`] if nothing is stored (yet, or any more), [`SessionError::Store`] or
    /// [`SessionError::Decode`]. The session is then as it was.
    pub async fn reload(&mut self) -> Result<(), SessionError>
    where
        S: Writable,
    {
        let (tracked, status, slot) = self.parts_mut();
        commit::reload(&slot.layer, tracked, status).await
    }

    /// Renews the session at the end of the request, even if that was done not long ago, and resets the time left of its
    /// cookie now.
    pub fn touch(&mut self)
    where
        S: Writable,
    {
        let (tracked, status, _) = self.parts_mut();
        status.touch(&tracked.base().cookie);
    }

    /// Gives the session another id and keeps its data: do this when a visitor gains rights, so that an id from before
    /// is worth nothing. A stored session is saved under the new id, and the old one is dead, in one step.
    ///
    /// # Errors
    /// As [`save`](Self::save). The session then has the id that it had. A store that failed is asked whether the change was
    /// made; if it was, that is no error.
    pub async fn rotate_id(&mut self) -> Result<(), SessionError>
    where
        S: Writable,
    {
        if self.handle().slot.is_closed() {
            return Err(SessionError::Unannounced);
        }
        let (tracked, status, slot) = self.parts_mut();
        commit::rename(&slot.layer, tracked, status).await?;
        self.announce()
    }

    /// Destroys the session and begins a new one, with another id and the initial values.
    ///
    /// # Errors
    /// The store's, or [`SessionError::Unannounced`] after the response, with the session as it was.
    pub async fn regenerate(mut self) -> Result<Session<T, Uninitialized>, TransitionError<T, S>>
    where
        S: Replaceable,
    {
        if self.handle().slot.is_closed() {
            return Err(self.refused(SessionError::Unannounced));
        }
        let (tracked, status, slot) = self.parts_mut();
        match commit::regenerate(&slot.layer, tracked, status).await {
            Ok(()) => {
                // Whatever was to be announced before is no more.
                slot.announce(commit::removal(&slot.layer, status, &tracked.base().cookie));
                Ok(self.into_state())
            }
            Err(error) => Err(self.refused(error)),
        }
    }

    /// Removes the session from the store, now. Its cookie is removed with the response. What runs at the same time with
    /// this session can't bring it back.
    ///
    /// # Errors
    /// The store's, with the session as it was.
    pub async fn destroy(mut self) -> Result<Session<T, Destroyed>, TransitionError<T, S>>
    where
        S: Writable,
    {
        let (tracked, status, slot) = self.parts_mut();
        if let Err(error) = commit::destroy::<T>(&slot.layer, status).await {
            return Err(self.refused(error));
        }
        status.ending = Ending::Destroyed;
        slot.destroyed(commit::removal(&slot.layer, status, &tracked.base().cookie));
        Ok(self.into_state())
    }

    /// Gives the session up for the rest of the request. Its changes are dropped; [`Options::unset`](crate::Options::unset)
    /// says what becomes of the stored session.
    pub fn unset(mut self)
    where
        S: Writable,
    {
        self.parts_mut().1.unset();
    }

    #[cold]
    fn refused(self, error: SessionError) -> TransitionError<T, S> {
        TransitionError { error, session: self }
    }

    /// A handle that stays away beyond the response leaves the header for its stored session behind.
    fn announce(&self) -> Result<(), SessionError> {
        let Handle { fields, slot } = self.handle();
        let content = fields.content();
        if content.status().stored.is_some() {
            slot.announce(Plan::new(&slot.layer, content)?.announce(&slot.layer, content)?);
        }
        Ok(())
    }

    fn into_state<Next: State>(mut self) -> Session<T, Next> {
        let handle = self.handle.take().map(|Handle { fields, slot }| Handle {
            fields: SessionFields::from_content(fields.into_content().into_state()),
            slot,
        });
        Session { handle }
    }

    #[expect(clippy::expect_used, reason = "the handle is taken out only by methods that consume the session")]
    fn handle(&self) -> &Handle<T, S> {
        self.handle.as_ref().expect("a session has its handle until it is taken apart")
    }

    #[expect(clippy::expect_used, reason = "the handle is taken out only by methods that consume the session")]
    fn handle_mut(&mut self) -> &mut Handle<T, S> {
        self.handle.as_mut().expect("a session has its handle until it is taken apart")
    }

    fn parts_mut(&mut self) -> (&mut Tracked<T>, &mut Status, &Slot<T>) {
        let Handle { fields, slot } = self.handle_mut();
        let (tracked, status) = fields.content_mut().parts_mut();
        (tracked, status, slot)
    }

    fn status(&self) -> &Status {
        self.handle().fields.content().status()
    }

    fn layer(&self) -> &LayerContext {
        &self.handle().slot.layer
    }
}

impl<T: SessionData, S: State> Deref for Session<T, S> {
    type Target = T::Fields<S>;

    fn deref(&self) -> &T::Fields<S> {
        &self.handle().fields
    }
}

impl<T: SessionData, S: State> DerefMut for Session<T, S> {
    fn deref_mut(&mut self) -> &mut T::Fields<S> {
        &mut self.handle_mut().fields
    }
}

impl<T: SessionData, S: State> Drop for Session<T, S> {
    fn drop(&mut self) {
        if let Some(Handle { fields, slot }) = self.handle.take() {
            slot.give_back(fields.into_content().into_state());
        }
    }
}

impl<T: SessionData, S: State> fmt::Debug for Session<T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Session");
        match &self.handle {
            Some(handle) => shown.field("fields", handle.fields.content()).finish_non_exhaustive(),
            None => shown.finish_non_exhaustive(),
        }
    }
}

impl<T: SessionData> fmt::Debug for LiveState<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uninitialized(session) => f.debug_tuple("Uninitialized").field(session).finish(),
            Self::Initialized(session) => f.debug_tuple("Initialized").field(session).finish(),
        }
    }
}

impl<T: SessionData, S: State> TransitionError<T, S> {
    /// The session, as it was before.
    pub fn into_session(self) -> Session<T, S> {
        self.session
    }

    /// What the store said.
    #[must_use]
    pub const fn error(&self) -> &SessionError {
        &self.error
    }
}

impl<T: SessionData, S: State> From<TransitionError<T, S>> for SessionError {
    /// Lets the session go; the end of the request commits it as usual.
    fn from(error: TransitionError<T, S>) -> Self {
        error.error
    }
}

impl<T: SessionData, S: State> fmt::Debug for TransitionError<T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TransitionError").field(&self.error).finish()
    }
}

impl<T: SessionData, S: State> fmt::Display for TransitionError<T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the session is as it was: {}", self.error)
    }
}

impl<T: SessionData, S: State> std::error::Error for TransitionError<T, S> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}
