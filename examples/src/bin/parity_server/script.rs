//! Scripts, and the responses that they ask for.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use http_body_util::channel::{Channel, Sender};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::config::OneOrMany;
use crate::store::ParityStore;
use crate::visitor::Visitor;

/// What a request asks for.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Script {
    pub(crate) steps: Vec<Value>,
    pub(crate) respond: Respond,
}

/// What the response is to be.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Respond {
    status: Option<u16>,
    headers: BTreeMap<String, OneOrMany<String>>,
    body: Option<String>,
    chunks: Option<Vec<String>>,
    stream: bool,
    delay_ms: u64,
    after: Vec<Value>,
    throw: bool,
}

impl Script {
    /// The script in a request's body, or in its header.
    pub(crate) fn of(parts: &Parts, body: &[u8]) -> Result<Self, serde_json::Error> {
        let header = parts.headers.get("x-parity-script").map_or(&b"{}"[..], HeaderValue::as_bytes);
        serde_json::from_slice(if body.is_empty() { header } else { body })
    }
}

impl Respond {
    /// The response. `visitor` has given the session back, so that the layer commits it: steps that follow the first
    /// piece come too late for it.
    pub(crate) fn response(
        self,
        method: &Method,
        results: Vec<Value>,
        visitor: Visitor,
        store: ParityStore,
    ) -> Response {
        if self.throw {
            return (StatusCode::INTERNAL_SERVER_ERROR, Json(json!({"error": "internal"}))).into_response();
        }
        let results = Value::Array(results);
        let status = self.status.and_then(|code| StatusCode::from_u16(code).ok()).unwrap_or(StatusCode::OK);
        let without_body = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let is_default = self.body.is_none() && self.chunks.is_none();
        let chunks =
            self.chunks.unwrap_or_else(|| vec![self.body.unwrap_or_else(|| json!({"results": results}).to_string())]);

        let mut response = Response::new(Body::empty());
        *response.status_mut() = status;
        let headers = response.headers_mut();
        if let Ok(results) = HeaderValue::from_str(&ascii(&results)) {
            headers.insert("x-parity-results", results);
        }
        if is_default && !without_body && method != Method::HEAD {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if !self.stream && !without_body {
            headers.insert(CONTENT_LENGTH, chunks.iter().map(String::len).sum::<usize>().into());
        }
        for (name, values) in &self.headers {
            let Ok(name) = HeaderName::try_from(name) else { continue };
            headers.remove(&name);
            for value in values.as_slice() {
                headers.append(&name, HeaderValue::from_str(value).unwrap_or(HeaderValue::from_static("")));
            }
        }

        if without_body || method == Method::HEAD {
            return response;
        }
        if !self.stream {
            return response.map(|_| Body::from(chunks.concat()));
        }
        let (sender, channel) = Channel::<Bytes>::new(chunks.len());
        let delay = Duration::from_millis(self.delay_ms);
        tokio::spawn(send(sender, chunks, delay, (self.after, visitor, store)));
        response.map(|_| Body::new(channel))
    }
}

/// Sends a body piece by piece.
async fn send(
    mut sender: Sender<Bytes>,
    chunks: Vec<String>,
    delay: Duration,
    (after, mut visitor, store): (Vec<Value>, Visitor, ParityStore),
) {
    let last = chunks.len().saturating_sub(1);
    for (index, chunk) in chunks.into_iter().enumerate() {
        if sender.send_data(chunk.into()).await.is_err() {
            return;
        }
        if index == 0 && last > 0 {
            visitor.run(&store, &after).await;
        }
        if index < last {
            tokio::time::sleep(delay).await;
        }
    }
}

/// JSON in ASCII.
fn ascii(value: &Value) -> String {
    let mut text = String::new();
    let mut units = [0; 2];
    for character in value.to_string().chars() {
        if matches!(character, ' '..='~') {
            text.push(character);
        } else {
            character.encode_utf16(&mut units).iter().for_each(|unit| text.push_str(&format!("\\u{unit:04x}")));
        }
    }
    text
}
