//! The servers of a cluster.

use std::fmt;
use std::time::Duration;

use ::redis::cluster::ClusterClientBuilder;
use ::redis::cluster_async::ClusterConnection;
use ::redis::cluster_routing::{MultipleNodeRoutingInfo, RoutingInfo, SingleNodeRoutingInfo};
use ::redis::{Cmd, ErrorKind, RedisError, RedisResult, ServerErrorKind, Value, pipe};

use super::server::{RedisServer, sealed};
use super::{Prefix, RedisStore};
use crate::error::StoreError;

/// The store on a cluster: see [`RedisStore::connect_cluster`].
pub type RedisClusterStore = RedisStore<RedisCluster>;

/// How often a command follows the cluster's directions, with pauses that add up to about 1.3 s.
const TRIES: u32 = 8;
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// A connection to a cluster.
#[derive(Clone)]
pub struct RedisCluster(ClusterConnection);

impl RedisStore<RedisCluster> {
    /// Connects to the cluster that these servers belong to; some of them suffice.
    ///
    /// A change of a session's id takes two steps here: the new key is created, then the old one is removed, or, if
    /// that one changed meanwhile, the new one again.
    ///
    /// ```no_run
    /// use session::store::RedisClusterStore;
    ///
    /// # async fn connect() -> Result<(), session::StoreError> {
    /// let store = RedisClusterStore::connect_cluster(["redis://10.0.0.1:6379", "redis://10.0.0.2:6379"]).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// A URL that isn't one, or a cluster that can't be reached.
    pub async fn connect_cluster<U: AsRef<str>>(urls: impl IntoIterator<Item = U>) -> Result<Self, StoreError> {
        let urls: Vec<_> = urls.into_iter().map(|url| url.as_ref().to_owned()).collect();
        let client = ClusterClientBuilder::new(urls)
            // A write whose answer was lost must not be repeated unnoticed.
            .retries(0)
            .connection_timeout(Duration::from_secs(2))
            .response_timeout(Duration::from_secs(3))
            .build()
            .map_err(StoreError::new)?;
        Ok(Self::cluster(client.get_async_connection().await.map_err(StoreError::new)?))
    }

    /// A store over a connection of one's own making, with TLS, say.
    ///
    /// Its client should be built with `retries(0)`: the store itself follows the cluster's directions, and repeats
    /// commands where it is safe. A client that repeats a write whose answer was lost makes the store take what it has
    /// written for somebody else's.
    ///
    /// ```no_run
    /// use redis::cluster::ClusterClient;
    /// use session::store::RedisClusterStore;
    ///
    /// # async fn connect() -> Result<(), Box<dyn std::error::Error>> {
    /// let client = ClusterClient::builder(["redis://10.0.0.1:6379"]).password("…").retries(0).build()?;
    /// let store = RedisClusterStore::cluster(client.get_async_connection().await?);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn cluster(connection: ClusterConnection) -> Self {
        Self::over(RedisCluster(connection), Prefix::default())
    }
}

impl RedisServer for RedisCluster {
    const IS_ONE: bool = false;

    async fn send(&self, command: &Cmd) -> RedisResult<Value> {
        let mut pause = FIRST_PAUSE;
        let mut result = command.query_async(&mut self.0.clone()).await;
        for _ in 1..TRIES {
            match &result {
                Err(error) if is_ask(error) => match self.ask(error, command).await {
                    Some(answer) => result = answer,
                    None => return result,
                },
                Err(error) if is_for_later(error) => {
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                    result = command.query_async(&mut self.0.clone()).await;
                }
                _ => break,
            }
        }
        result
    }

    async fn nodes(&self) -> RedisResult<Vec<String>> {
        let everywhere = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
        let answers = self.0.clone().route_command(::redis::cmd("PING"), everywhere).await?;
        let Value::Map(answers) = answers else {
            return Err((ErrorKind::UnexpectedReturnType, "no list of servers").into());
        };
        let names = answers.into_iter().map(|(name, answer)| {
            answer.extract_error()?;
            Ok(::redis::from_redis_value(name)?)
        });
        let mut names = names.collect::<RedisResult<Vec<String>>>()?;
        names.sort_unstable();
        Ok(names)
    }

    async fn send_to(&self, node: &str, command: &Cmd) -> RedisResult<Value> {
        let node = address(node).ok_or((ErrorKind::Client, "not the name of a server"))?;
        self.0.clone().route_command(command.clone(), RoutingInfo::SingleNode(node)).await?.extract_error()
    }
}

impl RedisCluster {
    /// Sends a command to the server to which its slot is moving.
    async fn ask(&self, direction: &RedisError, command: &Cmd) -> Option<RedisResult<Value>> {
        let (node, _) = direction.redirect_node()?;
        let mut commands = pipe();
        commands.cmd("ASKING").add_command(command.clone());
        let answers = self.0.clone().route_pipeline(commands, 0, 2, address(node)?).await;
        Some(answers.and_then(|mut answers| answers.pop().unwrap_or(Value::Nil).extract_error()))
    }
}

fn address(node: &str) -> Option<SingleNodeRoutingInfo> {
    let (host, port) = node.rsplit_once(':')?;
    Some(SingleNodeRoutingInfo::ByAddress { host: host.to_owned(), port: port.parse().ok()? })
}

fn is_ask(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::Ask)
}

/// The server did nothing, and the cluster will know better in a moment.
fn is_for_later(error: &RedisError) -> bool {
    use ServerErrorKind as Server;
    match error.kind() {
        ErrorKind::ClusterConnectionNotFound => true,
        ErrorKind::Server(kind) => matches!(
            kind,
            Server::Moved | Server::TryAgain | Server::ClusterDown | Server::MasterDown | Server::ReadOnly
        ),
        _ => false,
    }
}

impl sealed::Sealed for RedisCluster {}

impl fmt::Debug for RedisCluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedisCluster(..)")
    }
}
