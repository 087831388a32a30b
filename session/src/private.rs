//! What generated code may name, and nobody else: this module follows no version rules.

use std::marker::PhantomData;

pub use crate::__extractor as extractor;
pub use crate::admin::Index;
#[cfg(feature = "axum")]
pub use crate::axum::unless_ended;
pub use crate::data::{Content, SessionData, SessionFields};
pub use crate::field::Field;
pub use crate::merge::{Sum, Union};
pub use crate::state::{Readable, State, Writable};
#[cfg(feature = "axum")]
pub use ::axum::{extract, http};
pub use serde;

/// A type whose values a session can begin with, without being told which.
#[diagnostic::on_unimplemented(
    message = "the field has no initial value: `{Self}` has no `Default`",
    label = "no initial value",
    note = "write `#[session(default = …)]` on the field, make it an `Option`, or derive `Default` for `{Self}`"
)]
pub trait InitialValue: Sized {
    fn initial_value() -> Self;
}

#[diagnostic::do_not_recommend]
impl<T: Default> InitialValue for T {
    fn initial_value() -> Self {
        Self::default()
    }
}

/// The initial value of a field that has no `default`.
#[must_use]
pub fn initial_value<T: InitialValue>() -> T {
    T::initial_value()
}

/// A version that an older one can be upgraded to.
#[diagnostic::on_unimplemented(
    message = "a stored `{Old}` can't be upgraded to `{Self}`",
    label = "no upgrade from this version",
    note = "write `impl From<{Old}> for {Self}`"
)]
pub trait Upgrade<Old> {
    fn upgrade(old: Old) -> Self;
}

#[diagnostic::do_not_recommend]
impl<Old, New: From<Old>> Upgrade<Old> for New {
    fn upgrade(old: Old) -> Self {
        Self::from(old)
    }
}

/// The version of a session type; of anything else, the one that [`NoVersion`] says.
pub struct PreviousVersion<T>(PhantomData<T>);

impl<T: SessionData> PreviousVersion<T> {
    pub const OF: u32 = T::VERSION;

    /// The fields of the struct that reads records of a version.
    #[must_use]
    pub fn fields_of(version: u32) -> &'static [Field] {
        T::fields_of(version)
    }
}

/// The version of what is no session type.
pub trait NoVersion {
    const OF: u32 = u32::MAX;

    #[must_use]
    fn fields_of(_: u32) -> &'static [Field] {
        &[]
    }
}

impl<T> NoVersion for PreviousVersion<T> {}

/// Reads a session of an older version and upgrades it.
///
/// # Errors
/// The deserializer's.
pub fn upgraded<'de, New, Old, D>(version: u32, deserializer: D) -> Result<New, D::Error>
where
    New: Upgrade<Old>,
    Old: SessionData,
    D: serde::Deserializer<'de>,
{
    Old::deserialize_version(version, deserializer).map(New::upgrade)
}

/// A record of a version that no struct is left for.
pub fn too_old<E: serde::de::Error>(version: u32) -> E {
    E::custom(format_args!("it is of version {version}, which this build can't read any more"))
}
