//! The session crate beside its peers and hand-written floors, in one run:
//!
//! ```sh
//! cargo run -p benches --release
//! ```

mod allocations;
mod contestants;
mod drive;
mod rounds;
mod visit;

use crate::contestants::Contestant;
use crate::drive::{Driver, Route};
use crate::rounds::Effort;

#[global_allocator]
static ALLOCATOR: allocations::Counting = allocations::Counting;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if let [mode, contestant, route, requests] = &arguments[..]
        && mode == "--one"
    {
        let contestant =
            Contestant::ALL.into_iter().find(|one| one.name() == contestant).ok_or("no such contestant")?;
        let route = Route::ALL.into_iter().find(|one| one.name() == route).ok_or("no such route")?;
        let mut driver = Driver::new(&runtime, contestant, drive::VISITORS);
        for _ in 0..requests.parse::<usize>()? / 1000 {
            driver.batch(&runtime, route, 1000);
        }
        return Ok(());
    }
    let measured = rounds::measure(&runtime, Effort { rounds: 51, requests: 1000 });
    println!("{}", measured.tables());
    Ok(())
}
