//! Servers that are away, full, locked or read-only, through an app: it answers 503 while that lasts, nobody is logged
//! out, nothing that was acknowledged is lost, and it recovers by itself.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that can't go on fails")]

#[path = "outages/forgotten.rs"]
mod forgotten;
#[path = "outages/lost_replies.rs"]
mod lost_replies;
#[path = "outages/servers.rs"]
mod servers;
#[path = "outages/visitors.rs"]
mod visitors;

use forgotten::{
    mysql_connections_are_forgotten, postgres_connections_are_forgotten, postgres_silence_costs_no_place_in_the_pool,
    redis_connections_are_forgotten,
};
use lost_replies::{
    mysql_replies_get_lost, postgres_replies_get_lost, redis_replies_get_lost, valkey_replies_get_lost,
};
use servers::{
    mysql_is_away, postgres_has_no_connection_left, postgres_is_away, postgres_is_killed, redis_is_a_replica,
    redis_is_full, redis_is_killed, sqlite_is_locked,
};

session_tests::main! {
    [RedisServer] redis_is_killed,
    [RedisServer] redis_is_full,
    [RedisServer] redis_is_a_replica,
    [PostgresServer] postgres_is_killed,
    [Postgres] postgres_is_away,
    [Postgres] postgres_has_no_connection_left,
    [Mysql] mysql_is_away,
    [] sqlite_is_locked,
    [Redis] redis_connections_are_forgotten,
    [Postgres] postgres_connections_are_forgotten,
    [Postgres] postgres_silence_costs_no_place_in_the_pool,
    [Mysql] mysql_connections_are_forgotten,
    [Redis] redis_replies_get_lost,
    [Valkey] valkey_replies_get_lost,
    [Postgres] postgres_replies_get_lost,
    [Mysql] mysql_replies_get_lost,
}
