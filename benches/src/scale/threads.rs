//! Two threads with visitors of their own, on one app.

use std::sync::Barrier;
use std::time::Instant;
use std::{io, thread};

use tokio::runtime::{Builder, Runtime};

use crate::Outcome;
use crate::contestants::Contestant;
use crate::drive::{Driver, Route, VISITORS};
use crate::rounds::median;
use crate::table::Table;

const ROUNDS: usize = 21;
const REQUESTS: usize = 5000;
const ROUTES: [Route; 2] = [Route::Read, Route::Write];

/// The contestants take turns, so that what else the machine does meets them all.
pub(super) fn table(runtime: &Runtime) -> Outcome<String> {
    let mut drivers = Contestant::ALL.map(|contestant| {
        let app = runtime.block_on(contestant.app());
        [(); 2].map(|()| Driver::over(runtime, app.clone(), VISITORS))
    });
    let mut gains = Contestant::ALL.map(|_| ROUTES.map(|_| Vec::with_capacity(ROUNDS)));
    for _ in 0..ROUNDS {
        for (drivers, gains) in drivers.iter_mut().zip(&mut gains) {
            for (route, gains) in ROUTES.into_iter().zip(gains) {
                gains.push(gain(drivers, route)?);
            }
        }
    }
    let mut table = Table::new([""].into_iter().chain(ROUTES.map(Route::name)));
    for (contestant, gains) in Contestant::ALL.into_iter().zip(gains) {
        table.row(contestant.name(), gains.map(|gains| format!("{:.2}", median(gains))));
    }
    Ok(format!("In memory: what two threads get done on two processors, in that of one.\n\n{table}"))
}

fn gain(drivers: &mut [Driver; 2], route: Route) -> io::Result<f64> {
    let [alone, other] = drivers;
    Ok(2.0 * together(&mut [alone], route)? / together(&mut [alone, other], route)?)
}

/// The seconds until the last of them is ready.
fn together(drivers: &mut [&mut Driver], route: Route) -> io::Result<f64> {
    let start = Barrier::new(drivers.len());
    thread::scope(|scope| {
        let threads = drivers.iter_mut().map(|driver| {
            scope.spawn(|| {
                let runtime = Builder::new_current_thread().enable_all().build()?;
                let requests = driver.requests(&runtime, route, REQUESTS);
                start.wait();
                let begin = Instant::now();
                driver.play(&runtime, requests);
                Ok(begin.elapsed().as_secs_f64())
            })
        });
        let threads: Vec<_> = threads.collect();
        let seconds =
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err(io::Error::other("it panicked"))));
        seconds.collect::<io::Result<Vec<_>>>().map(|seconds| seconds.into_iter().fold(0.0, f64::max))
    })
}
