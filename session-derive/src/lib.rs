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
mod types;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Makes a struct a session type. Documented at `session::Session`.
#[proc_macro_derive(Session, attributes(session, serde))]
pub fn derive_session(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand::derive(&input).unwrap_or_else(|error| fallback::with(&input, &error)).into()
}
