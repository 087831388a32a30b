//! The typed content of a session: what `#[derive(Session)]` implements, and the record of what was changed.

use std::any::type_name;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use bytes::Bytes;
use serde::ser::Error as _;
use serde::{Deserializer, Serializer};

use crate::field::{Field, FieldSet, SpecialFields};
use crate::record::{self, Decoded, FieldTexts, Form, IndexKey, Older, SizeAtMost};
use crate::state::{Live, State, Writable};
use crate::status::Status;

/// A struct that can be a session. Implemented by `#[derive(Session)]`, never by hand.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a session type",
    label = "not a session type",
    note = "add `#[derive(session::Session)]` to the struct `{Self}`"
)]
pub trait SessionData: Sized + Send + Sync + 'static {
    /// The struct with its setters, in state `S`: what [`Session`](struct@crate::Session) dereferences to.
    type Fields<S: State>: SessionFields<Self, S> + Send + Sync;

    /// The stored fields, in the order of their declaration. At most 128.
    const FIELDS: &'static [Field];

    /// The version of the struct, 1 unless `#[session(version = N)]` says otherwise.
    const VERSION: u32 = 1;

    /// The fingerprint of what is stored: a word for each field, made of its name and of what says how it is stored and
    /// merged. `#[session(schema = "…")]` holds the struct to it.
    const SCHEMA: &'static str;

    /// The values of a session that nobody has written to.
    fn initial() -> Self;

    /// A copy, field by field.
    fn duplicate(&self) -> Self;

    /// Writes the fields as a serde struct, under the names of [`FIELDS`](Self::FIELDS).
    ///
    /// # Errors
    /// What the serializer reports, or a field that can't be represented in the format.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;

    /// Reads the fields; a missing one gets its initial value, an unknown one is passed over.
    ///
    /// # Errors
    /// What the deserializer reports, or a value that doesn't fit its field.
    fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;

    /// Reads the fields of a record that this version of the struct, or an older one, has written. An older one is
    /// upgraded, step by step.
    ///
    /// # Errors
    /// As [`deserialize`](Self::deserialize).
    fn deserialize_version<'de, D: Deserializer<'de>>(version: u32, deserializer: D) -> Result<Self, D::Error> {
        let _ = version;
        Self::deserialize(deserializer)
    }

    /// The [`FIELDS`](Self::FIELDS) of the struct that reads records of this version.
    #[doc(hidden)]
    fn fields_of(version: u32) -> &'static [Field] {
        let _ = version;
        Self::FIELDS
    }

    /// Merges one field that this request changed from `base` to `mine` into `theirs`, which another request stored
    /// meanwhile. `contested` tells whether that request changed the field, too.
    fn merge(field: usize, contested: bool, base: &Self, mine: &Self, theirs: &mut Self);
}

/// The conversion between a generated fields type and the [`Content`] value that it wraps.
#[doc(hidden)]
pub trait SessionFields<T, S: State>: Sized {
    fn from_content(content: Content<T, S>) -> Self;
    fn into_content(self) -> Content<T, S>;
    fn content(&self) -> &Content<T, S>;
    fn content_mut(&mut self) -> &mut Content<T, S>;
}

/// A session in the hands of a request, in a state `S`: its content, and what is known about it.
///
/// It lies in one piece on the heap: from the extractor to the handler and back it goes as a pointer.
#[doc(hidden)]
pub struct Content<T, S = Live> {
    whole: Box<Whole<T>>,
    state: PhantomData<fn() -> S>,
}

struct Whole<T> {
    tracked: Tracked<T>,
    status: Status,
}

impl<T: SessionData, S: State> Content<T, S> {
    /// The current value.
    pub fn read(&self) -> &T {
        self.whole.tracked.read()
    }

    /// The current value for a change of `field`, which is from now on compared before it is taken for unchanged.
    pub fn write(&mut self, field: usize) -> &mut T
    where
        S: Writable,
    {
        self.whole.tracked.write(field)
    }

    pub(crate) fn new(tracked: Tracked<T>, status: Status) -> Self {
        Self { whole: Box::new(Whole { tracked, status }), state: PhantomData }
    }

    /// The same session in another state.
    pub(crate) fn into_state<Next: State>(self) -> Content<T, Next> {
        Content { whole: self.whole, state: PhantomData }
    }

