//! The parity server beside express-session itself: the cases of the kit, and scripts that nobody thought of.

#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use session_tests::requirements;
use tempfile::TempDir;

const SERVER: &str = env!("CARGO_BIN_EXE_parity_server");

fn kit() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/parity")
}

fn python(script: &str, arguments: &[&str]) -> String {
    let Output { stdout, stderr, .. } =
        Command::new("python3").arg(kit().join(script)).args(arguments).output().unwrap();
    String::from_utf8(stdout).unwrap() + &String::from_utf8(stderr).unwrap()
}

/// What the kit finds wrong, as the names of cases. They are played once more, one at a time, since a server may not get
/// the port that the kit has chosen for it.
fn problems(arguments: &[&str]) -> Vec<String> {
    let first = named_problems(arguments);
    if first.is_empty() {
        return first;
    }
    let filter = format!("^({})$", first.join("|"));
    named_problems(&[arguments, &["--filter", &filter, "--jobs", "1"]].concat())
}

fn named_problems(arguments: &[&str]) -> Vec<String> {
    let report = python("run.py", arguments);
    assert!(report.contains(" passed, ") || report.contains(" alike, "), "{report}");
    let lines = report.lines().filter(|line| !line.contains("(a known difference)"));
    let found = lines.filter(|line| line.starts_with("FAIL ") || line.starts_with("DIFF "));
    found
        .inspect(|line| eprintln!("{line}"))
        .filter_map(|line| line.split([' ', ':']).nth(1))
        .map(str::to_owned)
        .collect()
}

fn every_case_passes() {
    assert_eq!(problems(&["--server", SERVER, "--profile", "rust"]), [""; 0]);
}

/// Plays cases on both servers; gives those that differ though they don't say so.
fn unknown_differences(cases: &Path) -> Vec<String> {
    let folder = kit().join("reference-server");
    requirements::install_packages(&folder);
    let reference = format!("node {}", folder.join("server.js").display());
    problems(&["--compare", &reference, SERVER, "--cases", &cases.display().to_string()])
}

fn express_session_differs_only_where_the_cases_say_so() {
    assert_eq!(unknown_differences(&kit().join("cases")), [""; 0]);
}

fn express_session_answers_generated_scripts_alike() {
    let folder = TempDir::new().unwrap();
    let seed = std::env::var("SESSION_TEST_SEED").unwrap_or_else(|_| "1".to_owned());
    let made =
        python("generate.py", &["--seed", &seed, "--count", "150", "--folder", &folder.path().display().to_string()]);
    assert!(made.contains("150 cases"), "{made}");
    assert_eq!(unknown_differences(folder.path()), [""; 0], "seed {seed}");
}

session_tests::main! {
    [Python] every_case_passes,
    [Python, Node] express_session_differs_only_where_the_cases_say_so,
    [Python, Node] express_session_answers_generated_scripts_alike,
}
