//! The type parameters of a session type.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote};
use syn::{DeriveInput, GenericParam, Generics, parse_quote};

use crate::diag::Errors;
use crate::krate::Crate;

/// The parameters as they were written, and with what a session asks of them.
pub(crate) struct Parameters {
    written: Generics,
    bounded: Generics,
}

impl Parameters {
    pub(crate) fn new(input: &DeriveInput, krate: &Crate, errors: &mut Errors) -> Self {
        for lifetime in input.generics.lifetimes() {
            errors.blame(
                lifetime,
                "a session is kept longer than a request, so it borrows nothing: give the field a type that owns its data",
            );
        }
        let private = krate.private();
        let mut bounded = input.generics.clone();
        for parameter in input.generics.type_params() {
            let ident = &parameter.ident;
            bounded.make_where_clause().predicates.push(parse_quote! {
                #ident: ::core::clone::Clone
                    + #private::serde::Serialize
                    + #private::serde::de::DeserializeOwned
                    + ::core::marker::Send
                    + ::core::marker::Sync
                    + 'static
            });
        }
        Self { written: input.generics.clone(), bounded }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.written.params.is_empty()
    }

    /// As they were written.
    pub(crate) const fn written(&self) -> &Generics {
        &self.written
    }

    /// With what a session asks of them.
    pub(crate) const fn bounded(&self) -> &Generics {
        &self.bounded
    }

    /// `Visit<T>`
    pub(crate) fn of(&self, ident: &Ident) -> TokenStream {
        let (_, arguments, _) = self.written.split_for_impl();
        quote!(#ident #arguments)
    }

    /// `VisitFields<T, S>`
    pub(crate) fn with_argument(&self, ident: &Ident, argument: impl ToTokens) -> TokenStream {
        let names = self.written.params.iter().map(|parameter| match parameter {
            GenericParam::Type(parameter) => parameter.ident.to_token_stream(),
            GenericParam::Const(parameter) => parameter.ident.to_token_stream(),
            GenericParam::Lifetime(parameter) => parameter.lifetime.to_token_stream(),
        });
        quote!(#ident<#(#names,)* #argument>)
    }

    /// With one more parameter, the state.
    pub(crate) fn with_state(generics: &Generics, state: &Ident, bound: &TokenStream) -> Generics {
        let mut generics = generics.clone();
        generics.params.push(parse_quote!(#state: #bound));
        generics
    }
}
