//! Two processes on one server lose no update of a session that both use.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that can't go on fails")]

use std::process::Command;

use session::{RedisStore, Store};
use session_tests::backend::random_prefix;
use session_tests::database::{Database, Kind, run};
use session_tests::redis::Program;
use session_tests::{Client, Process};
use tokio::task::JoinSet;

session_tests::main! {
    [Redis] two_processes_lose_no_update_on_redis,
    [Postgres] two_processes_lose_no_update_on_postgres,
}

const TASKS: usize = 32;
const EACH: usize = 25;

fn two_processes_lose_no_update_on_redis() {
    run(async {
        let (url, prefix) = (Program::Redis.shared_url().expect("a server"), random_prefix());
        two_processes_lose_no_update(&[&url, &prefix]).await;
        RedisStore::connect(url).await.unwrap().prefix(prefix).clear().await.unwrap();
    });
}

fn two_processes_lose_no_update_on_postgres() {
    run(async {
        let database = Database::new(Kind::Postgres).await;
        drop(database.store().await);
        two_processes_lose_no_update(&[&database.url]).await;
    });
}

async fn two_processes_lose_no_update(arguments: &[&str]) {
    let start = || Process::serve(Command::new(env!("CARGO_BIN_EXE_board")).args(arguments));
    let processes = [start(), start()];
    let mut visitor = Client::new(processes[0].1);
    visitor.post("/begin").await;
    let cookies = visitor.jar.clone();
    assert_eq!(cookies.len(), 1);

    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let mut client = Client::new(processes[task % 2].1);
        client.jar.clone_from(&cookies);
        tasks.spawn(async move {
            for _ in 0..EACH {
                let reply = client.post("/add").await;
                assert_eq!(reply.status, 200, "{}", reply.body);
            }
            let reply = client.post(&format!("/set/{task}")).await;
            assert_eq!(reply.status, 200, "{}", reply.body);
        });
    }
    tasks.join_all().await;
    for (_, address) in &processes {
        let mut client = Client::new(*address);
        client.jar.clone_from(&cookies);
        assert_eq!(client.get("/count").await.body, (TASKS * EACH).to_string());
        assert_eq!(client.get("/show").await.body, "8 fields, 24 keys");
    }
}
