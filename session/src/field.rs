//! The fields of a session type: their names in a stored record, and sets of them.

/// One field of a session type, as `#[derive(Session)]` describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Field {
    /// The field's key in a stored record.
    pub name: &'static str,
    /// Whether the name stands in JSON as it is, with nothing escaped.
    pub is_plain: bool,
    /// Keys under which older records may hold the field (`#[serde(alias = "…")]`).
    pub aliases: &'static [&'static str],
    /// Whether the field is written as an array whose order says nothing, as a `HashSet` is.
    pub unordered: bool,
    /// Whether serde passes the field over when it writes or reads a record (`#[serde(skip)]` and the like), so that
    /// its value ends with the request.
    pub skipped: bool,
    /// Whether it is neither written nor read, so that another field may be stored under its name.
    pub unstored: bool,
    /// Whether a change of the field gives the session another id (`#[session(rotate)]`).
    pub rotates: bool,
    /// Whether sessions are found by the field's value (`#[session(index)]`).
    pub indexed: bool,
    /// Whether what parallel requests make of the field adds up (`#[session(merge = sum)]`, or a function), so that a
    /// change that is stored twice is not the same as one that is stored once.
    pub accumulates: bool,
    /// Whether the field's value is kept out of `Debug` and of errors (`#[session(redact)]`).
    pub redacted: bool,
}

impl Field {
    /// A field stored under `name`, and read from `aliases` as well.
    #[must_use]
    pub const fn new(name: &'static str, aliases: &'static [&'static str]) -> Self {
        Self {
            name,
            is_plain: is_plain(name),
            aliases,
            unordered: false,
            skipped: false,
            unstored: false,
            rotates: false,
            indexed: false,
            accumulates: false,
            redacted: false,
        }
    }

    /// The same field, written as an array whose order says nothing.
    #[must_use]
    pub const fn unordered(self) -> Self {
        Self { unordered: true, ..self }
    }

    /// The same field, passed over when a record is written or read.
    #[must_use]
    pub const fn skipped(self) -> Self {
        Self { skipped: true, ..self }
    }

    /// The same field, neither written nor read.
    #[must_use]
    pub const fn unstored(self) -> Self {
        Self { unstored: true, ..self }
    }

    /// The same field, a change of which gives the session another id.
    #[must_use]
    pub const fn rotates(self) -> Self {
        Self { rotates: true, ..self }
    }

    /// The same field, by whose value sessions are found.
    #[must_use]
    pub const fn indexed(self) -> Self {
        Self { indexed: true, ..self }
    }

    /// The same field, in which parallel changes add up.
    #[must_use]
    pub const fn accumulates(self) -> Self {
        Self { accumulates: true, ..self }
    }

    /// The same field, kept out of `Debug` and of errors.
    #[must_use]
    pub const fn redacted(self) -> Self {
        Self { redacted: true, ..self }
    }

    /// Whether the field is stored under this key.
    pub(crate) fn is_stored_as(&self, key: &str) -> bool {
        self.name == key && !self.unstored
    }

    /// Whether a stored key belongs to this field.
    pub(crate) fn answers_to(&self, key: &str) -> bool {
        self.is_stored_as(key) || (self.aliases.contains(&key) && !self.unstored)
    }
}

/// Whether JSON escapes nothing in a text.
const fn is_plain(text: &str) -> bool {
    let mut rest = text.as_bytes();
    while let [first, others @ ..] = rest {
        if matches!(first, b'"' | b'\\' | ..b' ') {
            return false;
        }
        rest = others;
    }
    true
}

/// A set of fields, by their index in [`SessionData::FIELDS`](crate::SessionData::FIELDS).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FieldSet(u128);

impl FieldSet {
    pub(crate) const EMPTY: Self = Self(0);
    pub(crate) const ALL: Self = Self(u128::MAX);

    pub(crate) const fn insert(&mut self, field: usize) {
        self.0 |= 1 << field;
    }

    /// Takes the field out, and tells whether it was there.
    pub(crate) const fn remove(&mut self, field: usize) -> bool {
        let was_there = self.contains(field);
        self.0 &= !(1 << field);
        was_there
    }

    /// Tells whether the first field is in the set; the others take the place of the one before them.
    pub(crate) const fn pop_first(&mut self) -> bool {
        let is_there = self.contains(0);
        self.0 >>= 1;
        is_there
    }

    pub(crate) const fn contains(self, field: usize) -> bool {
        self.0 & (1 << field) != 0
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) const fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    pub(crate) const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(crate) const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(crate) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(crate) const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = usize> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let field = rest.trailing_zeros() as usize;
            rest &= rest.wrapping_sub(1);
            (field < 128).then_some(field)
        })
    }
}

/// Which fields of a session type are special.
#[derive(Clone, Copy)]
pub(crate) struct SpecialFields {
    pub(crate) rotating: FieldSet,
    pub(crate) indexed: FieldSet,
    pub(crate) accumulating: FieldSet,
    pub(crate) has_skipped: bool,
}

impl SpecialFields {
    pub(crate) const fn of(fields: &[Field]) -> Self {
        let none = FieldSet::EMPTY;
        let mut special = Self { rotating: none, indexed: none, accumulating: none, has_skipped: false };
        let mut index = 0;
        while index < fields.len() {
            if fields[index].rotates {
                special.rotating.insert(index);
            }
            if fields[index].indexed {
                special.indexed.insert(index);
            }
            if fields[index].accumulates {
                special.accumulating.insert(index);
            }
            special.has_skipped |= fields[index].skipped;
            index += 1;
        }
        special
    }
}

impl FromIterator<usize> for FieldSet {
    fn from_iter<I: IntoIterator<Item = usize>>(fields: I) -> Self {
        let mut set = Self::EMPTY;
        fields.into_iter().for_each(|field| set.insert(field));
        set
    }
}
