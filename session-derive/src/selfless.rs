//! `Self` in a field's type.

use proc_macro2::{Group, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{Data, DeriveInput, parse_quote_spanned, spanned::Spanned};

/// The input with the struct's name for `Self` in its fields, whose types stand elsewhere, too.
pub(crate) fn named(input: &DeriveInput) -> DeriveInput {
    let mut named = input.clone();
    let (_, arguments, _) = input.generics.split_for_impl();
    let ident = &input.ident;
    let name = quote!(#ident #arguments);
    if let Data::Struct(data) = &mut named.data {
        for field in &mut data.fields {
            let ty = field.ty.to_token_stream();
            if mentions_self(ty.clone()) {
                let ty = without_self(ty, &name);
                field.ty = parse_quote_spanned!(field.ty.span()=> #ty);
            }
        }
    }
    named
}

fn mentions_self(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == "Self",
        TokenTree::Group(group) => mentions_self(group.stream()),
        _ => false,
    })
}

fn without_self(tokens: TokenStream, name: &TokenStream) -> TokenStream {
    let replaced = tokens.into_iter().map(|token| match token {
        TokenTree::Ident(ident) if ident == "Self" => name.clone(),
        TokenTree::Group(group) => {
            TokenTree::from(Group::new(group.delimiter(), without_self(group.stream(), name))).into()
        }
        token => token.into(),
    });
    replaced.collect()
}
