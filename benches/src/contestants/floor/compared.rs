//! The bare client made safe, by hand: behind a layer, which stores what a handler changed before the response leaves, and
//! only if nobody else has written meanwhile. It still merges nothing: the one who comes second is refused.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use ::redis::aio::MultiplexedConnection;
use ::redis::{Client, RedisResult, Value, cmd};
use axum::Router;
use axum::extract::FromRequestParts;
use axum::http::header::SET_COOKIE;
use axum::http::request::Parts;
use axum::http::{HeaderValue, Request, Response, StatusCode};
use axum::routing::get;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::cookie::{Id, Key, random_id, removal};
use super::redis::{LIFE_SECONDS, failed, name};
use crate::visit::Visit;

const COMPARE_AND_SET: &str = "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return false end
return redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])";

/// An app on the server at this address.
pub(in crate::contestants) async fn app(url: &str) -> RedisResult<Router> {
    let mut connection = Client::open(url)?.get_multiplexed_async_connection().await?;
    let probe: RedisResult<Value> = cmd("SET").arg(&["", "", "IFEQ", "probe"]).query_async(&mut connection).await;
    let script = match probe {
        Ok(_) => None,
        Err(_) => Some(cmd("SCRIPT").arg("LOAD").arg(COMPARE_AND_SET).query_async(&mut connection).await?),
    };
    let sessions = Sessions { connection, key: Key::new(), script };
    Ok(Router::new()
        .route("/plain", get(async || "plain"))
        .route("/read", get(read))
        .route("/write", get(write))
        .route("/login", get(login))
        .route("/logout", get(logout))
        .layer(ComparedLayer(Arc::new(sessions))))
}

struct Sessions {
    connection: MultiplexedConnection,
    key: Key,
    /// Where the server's `SET` can't compare.
    script: Option<String>,
}

impl Sessions {
    async fn load(&self, id: Id) -> Result<Content, StatusCode> {
        let mut command = cmd("GETEX");
        command.arg(name(&id)).arg("EX").arg(LIFE_SECONDS);
        let json: Option<Vec<u8>> = command.query_async(&mut self.connection.clone()).await.map_err(failed)?;
        let json = json.ok_or(StatusCode::UNAUTHORIZED)?;
        let visit = serde_json::from_slice(&json).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
        Ok(Content { stored: Some((id, json)), visit: Some(visit), is_changed: false })
    }

    /// Gives the cookie that the response needs.
    async fn commit(&self, content: Content) -> Result<Option<HeaderValue>, StatusCode> {
        let Some(visit) = content.visit else { return Ok(Some(removal())) };
        let json = serde_json::to_vec(&visit).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
        let mut command;
        let cookie = match (content.stored, &self.script) {
            (None, _) => {
                let id = random_id();
                command = cmd("SET");
                command.arg(name(&id)).arg(json).arg("NX").arg("EX").arg(LIFE_SECONDS);
                self.key.set(&id)
            }
            (Some((id, old)), None) => {
                command = cmd("SET");
                command.arg(name(&id)).arg(json).arg("IFEQ").arg(old).arg("EX").arg(LIFE_SECONDS);
                None
            }
            (Some((id, old)), Some(script)) => {
                command = cmd("EVALSHA");
                command.arg(script).arg(1).arg(name(&id)).arg(old).arg(json).arg(LIFE_SECONDS);
                None
            }
        };
        match command.query_async(&mut self.connection.clone()).await.map_err(failed)? {
            Value::Okay => Ok(cookie),
            _ => Err(StatusCode::CONFLICT),
        }
    }
}

async fn read(session: Session) -> Result<String, StatusCode> {
    let visit = session.content.visit.as_ref().ok_or(StatusCode::UNAUTHORIZED)?;
    Ok(visit.views.to_string())
}

async fn write(mut session: Session) -> Result<String, StatusCode> {
    session.content.is_changed = true;
    let visit = session.content.visit.as_mut().ok_or(StatusCode::UNAUTHORIZED)?;
    visit.views += 1;
    Ok(visit.views.to_string())
}

async fn login(mut session: Session) -> &'static str {
    session.content = Content { stored: None, visit: Some(Visit::signed_in(7)), is_changed: true };
    "in"
}