    pub(crate) fn tracked(&self) -> &Tracked<T> {
        &self.whole.tracked
    }

    pub(crate) fn status(&self) -> &Status {
        &self.whole.status
    }

    pub(crate) fn parts_mut(&mut self) -> (&mut Tracked<T>, &mut Status) {
        (&mut self.whole.tracked, &mut self.whole.status)
    }
}

/// A value, what it was when it was loaded, and which of its fields may have been changed since.
///
/// The loaded value is shared with the store that keeps it; it is copied at the first write, never before.
pub(crate) struct Tracked<T> {
    /// What the store holds, as far as this request knows; the initial values for a new session.
    base: Arc<Decoded<T>>,
    /// This request's own copy, from its first write on.
    own: Option<Box<Decoded<T>>>,
    /// Fields of the copy that may differ from `base`.
    marked: FieldSet,
    /// After a save in mid-request: what was loaded first, and all fields written since then.
    origin: Option<Box<(Arc<Decoded<T>>, FieldSet)>>,
    /// Saves of this content that got no answer, if it matters whether they were done.
    unanswered: Vec<Unanswered<T>>,
}

/// A save that got no answer, since the store failed or nobody waited for it. Perhaps it was done.
pub(crate) struct Unanswered<T> {
    /// What was to be stored.
    written: Arc<Decoded<T>>,
    /// What the request had made of the session, before it was merged with what others did.
    pub(crate) mine: Arc<Decoded<T>>,
}

/// The saves of a content that got no answer, while another one is made.
pub(crate) struct Tries<'a, T> {
    unanswered: &'a mut Vec<Unanswered<T>>,
    are_kept: bool,
}

impl<T> Tries<'_, T> {
    /// Keeps what is about to be written, until there is an answer; not at the end of a request, when nothing follows.
    pub(crate) fn begin(&mut self, written: &Arc<Decoded<T>>, mine: Option<&Arc<Decoded<T>>>) {
        if self.are_kept {
            let mine = Arc::clone(mine.unwrap_or(written));
            self.unanswered.push(Unanswered { written: Arc::clone(written), mine });
        }
    }

    /// There was an answer.
    pub(crate) fn answered(&mut self) {
        if self.are_kept {
            self.unanswered.pop();
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.unanswered.is_empty()
    }

    /// The one that made what the store holds.
    pub(crate) fn find(&self, stored: &Arc<Decoded<T>>) -> Option<&Unanswered<T>> {
        self.unanswered.iter().find(|own| own.is(stored))
    }
}

impl<T> Unanswered<T> {
    /// Whether this is what the store holds: the same value, or the same write.
    fn is(&self, stored: &Arc<Decoded<T>>) -> bool {
        Arc::ptr_eq(&self.written, stored) || self.written.meta.has_mark_of(stored.meta)
    }
}

impl<T: SessionData> Tracked<T> {
    pub(crate) fn new(base: Arc<Decoded<T>>) -> Self {
        Self { base, own: None, marked: FieldSet::EMPTY, origin: None, unanswered: Vec::new() }
    }

    /// The current value.
    pub(crate) fn read(&self) -> &T {
        self.own.as_deref().map_or(&self.base.value, |own| &own.value)
    }

    fn write(&mut self, field: usize) -> &mut T {
        self.marked.insert(field);
        &mut self.own.get_or_insert_with(|| copy(&self.base, &self.base.value)).value
    }

    /// Whether no field was written, and nothing saved or loaded once more.
    pub(crate) fn is_unmarked(&self) -> bool {
        self.marked.is_empty() && self.origin.is_none()
    }

    pub(crate) fn base(&self) -> &Arc<Decoded<T>> {
        &self.base
    }

    /// What the store holds, and what it holds perhaps. `are_kept` tells whether a save that gets no answer may be followed
    /// by another one.
    pub(crate) fn tries(&mut self, are_kept: bool) -> (&Arc<Decoded<T>>, Tries<'_, T>) {
        (&self.base, Tries { unanswered: &mut self.unanswered, are_kept })
    }

