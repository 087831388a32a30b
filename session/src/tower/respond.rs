//! The responses that the middleware makes or completes.

use std::error::Error as _;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, SET_COOKIE, VARY};
use http::{HeaderMap, HeaderName, HeaderValue, Response};

use crate::error::SessionError;
use crate::options::Options;
use crate::transport::Transport;

/// Among a response's extensions: the error that an extractor or handler reported with it, for
/// [`Options::on_error`](crate::Options::on_error).
#[derive(Clone)]
pub(crate) struct ReportedError(pub(crate) Arc<SessionError>);

/// Completes the response after the commit, or replaces it by what reports its failure.
pub(super) fn finish<ResBody: From<Bytes>>(
    options: &Options,
    response: &mut Response<ResBody>,
    committed: Result<Option<HeaderValue>, SessionError>,
) {
    match committed {
        Ok(announcement) => complete(options, response.headers_mut(), announcement),
        Err(error) => *response = with_error(options, &error),
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
pub(super) fn shape_reported<ResBody: From<Bytes>>(options: &Options, response: &mut Response<ResBody>) {
    if !response.extensions().is_empty()
        && let Some(ReportedError(error)) = response.extensions_mut().remove()
        && let Some(shaped) = shaped(options, &error)
    {
        *response = shaped;
    }
}

fn shaped<ResBody: From<Bytes>>(options: &Options, error: &SessionError) -> Option<Response<ResBody>> {
    options.on_error.as_ref().map(|shape| shape(error).map(ResBody::from))
}

fn complete(options: &Options, headers: &mut HeaderMap, announcement: Option<HeaderValue>) {
    if options.cache_headers {
        headers.entry(VARY).or_insert_with(|| varies_with(&options.transport));
    }
    let Some(mut announcement) = announcement else { return };
    announcement.set_sensitive(true);
    let header = options.transport.response_header();
    if options.cache_headers {
        headers.entry(CACHE_CONTROL).or_insert_with(|| not_to_be_cached(&header));
    }
    // A handler sets cookies of its own; a token of its own is the one that it wants to be sent.
    if options.transport.is_cookie() {
        headers.append(header, announcement);
    } else {
        headers.entry(header).or_insert(announcement);
    }
}

fn varies_with(transport: &Transport) -> HeaderValue {
    const COOKIE: HeaderValue = HeaderValue::from_static("Cookie");
    match transport {
        Transport::Cookie => COOKIE,
        token => HeaderValue::from(token.request_header()),
    }
}

fn not_to_be_cached(header: &HeaderName) -> HeaderValue {
    const SET_COOKIE_ONLY: HeaderValue = HeaderValue::from_static("no-cache=\"Set-Cookie\"");
    if *header == SET_COOKIE {
        return SET_COOKIE_ONLY;
    }
    // The name of a header has no characters that a header's value can't have.
    HeaderValue::try_from(format!("no-cache=\"{header}\"")).unwrap_or(HeaderValue::from_static("no-store"))
}
