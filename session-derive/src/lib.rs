//! The derive macro of the session crate. Its documentation stands on `session::Session`, where it is used.

mod attr;
mod check;
mod diag;
mod expand;
mod fallback;
mod generics;
mod krate;
mod model;
mod rename;
mod schema;
mod selfless;
mod types;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

use crate::diag::Errors;
use crate::model::SessionType;

/// Makes a struct a session type. Documented at `session::Session`.
#[proc_macro_derive(Session, attributes(session, serde))]
pub fn derive_session(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    derived(&selfless::named(&input)).into()
}

/// Read, check, expand.
fn derived(input: &DeriveInput) -> proc_macro2::TokenStream {
    let mut errors = Errors::default();
    let session = SessionType::new(input, &mut errors);
    check::all(&session, &mut errors);
    match errors.finish() {
        Ok(()) => expand::all(&session),
        Err(error) => fallback::with(session, &error),
    }
}
