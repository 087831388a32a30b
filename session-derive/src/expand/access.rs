//! What gives access to a field from outside a handler's session: extractors and indexes.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::Attribute;
use syn::spanned::Spanned;

use crate::attr::Extract;
use crate::model::{Field, SessionType, generated_at};

/// ```text
/// extractor! { optional pub struct CurrentUser(String) of Visit.user; }
/// impl Visit { pub fn by_user<V>(user: &V) -> Index<Visit> where V: ToOwned<Owned = String> + ?Sized { … } }
/// ```
pub(super) fn expand(session: &SessionType<'_>) -> TokenStream {
    let extractors = session.fields.iter().filter_map(|field| Some(extractor(session, field, field.extract.as_ref()?)));
    let indexed: Vec<_> = session.fields.iter().enumerate().filter(|(_, field)| field.index.is_some()).collect();
    let by_values = indexed.iter().map(|(index, field)| by_value(session, *index, field));
    let ty = session.ty();
    let (parameters, _, bounds) = session.parameters.bounded().split_for_impl();
    let indexes = (!indexed.is_empty()).then(|| {
        quote! {
            #[automatically_derived]
            #[allow(dead_code, reason = "an application may look by another field")]
            #[allow(deprecated, clippy::all, clippy::pedantic, reason = "the struct was looked at where it was written")]
            impl #parameters #ty #bounds {
                #(#by_values)*
            }
        }
    });
    quote!(#(#extractors)* #indexes)
}

fn extractor<'a>(session: &SessionType<'a>, field: &Field<'a>, extract: &Extract) -> TokenStream {
    let (private, ident) = (session.krate.private(), session.ident());
    let (name, vis, ty) = (field.extractor_ident(session, extract), field.extractor_vis(session), field.inner_ty());
    let kind = if field.is_option() { quote!(optional) } else { quote!(required) };
    let (member, docs) = (field.member(), docs(&field.original.attrs));
    let doc = if field.is_option() {
        format!("Extracts `{member}` of the [`{ident}`] session; 401 for a visitor who has none.")
    } else {
        format!("Extracts `{member}` of the [`{ident}`] session.")
    };
    quote! {
        #private::extractor! {
            #(#docs)*
            #[doc = ""]
            #[doc = #doc]
            #kind #vis struct #name(#ty) of #ident . #member;
        }
    }
}

fn by_value(session: &SessionType<'_>, index: usize, field: &Field<'_>) -> TokenStream {
    let (private, ident, session_ty) = (session.krate.private(), session.ident(), session.ty());
    let (vis, ty, member, plain) = (&field.original.vis, field.inner_ty(), field.member(), field.plain_name());
    let by_value = format_ident!("by_{plain}", span = field.ident.span());
    let doc = format!("The [`{ident}`] sessions whose `{plain}` has this value.");
    let owned = quote!(::std::borrow::ToOwned::to_owned(value));
    let value = if field.is_option() { quote!(::core::option::Option::Some(#owned)) } else { owned };
    quote_spanned! {generated_at(field.original.span())=>
        #[doc = #doc]
        #vis fn #by_value<__V>(value: &__V) -> #private::Index<#session_ty>
        where
            __V: ?::core::marker::Sized + ::std::borrow::ToOwned<Owned = #ty>,
        {
            #private::Index::<#session_ty>::new(#index, |session: &mut #session_ty| session.#member = #value)
        }
    }
}

fn docs(attrs: &[Attribute]) -> impl Iterator<Item = &Attribute> {
    attrs.iter().filter(|attr| attr.path().is_ident("doc"))
}
