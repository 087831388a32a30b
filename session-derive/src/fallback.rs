//! What goes out beside an error, so that code which uses the session type doesn't fail as well.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Error;

use crate::model::SessionType;
use crate::{check, expand};

/// The errors, the setters and what else is used by name, and an implementation that is never run.
///
/// ```text
/// compile_error!("…");
/// pub struct VisitFields<S: State>(…);      // and its setters
/// impl SessionData for Visit { type Fields<S: State> = VisitFields<S>; … }
/// ```
pub(crate) fn with(mut session: SessionType<'_>, error: &Error) -> TokenStream {
    let errors = error.to_compile_error();
    if !session.parameters.is_empty() {
        return errors;
    }
    if !check::names_are_free(&session) {
        session.fields.clear();
    }
    let methods = expand::methods(&session);
    let (ident, fields, private) = (session.ident(), session.fields_ident(), session.krate.private());
    quote! {
        #errors
        #methods

        #[automatically_derived]
        impl #private::SessionData for #ident {
            type Fields<__State: #private::State> = #fields<__State>;
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
