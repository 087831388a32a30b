//! One connection that comes back by itself.

use std::fmt;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex as StdMutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use ::redis::aio::{ConnectionLike, MultiplexedConnection};
use ::redis::{
    AsyncConnectionConfig, Client, Cmd, ErrorKind, Pipeline, RedisError, RedisFuture, RedisResult, ServerErrorKind,
    Value,
};
use tokio::sync::Mutex;

/// So many commands in a row without an answer, and so long: the connection is taken for dead, even if nobody closed it.
const SILENT_COMMANDS: u32 = 3;
const SILENCE: Duration = Duration::from_secs(1);
/// A server that refused a connection is left alone for so long.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// A connection to one server, shared by all its clones, that is made anew by the next command after it broke.
///
/// So it is when it has fallen silent: when three commands in a row, and for a second, were given up without an answer.
/// While the server is away, commands fail, and don't wait. Differing from the `redis` crate's `ConnectionManager`, no error
/// lasts: whatever kept a connection from being made, the next command tries again.
#[derive(Clone)]
pub struct RedisConnection(Arc<Shared>);

struct Shared {
    client: Client,
    config: AsyncConnectionConfig,
    current: RwLock<Option<Current>>,
    /// Held by the one who connects; what kept the last one from it, and when.
    connecting: Mutex<Option<(Instant, RedisError)>>,
    silence: Silence,
}

#[derive(Clone)]
struct Current {
    number: u64,
    connection: MultiplexedConnection,
}

/// The commands that were given up in a row, by a timeout or by whoever waited for them.
#[derive(Default)]
struct Silence {
    commands: AtomicU32,
    /// When the first of them was given up.
    since: StdMutex<Option<Instant>>,
}

impl RedisConnection {
    /// Connects.
    ///
    /// # Errors
    /// The server can't be reached, or refuses.
    pub async fn connect(client: Client) -> RedisResult<Self> {
        Self::connect_with(client, config(Some(Duration::from_secs(3)))).await
    }

    /// Connects for a caller who gives commands up by itself, and needs no second clock.
    pub(super) async fn connect_untimed(client: Client) -> RedisResult<Self> {
        Self::connect_with(client, config(None)).await
    }

    /// Connects with timeouts and other settings of one's own. The defaults of [`connect`](Self::connect) are 2 s for a
    /// connection and 3 s for an answer.
    ///
    /// # Errors
    /// The server can't be reached, or refuses.
    pub async fn connect_with(client: Client, config: AsyncConnectionConfig) -> RedisResult<Self> {
        let this = Self(Arc::new(Shared {
            client,
            config,
            current: RwLock::new(None),
            connecting: Mutex::new(None),
            silence: Silence::default(),
        }));
        this.current().await?;
        Ok(this)
    }

    /// Sends a command, and waits for its answer.
    pub(super) async fn send(&self, command: &Cmd) -> RedisResult<Value> {
        let Current { number, mut connection } = self.current().await?;
        let under_way = UnderWay { connection: self, number, is_answered: false };
        under_way.ended(connection.send_packed_command(command).await.and_then(Value::extract_error))
    }

    async fn current(&self) -> RedisResult<Current> {
        match self.living() {
            Some(current) => Ok(current),
            // Boxed, since few commands get here, and each has room for it otherwise.
            None => Box::pin(self.reconnect()).await,
        }
    }

    fn living(&self) -> Option<Current> {
        self.0.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn reconnect(&self) -> RedisResult<Current> {
        let asked = Instant::now();
        let mut failure = self.0.connecting.lock().await;
        if let Some(current) = self.living() {
            return Ok(current);
        }
        match &*failure {
            // Who waited while another one failed would fail just so.
            Some((at, error)) if *at + RETRY_PAUSE > asked => return Err(error.clone()),
            _ => {}
        }
        match self.0.client.get_multiplexed_async_connection_with_config(&self.0.config).await {
            Ok(connection) => {
                static NUMBERS: AtomicU64 = AtomicU64::new(0);
                let current = Current { number: NUMBERS.fetch_add(1, Ordering::Relaxed), connection };
                *failure = None;
                self.0.silence.broken();
                *self.0.current.write().unwrap_or_else(PoisonError::into_inner) = Some(current.clone());
                Ok(current)
            }
            Err(error) => {
                *failure = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    /// Lets the connection go if its answer, or none, says that it is of no more use.
    fn judge<T>(&self, number: u64, result: Option<&RedisResult<T>>) {
        let is_dead = match result {
            None => self.is_current(number) && self.0.silence.lasts(),
            Some(Err(error)) if error.is_timeout() => self.is_current(number) && self.0.silence.lasts(),
            Some(Err(error)) if error.is_io_error() || error.is_unrecoverable_error() => true,
            // The server is no primary any more; its name may stand for another one by now.
            Some(Err(error)) if error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly) => true,
            Some(_) => {
                self.0.silence.broken();
                false
            }
        };
        if is_dead {
            let mut current = self.0.current.write().unwrap_or_else(PoisonError::into_inner);
            current.take_if(|current| current.number == number);
        }
    }

    /// Whether new commands still go over this connection.
    fn is_current(&self, number: u64) -> bool {
        let current = self.0.current.read().unwrap_or_else(PoisonError::into_inner);
        current.as_ref().is_some_and(|current| current.number == number)
    }
}

fn config(response_timeout: Option<Duration>) -> AsyncConnectionConfig {
    let connection_timeout = Some(Duration::from_secs(2));
    AsyncConnectionConfig::new().set_connection_timeout(connection_timeout).set_response_timeout(response_timeout)
}

impl Silence {
    /// There was an answer.
    fn broken(&self) {
        // A shared counter is written only when there is something to write.
        if self.commands.load(Ordering::Relaxed) != 0 {
            self.commands.store(0, Ordering::Relaxed);
        }
    }

    /// One more command got no answer; whether these are too many.
    fn lasts(&self) -> bool {
        let (now, mut since) = (Instant::now(), self.since.lock().unwrap_or_else(PoisonError::into_inner));
        let commands = self.commands.fetch_add(1, Ordering::Relaxed) + 1;
        let since = if commands == 1 { *since.insert(now) } else { *since.get_or_insert(now) };
        commands >= SILENT_COMMANDS && now.duration_since(since) >= SILENCE
    }
}

/// A command under way. Whoever drops it got no answer.
struct UnderWay<'a> {
    connection: &'a RedisConnection,
    number: u64,
    is_answered: bool,
}

impl UnderWay<'_> {
    fn ended<T>(mut self, result: RedisResult<T>) -> RedisResult<T> {
        self.is_answered = true;
        self.connection.judge(self.number, Some(&result));
        result
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if !self.is_answered {
            self.connection.judge::<()>(self.number, None);
        }
    }
}

impl ConnectionLike for RedisConnection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(self.send(command))
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        commands: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(async move {
            let Current { number, mut connection } = self.current().await?;
            let under_way = UnderWay { connection: self, number, is_answered: false };
            under_way.ended(connection.send_packed_commands(commands, offset, count).await)
        })
    }

    fn get_db(&self) -> i64 {
        self.0.client.get_connection_info().redis_settings().db()
    }
}

impl fmt::Debug for RedisConnection {
    /// The address may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisConnection").field("connected", &self.living().is_some()).finish_non_exhaustive()
    }
}
