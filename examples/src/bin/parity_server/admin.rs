//! The admin surface: the store, looked at and changed behind the library's back.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use session::Timestamp;

use crate::config::{Delays, Failing, Generator};
use crate::store::ParityStore;
use crate::view;

pub(crate) fn routes(store: ParityStore, generator: Arc<Generator>) -> Router {
    Router::new()
        .route("/store", get(sessions))
        .route("/log", get(async |State(store): State<ParityStore>| Json(json!({"log": store.log()}))))
        .route(
            "/reset",
            post(async move |State(store): State<ParityStore>| {
                store.reset();
                generator.start_over();
                done()
            }),
        )
        .route("/put", post(put))
        .route("/delete", post(delete))
        .route("/control", post(control))
        .with_state(store)
}

async fn sessions(State(store): State<ParityStore>) -> Json<Value> {
    let sessions: Map<_, _> = store.living().into_iter().map(|(id, text)| (id, view::of(&text))).collect();
    Json(json!({"now": Timestamp::now().as_millis(), "sessions": sessions}))
}

#[derive(Deserialize)]
struct Planted {
    id: String,
    #[serde(default)]
    record: Value,
    raw: Option<String>,
}

async fn put(State(store): State<ParityStore>, Json(planted): Json<Planted>) -> Json<Value> {
    store.plant(&planted.id, planted.raw.unwrap_or_else(|| planted.record.to_string()));
    done()
}

#[derive(Deserialize)]
struct Named {
    id: String,
}

async fn delete(State(store): State<ParityStore>, Json(named): Json<Named>) -> Json<Value> {
    store.remove(&named.id);
    done()
}

/// What is there is changed; null is a value.
async fn control(State(store): State<ParityStore>, Json(mut control): Json<Map<String, Value>>) -> Json<Value> {
    let mut given = |key: &str| control.remove(key);
    if let Some(failing) = given("fail").and_then(|value| serde_json::from_value::<Failing>(value).ok()) {
        store.set_failing(failing);
    }
    if let Some(code) = given("fail_code") {
        store.set_fail_code(code.as_str().map(str::to_owned));
    }
    if let Some(delays) = given("delay").and_then(|value| serde_json::from_value::<Option<Delays>>(value).ok()) {
        store.set_delays(delays.unwrap_or_default());
    }
    done()
}

fn done() -> Json<Value> {
    Json(json!({"ok": true}))
}
