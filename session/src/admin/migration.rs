//! Bringing a whole store to the present version of a session type.

use std::fmt;
use std::future::poll_fn;
use std::mem;
use std::task::Poll;

use super::{PAGE, Sessions};
use crate::commit::upgraded_record;
use crate::context::RequestFacts;
use crate::data::SessionData;
use crate::error::SessionError;
use crate::id::SessionId;
use crate::record::is_foreign;
use crate::store::{Cursor, Loaded, Updated};

type OnProgress = Box<dyn FnMut(&MigrationProgress) + Send>;

/// How often a session is tried that requests keep changing.
const TRIES: u32 = 16;

/// A walk through a store that writes every session of an older version in the present form. Its data are those of its
/// last change, and its expiry stays.
///
/// It can be interrupted at any moment, and resumed from the cursor that it reported last; to begin anew is right as well.
///
/// ```
/// # use session::{Session, SessionError, Sessions};
/// # #[derive(Session)] struct Visit { views: u32 }
/// async fn migrate(sessions: &Sessions<Visit>) -> Result<(), SessionError> {
///     let done = sessions.migrate_all().on_progress(|progress| println!("{} looked at", progress.seen)).run().await?;
///     println!("{} upgraded", done.upgraded);
///     Ok(())
/// }
/// ```
pub struct Migration<T> {
    sessions: Sessions<T>,
    page_size: usize,
    after: Option<Cursor>,
    on_progress: OnProgress,
}

/// How far a migration has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MigrationProgress {
    /// Sessions that were looked at. One that the store lists again counts again; to look twice does no harm.
    pub seen: u64,
    /// Those of them that were brought to the present version.
    pub upgraded: u64,
    /// Those of them that can't be read. They stay as they are; an event says why.
    pub unreadable: u64,
    /// Where to go on; none at the end.
    pub cursor: Option<Cursor>,
}

impl<T: SessionData> Migration<T> {
    pub(super) fn new(sessions: Sessions<T>) -> Self {
        Self { sessions, page_size: PAGE, after: None, on_progress: Box::new(|_| ()) }
    }

    /// How many sessions are loaded at a time. Default: 256.
    #[must_use]
    pub const fn page_size(mut self, page_size: usize) -> Self {
        self.page_size = page_size;
        self
    }

    /// Goes on where an interrupted migration was.
    #[must_use]
    pub fn resume_from(mut self, cursor: Cursor) -> Self {
        self.after = Some(cursor);
        self
    }

    /// Is called after each page.
    #[must_use]
    pub fn on_progress(mut self, on_progress: impl FnMut(&MigrationProgress) + Send + 'static) -> Self {
        self.on_progress = Box::new(on_progress);
        self
    }

    /// Walks through the store.
    ///
    /// # Errors
    /// The store's: resume from the cursor that was reported last.
    pub async fn run(mut self) -> Result<MigrationProgress, SessionError> {
        let mut progress = MigrationProgress { cursor: self.after.take(), ..MigrationProgress::default() };
        loop {
            let page = self.sessions.layer.all(progress.cursor.take(), self.page_size).await?;
            for (key, loaded) in page.sessions {
                progress.seen += 1;
                match upgrade(&self.sessions, &key, loaded).await {
                    Ok(upgraded) => progress.upgraded += u64::from(upgraded),
                    Err(error @ SessionError::Decode { .. }) => {
                        progress.unreadable += 1;
                        tracing::warn!(error = &error as &dyn std::error::Error, "a migration passes over a session");
                    }
                    Err(error) => return Err(error),
                }
            }
            progress.cursor = page.next;
            (self.on_progress)(&progress);
            if progress.cursor.is_none() {
                return Ok(progress);
            }
            yield_now().await;
        }
    }
}

/// Lets other tasks run, and the migration be dropped: a store that answers at once never waits.
async fn yield_now() {
    let mut has_yielded = false;
    poll_fn(|context| {
        if mem::replace(&mut has_yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Tells whether the session was of an older version.
async fn upgrade<T: SessionData>(
    sessions: &Sessions<T>,
    key: &SessionId,
    mut loaded: Loaded,
) -> Result<bool, SessionError> {
    let layer = &sessions.layer;
    for _ in 0..TRIES {
        let decoded = sessions.decode(&loaded.record)?;
        let is_to_upgrade = decoded.is_outdated() && decoded.moved().is_none();
        // What was read can be read again.
        if !is_to_upgrade || is_foreign(loaded.record.json(), T::fields_of).unwrap_or(false) {
            return Ok(false);
        }
        let record = upgraded_record(layer, &RequestFacts::NONE, &loaded.record, decoded)?;
        match layer.update_key(key, loaded.revision, record, loaded.expires).await? {
            Updated::Replaced(_) => return Ok(true),
            Updated::Gone => return Ok(false),
            Updated::Conflict(theirs) => loaded = theirs,
        }
    }
    Err(SessionError::Contended { tries: TRIES })
}

impl<T> fmt::Debug for Migration<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Migration").field("page_size", &self.page_size).finish_non_exhaustive()
    }
}
