//! The flow of a response out of the middleware.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::respond;
use crate::commit::{Committed, Failed, Plan};
use crate::data::SessionData;
use crate::error::SessionError;
use crate::slot::{Closing, Slot};

type Boxed<Output> = Pin<Box<dyn Future<Output = Output> + Send>>;

/// What the store does before the response leaves; gives the header for it.
type Commit = Boxed<Committed>;

pin_project! {
    /// The response of a [`SessionService`](super::SessionService): the session is opened ahead if the options say so, the
    /// handlers run, and the session is committed before the response leaves.
    pub struct ResponseFuture<T, Inner, ReqBody>
    where
        Inner: Service<Request<ReqBody>>,
    {
        #[pin]
        step: Step<Inner, ReqBody, Inner::Future, Inner::Response>,
        // Behind the step, and so dropped after it: the handlers give their session back first.
        slot: OpenSlot<T>,
    }
}

pin_project! {
    #[project = StepProjection]
    enum Step<Inner, ReqBody, Handler, Res> {
        Open { opening: Boxed<(Parts, Result<(), Box<SessionError>>)>, rest: Option<(Inner, ReqBody)> },
        Handle { #[pin] handler: Handler },
        Commit { commit: Commit, response: Option<Res> },
    }
}

/// The slot of a request without a response. None if an outer layer has the session, and once there is a response.
struct OpenSlot<T>(Option<Arc<Slot<T>>>);

impl<T> Drop for OpenSlot<T> {
    /// The client went away: whoever has the session in hand can't announce it any more.
    fn drop(&mut self) {
        if let Some(slot) = &self.0 {
            slot.abandon();
        }
    }
}

impl<T, Inner, ReqBody> ResponseFuture<T, Inner, ReqBody>
where
    T: SessionData,
    Inner: Service<Request<ReqBody>>,
{
    /// The handlers alone.
    pub(super) fn aside(handler: Inner::Future) -> Self {
        Self { slot: OpenSlot(None), step: Step::Handle { handler } }
    }

    /// The session is opened when a handler asks for it.
    pub(super) fn lazy(handler: Inner::Future, slot: Arc<Slot<T>>) -> Self {
        Self { slot: OpenSlot(Some(slot)), step: Step::Handle { handler } }
    }

    /// The session is opened before the handlers are called.
    pub(super) fn eager(inner: Inner, request: Request<ReqBody>, slot: Arc<Slot<T>>) -> Self {
        let (parts, body) = request.into_parts();
        let opener = Arc::clone(&slot);
        let opening = Box::pin(async move {
            let opened = opener.open_ahead(&parts).await;
            (parts, opened)
        });
        Self { slot: OpenSlot(Some(slot)), step: Step::Open { opening, rest: Some((inner, body)) } }
    }
}

impl<T, Inner, ReqBody, ResBody> Future for ResponseFuture<T, Inner, ReqBody>
where
    T: SessionData,
    Inner: Service<Request<ReqBody>, Response = Response<ResBody>>,
    ResBody: From<Bytes>,
{
    type Output = Result<Response<ResBody>, Inner::Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.step.as_mut().project() {
                StepProjection::Open { opening, rest } => {
                    let (parts, opened) = ready!(opening.as_mut().poll(context));
                    if let (Err(error), Some(slot)) = (&opened, &this.slot.0) {
                        return Poll::Ready(Ok(respond::with_error(&slot.layer.options, error)));
                    }
                    let (mut inner, body) = taken(rest);
                    let handler = inner.call(Request::from_parts(parts, body));
                    this.step.set(Step::Handle { handler });
                }
                StepProjection::Handle { handler } => {
                    let mut polled = handler.poll(context);
                    // Completed where it is: a response is too large to be moved more often than it must be.
                    let commit = match (&mut polled, &this.slot.0) {
                        (Poll::Ready(Ok(response)), Some(slot)) => {
                            let commit = finish(slot, response, context);
                            if commit.is_none() {
                                this.slot.0 = None;
                            }
                            commit
                        }
                        _ => None,
                    };
                    let Some(commit) = commit else { return polled };
                    let Poll::Ready(Ok(response)) = polled else { return polled };
                    this.step.set(Step::Commit { commit, response: Some(response) });
                    return Poll::Pending;
                }
                StepProjection::Commit { commit, response } => {
                    let committed = ready!(commit.as_mut().poll(context));
                    let mut response = taken(response);
                    if let Some(slot) = this.slot.0.take() {
                        respond::finish(&slot.layer.options, &mut response, committed);
                    }
                    return Poll::Ready(Ok(response));
                }
            }
        }
    }
}

/// Ends the session with its response, unless the store has something to do first that takes time.
fn finish<T: SessionData, ResBody: From<Bytes>>(
    slot: &Arc<Slot<T>>,
    response: &mut Response<ResBody>,
    context: &mut Context<'_>,
) -> Option<Commit> {
    let options = &slot.layer.options;
    respond::shape_reported(options, response);
    let committed = match slot.close() {
        Closing::Unused => return None,
        Closing::Header(header) => Ok(header),
        Closing::Content(content) if content.was_only_read() && !options.policy.acts_on_reading() => Ok(None),
        Closing::Content(mut content) => match Plan::new(&slot.layer, &content) {
            Err(error) => Err(Failed::new(error, &slot.layer, &content)),
            Ok(plan) if plan.is_idle() => {
                let announced = plan.announce(&slot.layer, &content);
                announced.map_err(|error| Failed::new(error, &slot.layer, &content))
            }
            Ok(plan) => {
                let layer = Arc::clone(&slot.layer);
                let mut commit: Commit = Box::pin(async move {
                    let committed = plan.carry_out(&layer, &mut content).await;
                    committed.map_err(|error| Failed::new(error, &layer, &content))
                });
                match commit.as_mut().poll(context) {
                    Poll::Ready(committed) => committed,
                    Poll::Pending => return Some(commit),
                }
            }
        },
    };
    respond::finish(options, response, committed);
    None
}

#[expect(clippy::expect_used, reason = "as every future, it is not polled after it has ended")]
fn taken<V>(value: &mut Option<V>) -> V {
    value.take().expect("polled after it had ended")
}

impl<T, Inner, ReqBody> fmt::Debug for ResponseFuture<T, Inner, ReqBody>
where
    Inner: Service<Request<ReqBody>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseFuture(..)")
    }
}
