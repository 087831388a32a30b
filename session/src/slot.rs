//! Where a request's session is while no handle has it.

use std::any::type_name;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::HeaderValue;
use http::request::Parts;

use crate::context::LayerContext;
use crate::data::{Content, SessionData};
use crate::error::{SessionError, SessionRejection};
use crate::lifecycle::Ending;

/// One request's place for a session of type `T`. The layer makes it, handles borrow from it, the layer empties it.
pub(crate) struct Slot<T> {
    pub(crate) layer: Arc<LayerContext>,
    inside: Mutex<Inside<T>>,
}

struct Inside<T> {
    state: SlotState<T>,
    /// For the response, if the session has not come back by then: it tells the client about what was stored, or destroyed,
    /// meanwhile.
    header: Option<HeaderValue>,
}

enum SlotState<T> {
    /// Nobody has asked for the session yet.
    Unopened,
    /// A handle has it.
    Lent,
    Held(Content<T>),
    /// It was destroyed, or a handler panicked with the session in hand.
    Ended,
    /// The response has left, or there will be none.
    Closed,
}

/// What the layer finds in a slot when the response is ready.
pub(crate) enum Closing<T> {
    Unused,
    /// The session has ended, or its handle outlives the response.
    Header(Option<HeaderValue>),
    Content(Content<T>),
}

impl<T: SessionData> Slot<T> {
    pub(crate) fn new(layer: Arc<LayerContext>) -> Self {
        Self { layer, inside: Mutex::new(Inside { state: SlotState::Unopened, header: None }) }
    }

    /// Takes the session out, after opening it at the first call.
    pub(crate) async fn take(self: &Arc<Self>, parts: &Parts) -> Result<Content<T>, SessionRejection> {
        if let Some(content) = self.reserve()? {
            return Ok(content);
        }
        let opening = Opening(self);
        match Content::open(&self.layer, parts).await {
            Ok(Some(content)) => {
                opening.succeeded();
                Ok(content)
            }
            Ok(None) => Err(SessionRejection::OutsidePath { session: type_name::<T>() }),
            Err(error) => Err(rejected(*error)),
        }
    }

    /// Makes the caller the only one who may have the session; gives it what there is of it.
    fn reserve(&self) -> Result<Option<Content<T>>, SessionRejection> {
        let session = type_name::<T>();
        let state = &mut self.inside().state;
        match state {
            SlotState::Lent => return Err(SessionRejection::InUse { session }),
            SlotState::Ended | SlotState::Closed => return Err(SessionRejection::Ended { session }),
            SlotState::Held(content) if content.status().ending != Ending::Open => {
                return Err(SessionRejection::Ended { session });
            }
            SlotState::Held(_) | SlotState::Unopened => {}
        }
        match std::mem::replace(state, SlotState::Lent) {
            SlotState::Held(content) => Ok(Some(content)),
            _ => Ok(None),
        }
    }

    /// Opens the session before anybody asks for it. Outside the cookie's path there is none to open.
    pub(crate) async fn open_ahead(&self, parts: &Parts) -> Result<(), Box<SessionError>> {
        if let Some(content) = Content::open(&self.layer, parts).await? {
            self.inside().state = SlotState::Held(content);
        }
        Ok(())
    }

    /// Takes the session back from its handle, unless that has destroyed it.
    pub(crate) fn give_back(&self, content: Content<T>) {
        if content.status().ending == Ending::Destroyed {
            return;
        }
        let mut inside = self.inside();
        if matches!(inside.state, SlotState::Closed) {
            drop(inside);
            content.warn_if_unsaved();
        } else if std::thread::panicking() {
            // Half of what a handler meant to do is worse than nothing. What it has stored is still to be announced.
            inside.state = SlotState::Ended;
        } else {
            inside.state = SlotState::Held(content);
        }
    }

    /// Keeps the header that the response needs if the handle does not come back in time. The session that the handle has
    /// now may be another one, in the place of one that was destroyed.
    pub(crate) fn announce(&self, header: Option<HeaderValue>) {
        self.leave(SlotState::Lent, header);
    }

    /// Ends the session that a handle has destroyed; the header takes its cookie away.
    pub(crate) fn destroyed(&self, header: Option<HeaderValue>) {
        self.leave(SlotState::Ended, header);
    }

    fn leave(&self, state: SlotState<T>, header: Option<HeaderValue>) {
        let mut inside = self.inside();
        if !matches!(inside.state, SlotState::Closed) {
            *inside = Inside { state, header };
        }
    }

    /// Whether the response has left, or there will be none.
    pub(crate) fn is_closed(&self) -> bool {
        matches!(self.inside().state, SlotState::Closed)
    }

    /// Takes the session for its commit: the response is ready.
    pub(crate) fn close(&self) -> Closing<T> {
        let mut inside = self.inside();
        match std::mem::replace(&mut inside.state, SlotState::Closed) {
            SlotState::Unopened | SlotState::Closed => Closing::Unused,
            SlotState::Lent | SlotState::Ended => Closing::Header(inside.header.take()),
            SlotState::Held(content) => Closing::Content(content),
        }
    }
}

impl<T> Slot<T> {
    /// Ends the session of a request that gets no response: nothing of it is stored any more.
    #[cold]
    pub(crate) fn abandon(&self) {
        let ended = std::mem::replace(&mut self.inside().state, SlotState::Closed);
        // Behind the lock: with it may go the request that it was made from, which holds this slot.
        drop(ended);
    }

    /// A panic never leaves a slot between two states.
    fn inside(&self) -> MutexGuard<'_, Inside<T>> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cold]
fn rejected(error: SessionError) -> SessionRejection {
    error.into()
}

/// Leaves the slot unopened if opening fails or is given up, so that it can be tried again.
struct Opening<'a, T>(&'a Slot<T>);

impl<T> Opening<'_, T> {
    fn succeeded(self) {
        std::mem::forget(self);
    }
}

impl<T> Drop for Opening<'_, T> {
    fn drop(&mut self) {
        let mut inside = self.0.inside();
        if matches!(inside.state, SlotState::Lent) {
            inside.state = SlotState::Unopened;
        }
    }
}
