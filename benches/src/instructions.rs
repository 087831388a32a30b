//! Instructions a request, counted by callgrind.

use std::env;
use std::fmt::Write;
use std::process::Command;

use session_tests::redis::Program;

use crate::Outcome;
use crate::contestants::Contestant;
use crate::drive::{PLAY, Route};
use crate::table::{Table, number};

const REQUESTS: u32 = 1000;

/// Runs this program under valgrind, once for each contestant and route with so many requests, and once with twice as
/// many. What the second run takes longer is theirs alone.
///
/// # Errors
/// If valgrind says something else than it used to.
pub fn measure() -> Outcome<String> {
    if Command::new("valgrind").arg("--version").output().is_err() {
        return Ok("Not measured: there is no valgrind on this machine (`apt-get install valgrind`).\n".to_owned());
    }
    let mut table = Table::new([""].into_iter().chain(Route::ALL.map(Route::name)));
    let bare = a_request(Contestant::Bare, None)?;
    for contestant in Contestant::ALL.into_iter().skip(1) {
        let mine = a_request(contestant, None)?;
        table.row(contestant.name(), mine.iter().zip(&bare).map(|(mine, bare)| number(mine - bare)));
    }
    let mut text = format!(
        "Instructions a request over the bare router, in memory and on servers, the system calls not counted. Valgrind's \
         processor has no instructions for SHA, so signatures and digests weigh several times what they do on a real \
         one.\n\n{table}"
    );
    for program in Program::installed() {
        let (place, server) = (format!("on {}", program.name()), program.start(&[]));
        let mut table = Table::new([place.as_str()].into_iter().chain(Route::ALL.map(Route::name)));
        for contestant in Contestant::ON_REDIS {
            let mine = a_request(contestant, Some(&server.url()))?;
            table.row(contestant.name(), mine.iter().zip(&bare).map(|(mine, bare)| number(mine - bare)));
        }
        write!(text, "\n{table}")?;
    }
    Ok(text)
}

fn a_request(contestant: Contestant, redis: Option<&str>) -> Outcome<Vec<f64>> {
    let of_route = |route| {
        let (once, twice) = (run(contestant, route, REQUESTS, redis)?, run(contestant, route, 2 * REQUESTS, redis)?);
        Ok((twice as f64 - once as f64) / f64::from(REQUESTS))
    };
    Route::ALL.into_iter().map(of_route).collect()
}

fn run(contestant: Contestant, route: Route, requests: u32, redis: Option<&str>) -> Outcome<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", &format!("--toggle-collect={PLAY}")])
        .arg(env::current_exe()?)
        .args(["--one", contestant.name(), route.name(), &requests.to_string()])
        .args(redis)
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    Ok(collected(&said).ok_or_else(|| format!("valgrind counted nothing: {said}"))?)
}

/// The instructions that callgrind says it saw.
fn collected(said: &str) -> Option<u64> {
    let line = said.lines().find_map(|line| line.split_once(" Collected : "))?.1;
    line.trim().parse().ok().filter(|count| *count > 0)
}

#[cfg(test)]
mod tests {
    use super::collected;

    #[test]
    fn the_count_is_found_in_what_callgrind_says() {
        let said = "==7== Events    : Ir\n==7== Collected : 123456789\n==7== \n==7== I   refs:      123,456,789\n";
        assert_eq!(collected(said), Some(123_456_789));
        assert_eq!(collected("==7== Collected : 0\n"), None, "nothing was played");
        assert_eq!(collected("valgrind: no such program"), None);
    }
}
