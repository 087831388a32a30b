//! A layer that gives requests a place for their session, opened when a handler asks.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use axum::http::header::SET_COOKIE;
use axum::http::request::Parts;
use axum::http::{Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::cookie::{Id, Key, random_id, removal};
use super::sessions::Sessions;
use crate::visit::Visit;

struct Shared {
    key: Key,
    sessions: Sessions,
}

#[derive(Clone)]
pub(super) struct FloorLayer(Arc<Shared>);

impl FloorLayer {
    pub(super) fn new(keeps_json: bool) -> Self {
        Self(Arc::new(Shared { key: Key::new(), sessions: Sessions::new(keeps_json) }))
    }
}

impl<Inner> Layer<Inner> for FloorLayer {
    type Service = FloorService<Inner>;

    fn layer(&self, inner: Inner) -> FloorService<Inner> {
        FloorService { inner, shared: Arc::clone(&self.0) }
    }
}

#[derive(Clone)]
pub(super) struct FloorService<Inner> {
    inner: Inner,
    shared: Arc<Shared>,
}

impl<Inner, Body, Reply> Service<Request<Body>> for FloorService<Inner>
where
    Inner: Service<Request<Body>, Response = Response<Reply>>,
{
    type Response = Response<Reply>;
    type Error = Inner::Error;
    type Future = FloorFuture<Inner::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Inner::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let slot = Arc::new(Slot { shared: Arc::clone(&self.shared), content: Mutex::default() });
        request.extensions_mut().insert(Arc::clone(&slot));
        FloorFuture { handler: self.inner.call(request), slot }
    }
}

struct Slot {
    shared: Arc<Shared>,
    content: Mutex<Option<Content>>,
}

#[derive(Default)]
struct Content {
    id: Option<Id>,
    visit: Option<Arc<Visit>>,
    is_changed: bool,
}

/// The session in the hands of a handler.
pub(super) struct Lent {
    content: Content,
    slot: Arc<Slot>,
}

impl Lent {
    pub(super) fn of(parts: &Parts) -> Option<Self> {
        let slot = Arc::clone(parts.extensions.get::<Arc<Slot>>()?);
        let id = slot.shared.key.verified(&parts.headers);
        let visit = id.as_ref().and_then(|id| slot.shared.sessions.load(id));
        Some(Self { content: Content { id, visit, is_changed: false }, slot })
    }

    pub(super) fn visit(&self) -> Option<&Visit> {
        self.content.visit.as_deref()
    }

    pub(super) fn visit_mut(&mut self) -> Option<&mut Visit> {
        self.content.is_changed = true;
        self.content.visit.as_mut().map(Arc::make_mut)
    }

    pub(super) fn begin(&mut self, visit: Visit) {
        self.content = Content { id: None, visit: Some(Arc::new(visit)), is_changed: true };
    }

    pub(super) fn destroy(&mut self) {
        if let Some(id) = &self.content.id {
            self.slot.shared.sessions.destroy(id);
        }
        (self.content.visit, self.content.is_changed) = (None, true);
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let content = std::mem::take(&mut self.content);
        *self.slot.content.lock().unwrap_or_else(PoisonError::into_inner) = Some(content);
    }
}

pin_project! {
    pub(super) struct FloorFuture<Handler> {
        #[pin]
        handler: Handler,
        slot: Arc<Slot>,
    }
}

impl<Handler, Reply, Error> Future for FloorFuture<Handler>
where
    Handler: Future<Output = Result<Response<Reply>, Error>>,
{
    type Output = Result<Response<Reply>, Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.handler.poll(context))?;
        let content = this.slot.content.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Content { id, visit, is_changed: true }) = content {
            let cookie = match visit {
                Some(visit) => {
                    let known = id.unwrap_or_else(random_id);
                    this.slot.shared.sessions.store(known, visit);
                    if id.is_some() { None } else { this.slot.shared.key.set(&known) }
                }
                None => Some(removal()),
            };
            cookie.map(|cookie| response.headers_mut().append(SET_COOKIE, cookie));
        }
        Poll::Ready(Ok(response))
    }
}
