//! What a request costs its store: commands on Redis, statements on PostgreSQL, as the server and sqlx tell them.

mod monitor;
mod statements;

use std::fmt::Write;
use std::time::Duration;

use axum::Router;
use session::{CookieOptions, Options, PostgresStore, RedisStore};
use session_tests::database::{Database, Kind};
use session_tests::redis::Program;
use tokio::runtime::Runtime;

use self::monitor::Monitor;
use crate::Outcome;
use crate::contestants::{Contestant, ours};
use crate::drive::{AT_ONCE, Driver, Route};
use crate::table::Table;

/// Plays each route on a Redis server of its own, and in a PostgreSQL database of its own.
///
/// # Errors
/// If one of the servers doesn't do what it is asked for.
pub fn measure(runtime: &Runtime) -> Outcome<String> {
    let mut text = "Commands a request, and which; in brackets those that a script runs on the server.\n".to_owned();
    for program in Program::installed() {
        write!(text, "\n{}", commands(runtime, program)?)?;
    }
    write!(
        text,
        "\nStatements a request, by their first words; `with` is a load that renews the expiry if that is due.\n\n{}",
        statements(runtime)?
    )?;
    Ok(text)
}

fn commands(runtime: &Runtime, program: Program) -> Outcome<Table> {
    let (place, server) = (format!("on {}", program.name()), program.start(&[]));
    let url = server.url();
    let mut commands = Table::new([place.as_str()].into_iter().chain(Route::ALL.map(Route::name)));
    let mut monitor = Monitor::start(server.port())?;
    let floor = runtime.block_on(Contestant::Floor.app_on_redis(&url))?;
    commands.row("a bare client", row(runtime, floor, || monitor.commands())?);
    for (name, options) in variants() {
        let store = runtime.block_on(RedisStore::connect(&url))?;
        commands.row(name, row(runtime, ours::app(store, options), || monitor.commands())?);
    }
    Ok(commands)
}

fn statements(runtime: &Runtime) -> Outcome<Table> {
    let database = runtime.block_on(Database::new(Kind::Postgres));
    let mut statements = Table::new(["on PostgreSQL"].into_iter().chain(Route::ALL.map(Route::name)));
    statements::watch()?;
    for (name, options) in variants() {
        let store = runtime.block_on(PostgresStore::connect(&database.url))?.sweep_interval(Duration::from_secs(3600));
        runtime.block_on(store.migrate())?;
        statements.row(name, row(runtime, ours::app(store, options), || Ok(statements::take()))?);
    }
    Ok(statements)
}

/// The options that could cost something.
fn variants() -> [(&'static str, Options); 6] {
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    [
        ("default options", Options::default()),
        ("`rolling`", Options::default().rolling(true)),
        ("a max-age", Options::default().cookie(CookieOptions::default().max_age(minutes(30)))),
        ("`hash_ids`", Options::default().hash_ids(true)),
        ("`resave`", Options::default().resave(true)),
        ("`touch_after` 0", Options::default().touch_after(minutes(0))),
    ]
}

fn row(runtime: &Runtime, app: Router, mut taken: impl FnMut() -> Outcome<Vec<String>>) -> Outcome<Vec<String>> {
    let mut driver = Driver::over(runtime, app, AT_ONCE);
    // Once without counting: connections are opened, and scripts are brought to the server.
    for route in Route::ALL {
        driver.batch(runtime, route, AT_ONCE);
    }
    let mut cells = Vec::new();
    for route in Route::ALL {
        let requests = driver.requests(runtime, route, AT_ONCE);
        taken()?;
        driver.play(runtime, requests);
        cells.push(cell(&taken()?));
    }
    Ok(cells)
}

/// How many of them a request needs, and which: `2: getex, evalsha (get, set)`.
fn cell(taken: &[String]) -> String {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for name in taken {
        match counts.iter_mut().find(|(known, _)| known == name) {
            Some((_, count)) => *count += 1,
            None => counts.push((name, 1)),
        }
    }
    let a_request = |count: usize| (count as f64 / AT_ONCE as f64).to_string();
    let names = counts.iter().map(|(name, count)| match *count {
        AT_ONCE => (*name).to_owned(),
        count => format!("{} × {name}", a_request(count)),
    });
    let names = names.collect::<Vec<_>>().join(", ");
    if names.is_empty() { "0".to_owned() } else { format!("{}: {names}", a_request(taken.len())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_tells_how_many_and_which() {
        let taken =
            |names: &[&str]| names.iter().cycle().take(AT_ONCE * names.len()).map(|name| (*name).into()).collect();
        let mut uneven: Vec<String> = taken(&["getex"]);
        uneven.extend((0..AT_ONCE / 2).map(|_| "set".to_owned()));
        assert_eq!(cell(&[]), "0");
        assert_eq!(cell(&taken(&["getex", "evalsha (get, set)"])), "2: getex, evalsha (get, set)");
        assert_eq!(cell(&taken(&["getex", "getex"])), "2: 2 × getex");
        assert_eq!(cell(&uneven), "1.5: getex, 0.5 × set");
    }
}
