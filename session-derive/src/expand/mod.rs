//! From the model to code. Nothing here reports an error.

mod access;
mod data;
mod fields;
mod merge;
mod version;

use proc_macro2::{Group, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{Data, DeriveInput, Result, parse_quote_spanned, spanned::Spanned};

use crate::check;
use crate::diag::Errors;
use crate::model::SessionType;

/// The whole derive: read, check, expand.
pub(crate) fn derive(input: &DeriveInput) -> Result<TokenStream> {
    let mut errors = Errors::default();
    let input = &named(input);
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

/// The input with the struct's name for `Self` in its fields, whose types stand elsewhere, too.
fn named(input: &DeriveInput) -> DeriveInput {
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
