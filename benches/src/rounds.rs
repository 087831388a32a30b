//! Interleaved rounds in several processes, and the table of their medians.

use std::env;
use std::process::{Command, Stdio};

use tokio::runtime::Runtime;

use crate::Outcome;
use crate::contestants::Contestant;
use crate::drive::{Driver, Route, Sample, VISITORS};
use crate::table::Table;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Processes, one after the other. Where the kernel puts a process's pages speeds a contestant up or slows it down,
    /// the same way in all of its rounds.
    pub processes: usize,
    /// Rounds of a process, in which each contestant answers a batch for each route.
    pub rounds: usize,
    /// Requests in a batch.
    pub requests: usize,
}

/// By route, by contestant, by round.
type Samples = Vec<Vec<Vec<Sample>>>;

/// All samples.
pub struct Measured {
    effort: Effort,
    samples: Samples,
}

/// Has each process play its rounds.
///
/// # Errors
/// If one fails.
pub fn measure(effort: Effort) -> Outcome<Measured> {
    let mut samples = vec![vec![Vec::new(); Contestant::ALL.len()]; Route::ALL.len()];
    for _ in 0..effort.processes {
        let mut process = Command::new(env::current_exe()?);
        process.args(["--rounds", &effort.rounds.to_string(), &effort.requests.to_string()]).stderr(Stdio::inherit());
        let its_samples: Samples = serde_json::from_slice(&process.output()?.stdout)?;
        for (samples, its_samples) in samples.iter_mut().flatten().zip(its_samples.into_iter().flatten()) {
            samples.extend(its_samples);
        }
    }
    Ok(Measured { effort, samples })
}

/// Plays the rounds of one process, and prints the samples as JSON. The contestants take turns, so that what else the
/// machine does meets them all.
///
/// # Errors
/// None is to be expected.
pub fn play(runtime: &Runtime, rounds: usize, requests: usize) -> Outcome<()> {
    let mut samples: Samples = vec![vec![Vec::with_capacity(rounds); Contestant::ALL.len()]; Route::ALL.len()];
    let mut drivers: Vec<_> =
        Contestant::ALL.iter().map(|contestant| Driver::new(runtime, *contestant, VISITORS)).collect();
    for round in 0..=rounds {
        for (route, samples) in Route::ALL.iter().zip(&mut samples) {
            for (driver, samples) in drivers.iter_mut().zip(samples) {
                let sample = driver.batch(runtime, *route, requests);
                // The first round warms up.
                if round > 0 {
                    samples.push(sample);
                }
            }
        }
    }
    println!("{}", serde_json::to_string(&samples)?);
    Ok(())
}

impl Measured {
    /// The Markdown tables.
    #[must_use]
    pub fn tables(&self) -> String {
        let Effort { processes, rounds, requests } = self.effort;
        let nanos = self.table(|of| {
            let over_bare = of.over_bare(|sample| sample.nanos);
            let floor = of.floor().over_bare(|sample| sample.nanos);
            let ratios = over_bare.iter().zip(&floor).map(|(mine, floor)| mine / floor).collect();
            format!("{:.0} ({:.2})", median(over_bare), median(ratios))
        });
        let allocations = self.table(|of| format!("{:.0}", median(of.over_bare(|sample| sample.allocations))));
        format!(
            "Nanoseconds a request over the bare router, and the ratio to `floor`: medians of {rounds} rounds of {requests} \
             requests in each of {processes} processes.\n\n{nanos}\nHeap allocations a request over the bare router:\n\n{allocations}"
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
