//! A stored session of a test's own making.

use std::time::Duration;

use axum::Router;
use axum::response::IntoResponse;
use axum::routing::get;
use session::store::Record;
use session::{MemoryStore, Options, Session, SessionData, SessionId, SessionLayer, Signer, Store, Timestamp};

use crate::{Reply, secret, serve};

const COOKIE: &str = r#""cookie":{"originalMaxAge":null,"expires":null,"httpOnly":true,"path":"/"}"#;

/// A store with one session, which a visitor has.
pub struct Planted {
    store: MemoryStore,
    id: SessionId,
}

/// Ids go unsigned, so that a test can name the session that it planted.
struct Unsigned;

impl Signer for Unsigned {
    fn sign(&self, id: &str) -> String {
        id.to_owned()
    }

    fn verify<'a>(&self, signed: &'a str) -> Option<&'a str> {
        Some(signed)
    }
}

impl Planted {
    /// A session with these fields: the text of a JSON object.
    ///
    /// # Panics
    /// If it is none, or the store fails.
    pub async fn new(fields: &str) -> Self {
        let fields = fields.strip_prefix('{').unwrap();
        let comma = if fields.starts_with('}') { "" } else { "," };
        let record = format!("{{{COOKIE}{comma}{fields}");
        let (store, id) = (MemoryStore::new(), SessionId::new("planted").unwrap());
        let expires = Timestamp::now().saturating_add(Duration::from_secs(60));
        store.create(&id, Record::from_json(record), expires).await.unwrap();
        Self { store, id }
    }

    /// What the visitor is answered by this handler.
    ///
    /// # Panics
    /// If the server can't be reached.
    pub async fn visit<T, R>(&self, handler: fn(&mut Session<T>) -> R) -> Reply
    where
        T: SessionData,
        R: IntoResponse + 'static,
    {
        let options = Options::express().signer(Unsigned);
        let layer = SessionLayer::<T>::with_options(self.store.clone(), secret(), options).unwrap();
        let handler = get(async move |mut session: Session<T>| handler(&mut session));
        let mut client = serve(Router::new().route("/", handler).layer(layer)).await;
        client.jar.insert("connect.sid".to_owned(), "s:planted".to_owned());
        client.get("/").await
    }

    /// What is stored.
    ///
    /// # Panics
    /// If it is gone.
    pub async fn stored(&self) -> String {
        let stored = self.store.load(&self.id, None).await.unwrap().unwrap();
        String::from_utf8(stored.record.json().to_vec()).unwrap()
    }
}
