//! The style of the derive's errors: what is wrong, and what to write instead, at the smallest place.

#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

use std::fs;
use std::path::{Path, PathBuf};

/// Cases that show several mistakes, or one at two places.
const SEVERAL: &[&str] =
    &["several-mistakes", "two-fields-one-name", "alias-of-another-field", "two-extractors-of-one-name"];

/// Cases in which rustc itself reports a mistake more than once: a bound of an async method at its name, its future and
/// the await, a type in an async function's head and body, a call's arguments and its result, both halves of serde.
const REPEATED: &[&str] = &[
    "double-destroy",
    "regenerate-uninitialized",
    "save-on-uninitialized",
    "state-of-ones-own",
    "type-without-derive",
    "merge-function-of-another-type",
    "field-without-serde",
];

fn cases() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = ["derive", "extract", "states"].map(|folder| root.join(folder)).into_iter();
    let mut files: Vec<_> =
        folders.flat_map(|folder| fs::read_dir(folder).unwrap()).map(|file| file.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "rs"));
    files.sort();
    files
}

fn name(case: &Path) -> &str {
    case.file_stem().unwrap().to_str().unwrap()
}

#[test]
fn there_is_a_case_for_every_rule_and_each_is_short() {
    let cases = cases();
    assert!(cases.len() >= 35, "only {} cases", cases.len());
    for case in &cases {
        let lines = fs::read_to_string(case).unwrap().lines().count();
        assert!(lines <= 15, "{} has {lines} lines", case.display());
        assert!(case.with_extension("stderr").exists(), "{} expects nothing", case.display());
    }
}

#[test]
fn one_mistake_gives_one_error() {
    for case in cases() {
        let text = fs::read_to_string(case.with_extension("stderr")).unwrap();
        let errors = text.lines().filter(|line| line.starts_with("error")).count();
        let may_have_more = SEVERAL.contains(&name(&case)) || REPEATED.contains(&name(&case));
        assert!(errors == 1 || may_have_more, "{} gives {errors} errors", case.display());
    }
}

#[test]
fn messages_are_sentences_of_one_style() {
    for case in cases() {
        let text = fs::read_to_string(case.with_extension("stderr")).unwrap();
        for message in text.lines().filter_map(|line| line.strip_prefix("error: ")) {
            let first = message.chars().next().unwrap();
            assert!(first.is_lowercase() || first == '`', "{}: {message}", case.display());
            assert!(!message.ends_with(['.', '!']), "{}: {message}", case.display());
        }
        for forbidden in ["proc-macro derive panicked", "internal error", "__Stored", "Content<", "warning:"] {
            assert!(!text.contains(forbidden), "{} shows {forbidden:?}", case.display());
        }
    }
}

/// The derive's own errors blame a word or a value, not the struct around it.
#[test]
fn the_smallest_place_is_blamed() {
    for case in cases() {
        let text = fs::read_to_string(case.with_extension("stderr")).unwrap();
        let marks = text.lines().filter_map(|line| line.split_once("| ")).map(|(_, mark)| mark.trim());
        let longest = marks.filter(|mark| !mark.is_empty() && mark.chars().all(|sign| sign == '^')).map(str::len).max();
        assert!(longest.is_none_or(|longest| longest <= 50), "{} blames {longest:?} characters", case.display());
    }
}
