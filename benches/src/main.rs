//! The session crate beside its peers and hand-written floors, in one run:
//!
//! ```sh
//! cargo run -p benches --release           # nanoseconds and allocations a request
//! cargo run -p benches --release -- FLAG   # something else:
//! ```
//!
//! | flag | what is measured |
//! |---|---|
//! | `--instructions` | instructions a request, with valgrind |
//! | `--commands` | commands and statements a request, on Redis and PostgreSQL |
//! | `--http` | the contestants as servers: processor time and waits a request |
//! | `--scale`, `--scale N` | many sessions, up to N (100 000 by default), and large ones; two threads |
//! | `--compile-time` | seconds that a derive costs the compiler |
//! | `--rounds N M` | what each process of the first line measures: N rounds of M requests, as JSON |
//! | `--one CONTESTANT ROUTE N [REDIS_URL]` | nothing: that contestant answers so many requests, under a profiler of yours |
//!
//! Each prints the Markdown that stands in the README.

mod allocations;
mod commands;
mod compile_time;
mod contestants;
mod drive;
mod http;
mod instructions;
mod rounds;
mod scale;
mod table;
mod visit;

use tokio::runtime::{Builder, Runtime};

use crate::contestants::Contestant;
use crate::drive::{Driver, Route, VISITORS};
use crate::rounds::Effort;

#[global_allocator]
static ALLOCATOR: allocations::Counting = allocations::Counting;

/// What could not be measured is an error, in words.
pub type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> Outcome<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let tables = match arguments[..] {
        [] => rounds::measure(Effort { processes: 21, rounds: 9, requests: 1000 })?.tables(),
        ["--rounds", rounds, requests] => return rounds::play(&runtime, rounds.parse()?, requests.parse()?),
        ["--instructions"] => instructions::measure()?,
        ["--commands"] => commands::measure(&runtime)?,
        ["--http"] => http::measure(&runtime)?,
        ["--scale"] => return scale::measure(&runtime, 100_000),
        ["--scale", sessions] => return scale::measure(&runtime, sessions.parse()?),
        ["--serve", contestant] => return http::serve(&runtime, Contestant::named(contestant)?, None),
        ["--serve", contestant, redis] => return http::serve(&runtime, Contestant::named(contestant)?, Some(redis)),
        ["--compile-time"] => compile_time::measure()?,
        ["--one", contestant, route, requests] => {
            let driver = Driver::new(&runtime, Contestant::named(contestant)?, VISITORS);
            return play(&runtime, driver, Route::named(route)?, requests.parse()?);
        }
        ["--one", contestant, route, requests, redis] => {
            let app = runtime.block_on(Contestant::named(contestant)?.app_on_redis(redis))?;
            let driver = Driver::over(&runtime, app, VISITORS);
            return play(&runtime, driver, Route::named(route)?, requests.parse()?);
        }
        _ => return Err("no such flag: they are listed at the top of benches/src/main.rs".into()),
    };
    print!("{}", table::folded(&tables));
    Ok(())
}

fn play(runtime: &Runtime, mut driver: Driver, route: Route, requests: usize) -> Outcome<()> {
    for _ in 0..requests / 1000 {
        driver.batch(runtime, route, 1000);
    }
    Ok(())
}
