//! From the model to code. Nothing here reports an error.

mod access;
mod data;
mod fields;
mod merge;
mod version;

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DeriveInput, Result};

use crate::check;
use crate::diag::Errors;
use crate::model::SessionType;

/// The whole derive: read, check, expand.
pub(crate) fn derive(input: &DeriveInput) -> Result<TokenStream> {
    let mut errors = Errors::default();
    let session = SessionType::new(input, &mut errors);
    check::all(&session, &mut errors);
    errors.finish()?;
    let (fields, access, data) = (fields::expand(&session), access::expand(&session), data::expand(&session));
    // The code that uses the session type is right, whatever is stored: it is to see no error but this one.
    let mut changed = Errors::default();
    check::schema_as_written(&session, &mut changed);
    let changed = changed.finish().err().map(|error| error.to_compile_error());
    Ok(quote!(#changed #fields #access #data))
}
