//! Stores that are wrong in one way each, and the cases that must catch them.

mod expiries;
mod listings;
mod shapes;
mod timing;
mod writes;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use libtest_mimic::{Failed, Trial};
use session::store::conformance::cases;
use session::store::{
    Created, Cursor, IndexKey, Loaded, Page, Record, Renamed, Renewal, Revision, StoreFuture, Updated,
};
use session::{MemoryStore, SessionId, Store, Timestamp};

/// What is wrong with a store: operations that are not the memory store's.
pub(crate) trait Flaw: Clone + Default + Send + Sync + 'static {
    fn load<'a>(
        &'a self,
        store: &'a MemoryStore,
        id: &'a SessionId,
        renewal: Option<Renewal>,
    ) -> StoreFuture<'a, Option<Loaded>> {
        store.load(id, renewal)
    }

    fn create<'a>(
        &'a self,
        store: &'a MemoryStore,
        id: &'a SessionId,
        record: Record,
        expires: Timestamp,
    ) -> StoreFuture<'a, Created> {
        store.create(id, record, expires)
    }

    fn update<'a>(
        &'a self,
        store: &'a MemoryStore,
        id: &'a SessionId,
        expected: Revision,
        record: Record,
        expires: Timestamp,
    ) -> StoreFuture<'a, Updated> {
        store.update(id, expected, record, expires)
    }

    fn touch<'a>(&'a self, store: &'a MemoryStore, id: &'a SessionId, expires: Timestamp) -> StoreFuture<'a, bool> {
        store.touch(id, expires)
    }

    fn rename<'a>(
        &'a self,
        store: &'a MemoryStore,
        old: (&'a SessionId, Revision),
        new: &'a SessionId,
        record: Record,
        expires: Timestamp,
    ) -> StoreFuture<'a, Renamed> {
        store.rename(old.0, old.1, new, record, expires)
    }

    fn destroy<'a>(&'a self, store: &'a MemoryStore, id: &'a SessionId) -> StoreFuture<'a, ()> {
        store.destroy(id)
    }

    fn all<'a>(&'a self, store: &'a MemoryStore, after: Option<Cursor>, limit: usize) -> StoreFuture<'a, Page> {
        store.all(after, limit)
    }

    fn find<'a>(
        &'a self,
        store: &'a MemoryStore,
        key: &'a IndexKey,
        after: Option<Cursor>,
        limit: usize,
    ) -> StoreFuture<'a, Page> {
        store.find(key, after, limit)
    }

    fn len<'a>(&'a self, store: &'a MemoryStore) -> StoreFuture<'a, usize> {
        store.len()
    }

    fn clear<'a>(&'a self, store: &'a MemoryStore) -> StoreFuture<'a, ()> {
        store.clear()
    }
}

#[derive(Clone, Default)]
struct Broken<F> {
    store: MemoryStore,
    flaw: F,
}

impl<F: Flaw> Store for Broken<F> {
    fn load<'a>(&'a self, id: &'a SessionId, renewal: Option<Renewal>) -> StoreFuture<'a, Option<Loaded>> {
        self.flaw.load(&self.store, id, renewal)
    }

    fn create<'a>(&'a self, id: &'a SessionId, record: Record, expires: Timestamp) -> StoreFuture<'a, Created> {
        self.flaw.create(&self.store, id, record, expires)
    }

    fn update<'a>(
        &'a self,
        id: &'a SessionId,
        expected: Revision,
        record: Record,
        expires: Timestamp,
    ) -> StoreFuture<'a, Updated> {
        self.flaw.update(&self.store, id, expected, record, expires)
    }

    fn touch<'a>(&'a self, id: &'a SessionId, expires: Timestamp) -> StoreFuture<'a, bool> {
        self.flaw.touch(&self.store, id, expires)
    }

    fn rename<'a>(
        &'a self,
        old: &'a SessionId,
        expected: Revision,
        new: &'a SessionId,
        record: Record,
        expires: Timestamp,
    ) -> StoreFuture<'a, Renamed> {
        self.flaw.rename(&self.store, (old, expected), new, record, expires)
    }

    fn destroy<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, ()> {
        self.flaw.destroy(&self.store, id)
    }

    fn all(&self, after: Option<Cursor>, limit: usize) -> StoreFuture<'_, Page> {
        self.flaw.all(&self.store, after, limit)
    }

    fn find<'a>(&'a self, key: &'a IndexKey, after: Option<Cursor>, limit: usize) -> StoreFuture<'a, Page> {
        self.flaw.find(&self.store, key, after, limit)
    }

    fn len(&self) -> StoreFuture<'_, usize> {
        self.flaw.len(&self.store)
    }

    fn clear(&self) -> StoreFuture<'_, ()> {
        self.flaw.clear(&self.store)
    }
}