    /// What differs from the stored session.
    pub(crate) fn unsaved(&self, wanted: Wanted) -> Result<Changes, serde_json::Error> {
        Changes::between(&self.base.value, self.read(), (self.marked, wanted))
    }

    /// Whether any of these fields differs from the stored session.
    pub(crate) fn has_unsaved(&self, fields: FieldSet) -> Result<bool, serde_json::Error> {
        let marked = self.marked.intersection(fields);
        let changes = Changes::between(&self.base.value, self.read(), (marked, Wanted::Any))?;
        Ok(!changes.fields.is_empty())
    }

    /// Whether anything differs from what was loaded, or from the initial values of a new session. A field that can't
    /// be serialized counts as different: saving it then reports the error.
    pub(crate) fn is_modified(&self) -> bool {
        let (origin, marked) = match self.origin.as_deref() {
            Some((origin, saved)) => (origin, saved.union(self.marked)),
            None => (&self.base, self.marked),
        };
        let changes = Changes::between(&origin.value, self.read(), (marked, Wanted::Any));
        changes.map_or(true, |changes| !changes.fields.is_empty())
    }

    /// A copy of the content as it is now.
    pub(crate) fn current(&self) -> Box<Decoded<T>> {
        copy(&self.base, self.read())
    }

    /// The content as it is now, taken out for good: what is left is what was loaded.
    pub(crate) fn take(&mut self) -> Box<Decoded<T>> {
        self.own.take().unwrap_or_else(|| self.current())
    }

    /// The content that was just saved.
    pub(crate) fn saved(&mut self, stored: Arc<Decoded<T>>) {
        let marked = std::mem::take(&mut self.marked);
        let base = std::mem::replace(&mut self.base, stored);
        let origin = self.origin.get_or_insert_with(|| Box::new((base, FieldSet::EMPTY)));
        origin.1 = origin.1.union(marked);
        self.own = None;
        self.unanswered.clear();
    }

    /// The content that was loaded once more. With `keep_origin`, what was loaded first still counts for what is modified.
    pub(crate) fn reloaded(&mut self, stored: Arc<Decoded<T>>, keep_origin: bool) {
        if keep_origin {
            self.marked = FieldSet::ALL;
            self.saved(stored);
        } else {
            *self = Self::new(stored);
        }
    }
}

/// A copy to be changed, which has no text yet.
fn copy<T: SessionData>(base: &Decoded<T>, value: &T) -> Box<Decoded<T>> {
    Box::new(Decoded::new(value.duplicate(), base.cookie.clone(), base.meta))
}

impl<T: SessionData> Decoded<T> {
    /// Makes the text.
    pub(crate) fn encoded(&self) -> Result<Vec<u8>, serde_json::Error> {
        match self.older_text() {
            Some((older, changed)) => {
                let texts = texts(&self.value, changed)?;
                record::splice(Older { json: older, meta: None }, T::FIELDS, changed, &texts, &self.frame())
            }
            None => record::write(&texts(&self.value, FieldSet::ALL)?, &self.frame()),
        }
    }
}

impl<T: SessionData> Form for Decoded<T> {
    fn json(&self) -> &Bytes {
        self.json_or_else(|| {
            // All fields were serialized at least once when they were written.
            let json = self.encoded().inspect_err(|error| {
                tracing::error!(%error, session = type_name::<T>(), "a session that was stored can't be written as JSON");
            });
            json.unwrap_or_default().into()
        })
    }

    fn max_age(&self) -> Option<i64> {
        self.cookie.original_max_age_millis()
    }

    fn index(&self) -> Option<&[IndexKey]> {
        Self::index(self)
    }

    fn accumulates(&self) -> bool {
        self.meta.is_marked()
    }

    fn size(&self) -> usize {
        self.size
    }

    fn known_text(&self) -> Option<(&Bytes, FieldSet)> {
        let made = self.made_json().map(|json| (json, FieldSet::EMPTY));
        made.or_else(|| self.older_text())
    }
}

/// The fields as JSON, without the redacted ones; nothing of them in a state that can't be read.
impl<T: SessionData, S: State> fmt::Debug for Content<T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct(short_name::<T>());
        if !S::IS_READABLE {
            return shown.finish_non_exhaustive();
        }
        let Ok(texts) = texts(self.read(), FieldSet::ALL) else { return shown.finish_non_exhaustive() };
        for (field, text) in texts.iter().filter_map(|(index, text)| Some((T::FIELDS.get(index)?, text))) {
            let text = if field.redacted { "<redacted>".into() } else { String::from_utf8_lossy(text) };
            shown.field(field.name, &format_args!("{text}"));
        }
        shown.finish()
    }
}

