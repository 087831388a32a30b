//! Interleaved rounds, and the table of their medians.

use tokio::runtime::Runtime;

use crate::contestants::Contestant;
use crate::drive::{Driver, Route, Sample, VISITORS};
use crate::table::Table;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Rounds in which each contestant answers a batch for each route.
    pub rounds: usize,
    /// Requests in a batch.
    pub requests: usize,
}

/// All samples: by route, by contestant, by round.
pub struct Measured {
    effort: Effort,
    samples: Vec<Vec<Vec<Sample>>>,
}

/// Plays all rounds. The contestants take turns, so that what else the machine does meets them all.
#[must_use]
pub fn measure(runtime: &Runtime, effort: Effort) -> Measured {
    let mut samples = vec![vec![Vec::with_capacity(effort.rounds); Contestant::ALL.len()]; Route::ALL.len()];
    let mut drivers: Vec<_> =
        Contestant::ALL.iter().map(|contestant| Driver::new(runtime, *contestant, VISITORS)).collect();
    for round in 0..=effort.rounds {
        for (route, samples) in Route::ALL.iter().zip(&mut samples) {
            for (driver, samples) in drivers.iter_mut().zip(samples) {
                let sample = driver.batch(runtime, *route, effort.requests);
                // The first round warms up.
                if round > 0 {
                    samples.push(sample);
                }
            }
        }
    }
    Measured { effort, samples }
}

impl Measured {
    /// The Markdown tables.
    #[must_use]
    pub fn tables(&self) -> String {
        let Effort { rounds, requests } = self.effort;
        let nanos = self.table(|of| {
            let over_bare = of.over_bare(|sample| sample.nanos);
            let floor = of.floor().over_bare(|sample| sample.nanos);
            let ratios = over_bare.iter().zip(&floor).map(|(mine, floor)| mine / floor).collect();
            format!("{:.0} ({:.2})", median(over_bare), median(ratios))
        });
        let allocations = self.table(|of| format!("{:.0}", median(of.over_bare(|sample| sample.allocations))));
        format!(
            "Nanoseconds a request over the bare router, and the ratio to `floor`: medians of {rounds} rounds of {requests} \
             requests.\n\n{nanos}\nHeap allocations a request over the bare router:\n\n{allocations}"
        )
    }

    fn table(&self, cell: impl Fn(Of<'_>) -> String) -> Table {
        let mut table = Table::new([""].into_iter().chain(Route::ALL.map(Route::name)));
        for (index, contestant) in Contestant::ALL.iter().enumerate().skip(1) {
            table.row(contestant.name(), self.samples.iter().map(|route| cell(Of { route, contestant: index })));
        }
        table
    }
}

/// A contestant on a route.
#[derive(Clone, Copy)]
struct Of<'a> {
    route: &'a [Vec<Sample>],
    contestant: usize,
}

impl Of<'_> {
    fn floor(self) -> Self {
        Self { contestant: 1, ..self }
    }

    fn over_bare(self, figure: impl Fn(&Sample) -> f64) -> Vec<f64> {
        let (Some(bare), Some(mine)) = (self.route.first(), self.route.get(self.contestant)) else { return Vec::new() };
        mine.iter().zip(bare).map(|(mine, bare)| figure(mine) - figure(bare)).collect()
    }
}

/// The middle of the figures.
#[must_use]
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
