//! The rooms of the runtime crate know only rooms above them: nothing points back.

#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

use std::fs;
use std::path::Path;

/// From the ground floor up. A room knows those before it in this list, and itself.
const ROOMS: &[&str] = &[
    "error",
    "base64",
    "timestamp",
    "id",
    "secret",
    "cookie",
    "transport",
    "field",
    "merge",
    "record",
    "state",
    "store",
    "turns",
    "lifecycle",
    "options",
    "context",
    "status",
    "data",
    "content",
    "slot",
    "commit",
    "admin",
    "session",
    "tower",
    "axum",
    "private",
    "lib",
];

fn sources(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            found.push((path.to_string_lossy().into_owned(), text));
        }
    }
}

/// Names of rooms after `crate::` in code, comments and documentation aside.
fn known(text: &str) -> impl Iterator<Item = &str> {
    let code = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    code.flat_map(|line| line.split("crate::").skip(1)).map(|rest| {
        let end = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(rest.len());
        rest.get(..end).unwrap_or_default()
    })
}

#[test]
fn no_room_knows_a_room_above_it() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("../session/src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    let prefix = src.to_string_lossy().into_owned();
    let mut arrows = 0;
    for (path, text) in &files {
        let relative = path.strip_prefix(&prefix).unwrap().trim_start_matches('/');
        let room = relative.split(['/', '.']).next().unwrap();
        let floor = ROOMS.iter().position(|name| *name == room);
        let floor = floor.unwrap_or_else(|| unreachable!("the room `{room}` has no place in the list"));
        for other in known(text) {
            let Some(below) = ROOMS.iter().position(|name| *name == other) else { continue };
            assert!(below <= floor, "{relative} knows `{other}`, which is above it");
            arrows += 1;
        }
    }
    assert!(arrows > 50, "only {arrows} uses were found");
}
