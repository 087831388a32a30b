//! The secret that signs the cookies. Where sessions survive a restart, it has to as well.

use std::env;
use std::error::Error;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::Path;

use session::Secret;

/// The secret for sessions in this store: `SESSION_SECRET` from the environment, at least 32 bytes.
///
/// Without it, a store in memory gets a new one, since nothing outlives the process. An SQLite file has its secret in a
/// file beside it, which is made at the first start and can be read by its owner only.
///
/// # Errors
/// A secret that is too short or can't be read, and for the other stores, that there is none: all processes need the
/// same one.
pub fn secret(store: &str) -> Result<Secret, Box<dyn Error>> {
    if let Some(secret) = env::var_os("SESSION_SECRET") {
        return Ok(Secret::new(secret.into_encoded_bytes())?);
    }
    match store.split_once(':') {
        None => Ok(Secret::random()?),
        Some(("sqlite", file)) => {
            let file = file.trim_start_matches("//").split('?').next().unwrap_or_default();
            beside(Path::new(&format!("{file}.secret")))
        }
        Some(_) => Err("set SESSION_SECRET, the same at each start and on each machine: \
            export SESSION_SECRET=$(openssl rand -base64 32)"
            .into()),
    }
}

fn beside(path: &Path) -> Result<Secret, Box<dyn Error>> {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.write(true).create_new(true).open(path) {
        Ok(mut file) => {
            let mut secret = [0; 32];
            getrandom::fill(&mut secret)?;
            file.write_all(&secret)?;
            eprintln!("the secret is in {}: keep it with the database", path.display());
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(format!("{}: {error}", path.display()).into()),
    }
    Ok(Secret::new(fs::read(path)?).map_err(|error| format!("{}: {error}", path.display()))?)
}
