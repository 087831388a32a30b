//! The contestants in memory, with few sessions and with many.

use tokio::runtime::Runtime;

use crate::contestants::Contestant;
use crate::drive::{Driver, Route};
use crate::rounds::median;
use crate::table::{Table, number};

const ROUNDS: usize = 21;
const REQUESTS: usize = 1000;

pub(super) fn table(runtime: &Runtime, sizes: &[usize]) -> String {
    let mut table = Table::new([String::new()].into_iter().chain(sizes.iter().map(|size| number(*size as f64))));
    let bare: Vec<_> = sizes.iter().map(|size| measure(runtime, Contestant::Bare, *size)).collect();
    for contestant in Contestant::ALL.into_iter().skip(1) {
        let cell = |(size, bare): (&usize, &[f64; 3])| {
            let [read, write, bytes] = measure(runtime, contestant, *size);
            format!("{} / {} ns, {} B", number(read - bare[0]), number(write - bare[1]), number(bytes))
        };
        table.row(contestant.name(), sizes.iter().zip(&bare).map(cell));
    }
    format!(
        "In memory, by the number of sessions: nanoseconds of `/read` and `/write` over the bare router, visitors in no \
         order that a cache could foresee, and bytes of memory a session.\n\n{table}"
    )
}

/// What a read and a write take, in nanoseconds, and the bytes a session.
fn measure(runtime: &Runtime, contestant: Contestant, sessions: usize) -> [f64; 3] {
    let mut driver = Driver::new(runtime, contestant, sessions);
    let bytes = driver.session_bytes() as f64 / sessions as f64;
    let [read, write] = [Route::Read, Route::Write].map(|route| nanos(runtime, &mut driver, route));
    [read, write, bytes]
}

pub(super) fn nanos(runtime: &Runtime, driver: &mut Driver, route: Route) -> f64 {
    median((0..ROUNDS).map(|_| driver.batch(runtime, route, REQUESTS).nanos).collect())
}
