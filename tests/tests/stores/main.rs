//! Every store keeps the contract: all cases of the conformance kit on each of them, each case a test of its own.

#![expect(clippy::expect_used, reason = "a test that can't go on fails")]

#[path = "../../../examples/src/bin/map_store/store.rs"]
mod map_store;
mod places;
mod served;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};
use session::MemoryStore;
use session::store::conformance::{Case, cases};
use session_tests::requirements::Requirement::{self, Mysql, Postgres, Redis, RedisServer, Valkey};
use session_tests::requirements::{conclude, trial};

use crate::map_store::MapStore;
use crate::places::{ClusterKeys, InMemory, Keys, Place, SqliteFiles, SqliteInMemory, Tables};
use crate::served::Served;
use session_tests::database::{Kind, run};
use session_tests::redis::Program;

fn main() -> ExitCode {
    let trials = [
        kit("memory", &[], InMemory(MemoryStore::new)),
        kit("map_store", &[], InMemory(MapStore::default)),
        kit("served", &[], InMemory(Served::default)),
        kit("sqlite_file", &[], SqliteFiles::default()),
        kit("sqlite_memory", &[], SqliteInMemory),
        kit("postgres", &[Postgres], Tables::of(Kind::Postgres)),
        kit("mysql", &[Mysql], Tables::of(Kind::Mysql)),
        kit("redis", &[Redis], Keys::of(Program::Redis)),
        kit("valkey", &[Valkey], Keys::of(Program::Valkey)),
        kit("redis_cluster", &[RedisServer], ClusterKeys::default()),
    ];
    let mut arguments = Arguments::from_args();
    // They wait most of the time.
    arguments.test_threads = arguments.test_threads.or(Some(16));
    conclude(arguments, trials.into_iter().flatten().collect())
}

/// All cases of the kit on the stores of a place.
fn kit<P: Place>(name: &str, needs: &[Requirement], place: P) -> Vec<Trial> {
    let place = Arc::new(place);
    let of_case = |(number, case): (usize, &'static Case)| {
        let place = Arc::clone(&place);
        trial(format!("{name}::{}", case.name()), needs, move || run(play(&*place, number, case)))
    };
    cases().enumerate().map(of_case).collect()
}

async fn play<P: Place>(place: &P, number: usize, case: &Case) -> Result<(), Failed> {
    let store = place.open(number).await;
    let result = case.run(store).await;
    place.clean(number).await;
    result.map_err(Failed::from)
}
