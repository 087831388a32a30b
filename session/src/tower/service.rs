//! The flow of a request into the middleware.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use tower_service::Service;

use super::future::ResponseFuture;
use crate::context::LayerContext;
use crate::data::SessionData;
use crate::slot::Slot;

/// The service that a [`SessionLayer`](crate::SessionLayer) makes.
pub struct SessionService<T, Inner> {
    inner: Inner,
    context: Arc<LayerContext>,
    data: PhantomData<fn() -> T>,
}

impl<T, Inner> SessionService<T, Inner> {
    pub(super) fn new(inner: Inner, context: Arc<LayerContext>) -> Self {
        Self { inner, context, data: PhantomData }
    }
}

impl<T, Inner, ReqBody, ResBody> Service<Request<ReqBody>> for SessionService<T, Inner>
where
    T: SessionData,
    Inner: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
    ResBody: From<Bytes>,
{
    type Response = Response<ResBody>;
    type Error = Inner::Error;
    type Future = ResponseFuture<T, Inner, ReqBody>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Inner::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        let slot = Arc::new(Slot::<T>::new(Arc::clone(&self.context)));
        if let Some(outer) = request.extensions_mut().insert(Arc::clone(&slot)) {
            // An outer layer has the session already; this one stands aside.
            request.extensions_mut().insert(outer);
            return ResponseFuture::aside(self.inner.call(request));
        }
        if self.context.options.eager {
            // The service that is ready is the one to be called later; the clone is polled for the next request.
            let clone = self.inner.clone();
            let ready = std::mem::replace(&mut self.inner, clone);
            return ResponseFuture::eager(ready, request, slot);
        }
        ResponseFuture::lazy(self.inner.call(request), slot)
    }
}

impl<T, Inner: Clone> Clone for SessionService<T, Inner> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), Arc::clone(&self.context))
    }
}

impl<T, Inner: fmt::Debug> fmt::Debug for SessionService<T, Inner> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionService").field("inner", &self.inner).finish_non_exhaustive()
    }
}
