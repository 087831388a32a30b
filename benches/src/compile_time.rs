//! What a derive costs the compiler: crates of ten-field structs, made in a temporary folder, of which the last one alone is
//! compiled again.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Instant, SystemTime};
use std::{env, fmt, fs, iter, process};

use crate::Outcome;
use crate::rounds::median;
use crate::table::Table;

const ROUNDS: usize = 7;
const STRUCTS: [usize; 4] = [0, 1, 10, 100];
/// Two fields of each type.
const TYPES: [&str; 5] = ["u64", "String", "Option<String>", "Vec<u32>", "bool"];
const DERIVES: [(&str, &str); 2] =
    [("`Session`", "session::Session"), ("serde's two", "serde::Serialize, serde::Deserialize")];
const COMMANDS: [&str; 2] = ["check", "build"];

/// Compiles each crate several times, in turns.
///
/// # Errors
/// If cargo does not run, or refuses.
pub fn measure() -> Outcome<String> {
    let workspace = Workspace::new()?;
    let crates: Vec<_> = (0..DERIVES.len()).flat_map(|derive| STRUCTS.map(|structs| (derive, structs))).collect();
    for (derive, structs) in &crates {
        workspace.write(*derive, *structs)?;
    }
    let mut seconds = vec![[const { Vec::new() }; COMMANDS.len()]; crates.len()];
    for round in 0..=ROUNDS {
        for ((derive, structs), seconds) in crates.iter().zip(&mut seconds) {
            for (command, seconds) in COMMANDS.into_iter().zip(seconds) {
                let took = workspace.compile(command, *derive, *structs)?;
                // The first round compiles what all of them need.
                if round > 0 {
                    seconds.push(took);
                }
            }
        }
    }
    let columns = STRUCTS.map(|structs| structs.to_string());
    let mut table = Table::new(["structs".to_owned()].into_iter().chain(columns).chain(["each".to_owned()]));
    for (derive, seconds) in DERIVES.iter().zip(seconds.chunks(STRUCTS.len())) {
        for (command, name) in COMMANDS.iter().enumerate() {
            let medians: Vec<_> = seconds.iter().map(|seconds| median(seconds[command].clone())).collect();
            let most = STRUCTS[STRUCTS.len() - 1] as f64;
            let each = (medians[STRUCTS.len() - 1] - medians[0]) / most;
            let cells = medians.iter().map(|seconds| format!("{seconds:.2} s"));
            table.row(format!("{}, `cargo {name}`", derive.0), cells.chain([format!("{:.1} ms", each * 1000.0)]));
        }
    }
    Ok(format!(
        "Seconds to compile a crate of structs with ten fields, its dependencies being there, without incremental state: \
         medians of {ROUNDS}.\n\n{table}"
    ))
}

/// A folder of crates, which is removed with the value.
struct Workspace(PathBuf);

impl Workspace {
    fn new() -> Outcome<Self> {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
        let this = Self(env::temp_dir().join(format!("session-compile-time-{}", process::id())));
        fs::create_dir_all(&this.0)?;
        // The versions of this workspace.
        fs::copy(repository.join("Cargo.lock"), this.0.join("Cargo.lock"))?;
        let session = repository.join("session");
        let dependencies =
            format!("session = {{ path = {session:?} }}\nserde = {{ version = \"1\", features = [\"derive\"] }}");
        let manifest = format!(
            "[workspace]\nmembers = [\"*-*\"]\nexclude = [\"target\"]\nresolver = \"3\"\n\n[workspace.dependencies]\n{dependencies}\n"
        );
        fs::write(this.0.join("Cargo.toml"), manifest)?;
        Ok(this)
    }

    fn write(&self, derive: usize, structs: usize) -> Outcome<()> {
        let (name, folder) = (name(derive, structs), self.0.join(name(derive, structs)));
        fs::create_dir_all(folder.join("src"))?;
        let manifest = format!(
            "[package]\nname = \"{name}\"\nedition = \"2024\"\n\n[dependencies]\nsession.workspace = true\nserde.workspace = true\n"
        );
        fs::write(folder.join("Cargo.toml"), manifest)?;
        let source: String = (0..structs).map(|number| Struct { derive, number }.to_string()).collect();
        Ok(fs::write(folder.join("src/lib.rs"), source)?)
    }

    /// The seconds that takes.
    fn compile(&self, command: &str, derive: usize, structs: usize) -> Outcome<f64> {
        let name = name(derive, structs);
        let source = fs::File::options().append(true).open(self.0.join(&name).join("src/lib.rs"))?;
        source.set_modified(SystemTime::now())?;
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args([command, "--quiet", "--package", &name]).current_dir(&self.0);
        cargo.env("CARGO_INCREMENTAL", "0").env("CARGO_TARGET_DIR", self.0.join("target"));
        let start = Instant::now();
        let output = cargo.output()?;
        let took = start.elapsed().as_secs_f64();
        let said = String::from_utf8_lossy(&output.stderr);
        if output.status.success() { Ok(took) } else { Err(format!("`cargo {command}` failed: {said}").into()) }
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn name(derive: usize, structs: usize) -> String {
    format!("{}-{structs}", ["session", "serde"][derive])
}

struct Struct {
    derive: usize,
    number: usize,
}

impl fmt::Display for Struct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "#[derive({})]\npub struct Visit{} {{", DERIVES[self.derive].1, self.number)?;
        for (field, of) in TYPES.iter().flat_map(|of| iter::repeat_n(of, 2)).enumerate() {
            writeln!(f, "    pub field_{field}: {of},")?;
        }
        writeln!(f, "}}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_struct_has_ten_fields() {
        let text = Struct { derive: 0, number: 7 }.to_string();
        assert!(
            text.starts_with("#[derive(session::Session)]\npub struct Visit7 {\n    pub field_0: u64,\n"),
            "{text}"
        );
        assert_eq!(text.matches("pub field_").count(), 10);
    }
}