async fn logout(mut session: Session) -> Result<&'static str, StatusCode> {
    if let Some((id, _)) = &session.content.stored {
        let mut connection = session.slot.sessions.connection.clone();
        cmd("DEL").arg(name(id)).exec_async(&mut connection).await.map_err(failed)?;
    }
    (session.content.visit, session.content.is_changed) = (None, true);
    Ok("out")
}

#[derive(Default)]
struct Content {
    /// The id, and the JSON as it was loaded.
    stored: Option<(Id, Vec<u8>)>,
    visit: Option<Visit>,
    is_changed: bool,
}

struct Slot {
    sessions: Arc<Sessions>,
    content: Mutex<Option<Content>>,
}

/// The session of a request, which goes back to the layer when it is dropped.
struct Session {
    content: Content,
    slot: Arc<Slot>,
}

impl<S: Sync> FromRequestParts<S> for Session {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, StatusCode> {
        let slot = Arc::clone(parts.extensions.get::<Arc<Slot>>().ok_or(StatusCode::INTERNAL_SERVER_ERROR)?);
        let content = match slot.sessions.key.verified(&parts.headers) {
            Some(id) => slot.sessions.load(id).await?,
            None => Content::default(),
        };
        Ok(Self { content, slot })
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let content = std::mem::take(&mut self.content);
        *self.slot.content.lock().unwrap_or_else(PoisonError::into_inner) = Some(content);
    }
}

#[derive(Clone)]
struct ComparedLayer(Arc<Sessions>);

impl<Inner> Layer<Inner> for ComparedLayer {
    type Service = ComparedService<Inner>;

    fn layer(&self, inner: Inner) -> ComparedService<Inner> {
        ComparedService { inner, sessions: Arc::clone(&self.0) }
    }
}

#[derive(Clone)]
struct ComparedService<Inner> {
    inner: Inner,
    sessions: Arc<Sessions>,
}

impl<Inner, Body, Reply> Service<Request<Body>> for ComparedService<Inner>
where
    Inner: Service<Request<Body>, Response = Response<Reply>>,
    Reply: Default,
{
    type Response = Response<Reply>;
    type Error = Inner::Error;
    type Future = ComparedFuture<Inner::Future, Reply>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Inner::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let slot = Arc::new(Slot { sessions: Arc::clone(&self.sessions), content: Mutex::default() });
        request.extensions_mut().insert(Arc::clone(&slot));
        ComparedFuture::Handle { handler: self.inner.call(request), slot }
    }
}

type Commit = Pin<Box<dyn Future<Output = Result<Option<HeaderValue>, StatusCode>> + Send>>;

pin_project! {
    #[project = Step]
    enum ComparedFuture<Handler, Reply> {
        Handle { #[pin] handler: Handler, slot: Arc<Slot> },
        Commit { commit: Commit, response: Option<Response<Reply>> },
    }
}

impl<Handler, Reply, Error> Future for ComparedFuture<Handler, Reply>
where
    Handler: Future<Output = Result<Response<Reply>, Error>>,
    Reply: Default,
{
    type Output = Result<Response<Reply>, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            match self.as_mut().project() {
                Step::Handle { handler, slot } => {
                    let response = ready!(handler.poll(context))?;
                    let content = slot.content.lock().unwrap_or_else(PoisonError::into_inner).take();
                    let Some(content) = content.filter(|content| content.is_changed) else {
                        return Poll::Ready(Ok(response));
                    };
                    let sessions = Arc::clone(&slot.sessions);
                    let commit: Commit = Box::pin(async move { sessions.commit(content).await });
                    self.set(Self::Commit { commit, response: Some(response) });
                }
                Step::Commit { commit, response } => {
                    let committed = ready!(commit.as_mut().poll(context));
                    let mut response = response.take().unwrap_or_default();
                    match committed {
                        Ok(cookie) => {
                            cookie.map(|cookie| response.headers_mut().append(SET_COOKIE, cookie));
                        }
                        Err(status) => *response.status_mut() = status,
                    }
                    return Poll::Ready(Ok(response));
                }
            }
        }
    }
}
