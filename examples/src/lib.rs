//! What examples share: the store that `--store` names, the secret that goes with it, and a server that ends gracefully.

mod failure;
mod secret;
mod server;
mod store;

use std::env;

pub use failure::Failure;
pub use secret::secret;
pub use server::serve;
pub use store::open_store;

/// The value after an argument's name on the command line.
#[must_use]
pub fn argument(name: &str) -> Option<String> {
    env::args().skip_while(|argument| argument != name).nth(1)
}
