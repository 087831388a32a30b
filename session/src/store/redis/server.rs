//! What a store talks to: one server, or those of a cluster.

use std::any::Any;
use std::future::Future;

use ::redis::aio::ConnectionLike;
use ::redis::{Cmd, RedisResult, Value};

use super::RedisConnection;

/// The part of a connection that a [`RedisStore`](super::RedisStore) needs.
///
/// Every connection of the `redis` crate to a single server has it: a [`RedisConnection`](super::RedisConnection), a
/// `MultiplexedConnection`, a `ConnectionManager`, a pool of them. The trait is sealed.
pub trait RedisServer: Clone + Send + Sync + 'static + sealed::Sealed {
    /// Whether one script may touch two sessions.
    #[doc(hidden)]
    const IS_ONE: bool;

    /// Sends a command to the server that has its key.
    #[doc(hidden)]
    fn send(&self, command: &Cmd) -> impl Future<Output = RedisResult<Value>> + Send;

    /// The names of the servers that have the sessions, in order.
    #[doc(hidden)]
    fn nodes(&self) -> impl Future<Output = RedisResult<Vec<String>>> + Send;

    /// Sends a command to one of the servers.
    #[doc(hidden)]
    fn send_to(&self, node: &str, command: &Cmd) -> impl Future<Output = RedisResult<Value>> + Send;
}

impl<C: ConnectionLike + Clone + Send + Sync + 'static> RedisServer for C {
    const IS_ONE: bool = true;

    async fn send(&self, command: &Cmd) -> RedisResult<Value> {
        match (self as &dyn Any).downcast_ref::<RedisConnection>() {
            // `ConnectionLike` has a box for each command, beside the operation's own.
            Some(connection) => connection.send(command).await,
            None => command.query_async(&mut self.clone()).await,
        }
    }

    async fn nodes(&self) -> RedisResult<Vec<String>> {
        Ok(vec![String::new()])
    }

    async fn send_to(&self, _: &str, command: &Cmd) -> RedisResult<Value> {
        self.send(command).await
    }
}

impl<C: ConnectionLike + Clone + Send + Sync + 'static> sealed::Sealed for C {}

/// Keeps the trait's hidden methods changeable.
pub(super) mod sealed {
    pub trait Sealed {}
}
