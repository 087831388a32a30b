//! The fields type: what a session dereferences to.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;

use crate::generics::Parameters;
use crate::model::{Field, SessionType, generated_at};

/// ```text
/// pub struct VisitFields<S: State>(Content<Visit, S>);
///
/// impl<S: State> VisitFields<S> { /* the setters */ }
/// impl<S: Readable> Deref for VisitFields<S> { type Target = Visit; … }
/// impl<S: State> SessionFields<Visit, S> for VisitFields<S> { … }
/// ```
pub(super) fn expand(session: &SessionType<'_>) -> TokenStream {
    let private = session.krate.private();
    let (ident, vis, name, ty) = (session.ident(), session.vis(), session.fields_ident(), session.ty());
    let (state, parameters) = (state_ident(session), &session.parameters);
    let setters = session.fields.iter().enumerate().map(|(index, field)| setters(session, &state, (index, field)));
    let doc = format!("The fields of a [`{ident}`] session, with setters for them.");
    let fields = parameters.with_argument(&name, &state);
    let written = Parameters::with_state(parameters.written(), &state, &quote!(#private::State));
    let (declared, _, declared_where) = written.split_for_impl();
    let any_state = Parameters::with_state(parameters.bounded(), &state, &quote!(#private::State));
    let (any_state, _, bounds) = any_state.split_for_impl();
    let readable = Parameters::with_state(parameters.bounded(), &state, &quote!(#private::Readable));
    let (readable, _, _) = readable.split_for_impl();
    quote! {
        #[doc = #doc]
        #vis struct #name #declared (#private::Content<#ty, #state>) #declared_where;

        #[automatically_derived]
        #[allow(dead_code, reason = "a session type has setters that an application may not need")]
        #[allow(deprecated, clippy::all, clippy::pedantic, reason = "the struct was looked at where it was written")]
        impl #any_state #fields #bounds {
            #(#setters)*
        }

        #[automatically_derived]
        impl #readable ::core::ops::Deref for #fields #bounds {
            type Target = #ty;

            fn deref(&self) -> &#ty {
                #private::Content::read(&self.0)
            }
        }

        #[automatically_derived]
        impl #any_state ::core::fmt::Debug for #fields #bounds {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                ::core::fmt::Debug::fmt(&self.0, f)
            }
        }

        #[automatically_derived]
        impl #any_state #private::SessionFields<#ty, #state> for #fields #bounds {
            fn from_content(content: #private::Content<#ty, #state>) -> Self {
                Self(content)
            }

            fn into_content(self) -> #private::Content<#ty, #state> {
                self.0
            }

            fn content(&self) -> &#private::Content<#ty, #state> {
                &self.0
            }

            fn content_mut(&mut self) -> &mut #private::Content<#ty, #state> {
                &mut self.0
            }
        }
    }
}

/// `S`, or another name if the session has something to do with a type `S` of the application.
fn state_ident(session: &SessionType<'_>) -> Ident {
    let written = session.parameters.written();
    let parameters = written.params.to_token_stream().into_iter().chain(written.where_clause.to_token_stream());
    let types = session.fields.iter().flat_map(|field| field.ty().to_token_stream()).chain(parameters);
    let taken = session.ident() == "S" || types.into_iter().any(|token| mentions(token, "S"));
    format_ident!("{}", if taken { "__S" } else { "S" })
}

fn mentions(token: TokenTree, name: &str) -> bool {
    match token {
        TokenTree::Ident(ident) => ident == name,
        TokenTree::Group(group) => group.stream().into_iter().any(|token| mentions(token, name)),
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    }
}

/// ```text
/// pub fn set_user(&mut self, user: Option<String>) where S: Writable { self.0.write(1).user = user; }
/// pub fn user_mut(&mut self) -> &mut Option<String> where S: Writable { &mut self.0.write(1).user }
/// pub fn take_user(&mut self) -> Option<String> where S: Writable {
///     if self.0.read().user.is_none() { Option::None } else { self.0.write(1).user.take() }
/// }
/// ```
fn setters(session: &SessionType<'_>, state: &Ident, (index, field): (usize, &Field<'_>)) -> TokenStream {
    let private = session.krate.private();
    let (ident, vis, ty) = (field.member(), &field.original.vis, field.ty());
    let (plain, span) = (field.plain_name(), ident.span());
    let writable = quote!(#state: #private::Writable);
    let set = Ident::new(&format!("set_{plain}"), span);
    let get_mut = Ident::new(&format!("{plain}_mut"), span);
    let set_doc = format!("Sets `{plain}`.");
    let mut_doc = format!("`{plain}`, to be changed in place.");
    let take = field.is_option().then(|| {
        let take = Ident::new(&format!("take_{plain}"), span);
        let doc = format!("Takes `{plain}` out and leaves `None`.");
        quote_spanned! {span=>
            #[doc = #doc]
            #vis fn #take(&mut self) -> #ty
            where
                #writable,
            {
                if ::core::option::Option::is_none(&#private::Content::read(&self.0).#ident) {
                    ::core::option::Option::None
                } else {
                    ::core::option::Option::take(&mut #private::Content::write(&mut self.0, #index).#ident)
                }
            }
        }
    });
    quote_spanned! {generated_at(field.original.span())=>
        #[doc = #set_doc]
        #vis fn #set(&mut self, #ident: #ty)
        where
            #writable,
        {
            #private::Content::write(&mut self.0, #index).#ident = #ident;
        }

        #[doc = #mut_doc]
        #vis fn #get_mut(&mut self) -> &mut #ty
        where
            #writable,
        {
            &mut #private::Content::write(&mut self.0, #index).#ident
        }

        #take
    }
}
