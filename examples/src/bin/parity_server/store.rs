//! A store that keeps a text for each id, as it was written or planted, and that fails and waits as it is told.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value, json};
use session::store::{
    Created, Cursor, IndexKey, Loaded, Page, Record, Renamed, Renewal, Revision, StoreFuture, Updated,
};
use session::{SessionId, Store, StoreError, Timestamp};

use crate::config::{Delays, Failing, OneOrMany, Operation, StoreConfig};
use crate::view;

/// Clones share everything.
#[derive(Clone)]
pub(crate) struct ParityStore {
    configured: Arc<StoreConfig>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    entries: BTreeMap<String, Entry>,
    log: Vec<(Operation, String)>,
    behaviour: StoreConfig,
    /// What the last write of the library got.
    revision: u64,
}

struct Entry {
    text: String,
    /// Until when it lives if it was renewed; its text says so otherwise.
    renewed: Option<Timestamp>,
    /// Counts the writes of the library; texts that are planted come behind its back.
    revision: u64,
}

impl Entry {
    fn is_living(&self) -> bool {
        match self.renewed {
            Some(expires) => expires > Timestamp::now(),
            None => view::is_living(&self.text),
        }
    }

    /// The text, with the expiry that it has by now.
    fn renewed_text(&self) -> String {
        self.renewed.and_then(|expires| view::with_expiry(&self.text, expires)).unwrap_or_else(|| self.text.clone())
    }
}

/// The store as scripts and the admin surface see it: at once, without a log, never failing.
impl ParityStore {
    pub(crate) fn new(config: &StoreConfig) -> Self {
        let state = State { behaviour: config.clone(), ..State::default() };
        Self { configured: Arc::new(config.clone()), state: Arc::new(Mutex::new(state)) }
    }

    pub(crate) fn reset(&self) {
        *self.state() = State { behaviour: (*self.configured).clone(), ..State::default() };
    }

    pub(crate) fn plant(&self, id: &str, text: String) {
        let mut state = self.state();
        let revision = match state.entries.get(id) {
            Some(entry) => entry.revision,
            None => state.next_revision(),
        };
        state.entries.insert(id.to_owned(), Entry { text, renewed: None, revision });
    }

    /// Replaces some top-level keys of a stored record.
    pub(crate) fn patch(&self, id: &str, patch: Map<String, Value>) {
        let mut record: Map<String, Value> =
            self.text(id).and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        record.extend(patch);
        self.plant(id, Value::Object(record).to_string());
    }

    pub(crate) fn remove(&self, id: &str) {
        self.state().entries.remove(id);
    }

    /// The text of a living record.
    pub(crate) fn text(&self, id: &str) -> Option<String> {
        self.state().living(id).map(Entry::renewed_text)
    }

    pub(crate) fn living(&self) -> Vec<(String, String)> {
        let state = self.state();
        let living = state.entries.iter().filter(|(_, entry)| entry.is_living());
        living.map(|(id, entry)| (id.clone(), entry.renewed_text())).collect()
    }

    pub(crate) fn log(&self) -> Value {
        self.state().log.iter().map(|(operation, id)| json!({"op": operation, "id": id})).collect()
    }

    pub(crate) fn set_failing(&self, failing: Failing) {
        self.state().behaviour.fail = failing;
    }

    pub(crate) fn set_fail_code(&self, code: Option<String>) {
        self.state().behaviour.fail_code = code;
    }

    pub(crate) fn set_delays(&self, delays: Delays) {
        self.state().behaviour.delay = delays;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes the operation, waits, and fails, if it should.
    async fn ask(&self, operation: Operation, id: &SessionId) -> Result<(), StoreError> {
        let (delay, fails) = {
            let mut state = self.state();
            state.log.push((operation, id.as_str().to_owned()));
            let behaviour = &state.behaviour;
            let failing = behaviour.fail.as_ref().map(OneOrMany::as_slice).unwrap_or_default();
            (behaviour.delay.get(&operation).copied(), failing.contains(&operation))
        };
        if let Some(millis) = delay {
            tokio::time::sleep(Duration::from_millis(millis)).await;
        }
        if fails { Err(StoreError::new("told to fail")) } else { Ok(()) }
    }

    fn says_not_found(&self) -> bool {
        self.state().behaviour.fail_code.as_deref() == Some("ENOENT")
    }

    /// A record that can't be renewed is still loaded, as in express-session.
    async fn renew(&self, id: &SessionId, renewal: Option<Renewal>) {
        if renewal.is_some() && self.ask(Operation::Touch, id).await.is_ok() {
            self.state().touch(id, |max_age| Timestamp::now().saturating_add(max_age));
        }
    }
}

impl State {
    fn living(&self, id: &str) -> Option<&Entry> {
        self.entries.get(id).filter(|entry| entry.is_living())
    }

