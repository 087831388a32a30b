//! Requests to a contestant's app, in this process and on this thread, without a network.

use std::hint::black_box;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::{HeaderValue, Request, Response};
use serde::{Deserialize, Serialize};
use tokio::runtime::Runtime;
use tower_service::Service;

use crate::Outcome;
use crate::allocations;
use crate::contestants::Contestant;

/// How many visitors take turns.
pub const VISITORS: usize = 1000;

/// How many requests are made before the clock starts: few enough to stay in the processor's cache, as a request does
/// that has just been read from the network.
pub const AT_ONCE: usize = 50;

/// From one visitor to the next: a prime, so that all have their turn.
const STRIDE: usize = 611_953;

/// The name of [`Driver::play`] in an executable, whatever its mangling. Closures within have longer names.
pub const PLAY: &str = "*Driver*::play";

/// A route, and with which cookie it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// `/plain`, by a visitor without a session.
    Plain,
    /// `/plain`, by a visitor with one.
    PlainWithCookie,
    /// `/read`.
    Read,
    /// `/write`.
    Write,
    /// `/login`, by a new visitor each time.
    Login,
    /// `/logout`, each time by a visitor who has just logged in.
    Logout,
}

impl Route {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Plain, Self::PlainWithCookie, Self::Read, Self::Write, Self::Login, Self::Logout];

    /// Its name in tables and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::PlainWithCookie => "plain, cookie",
            Self::Read => "read",
            Self::Write => "write",
            Self::Login => "login",
            Self::Logout => "logout",
        }
    }

    /// The route of this name.
    ///
    /// # Errors
    /// If there is none.
    pub fn named(name: &str) -> Outcome<Self> {
        Ok(Self::ALL.into_iter().find(|one| one.name() == name).ok_or("no such route")?)
    }

    /// What is asked for.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Plain | Self::PlainWithCookie => "/plain",
            Self::Read => "/read",
            Self::Write => "/write",
            Self::Login => "/login",
            Self::Logout => "/logout",
        }
    }
}

/// What a batch of requests took.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Sample {
    /// Nanoseconds a request.
    pub nanos: f64,
    /// Allocations a request.
    pub allocations: f64,
}

/// An app, and visitors who are logged in to it.
pub struct Driver {
    app: Router,
    /// Whose app it is, if there can be others like it.
    contestant: Option<Contestant>,
    visitors: Vec<HeaderValue>,
    next: usize,
    session_bytes: i64,
}

impl Driver {
    /// A contestant's new app, in memory, with so many visitors.
    #[must_use]
    pub fn new(runtime: &Runtime, contestant: Contestant, visitors: usize) -> Self {
        let app = runtime.block_on(contestant.app());
        Self { contestant: Some(contestant), ..Self::over(runtime, app, visitors) }
    }

    /// This app with so many more visitors.
    #[must_use]
    pub fn over(runtime: &Runtime, app: Router, visitors: usize) -> Self {
        let mut driver = Self { app, contestant: None, visitors: Vec::new(), next: 0, session_bytes: 0 };
        driver.visitors = driver.logins(runtime, visitors);
        driver
    }

    /// The bytes that the app asked for when the visitors' sessions began, and has not given back since.
    #[must_use]
    pub const fn session_bytes(&self) -> i64 {
        self.session_bytes
    }

    /// The cookies of so many new visitors. A contestant without sessions gets some of its own.
    fn logins(&mut self, runtime: &Runtime, visitors: usize) -> Vec<HeaderValue> {
        runtime.block_on(async {
            let mut cookies = Vec::with_capacity(visitors);
            let before = allocations::bytes();
            let mut cookie_bytes = 0;
            for _ in 0..visitors {
                let response = answer(&mut self.app, request(Route::Login, None)).await;
                let before = allocations::bytes();
                cookies.push(cookies_of(&response).unwrap_or(HeaderValue::from_static("sid=none")));
                cookie_bytes += allocations::bytes() - before;
            }
            self.session_bytes += allocations::bytes() - before - cookie_bytes;
            cookies
        })
    }

