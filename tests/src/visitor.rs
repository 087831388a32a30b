//! A visitor without a network: requests go straight into the app, so that many of them are quick.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, header};
use tower::ServiceExt;

use crate::Reply;

/// A visitor of an app in this process, with the cookie of its session. Clones begin with the same cookie.
#[derive(Clone, Debug)]
pub struct Visitor {
    app: Router,
    /// The session's cookie, as `name=value`.
    pub cookie: Option<String>,
}

impl Visitor {
    /// A visitor without a session.
    #[must_use]
    pub const fn new(app: Router) -> Self {
        Self { app, cookie: None }
    }

    /// Another visitor of the same app.
    #[must_use]
    pub fn another(&self) -> Self {
        Self::new(self.app.clone())
    }

    /// Sends `GET path`.
    pub async fn get(&mut self, path: &str) -> Reply {
        self.send(Method::GET, path).await
    }

    /// Sends `POST path` without a body.
    pub async fn post(&mut self, path: &str) -> Reply {
        self.send(Method::POST, path).await
    }

    async fn send(&mut self, method: Method, path: &str) -> Reply {
        let request = Request::builder().method(method).uri(path);
        let request = match &self.cookie {
            Some(cookie) => request.header(header::COOKIE, cookie),
            None => request,
        };
        let response = self.app.clone().oneshot(request.body(Body::empty()).expect("a request")).await;
        let (parts, body) = response.unwrap_or_else(|never| match never {}).into_parts();
        let headers = parts
            .headers
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
        let body = to_bytes(body, usize::MAX).await.expect("a body");
        let reply = Reply {
            status: parts.status.as_u16(),
            headers: headers.collect(),
            body: String::from_utf8_lossy(&body).into_owned(),
        };
        for cookie in reply.set_cookies() {
            let pair = cookie.split(';').next().unwrap_or_default().to_owned();
            self.cookie = (!cookie.contains("Max-Age=0")).then_some(pair);
        }
        reply
    }
}
