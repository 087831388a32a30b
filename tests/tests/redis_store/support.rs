//! What these tests share.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{Cmd, Pipeline, RedisFuture, Value, cmd};
use session::store::{Created, IndexKey, Loaded, Record, RedisServer, Renewal, Revision};
use session::{RedisStore, SessionId, Store, Timestamp};
use session_tests::redis::{Program, remove_keys};

pub(crate) const HOUR: Duration = Duration::from_secs(3600);
pub(crate) const DAY: Duration = Duration::from_secs(86_400);

/// Runs a test, for two minutes at most.
pub(crate) fn block_on<F: Future>(test: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(120), test).await.expect("the test ends") })
}

/// A store on the shared server, with keys of its own, which are removed at the end.
#[derive(Clone)]
pub(crate) struct Scene {
    pub(crate) store: RedisStore,
    pub(crate) prefix: String,
    pub(crate) url: String,
    pub(crate) raw: MultiplexedConnection,
}

impl Scene {
    /// Runs a test on the shared server.
    pub(crate) fn play<F: Future<Output = ()> + Send + 'static>(
        program: Program,
        name: &str,
        test: impl FnOnce(Self) -> F,
    ) {
        let prefix = format!("session-test-{}-{name}:", std::process::id());
        block_on(async {
            let url = program.shared_url().expect("a server");
            let store = RedisStore::connect(&url).await.unwrap().prefix(&prefix);
            let raw = raw(&url).await;
            let scene = Self { store, prefix: prefix.clone(), url: url.clone(), raw };
            let outcome = tokio::spawn(test(scene)).await;
            remove_keys(&url, &prefix).await;
            if let Err(error) = outcome {
                std::panic::resume_unwind(error.into_panic());
            }
        });
    }

    /// The key of a session.
    pub(crate) fn key(&self, id: &str) -> String {
        format!("{}{id}", self.prefix)
    }

    /// The set of an index key.
    pub(crate) fn index_set(&self, key: &IndexKey) -> String {
        format!("{}-index:{}", self.prefix.trim_end_matches(':'), key.as_str())
    }

    /// The life of a key, in milliseconds.
    pub(crate) async fn pttl(&mut self, key: &str) -> i64 {
        cmd("PTTL").arg(key).query_async(&mut self.raw).await.unwrap()
    }

    /// Writes as connect-redis does.
    pub(crate) async fn node_writes(&mut self, id: &str, text: &str) {
        let key = self.key(id);
        cmd("SET").arg(key).arg(text).arg("EX").arg(86_400).exec_async(&mut self.raw).await.unwrap();
    }
}

/// A connection without a store.
pub(crate) async fn raw(url: &str) -> MultiplexedConnection {
    redis::Client::open(url).unwrap().get_multiplexed_async_connection().await.unwrap()
}

pub(crate) fn id(text: &str) -> SessionId {
    SessionId::new(text).unwrap()
}

pub(crate) fn record(text: &str) -> Record {
    Record::from_json(text.to_owned())
}

pub(crate) fn views(views: u64) -> Record {
    record(&format!(
        r#"{{"cookie":{{"originalMaxAge":null,"expires":null,"httpOnly":true,"path":"/"}},"views":{views}}}"#
    ))
}

pub(crate) fn text(loaded: &Loaded) -> &str {
    str::from_utf8(loaded.record.json()).unwrap()
}

pub(crate) fn views_of(loaded: &Loaded) -> u64 {
    serde_json::from_slice::<serde_json::Value>(loaded.record.json()).unwrap()["views"].as_u64().unwrap()
}

pub(crate) fn after(life: Duration) -> Timestamp {
    Timestamp::now().saturating_add(life)
}

pub(crate) fn past() -> Timestamp {
    Timestamp::from_millis(Timestamp::now().as_millis() - 1)
}

pub(crate) fn renewal(life: Duration) -> Renewal {
    Renewal { ttl: life, usual: life, after: Duration::ZERO }
}

pub(crate) async fn created(store: &impl Store, name: &str, record: Record) -> Revision {
    match store.create(&id(name), record, after(HOUR)).await.unwrap() {
        Created::Stored(revision) => revision,
        Created::Taken => panic!("the id is free"),
    }
}

pub(crate) async fn loaded(store: &impl Store, name: &str) -> Option<Loaded> {
    store.load(&id(name), None).await.unwrap()
}

/// All that a store lists, in the order of the ids, page by page.
pub(crate) async fn listed<C: RedisServer>(store: &RedisStore<C>, limit: usize) -> Vec<String> {
    let (mut ids, mut after) = (Vec::new(), None);
    loop {
        let page = store.all(after, limit).await.unwrap();
        ids.extend(page.sessions.iter().map(|(id, _)| id.as_str().to_owned()));
        after = page.next;
        if after.is_none() {
            ids.sort_unstable();
            return ids;
        }
    }
}

pub(crate) fn close_to(left: i64, right: i64) -> bool {
    (left - right).abs() < 2000
}

/// A connection that does what it is told and then, if it should, reports that it broke, or never answers.
#[derive(Clone)]
pub(crate) struct Lossy {
    inner: MultiplexedConnection,
    loses_next: Arc<AtomicBool>,
    hangs_next: Arc<AtomicBool>,
}

impl Lossy {
    pub(crate) fn new(inner: MultiplexedConnection) -> Self {
        Self { inner, loses_next: Arc::default(), hangs_next: Arc::default() }
    }

    pub(crate) fn lose_next(&self) {
        self.loses_next.store(true, Ordering::SeqCst);
    }

    pub(crate) fn hang_next(&self) {
        self.hangs_next.store(true, Ordering::SeqCst);
    }
}

impl ConnectionLike for Lossy {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            let answer = self.inner.req_packed_command(command).await;
            if self.hangs_next.swap(false, Ordering::SeqCst) {
                std::future::pending::<()>().await;
            }
            // A script that has to be brought along first is not what is meant.
            if answer.is_ok() && self.loses_next.swap(false, Ordering::SeqCst) {
                return Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset).into());
            }
            answer
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        commands: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        self.inner.req_packed_commands(commands, offset, count)
    }

    fn get_db(&self) -> i64 {
        self.inner.get_db()
    }
}

/// A connection to a server that rearranges its keys: what one step of a scan shows, the next shows again.
#[derive(Clone)]
pub(crate) struct Repeating {
    inner: MultiplexedConnection,
    last: Arc<Mutex<Vec<Value>>>,
}

impl Repeating {
    pub(crate) fn new(inner: MultiplexedConnection) -> Self {
        Self { inner, last: Arc::default() }
    }
}

impl ConnectionLike for Repeating {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            let mut answer = self.inner.req_packed_command(command).await?;
            let packed = command.get_packed_command();
            let is_scan = packed.windows(6).any(|part| part == b"SCAN\r\n");
            if let (true, Value::Array(parts)) = (is_scan, &mut answer)
                && let Some(Value::Array(shown)) = parts.last_mut()
            {
                let last = std::mem::replace(&mut *self.last.lock().unwrap(), shown.clone());
                shown.extend(last);
            }
            Ok(answer)
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        commands: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        self.inner.req_packed_commands(commands, offset, count)
    }

    fn get_db(&self) -> i64 {
        self.inner.get_db()
    }
}
