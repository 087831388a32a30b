//! The responses that the middleware makes or completes.

use std::error::Error as _;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, SET_COOKIE, VARY};
use http::{HeaderName, HeaderValue, Response};

use crate::error::SessionError;
use crate::options::Options;
use crate::transport::Transport;

/// Among a response's extensions: the error that an extractor or handler reported with it, for
/// [`Options::on_error`](crate::Options::on_error).
#[derive(Clone)]
pub(crate) struct ReportedError(pub(crate) Arc<SessionError>);

/// The response after the commit: completed, or replaced by what reports its failure.
pub(super) fn with<ResBody: From<Bytes>>(
    options: &Options,
    response: Response<ResBody>,
    committed: Result<Option<HeaderValue>, SessionError>,
) -> Response<ResBody> {
    match committed {
        Ok(cookie) => completed(options, response, cookie),
        Err(error) => with_error(options, &error),
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

/// The handlers' response, or the one that the application shapes if it reports a session error.
pub(super) fn with_reported<ResBody: From<Bytes>>(
    options: &Options,
    mut response: Response<ResBody>,
) -> Response<ResBody> {
    match response.extensions_mut().remove::<ReportedError>() {
        Some(ReportedError(error)) => shaped(options, &error).unwrap_or(response),
        None => response,
    }
}

fn shaped<ResBody: From<Bytes>>(options: &Options, error: &SessionError) -> Option<Response<ResBody>> {
    options.on_error.as_ref().map(|shape| shape(error).map(ResBody::from))
}

fn completed<ResBody>(
    options: &Options,
    mut response: Response<ResBody>,
    announcement: Option<HeaderValue>,
) -> Response<ResBody> {
    let headers = response.headers_mut();
    let header = options.transport.response_header();
    if options.cache_headers {
        headers.entry(VARY).or_insert_with(|| varies_with(&options.transport));
        if announcement.is_some() {
            headers.entry(CACHE_CONTROL).or_insert_with(|| not_to_be_cached(&header));
        }
    }
    if let Some(mut announcement) = announcement {
        announcement.set_sensitive(true);
        // A handler sets cookies of its own; a token of its own is the one that it wants to be sent.
        if options.transport.is_cookie() {
            headers.append(header, announcement);
        } else {
            headers.entry(header).or_insert(announcement);
        }
    }
    response
}

fn varies_with(transport: &Transport) -> HeaderValue {
    match transport {
        Transport::Cookie => HeaderValue::from_static("Cookie"),
        token => HeaderValue::from(token.request_header()),
    }
}

fn not_to_be_cached(header: &HeaderName) -> HeaderValue {
    if *header == SET_COOKIE {
        return HeaderValue::from_static("no-cache=\"Set-Cookie\"");
    }
    // The name of a header has no characters that a header's value can't have.
    HeaderValue::try_from(format!("no-cache=\"{header}\"")).unwrap_or(HeaderValue::from_static("no-store"))
}
