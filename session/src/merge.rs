//! How a field is merged that two requests changed at the same time.
//!
//! | `#[session(merge = …)]` | the field becomes |
//! |---|---|
//! | `last`, or nothing | what this request made of it |
//! | `sum` | theirs, and the difference that this request made; in a map, key by key: [`Sum`] |
//! | `union` | theirs, with what this request added and without what it removed: [`Union`] |
//! | a function | what the function makes of what both began with, this request's value, and theirs |
//!
//! ```
//! use std::collections::BTreeSet;
//!
//! #[derive(session::Session)]
//! struct Visit {
//!     #[session(merge = sum)]
//!     views: u64,
//!     #[session(merge = union)]
//!     seen: BTreeSet<String>,
//!     #[session(merge = latest)]
//!     last_seen: u64,
//! }
//!
//! fn latest(_base: &u64, mine: &u64, theirs: &u64) -> u64 {
//!     *mine.max(theirs)
//! }
//! ```

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher, Hash};

/// A number, or a map of numbers, that can be merged with `#[session(merge = sum)]`.
///
/// In a map, an entry that isn't there counts as zero, and one that somebody removed is gone if it comes to zero.
///
/// ```
/// use std::collections::BTreeMap;
/// use session::merge::Sum;
///
/// // One request puts an apple into a cart of two, another one a pear.
/// let base = BTreeMap::from([("apples", 2)]);
/// let mine = BTreeMap::from([("apples", 3)]);
/// let theirs = BTreeMap::from([("apples", 2), ("pears", 1)]);
/// assert_eq!(Sum::sum(&base, &mine, &theirs), BTreeMap::from([("apples", 3), ("pears", 1)]));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be merged with `sum`",
    label = "not a number",
    note = "`sum` is for integers, floats, and maps of them; write a function, `merge = path::to::function`, or leave `merge` \
            out"
)]
pub trait Sum: Sized {
    /// `theirs`, and the difference between `mine` and `base`; integers stop at their limits.
    #[must_use]
    fn sum(base: &Self, mine: &Self, theirs: &Self) -> Self;
}

/// A collection that can be merged with `#[session(merge = union)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be merged with `union`",
    label = "neither a set nor a map",
    note = "`union` is for sets and maps of the standard library; write a function, `merge = path::to::function`, or leave \
            `merge` out"
)]
pub trait Union: Sized {
    /// `theirs`, with what `mine` has that `base` hasn't, and without what `base` has that `mine` hasn't.
    #[must_use]
    fn union(base: &Self, mine: &Self, theirs: &Self) -> Self;
}

macro_rules! sum_of_integers {
    ($($integer:ty),*) => {$(
        impl Sum for $integer {
            fn sum(base: &Self, mine: &Self, theirs: &Self) -> Self {
                if mine >= base {
                    match mine.checked_sub(*base) {
                        Some(more) => theirs.saturating_add(more),
                        // More than the type holds: in two steps, which meet its limits in the same order.
                        None => theirs.saturating_add(*mine).saturating_sub(*base),
                    }
                } else {
                    match base.checked_sub(*mine) {
                        Some(less) => theirs.saturating_sub(less),
                        None => theirs.saturating_sub(*base).saturating_add(*mine),
                    }
                }
            }
        }
    )*};
}

sum_of_integers!(i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize);

macro_rules! sum_of_floats {
    ($($float:ty),*) => {$(
        impl Sum for $float {
            fn sum(base: &Self, mine: &Self, theirs: &Self) -> Self {
                theirs + (mine - base)
            }
        }
    )*};
}

sum_of_floats!(f32, f64);

impl<K: Ord + Clone, V: Sum + Default + PartialEq + Clone> Sum for BTreeMap<K, V> {
    fn sum(base: &Self, mine: &Self, theirs: &Self) -> Self {
        let mut merged = theirs.clone();
        for key in mine.keys().chain(base.keys()) {
            match sum_of_entries(base.get(key), mine.get(key), theirs.get(key)) {
                Some(sum) => merged.insert(key.clone(), sum),
                None => merged.remove(key),
            };
        }
        merged
    }
}

impl<K: Eq + Hash + Clone, V: Sum + Default + PartialEq + Clone, S: BuildHasher + Clone> Sum for HashMap<K, V, S> {
    fn sum(base: &Self, mine: &Self, theirs: &Self) -> Self {
        let mut merged = theirs.clone();
        for key in mine.keys().chain(base.keys()) {
            match sum_of_entries(base.get(key), mine.get(key), theirs.get(key)) {
                Some(sum) => merged.insert(key.clone(), sum),
                None => merged.remove(key),
            };
        }
        merged
    }
}

/// None if somebody removed the entry, and nobody added to it.
fn sum_of_entries<V: Sum + Default + PartialEq>(base: Option<&V>, mine: Option<&V>, theirs: Option<&V>) -> Option<V> {
    let zero = V::default();
    let sum = V::sum(base.unwrap_or(&zero), mine.unwrap_or(&zero), theirs.unwrap_or(&zero));
    let is_removed = base.is_some() && (mine.is_none() || theirs.is_none());
    if is_removed && sum == zero { None } else { Some(sum) }
}

impl<T: Ord + Clone> Union for BTreeSet<T> {
    fn union(base: &Self, mine: &Self, theirs: &Self) -> Self {
        let mut merged = theirs.clone();
        merged.retain(|element| mine.contains(element) || !base.contains(element));
        merged.extend(mine.difference(base).cloned());
        merged
    }
}

impl<T: Eq + Hash + Clone, S: BuildHasher + Clone> Union for HashSet<T, S> {
    fn union(base: &Self, mine: &Self, theirs: &Self) -> Self {
        let mut merged = theirs.clone();
        merged.retain(|element| mine.contains(element) || !base.contains(element));
        merged.extend(mine.difference(base).cloned());
        merged
    }
}

/// An entry whose value this request changed becomes this request's.
impl<K: Ord + Clone, V: PartialEq + Clone> Union for BTreeMap<K, V> {
    fn union(base: &Self, mine: &Self, theirs: &Self) -> Self {
        let mut merged = theirs.clone();
        merged.retain(|key, _| mine.contains_key(key) || !base.contains_key(key));
        let changed = mine.iter().filter(|(key, value)| base.get(key) != Some(value));
        merged.extend(changed.map(|(key, value)| (key.clone(), value.clone())));
        merged
    }
}

/// An entry whose value this request changed becomes this request's.
impl<K: Eq + Hash + Clone, V: PartialEq + Clone, S: BuildHasher + Clone> Union for HashMap<K, V, S> {
    fn union(base: &Self, mine: &Self, theirs: &Self) -> Self {
        let mut merged = theirs.clone();
        merged.retain(|key, _| mine.contains_key(key) || !base.contains_key(key));
        let changed = mine.iter().filter(|(key, value)| base.get(*key) != Some(value));
        merged.extend(changed.map(|(key, value)| (key.clone(), value.clone())));
        merged
    }
}