    /// Sends so many requests, one after the other. Logins are to an app of their own, where there is one, so that they
    /// don't change what the other routes find.
    pub fn batch(&mut self, runtime: &Runtime, route: Route, requests: usize) -> Sample {
        if route == Route::Login
            && !self.visitors.is_empty()
            && let Some(contestant) = self.contestant
        {
            return Self::new(runtime, contestant, 0).batch(runtime, route, requests);
        }
        let (mut nanos, mut allocations) = (0, 0);
        for _ in 0..requests / AT_ONCE {
            let ready = self.requests(runtime, route, AT_ONCE);
            let (took, allocated) = self.play(runtime, ready);
            nanos += took;
            allocations += allocated;
        }
        let requests = (requests / AT_ONCE * AT_ONCE) as f64;
        Sample { nanos: nanos as f64 / requests, allocations: allocations as f64 / requests }
    }

    /// Sends these requests; tells how many nanoseconds and allocations that took. Callgrind counts what happens in here,
    /// by its name ([`PLAY`]).
    #[inline(never)]
    pub fn play(&mut self, runtime: &Runtime, requests: Vec<Request<Body>>) -> (u128, u64) {
        runtime.block_on(async {
            let (allocated, start) = (allocations::count(), Instant::now());
            for request in requests {
                black_box(answer(&mut self.app, request).await);
            }
            (start.elapsed().as_nanos(), allocations::count() - allocated)
        })
    }

    /// So many requests of visitors who take turns, those who follow each other far apart.
    pub fn requests(&mut self, runtime: &Runtime, route: Route, requests: usize) -> Vec<Request<Body>> {
        if route == Route::Logout {
            return self.logins(runtime, requests).iter().map(|cookie| request(route, Some(cookie))).collect();
        }
        let is_new = matches!(route, Route::Plain | Route::Login);
        (0..requests)
            .map(|_| {
                self.next = (self.next + STRIDE) % self.visitors.len().max(1);
                request(route, if is_new { None } else { self.visitors.get(self.next) })
            })
            .collect()
    }
}

fn request(route: Route, cookie: Option<&HeaderValue>) -> Request<Body> {
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = axum::http::Uri::from_static(route.path());
    if let Some(cookie) = cookie {
        request.headers_mut().insert(COOKIE, cookie.clone());
    }
    request
}

async fn answer(app: &mut Router, request: Request<Body>) -> Response<Body> {
    match app.call(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

/// The cookies that a browser would send back.
fn cookies_of(response: &Response<Body>) -> Option<HeaderValue> {
    let lines = response.headers().get_all(SET_COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs: Vec<_> = lines.filter_map(|line| line.split(';').next()).collect();
    if pairs.is_empty() { None } else { HeaderValue::try_from(pairs.join("; ")).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::to_bytes;
    use session_tests::redis::RedisServer;
    use session_tests::requirements::Requirement;

    #[test]
    fn the_contestants_do_the_same_work() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for contestant in Contestant::ALL.into_iter().filter(|contestant| *contestant != Contestant::Bare) {
            runtime.block_on(async { check(contestant.name(), contestant.app().await).await });
        }
    }

    #[test]
    fn those_on_redis_do_the_same_work() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        if !Requirement::RedisServer.is_met() {
            return eprintln!("there is no redis-server on this machine");
        }
        let server = RedisServer::start(&[]);
        for contestant in Contestant::ON_REDIS {
            runtime.block_on(async {
                check(contestant.name(), contestant.app_on_redis(&server.url()).await.unwrap()).await;
            });
        }
    }

    async fn check(name: &str, mut app: Router) {
        let cookie = cookies_of(&answer(&mut app, request(Route::Login, None)).await);
        let mut said = Vec::new();
        for route in [Route::Read, Route::Write, Route::Read, Route::Plain, Route::Logout] {
            let response = answer(&mut app, request(route, cookie.as_ref())).await;
            said.push(to_bytes(response.into_body(), 100).await.unwrap());
        }
        assert_eq!(said, ["100", "101", "101", "plain", "out"], "{name}");
        let response = answer(&mut app, request(Route::Read, cookie.as_ref())).await;
        let after = to_bytes(response.into_body(), 100).await.unwrap();
        assert_ne!(after, "101", "{name} forgot to log out");
    }
}
