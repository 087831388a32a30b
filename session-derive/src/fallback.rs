//! What goes out beside an error, so that code which uses the session type doesn't fail as well.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DeriveInput, Error};

use crate::attr::StructAttrs;
use crate::diag::Errors;
use crate::krate::Crate;

/// The errors, and an implementation that is never run.
///
/// ```text
/// compile_error!("…");
/// impl SessionData for Visit { type Fields<S: State> = NoFields<Self, S>; … }
/// ```
pub(crate) fn with(input: &DeriveInput, error: &Error) -> TokenStream {
    let errors = error.to_compile_error();
    if !input.generics.params.is_empty() {
        return errors;
    }
    // What is wrong with the attributes was reported already.
    let mut reported = Errors::default();
    let krate = Crate::new(StructAttrs::parse(&input.attrs, &mut reported).krate);
    let (ident, private) = (&input.ident, krate.private());
    quote! {
        #errors

        #[automatically_derived]
        impl #private::SessionData for #ident {
            type Fields<S: #private::State> = #private::NoFields<Self, S>;
            const FIELDS: &'static [#private::Field] = &[];
            const SCHEMA: &'static str = "";

            fn initial() -> Self {
                ::core::unreachable!()
            }

            fn duplicate(&self) -> Self {
                ::core::unreachable!()
            }

            fn serialize<__S: #private::serde::Serializer>(
                &self,
                _: __S,
            ) -> ::core::result::Result<__S::Ok, __S::Error> {
                ::core::unreachable!()
            }

            fn deserialize<'de, __D: #private::serde::Deserializer<'de>>(
                _: __D,
            ) -> ::core::result::Result<Self, __D::Error> {
                ::core::unreachable!()
            }

            fn merge(_: usize, _: bool, _: &Self, _: &Self, _: &mut Self) {}
        }
    }
}