/// A type's name without its path.
fn short_name<T>() -> &'static str {
    let name = type_name::<T>();
    let name = name.split_once('<').map_or(name, |(name, _)| name);
    name.rsplit("::").next().unwrap_or(name)
}

/// Which differences are looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    All,
    /// The first one is enough.
    Any,
    /// The same, with the texts of all fields, if any was marked.
    Whole,
}

/// The fields of a session that differ from an older value, with their JSON texts.
pub(crate) struct Changes {
    pub(crate) fields: FieldSet,
    /// The fields whose texts were made.
    pub(crate) compared: FieldSet,
    pub(crate) texts: FieldTexts,
}

impl Changes {
    /// Compares the `marked` fields as they are stored, so that a value that was changed and changed back is the same.
    pub(crate) fn between<T: SessionData>(
        old: &T,
        new: &T,
        (marked, wanted): (FieldSet, Wanted),
    ) -> Result<Self, serde_json::Error> {
        let none = Self { fields: FieldSet::EMPTY, compared: FieldSet::EMPTY, texts: FieldTexts::default() };
        if marked.is_empty() {
            return Ok(none);
        }
        let difference = |compared, marked, one_is_enough| {
            let texts = texts(new, compared)?;
            let fields =
                texts.differences(T::FIELDS, (marked, one_is_enough), |serializer| old.serialize(serializer))?;
            Ok(Self { fields, compared, texts })
        };
        match wanted {
            Wanted::All => difference(marked, marked, false),
            Wanted::Whole => difference(FieldSet::ALL, marked, true),
            Wanted::Any => {
                // A field that was written is nearly always another one then.
                let first: FieldSet = marked.iter().take(1).collect();
                let changes = difference(first, first, true)?;
                let rest = marked.without(first);
                if changes.fields.is_empty() && !rest.is_empty() { difference(rest, rest, true) } else { Ok(changes) }
            }
        }
    }
}

/// How many bytes of JSON a session's fields are at most.
pub(crate) fn size_at_most<T: SessionData>(value: &T) -> Result<usize, serde_json::Error> {
    let mut size = SizeAtMost::default();
    match value.serialize(&mut size) {
        Ok(()) => Ok(size.bytes()),
        // Which field it is, and whether its value may be shown, is known where the texts are made.
        Err(_) => texts(value, FieldSet::ALL).and_then(|_| Err(serde_json::Error::custom("a field can't be written"))),
    }
}

/// The JSON texts of some fields of a session.
pub(crate) fn texts<T: SessionData>(value: &T, wanted: FieldSet) -> Result<FieldTexts, serde_json::Error> {
    if wanted.is_empty() {
        return Ok(FieldTexts::default());
    }
    FieldTexts::of(T::FIELDS, wanted, |serializer| value.serialize(serializer))
}

/// Which fields of a session type are special, known when it is compiled.
pub(crate) struct Special<T>(PhantomData<T>);

impl<T: SessionData> Special<T> {
    pub(crate) const FIELDS: SpecialFields = SpecialFields::of(T::FIELDS);
}

/// The keys under which a session is to be found. None if its type has no indexed fields.
pub(crate) fn index_of<T: SessionData>(value: &T) -> Result<Option<Vec<IndexKey>>, serde_json::Error> {
    let indexed = Special::<T>::FIELDS.indexed;
    if indexed.is_empty() { Ok(None) } else { index_keys(value, indexed).map(Some) }
}

/// The keys of some fields' values, `None` aside.
pub(crate) fn index_keys<T: SessionData>(value: &T, fields: FieldSet) -> Result<Vec<IndexKey>, serde_json::Error> {
    let texts = texts(value, fields)?;
    let values = texts.iter().filter(|(_, text)| *text != b"null");
    Ok(values.filter_map(|(index, text)| Some(IndexKey::new(T::FIELDS.get(index)?.name, text))).collect())
}
