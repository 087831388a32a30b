//! The contestants as servers, each a process of its own with one thread, under load from this process.

mod load;
mod processors;
mod server;

use std::time::Duration;

use session_tests::redis::{Program, RedisServer};

pub use self::server::serve;

use self::load::{Visitors, send};
use self::processors::Processor;
use self::server::{Server, redis_time};
use crate::Outcome;
use crate::contestants::Contestant;
use crate::drive::Route;
use crate::rounds::median;
use crate::table::{Table, number};
use tokio::runtime::Runtime;

const ROUNDS: usize = 21;
const REQUESTS: usize = 40_000;
const ROUTES: [Route; 4] = [Route::PlainWithCookie, Route::Read, Route::Write, Route::Login];

/// What a round of one server on one route took.
#[derive(Clone, Copy)]
struct Sample {
    /// The server's processor time a request, in microseconds.
    processor: f64,
    /// That of the Redis server behind it.
    redis: f64,
    /// Of all waits for an answer, in microseconds.
    median_wait: f64,
    /// Of a hundred waits, all but one are shorter.
    long_wait: f64,
}

/// Measures all contestants in memory, then those that there are on Redis, and on Valkey if it is installed.
///
/// # Errors
/// If a server can't be started, or answers anything but 200.
pub fn measure(runtime: &Runtime) -> Outcome<String> {
    let processor = Processor::left_alone();
    let mut text = format!(
        "The server's processor time a request in microseconds, in brackets over that of the first line, and the median and \
         99th percentile of the time until the answer, in microseconds, over {} connections that never rest: medians of \
         {ROUNDS} rounds of {} requests. The server {}.\n",
        load::CONNECTIONS,
        number(REQUESTS as f64),
        if processor.is_some() { "has a processor to itself" } else { "shares its processors with the load" }
    );
    text.push_str(&compare(runtime, "in memory", (&Contestant::ALL, processor), None)?);
    for program in Program::installed() {
        let (place, server) = (format!("on {}", program.name()), program.start(&[]));
        text.push_str(&compare(runtime, &place, (&Contestant::ON_REDIS, processor), Some(&server))?);
    }
    Ok(text)
}

/// The servers take turns, so that what else the machine does meets them all.
fn compare(
    runtime: &Runtime,
    place: &str,
    (contestants, processor): (&[Contestant], Option<Processor>),
    redis: Option<&RedisServer>,
) -> Outcome<String> {
    let start = |contestant: &Contestant| {
        let server = Server::start(*contestant, redis.map(RedisServer::url).as_deref(), processor)?;
        let visitors = runtime.block_on(Visitors::log_in(server.address()))?;
        Ok((server, visitors))
    };
    let servers = contestants.iter().map(start).collect::<Outcome<Vec<_>>>()?;
    let mut samples = vec![vec![Vec::with_capacity(ROUNDS); ROUTES.len()]; servers.len()];
    for round in 0..=ROUNDS {
        for (route, column) in ROUTES.iter().zip(0..) {
            for ((server, visitors), samples) in servers.iter().zip(&mut samples) {
                let sample = sample(runtime, server, redis, visitors, *route)?;
                // The first round warms up.
                if round > 0 {
                    samples[column].push(sample);
                }
            }
        }
    }
    let mut table = Table::new([place].into_iter().chain(ROUTES.map(Route::name)));
    for (contestant, mine) in contestants.iter().zip(&samples) {
        table.row(contestant.name(), mine.iter().zip(&samples[0]).map(|(mine, first)| cell(mine, first)));
        if redis.is_some() {
            let times = mine.iter().map(|mine| median(mine.iter().map(|one| one.redis).collect()));
            table.row(format!("the store, for {}", contestant.name()), times.map(|time| format!("{time:.1}")));
        }
    }
    Ok(format!("\n{table}"))
}

fn sample(
    runtime: &Runtime,
    server: &Server,
    redis: Option<&RedisServer>,
    visitors: &Visitors,
    route: Route,
) -> Outcome<Sample> {
    let times = || Outcome::Ok((server.processor_time()?, redis.map_or(Ok(Duration::ZERO), redis_time)?));
    let (before, redis_before) = times()?;
    let mut waits = runtime.block_on(send(server.address(), visitors.requests(route), REQUESTS))?;
    let (after, redis_after) = times()?;
    waits.sort_unstable();
    let wait = |share: usize| micros(waits.get(waits.len() * share / 100).copied().unwrap_or_default());
    let a_request = |time: Duration| micros(time) / REQUESTS as f64;
    Ok(Sample {
        processor: a_request(after - before),
        redis: a_request(redis_after - redis_before),
        median_wait: wait(50),
        long_wait: wait(99),
    })
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

fn cell(mine: &[Sample], first: &[Sample]) -> String {
    let of = |figure: fn(&Sample) -> f64| median(mine.iter().map(figure).collect());
    let ratio = median(mine.iter().zip(first).map(|(mine, first)| mine.processor / first.processor).collect());
    let (processor, median_wait, long_wait) =
        (of(|one| one.processor), of(|one| one.median_wait), of(|one| one.long_wait));
    format!("{processor:.1} ({ratio:.2}), {} / {}", number(median_wait), number(long_wait))
}
