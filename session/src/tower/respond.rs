//! The responses that the middleware makes or completes.

use std::error::Error as _;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, Entry, OccupiedEntry, SET_COOKIE, VARY};
use http::{HeaderMap, HeaderName, HeaderValue, Response};

use crate::commit::{Committed, Failed};
use crate::error::SessionError;
use crate::options::Options;

/// Among a response's extensions: the error that an extractor or handler reported with it, for
/// [`Options::on_error`](crate::Options::on_error).
#[derive(Clone)]
pub(crate) struct ReportedError(pub(crate) Arc<SessionError>);

/// Completes the response after the commit, or replaces it by what reports its failure.
pub(super) fn finish<ResBody: From<Bytes>>(options: &Options, response: &mut Response<ResBody>, committed: Committed) {
    match committed {
        Ok(announcement) => complete(options, response.headers_mut(), announcement),
        Err(failed) => fail(options, response, *failed),
    }
}

#[cold]
fn fail<ResBody: From<Bytes>>(options: &Options, response: &mut Response<ResBody>, Failed { error, owed }: Failed) {
    replace(response, with_error(options, &error));
    if owed.is_some() {
        complete(options, response.headers_mut(), owed);
    }
}

/// Puts another response in the place of the handlers'. What layers within have announced stays: their sessions are stored,
/// and nothing else leads to them.
fn replace<ResBody>(response: &mut Response<ResBody>, other: Response<ResBody>) {
    let replaced = std::mem::replace(response, other);
    for (name, value) in replaced.headers().iter().filter(|(_, value)| value.is_sensitive()) {
        response.headers_mut().append(name, value.clone());
    }
}

/// A response that reports an error.
pub(super) fn with_error<ResBody: From<Bytes>>(options: &Options, error: &SessionError) -> Response<ResBody> {
    tracing::error!(error = error as &dyn std::error::Error, cause = error.source(), "a session could not be used");
    shaped(options, error).unwrap_or_else(|| {
        let mut response = Response::new(Bytes::from_static(error.public_text().as_bytes()).into());
        *response.status_mut() = error.status();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        response
    })
}

/// Replaces the handlers' response by the one that the application shapes, if it reports a session error.
#[inline]
pub(super) fn shape_reported<ResBody: From<Bytes>>(options: &Options, response: &mut Response<ResBody>) {
    if !response.extensions().is_empty() {
        look_for_a_report(options, response);
    }
}

fn look_for_a_report<ResBody: From<Bytes>>(options: &Options, response: &mut Response<ResBody>) {
    // A layer that shapes nothing leaves the report to one around it.
    if options.on_error.is_some()
        && let Some(ReportedError(error)) = response.extensions_mut().remove()
        && let Some(shaped) = shaped(options, &error)
    {
        replace(response, shaped);
    }
}

fn shaped<ResBody: From<Bytes>>(options: &Options, error: &SessionError) -> Option<Response<ResBody>> {
    options.on_error.as_ref().map(|shape| shape(error).map(ResBody::from))
}

fn complete(options: &Options, headers: &mut HeaderMap, announcement: Option<HeaderValue>) {
    const COOKIE: HeaderValue = HeaderValue::from_static("Cookie");
    const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache=\"Set-Cookie\"");
    if !options.transport.is_cookie() {
        return complete_for_token(options, headers, announcement);
    }
    if options.cache_headers {
        add(headers, VARY, COOKIE);
    }
    let Some(mut cookie) = announcement else { return };
    cookie.set_sensitive(true);
    if options.cache_headers {
        add(headers, CACHE_CONTROL, NO_CACHE);
    }
    // Handlers set cookies of their own.
    headers.append(SET_COOKIE, cookie);
}

/// The same for a client without cookies.
#[cold]
fn complete_for_token(options: &Options, headers: &mut HeaderMap, announcement: Option<HeaderValue>) {
    if options.cache_headers {
        add(headers, VARY, options.transport.request_header().into());
    }
    let Some(mut token) = announcement else { return };
    token.set_sensitive(true);
    let header = options.transport.response_header();
    if options.cache_headers {
        // The name of a header has no characters that a header's value can't have.
        let no_cache = HeaderValue::try_from(format!("no-cache=\"{header}\""));
        add(headers, CACHE_CONTROL, no_cache.unwrap_or(HeaderValue::from_static("no-store")));
    }
    // A handler's own token is the one that it wants to be sent.
    add(headers, header, token);
}

/// Adds a header. One that is there stays as it is, and of names that a response varies by, each is needed.
// Once for all headers, and by the methods that set cookies, too: what a response runs through has to fit into the
// processor's cache.
#[inline(never)]
fn add(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) {
    match headers.entry(name) {
        Entry::Vacant(place) => {
            place.insert(value);
        }
        Entry::Occupied(present) => join(present, value),
    }
}

#[cold]
fn join(mut present: OccupiedEntry<'_, HeaderValue>, value: HeaderValue) {
    let says_so = |name: &[u8]| name == b"*" || name.eq_ignore_ascii_case(value.as_bytes());
    let names = |line: &HeaderValue| line.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii).any(says_so);
    if *present.key() == VARY && !present.iter().any(names) {
        present.append(value);
    }
}
