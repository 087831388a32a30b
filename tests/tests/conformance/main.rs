//! The conformance kit catches stores that break the contract. Those that keep it are in the tests `stores`.

#![expect(clippy::expect_used, reason = "a test that can't go on fails")]

mod broken;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};
use session::store::conformance::{Case, cases, run};
use session::{MemoryStore, Store};
use tokio::runtime::{Builder, Runtime};

fn main() -> ExitCode {
    let mut trials = broken::trials();
    trials.push(Trial::test("kit::takes_a_store_behind_an_arc", takes_a_store_behind_an_arc));
    trials.push(Trial::test("kit::has_a_case_for_every_line_of_the_contract", has_cases));
    trials.push(Trial::test("guide::quotes_the_example", guide_quotes_the_example));
    let mut arguments = Arguments::from_args();
    // They sleep most of the time.
    arguments.test_threads = arguments.test_threads.or(Some(4));
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn runtime() -> Runtime {
    Runtime::new().expect("a runtime")
}

fn takes_a_store_behind_an_arc() -> Result<(), Failed> {
    let runtime = Builder::new_current_thread().enable_time().build()?;
    let report = runtime.block_on(run(async || Arc::new(MemoryStore::new()) as Arc<dyn Store>));
    report.assert();
    let lines = report.to_string();
    ensure(report.passed() && lines.lines().count() == cases().count(), "a report has a line for each case")?;
    ensure(lines.contains("create::leaves_a_taken_id_alone: passed\n"), "a line has a case's name")
}

fn has_cases() -> Result<(), Failed> {
    let mut names: Vec<_> = cases().map(Case::name).collect();
    ensure(names.len() >= 100, "there are a hundred cases or more")?;
    for operation in ["load", "create", "update", "touch", "rename", "destroy", "list", "index", "renewal", "races"] {
        let has_some = names.iter().any(|name| name.starts_with(&format!("{operation}::")));
        ensure(has_some, operation)?;
    }
    names.sort_unstable();
    names.dedup();
    ensure(names.len() == cases().count(), "no two cases have one name")
}

fn guide_quotes_the_example() -> Result<(), Failed> {
    let guide = include_str!("../../../docs/writing-a-store.md");
    let example = include_str!("../../../examples/src/bin/map_store/store.rs");
    ensure(guide.contains(&format!("```rust\n{example}```\n")), "the guide has the example, letter for letter")?;
    ensure(example.lines().count() < 100, "the example has fewer than 100 lines")
}

fn ensure(condition: bool, message: &str) -> Result<(), Failed> {
    if condition { Ok(()) } else { Err(Failed::from(message)) }
}
