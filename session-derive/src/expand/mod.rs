//! From the model to code. Nothing here reports an error of its own.

mod access;
mod data;
mod fields;
mod merge;
mod version;

use proc_macro2::TokenStream;
use quote::quote;

use crate::check;
use crate::diag::Errors;
use crate::model::SessionType;

/// All that is generated.
pub(crate) fn all(session: &SessionType<'_>) -> TokenStream {
    let (methods, data) = (methods(session), data::expand(session));
    // The code that uses the session type is right, whatever is stored: it is to see no error but this one.
    let mut changed = Errors::default();
    check::schema_as_written(session, &mut changed);
    let changed = changed.finish().err().map(|error| error.to_compile_error());
    quote!(#changed #methods #data)
}

/// What an application uses by name: the setters, extractors and indexes.
pub(crate) fn methods(session: &SessionType<'_>) -> TokenStream {
    let (fields, access) = (fields::expand(session), access::expand(session));
    quote!(#fields #access)
}
