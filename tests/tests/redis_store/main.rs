//! The Redis store keeps the contract of `Store`, on real servers: Redis and Valkey.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that can't go on fails"
)]
#![allow(missing_docs, reason = "a test program has no documentation")]

mod cluster;
mod commands;
mod contract;
mod index;
mod node;
mod outages;
mod support;

use std::process::ExitCode;

use session_tests::redis::Program;
use session_tests::requirements::Requirement::{Redis, RedisServer, Valkey};
use session_tests::requirements::{Test, run};

use cluster::{
    a_cluster_does_all_that_one_server_does, a_replica_takes_over, a_slot_moves_while_its_sessions_are_used,
    the_cluster_is_an_error_while_a_server_is_away,
};
use commands::{commands_are_as_few_as_promised, scripts_that_the_server_lost_come_back};
use contract::{
    a_load_that_is_dropped_leaves_the_right_expiry, a_lost_reply_is_recognised, a_value_of_another_type_is_an_error,
    all_sessions_are_listed_page_by_page, dropped_operations_leave_the_connection_usable,
    sessions_of_any_length_are_compared, sessions_that_a_scan_repeats_are_counted_once,
    the_expiry_is_what_it_should_be, the_newer_protocol_is_understood,
};
use index::{
    each_prefix_is_cleaned, entries_are_there_before_their_session, entries_that_are_over_are_dropped,
    sessions_are_found_by_their_keys, the_index_is_cleaned,
};
use node::{node_and_rust_share_a_visit, vectors_are_read_and_written, what_node_writes_is_a_conflict};
use outages::{
    a_full_server_refuses_new_sessions_and_shows_old_ones, a_replica_refuses, a_server_that_comes_back_is_used_again,
    a_server_that_is_stuck_is_given_up, a_server_without_room_for_connections_is_an_outage,
};

/// Each test is one on Redis, and one on Valkey.
macro_rules! on_both {
    ($([$need:ident] $test:ident,)+) => {
        fn main() -> ExitCode {
            run([$(
                Test::new(concat!("redis::", stringify!($test)), &[$need], || $test(Program::Redis)),
                Test::new(concat!("valkey::", stringify!($test)), &[Valkey], || $test(Program::Valkey)),
            )+])
        }
    };
}

on_both! {
    [Redis] the_newer_protocol_is_understood,
    [Redis] sessions_of_any_length_are_compared,
    [Redis] the_expiry_is_what_it_should_be,
    [Redis] all_sessions_are_listed_page_by_page,
    [Redis] sessions_that_a_scan_repeats_are_counted_once,
    [Redis] a_lost_reply_is_recognised,
    [Redis] a_value_of_another_type_is_an_error,
    [Redis] a_load_that_is_dropped_leaves_the_right_expiry,
    [Redis] dropped_operations_leave_the_connection_usable,
    [Redis] vectors_are_read_and_written,
    [Redis] what_node_writes_is_a_conflict,
    [Redis] node_and_rust_share_a_visit,
    [Redis] sessions_are_found_by_their_keys,
    [Redis] entries_are_there_before_their_session,
    [Redis] entries_that_are_over_are_dropped,
    [Redis] the_index_is_cleaned,
    [Redis] each_prefix_is_cleaned,
    [RedisServer] commands_are_as_few_as_promised,
    [RedisServer] scripts_that_the_server_lost_come_back,
    [RedisServer] a_server_that_comes_back_is_used_again,
    [RedisServer] a_server_that_is_stuck_is_given_up,
    [RedisServer] a_server_without_room_for_connections_is_an_outage,
    [RedisServer] a_full_server_refuses_new_sessions_and_shows_old_ones,
    [RedisServer] a_replica_refuses,
    [RedisServer] a_cluster_does_all_that_one_server_does,
    [RedisServer] a_slot_moves_while_its_sessions_are_used,
    [RedisServer] a_replica_takes_over,
    [RedisServer] the_cluster_is_an_error_while_a_server_is_away,
}