    fn loaded(&self, id: &SessionId) -> Option<Loaded> {
        let entry = self.living(id.as_str())?;
        let expires = entry.renewed.or_else(|| view::expiry(&entry.text).map(Timestamp::from_millis));
        Some(Loaded {
            record: Record::from_json(entry.text.clone()),
            revision: Revision::from(entry.revision),
            expires: expires.unwrap_or(Timestamp::from_millis(i64::MAX)),
        })
    }

    fn put(&mut self, id: &SessionId, record: &Record) -> Revision {
        let revision = self.next_revision();
        let text = String::from_utf8_lossy(record.json()).into_owned();
        self.entries.insert(id.as_str().to_owned(), Entry { text, renewed: None, revision });
        Revision::from(revision)
    }

    /// Moves the expiry of a record, if it has one; tells whether there is such a record.
    fn touch(&mut self, id: &SessionId, expires: impl FnOnce(Duration) -> Timestamp) -> bool {
        let can_touch = self.behaviour.touch != Some(false);
        let Some(entry) = self.entries.get_mut(id.as_str()).filter(|entry| entry.is_living()) else { return false };
        if let Some(max_age) = Record::from_json(entry.text.clone()).max_age()
            && can_touch
        {
            entry.renewed = Some(expires(max_age));
        }
        true
    }

    fn next_revision(&mut self) -> u64 {
        self.revision += 1;
        self.revision
    }
}

/// The store as the library sees it.
impl Store for ParityStore {
    fn load<'a>(&'a self, id: &'a SessionId, renewal: Option<Renewal>) -> StoreFuture<'a, Option<Loaded>> {
        StoreFuture::new(async move {
            match self.ask(Operation::Get, id).await {
                Err(_) if self.says_not_found() => return Ok(None),
                asked => asked?,
            }
            let loaded = self.state().loaded(id);
            if loaded.is_some() {
                self.renew(id, renewal).await;
            }
            Ok(loaded)
        })
    }

    fn create<'a>(&'a self, id: &'a SessionId, record: Record, _: Timestamp) -> StoreFuture<'a, Created> {
        StoreFuture::new(async move {
            self.ask(Operation::Set, id).await?;
            let mut state = self.state();
            if state.living(id.as_str()).is_some() {
                return Ok(Created::Taken);
            }
            Ok(Created::Stored(state.put(id, &record)))
        })
    }

    fn update<'a>(
        &'a self,
        id: &'a SessionId,
        expected: Revision,
        record: Record,
        _: Timestamp,
    ) -> StoreFuture<'a, Updated> {
        StoreFuture::new(async move {
            self.ask(Operation::Set, id).await?;
            let mut state = self.state();
            match state.loaded(id) {
                None => Ok(Updated::Gone),
                Some(theirs) if theirs.revision != expected => Ok(Updated::Conflict(theirs)),
                Some(_) => Ok(Updated::Replaced(state.put(id, &record))),
            }
        })
    }

    fn touch<'a>(&'a self, id: &'a SessionId, expires: Timestamp) -> StoreFuture<'a, bool> {
        StoreFuture::new(async move {
            self.ask(Operation::Touch, id).await?;
            Ok(self.state().touch(id, |_| expires))
        })
    }

    fn rename<'a>(
        &'a self,
        old: &'a SessionId,
        expected: Revision,
        new: &'a SessionId,
        record: Record,
        _: Timestamp,
    ) -> StoreFuture<'a, Renamed> {
        StoreFuture::new(async move {
            self.ask(Operation::Set, new).await?;
            self.ask(Operation::Destroy, old).await?;
            let mut state = self.state();
            match state.loaded(old) {
                None => return Ok(Renamed::Gone),
                Some(theirs) if theirs.revision != expected => return Ok(Renamed::Conflict(theirs)),
                Some(_) if state.living(new.as_str()).is_some() => return Ok(Renamed::Taken),
                Some(_) => {}
            }
            state.entries.remove(old.as_str());
            Ok(Renamed::Stored(state.put(new, &record)))
        })
    }

    fn destroy<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, ()> {
        StoreFuture::new(async move {
            self.ask(Operation::Destroy, id).await?;
            self.state().entries.remove(id.as_str());
            Ok(())
        })
    }

    fn all(&self, _: Option<Cursor>, _: usize) -> StoreFuture<'_, Page> {
        StoreFuture::new(async move {
            let ids = self.living().into_iter().filter_map(|(id, _)| SessionId::new(id).ok());
            let state = self.state();
            let sessions = ids.filter_map(|id| state.loaded(&id).map(|loaded| (id, loaded))).collect();
            Ok(Page { sessions, next: None })
        })
    }

    /// Nothing here is indexed.
    fn find<'a>(&'a self, _: &'a IndexKey, _: Option<Cursor>, _: usize) -> StoreFuture<'a, Page> {
        StoreFuture::ready(Ok(Page { sessions: Vec::new(), next: None }))
    }

    fn len(&self) -> StoreFuture<'_, usize> {
        StoreFuture::ready(Ok(self.living().len()))
    }

    fn clear(&self) -> StoreFuture<'_, ()> {
        self.state().entries.clear();
        StoreFuture::ready(Ok(()))
    }
}