/// What a flaw remembers beside the store.
#[derive(Clone)]
struct Memory<T>(Arc<Mutex<BTreeMap<SessionId, T>>>);

impl<T> Memory<T> {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<SessionId, T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Default for Memory<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

/// A test for each flaw, named as the flaw is.
macro_rules! caught {
    ($($module:ident::$flaw:ident: $($case:literal),+;)+) => {
        vec![$(caught_by::<$module::$flaw>(stringify!($flaw), &[$($case),+])),+]
    };
}

pub(crate) fn trials() -> Vec<Trial> {
    caught! {
        writes::CreateOverwrites: "create::leaves_a_taken_id_alone", "races::of_many_creates_one_wins";
        writes::CreateFailsOnTaken: "create::leaves_a_taken_id_alone";
        writes::UpdateUpserts: "update::never_creates_a_record", "update::never_revives_a_destroyed_record",
            "update::never_revives_an_expired_record", "races::of_destroy_and_update_end_destroyed";
        writes::UpdateIgnoresRevision: "update::reports_the_current_record_on_a_conflict",
            "update::changes_nothing_on_a_conflict", "races::lose_no_increment";
        writes::UpdateKeepsExpiry: "update::replaces_the_record_and_its_expiry", "update::lengthens_a_life";
        writes::UpdateKeepsRevision: "update::changes_the_revision";
        writes::ConflictShowsMine: "update::reports_the_current_record_on_a_conflict", "races::lose_no_increment";
        writes::RevisionsStartAgain: "update::refuses_the_revision_of_a_predecessor";
        writes::TouchUpserts: "touch::never_creates_a_record", "touch::never_revives_a_destroyed_record";
        writes::TouchForgets: "touch::moves_the_expiry", "touch::lengthens_a_life";
        writes::TouchRewrites: "touch::leaves_the_record_and_its_revision";
        writes::TouchOnlyLengthens: "touch::moves_the_expiry", "touch::shortens_a_life";
        writes::RenameKeepsOld: "rename::leaves_nothing_under_the_old_id";
        writes::RenameOverwrites: "rename::leaves_both_if_the_new_id_is_taken",
            "races::of_many_renames_to_one_id_one_wins";
        writes::RenameMakesFromNothing: "rename::creates_nothing_from_nothing",
            "rename::creates_nothing_from_a_destroyed_record", "rename::creates_nothing_from_an_expired_record";
        writes::RenameIgnoresRevision: "rename::reports_the_current_record_on_a_conflict";
        writes::DestroyDoesNothing: "destroy::removes_the_record";
        writes::DestroyFailsWithoutRecord: "destroy::is_no_error_without_a_record";
        expiries::LoadsExpired: "expiry::ends_a_life_and_no_sooner", "expiry::that_has_passed_at_create_leaves_none";
        expiries::ExpiredBlocksCreate: "create::takes_the_id_of_an_expired_record",
            "rename::takes_the_id_of_an_expired_record";
        expiries::RoundedDownToSeconds: "expiry::is_kept_to_the_second_or_finer", "expiry::ends_a_life_and_no_sooner";
        expiries::EndsIn2038: "expiry::of_the_year_9000_is_kept", "expiry::at_the_end_of_time_is_far_away";
        expiries::WrapsAround: "expiry::at_the_end_of_time_is_far_away";
        expiries::RenewalIgnored: "renewal::gives_the_life_of_the_layer", "renewal::lengthens_a_life";
        expiries::RenewalIgnoresMaxAge: "renewal::gives_the_life_that_the_record_asks_for";
        expiries::RenewalIsTheUsual: "renewal::follows_the_record_and_not_what_is_usual",
            "renewal::follows_the_layer_and_not_what_is_usual";
        expiries::RenewalOnlyLengthens: "renewal::shortens_a_life";
        expiries::RenewalWaitsForTheWholeTime: "renewal::may_wait_for_a_tenth_of_a_life_at_most";
        expiries::RenewalMovesByTheLeast: "renewal::may_wait_until_it_moves_by_enough";
        expiries::RenewalIsNotStored: "renewal::gives_the_life_of_the_layer", "renewal::lengthens_a_life";
        expiries::RenewalChangesRevision: "renewal::leaves_the_record_and_its_revision";
        listings::LenCountsExpired: "list::counts_living_sessions_only";
        listings::ListsExpired: "list::has_no_expired_session";
        listings::PagesRepeat: "list::in_pages_of_seven_is_whole";
        listings::PagesSkip: "list::in_pages_of_one_is_whole", "list::in_pages_of_seven_is_whole";
        listings::CursorsAreNumbers: "list::has_those_that_stay_while_others_come_and_go",
            "list::goes_on_after_a_session_that_was_destroyed";
        listings::LimitOfZeroIsTheEnd: "list::with_a_limit_of_zero_is_whole", "index::lists_each_session_of_a_key";
        listings::LimitsAreSmall: "list::with_the_largest_limit_is_whole";
        listings::PagesWithoutLimit: "list::has_pages_of_about_the_limit";
        listings::ClearDoesNothing: "list::is_empty_after_clear";
        listings::FindNeverForgets: "index::is_replaced_with_the_record", "index::is_removed_by_an_empty_list",
            "index::is_not_inherited_from_an_expired_record";
        listings::FindShowsNoRecord: "index::finds_a_session_with_its_record";
        listings::IndexKeepsFirstExpiry: "index::lives_as_long_as_the_record";
        listings::RenameLosesIndex: "index::moves_to_a_new_id", "index::is_replaced_by_a_rename",
            "races::of_all_writes_leave_nothing_of_a_key_that_is_destroyed";
        listings::OneKeyARecord: "index::finds_by_each_of_many_keys";
        shapes::IdsWithoutCase: "ids::that_differ_in_case_are_told_apart", "ids::of_one_byte_are_told_apart";
        shapes::IdsWithoutBlanks: "ids::that_differ_in_blanks_are_told_apart";
        shapes::IdsWithoutAccents: "ids::that_differ_in_accents_are_told_apart";
        shapes::IdsOf255Bytes: "ids::of_2048_bytes_are_told_apart_by_their_last";
        shapes::IdsEndAtNul: "ids::with_a_nul_are_kept_or_refused_and_never_cut";
        shapes::IdsArePatterns: "ids::with_the_signs_of_patterns_are_no_patterns";
        shapes::TextsParsed: "texts::keep_the_order_of_their_keys", "texts::with_blanks_and_line_ends_are_kept",
            "texts::keep_numbers_as_they_are_written", "texts::with_escapes_are_kept_as_they_are_written";
        shapes::TextsOf64KiB: "texts::of_every_magnitude_are_kept", "texts::of_a_mebibyte_are_kept";
        shapes::TextsTrimmed: "texts::with_blanks_and_line_ends_are_kept";
        shapes::TextsOfThreeBytes: "texts::in_unicode_are_kept";
        timing::CreateInTwoSteps: "races::of_many_creates_one_wins";
        timing::UpdateInTwoSteps: "races::of_many_updates_of_one_revision_one_wins", "races::lose_no_increment";
        timing::UpdateByDestroying: "races::of_destroy_and_update_end_destroyed",
            "dropped::update_leaves_the_old_record_or_the_new";
        timing::TouchInTwoSteps: "races::of_destroy_and_touch_end_destroyed";
        timing::RenameInTwoSteps: "races::of_rename_and_update_let_one_win",
            "races::of_many_renames_of_one_record_one_wins", "dropped::rename_leaves_one_record";
        timing::IndexReplacedInTwoSteps:
            "index::finds_a_session_by_a_key_that_it_keeps_while_another_one_changes";
        timing::IndexMovedInTwoSteps: "index::misses_a_session_that_changes_its_id_once_at_most";
        timing::ConnectionsLost: "dropped::operations_give_no_answers_to_others";
        timing::AnswersOutOfStep: "dropped::operations_give_no_answers_to_others";
        timing::ClonesApart: "handles::share_their_sessions", "handles::outlive_the_first";
        timing::Panics: "list::is_as_long_as_len";
    }
}

fn caught_by<F: Flaw>(flaw: &str, expected: &'static [&'static str]) -> Trial {
    Trial::test(format!("kit::catches::{flaw}"), move || crate::runtime().block_on(is_caught_by::<F>(expected)))
}

/// The named cases fail. Others pass: what is wrong is one thing.
async fn is_caught_by<F: Flaw>(expected: &[&str]) -> Result<(), Failed> {
    let tasks: Vec<_> = cases()
        .filter(|case| expected.contains(&case.name()) || is_quick(case.name()))
        .map(|case| (case.name(), tokio::spawn(case.run(Broken::<F>::default()))))
        .collect();
    let (number, mut failed) = (tasks.len(), Vec::new());
    for (name, task) in tasks {
        if task.await?.is_err() {
            failed.push(name);
        }
    }
    let missed: Vec<_> = expected.iter().filter(|name| !failed.contains(name)).collect();
    crate::ensure(missed.is_empty(), &format!("{missed:?} passed; only these failed: {failed:?}"))?;
    crate::ensure(failed.len() <= number / 4 * 3, &format!("most cases failed: {failed:?}"))
}

/// The others take their time: they are run against the flaws that they are to catch.
fn is_quick(name: &str) -> bool {
    ["load", "create", "update", "touch", "rename", "destroy"].contains(&name.split(':').next().unwrap_or_default())
}
