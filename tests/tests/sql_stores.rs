//! The stores on SQLite, PostgreSQL and MySQL: the contract on each of them, and what is particular to one.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that can't go on fails")]

#[path = "sql_stores/contract.rs"]
mod contract;
#[path = "sql_stores/failures.rs"]
mod failures;
#[path = "sql_stores/node.rs"]
mod node;
#[path = "sql_stores/statements.rs"]
mod statements;

use session_tests::database::Kind::{Mysql, Postgres, Sqlite};
use session_tests::database::run;

session_tests::main! {
    [] sqlite_keeps_the_contract,
    [] sqlite_has_one_winner,
    [] sqlite_survives_dropped_futures,
    [] sqlite_stores_what_it_answers_after_a_dropped_write,
    [] sqlite_migrates_at_once,
    [] sqlite_says_that_it_is_not_migrated,
    [] sqlite_sweeps_in_steps,
    [] sqlite_survives_a_restart,
    [] sqlite_waits_for_a_lock,
    [] a_server_that_is_not_there_is_named,
    [Postgres] postgres_keeps_the_contract,
    [Postgres] postgres_has_one_winner,
    [Postgres] postgres_survives_dropped_futures,
    [Postgres] postgres_migrates_at_once,
    [Postgres] postgres_says_that_it_is_not_migrated,
    [Postgres] postgres_sweeps_in_steps,
    [Postgres] postgres_takes_few_statements,
    [Postgres] postgres_replaces_lost_connections,
    [Postgres] postgres_replaces_connections_that_idled_too_long,
    [Postgres] postgres_lets_go_of_servers_without_writes,
    [Postgres] postgres_keeps_a_connection_whose_statement_was_refused,
    [Postgres] postgres_stores_what_it_answers_after_a_dropped_write,
    [Postgres] postgres_reports_an_exhausted_pool,
    [Postgres] postgres_reads_and_writes_vectors_of_node,
    [Postgres] postgres_has_the_time_zone_of_node,
    [Postgres] postgres_notices_writes_of_node,
    [Postgres] postgres_takes_a_life_from_the_cookie_alone,
    [Postgres] postgres_migrates_to_the_schema_of_node,
    [Postgres] postgres_migrates_without_rights,
    [Mysql] mysql_keeps_the_contract,
    [Mysql] mysql_has_one_winner,
    [Mysql] mysql_survives_dropped_futures,
    [Mysql] mysql_migrates_at_once,
    [Mysql] mysql_says_that_it_is_not_migrated,
    [Mysql] mysql_sweeps_in_steps,
    [Mysql] mysql_takes_few_statements,
    [Mysql] mysql_replaces_lost_connections,
    [Mysql] mysql_replaces_connections_that_idled_too_long,
    [Mysql] mysql_lets_go_of_servers_without_writes,
    [Mysql] mysql_works_in_the_modes_of_mariadb,
    [Mysql] mysql_keeps_a_connection_whose_statement_was_refused,
    [Mysql] mysql_stores_what_it_answers_after_a_dropped_write,
}

macro_rules! tests {
    ($($name:ident => $test:expr,)+) => {
        $(fn $name() {
            run($test);
        })+
    };
}

tests! {
    sqlite_keeps_the_contract => contract::keeps_the_contract(Sqlite),
    sqlite_has_one_winner => contract::has_one_winner(Sqlite),
    sqlite_survives_dropped_futures => contract::survives_dropped_futures(Sqlite),
    sqlite_stores_what_it_answers_after_a_dropped_write =>
        failures::what_is_answered_after_a_dropped_write_is_stored(Sqlite),
    sqlite_migrates_at_once => contract::migrates_at_once(Sqlite),
    sqlite_says_that_it_is_not_migrated => contract::a_missing_table_is_named(Sqlite),
    sqlite_sweeps_in_steps => contract::sweeps_in_steps(Sqlite),
    a_server_that_is_not_there_is_named => failures::a_server_that_is_not_there_is_named(),
    sqlite_survives_a_restart => failures::sqlite_survives_a_restart(),
    sqlite_waits_for_a_lock => failures::sqlite_waits_for_a_lock(),
    postgres_keeps_the_contract => contract::keeps_the_contract(Postgres),
    postgres_has_one_winner => contract::has_one_winner(Postgres),
    postgres_survives_dropped_futures => contract::survives_dropped_futures(Postgres),
    postgres_migrates_at_once => contract::migrates_at_once(Postgres),
    postgres_says_that_it_is_not_migrated => contract::a_missing_table_is_named(Postgres),
    postgres_sweeps_in_steps => contract::sweeps_in_steps(Postgres),
    postgres_replaces_lost_connections => failures::lost_connections_are_replaced(Postgres),
    postgres_replaces_connections_that_idled_too_long => failures::connections_that_idled_too_long_are_replaced(Postgres),
    postgres_lets_go_of_servers_without_writes => failures::connections_to_a_server_without_writes_are_let_go(Postgres),
    postgres_keeps_a_connection_whose_statement_was_refused =>
        failures::a_refused_statement_costs_no_connection(Postgres),
    postgres_stores_what_it_answers_after_a_dropped_write =>
        failures::what_is_answered_after_a_dropped_write_is_stored(Postgres),
    postgres_reports_an_exhausted_pool => failures::an_exhausted_pool_is_an_error(),
    postgres_reads_and_writes_vectors_of_node => node::vectors_are_read_and_written(),
    postgres_has_the_time_zone_of_node => node::time_zones_are_those_of_node(),
    postgres_notices_writes_of_node => node::writes_of_node_are_noticed(),
    postgres_takes_a_life_from_the_cookie_alone => node::a_life_is_that_of_the_cookie(),
    postgres_migrates_to_the_schema_of_node => node::migrating_finds_a_table_of_node(),
    postgres_migrates_without_rights => node::migrating_needs_no_rights_when_nothing_is_to_do(),
    mysql_keeps_the_contract => contract::keeps_the_contract(Mysql),
    mysql_has_one_winner => contract::has_one_winner(Mysql),
    mysql_survives_dropped_futures => contract::survives_dropped_futures(Mysql),
    mysql_migrates_at_once => contract::migrates_at_once(Mysql),
    mysql_says_that_it_is_not_migrated => contract::a_missing_table_is_named(Mysql),
    mysql_sweeps_in_steps => contract::sweeps_in_steps(Mysql),
    mysql_replaces_lost_connections => failures::lost_connections_are_replaced(Mysql),
    mysql_replaces_connections_that_idled_too_long => failures::connections_that_idled_too_long_are_replaced(Mysql),
    mysql_lets_go_of_servers_without_writes => failures::connections_to_a_server_without_writes_are_let_go(Mysql),
    mysql_works_in_the_modes_of_mariadb => failures::modes_of_the_server_change_nothing(),
    mysql_keeps_a_connection_whose_statement_was_refused =>
        failures::a_refused_statement_costs_no_connection(Mysql),
    mysql_stores_what_it_answers_after_a_dropped_write =>
        failures::what_is_answered_after_a_dropped_write_is_stored(Mysql),
}

fn postgres_takes_few_statements() {
    statements::are_as_few_as_promised(Postgres);
}

fn mysql_takes_few_statements() {
    statements::are_as_few_as_promised(Mysql);
}
