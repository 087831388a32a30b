//! Collecting errors, so that all mistakes are reported together.

use quote::ToTokens;
use syn::Error;

/// The errors found so far. There is no way to add one without saying where it is.
#[derive(Default)]
pub(crate) struct Errors(Option<Error>);

impl Errors {
    /// Blames `tokens`.
    pub(crate) fn blame(&mut self, tokens: impl ToTokens, message: impl std::fmt::Display) {
        self.add(Error::new_spanned(tokens, message));
    }

    /// Adds an error that has its place already.
    pub(crate) fn add(&mut self, error: Error) {
        match &mut self.0 {
            Some(all) => all.combine(error),
            none => *none = Some(error),
        }
    }

    /// Adds the error of a failed step.
    pub(crate) fn take<T>(&mut self, result: Result<T, Error>) -> Option<T> {
        result.map_err(|error| self.add(error)).ok()
    }

    /// All errors as one, if there are any.
    pub(crate) fn finish(self) -> Result<(), Error> {
        self.0.map_or(Ok(()), Err)
    }
}
