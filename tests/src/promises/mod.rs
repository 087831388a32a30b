//! What the library promises about parallel requests, played through an app on any store.
//!
//! Each scenario needs a multi-threaded runtime, and a store that is empty and that nobody else uses. A scenario panics
//! when the promise is broken.

mod account;
pub mod board;
mod dead;
mod everywhere;
mod parallel;

use std::env;
use std::time::{Duration, Instant};

pub use dead::{destroyed_stays_destroyed, expired_stays_expired};
pub use everywhere::log_out_everywhere_holds;
pub use parallel::{no_update_is_lost, own_fields_all_survive};

/// How many rounds a scenario plays at most, and those of `SESSION_TEST_ROUNDS=all` on every store.
pub const ROUNDS: u32 = 10_000;

/// How long a scenario goes on.
#[derive(Clone, Copy, Debug)]
pub enum Rounds {
    /// Through all [`ROUNDS`].
    All,
    /// Until this time is over, or all rounds are played. With `SESSION_TEST_ROUNDS=all` in the environment, as `All`.
    For(Duration),
}

impl Rounds {
    /// Whether another round is to be played, when so many were since then.
    fn go_on(self, played: u32, begin: Instant) -> bool {
        let is_short = match self {
            Self::All => false,
            Self::For(time) => {
                env::var_os("SESSION_TEST_ROUNDS").is_none_or(|rounds| rounds != "all") && begin.elapsed() > time
            }
        };
        played < ROUNDS && !is_short
    }
}
