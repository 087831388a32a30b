//! A store full of sessions of version 1, brought to version 2.
//!
//! ```sh
//! cargo run -p examples --bin migrate                         # 20000 sessions seen, 20000 upgraded, 0 can't be read
//! cargo run -p examples --bin migrate -- --stop-after 5000    # interrupted after the page where that is, and resumed
//! ```
//!
//! The store is in memory, so that the example needs nothing. In a program of your own, the layer is built with the
//! site's store and its options, and the cursor goes to a file.

use std::env;
use std::error::Error;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use session::store::Record;
use session::{MemoryStore, Migration, MigrationProgress, Secret, Session, SessionId, SessionLayer, Store, Timestamp};
use tokio::sync::watch;

const SESSIONS: u32 = 20_000;

#[derive(Session)]
struct AccountV1 {
    views: u32,
    name: String,
}

#[derive(Session)]
#[session(version = 2, previous = AccountV1)]
struct Account {
    views: u32,
    first: String,
    last: String,
}

impl From<AccountV1> for Account {
    fn from(old: AccountV1) -> Self {
        let (first, last) = old.name.split_once(' ').unwrap_or((&old.name, ""));
        Self { views: old.views, first: first.to_owned(), last: last.to_owned() }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let stop_after: Option<u64> = argument("--stop-after").map(|number| number.parse()).transpose()?;
    let store = MemoryStore::new();
    fill(&store).await?;
    let sessions = SessionLayer::<Account>::new(store, Secret::random()?).sessions();

    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} sessions, {eta} left")?;
    let bar = ProgressBar::new(u64::try_from(sessions.len().await?)?).with_style(style);
    let done = migrate(sessions.migrate_all(), &bar, stop_after).await?;
    report(&bar, &done);
    if let Some(cursor) = done.cursor {
        bar.suspend(|| println!("interrupted, and resumed"));
        let rest = migrate(sessions.migrate_all().resume_from(cursor), &bar, None).await?;
        report(&bar, &rest);
    }
    bar.abandon();
    Ok(())
}

/// Migrates until the end, or until so many sessions were seen, and tells how far it came. Whatever else interrupts a
/// migration, Ctrl-C or a lost connection, the cursor that was reported last is where to go on.
async fn migrate(
    migration: Migration<Account>,
    bar: &ProgressBar,
    stop_after: Option<u64>,
) -> Result<MigrationProgress, Box<dyn Error>> {
    let (bar, before) = (bar.clone(), bar.position());
    let (report, mut reported) = watch::channel(MigrationProgress::default());
    let migration = migration.on_progress(move |progress| {
        bar.set_position(before + progress.seen);
        report.send_replace(progress.clone());
    });
    tokio::select! {
        done = migration.run() => Ok(done?),
        progress = reported.wait_for(|progress| stop_after.is_some_and(|limit| progress.seen >= limit.max(1))) => {
            Ok(progress?.clone())
        }
    }
}

fn report(bar: &ProgressBar, done: &MigrationProgress) {
    let MigrationProgress { seen, upgraded, unreadable, .. } = done;
    bar.suspend(|| println!("{seen} sessions seen, {upgraded} upgraded, {unreadable} can't be read"));
}

/// As the build of version 1 would have left the store.
async fn fill(store: &MemoryStore) -> Result<(), Box<dyn Error>> {
    let expires = Timestamp::now().saturating_add(Duration::from_secs(3600));
    for views in 0..SESSIONS {
        let json = serde_json::json!({
            "cookie": { "originalMaxAge": null, "expires": null, "httpOnly": true, "path": "/" },
            "views": views,
            "name": "Ada Lovelace",
        });
        store.create(&SessionId::random()?, Record::from_json(json.to_string()), expires).await?;
    }
    Ok(())
}

/// The value after an argument's name on the command line.
fn argument(name: &str) -> Option<String> {
    env::args().skip_while(|argument| argument != name).nth(1)
}
