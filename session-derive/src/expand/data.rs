//! The implementation of `SessionData`. serde does its part through a twin of the struct.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{ExprPath, LitStr};

use super::{merge, version};
use crate::attr::Merge;
use crate::attr::SerdeDefault;
use crate::model::{Field, Initial, SessionType, serde_attrs};
use crate::schema;

/// ```text
/// const _: () = {
///     #[derive(Serialize, Deserialize)]
///     #[serde(remote = "Visit")]
///     struct Stored { … }
///     fn initial_views() -> u32 { … }
///     impl SessionData for Visit { … }
/// };
/// ```
pub(super) fn expand(session: &SessionType<'_>) -> TokenStream {
    let twin = twin(session);
    let initial_values = initial_functions(session);
    let (data, version_check) = (session_data(session), version::check(session));
    quote! {
        #[allow(deprecated, clippy::all, clippy::pedantic, reason = "the struct was looked at where it was written")]
        const _: () = {
            #version_check
            #twin
            #initial_values
            #data
        };
    }
}

/// ```text
/// #[derive(Serialize, Deserialize)]
/// #[serde(crate = "session::__private::serde", remote = "Visit")]
/// struct Stored {
///     #[serde(default = "initial_views")]
///     views: u32,
/// }
/// ```
fn twin(session: &SessionType<'_>) -> TokenStream {
    let private = session.krate.private();
    let serde = quote!(#private::serde);
    let remote = session.ident().to_string();
    let attrs = &session.serde_attrs;
    // What the parameters have to be stands on the twin: serde would ask for it once more, in words that contradict a
    // `DeserializeOwned`, and for the twin's `Default`, but takes the session's.
    let no_bound = (!session.has_serde_bound).then(|| quote!(#[serde(bound = "")]));
    let fields = session.fields.iter().map(|field| {
        let (ident, ty, attrs) = (field.member(), field.ty(), serde_attrs(&field.original.attrs));
        let default = twin_default(session, field);
        quote!(#(#attrs)* #default #ident: #ty,)
    });
    let (parameters, _, bounds) = session.parameters.bounded().split_for_impl();
    quote! {
        // By a name of its own, since a path in a text can't begin with `$crate`.
        use #serde as __serde;

        #[derive(#serde::Serialize, #serde::Deserialize)]
        #[serde(crate = "__serde", remote = #remote)]
        #(#attrs)*
        #no_bound
        #[allow(dead_code, reason = "only its implementations are used")]
        struct __Stored #parameters #bounds {
            #(#fields)*
        }
    }
}

/// What a record's missing field becomes; serde's own default attributes are there already.
fn twin_default(session: &SessionType<'_>, field: &Field<'_>) -> Option<TokenStream> {
    let function = initial_path(session, field).to_string();
    match field.initial {
        Initial::Trait { by_serde: false } | Initial::Expr(_) => Some(quote!(#[serde(default = #function)])),
        Initial::Trait { by_serde: true } | Initial::Function(_) | Initial::Struct => None,
    }
}

/// The functions for the initial values; of a type with parameters, `impl<T> __Initial<T> { … }`.
fn initial_functions(session: &SessionType<'_>) -> TokenStream {
    let functions = session.fields.iter().filter_map(|field| initial_function(session, field));
    if session.parameters.is_empty() {
        return quote!(#(#functions)*);
    }
    let ty = session.ty();
    let (parameters, arguments, bounds) = session.parameters.written().split_for_impl();
    quote! {
        struct __Initial #parameters (::core::marker::PhantomData<fn() -> #ty>) #bounds;

        impl #parameters __Initial #arguments #bounds {
            #(#functions)*
        }
    }
}

fn initial_path(session: &SessionType<'_>, field: &Field<'_>) -> TokenStream {
    let function = initial_ident(field);
    if session.parameters.is_empty() {
        return function.into_token_stream();
    }
    let (_, arguments, _) = session.parameters.written().split_for_impl();
    let arguments = arguments.as_turbofish();
    quote!(__Initial #arguments::#function)
}

/// ```text
/// fn initial_views() -> u32 { initial_value() }
/// ```
/// One place for each field's initial value, so that a type without `Default` is reported once, at the field's type.
fn initial_function(session: &SessionType<'_>, field: &Field<'_>) -> Option<TokenStream> {
    let private = session.krate.private();
    let (function, ty) = (initial_ident(field), field.ty());
    let value = match &field.initial {
        Initial::Trait { .. } => quote_spanned!(ty.span()=> #private::initial_value::<#ty>()),
        Initial::Expr(expr) => quote!(#expr),
        Initial::Function(_) | Initial::Struct => return None,
    };
    Some(quote! {
        fn #function() -> #ty {
            #value
        }
    })
}

fn initial_ident(field: &Field<'_>) -> Ident {
    format_ident!("__initial_{}", field.plain_name())
}

/// ```text
/// impl SessionData for Visit {
///     type Fields<S: State> = VisitFields<S>;
///     const FIELDS: &'static [Field] = &[Field::new("views", &[])];
///     fn initial() -> Self { Self { views: initial_views() } }
///     fn duplicate(&self) -> Self { Self { views: copy of self.views } }
///     fn serialize(&self, serializer) { Stored::serialize(self, serializer) }
///     fn deserialize(deserializer) { Stored::deserialize(deserializer) }
///     const SCHEMA: &'static str = "views:1a2b3c";
///     /* the version, and the merge */
/// }
/// ```
fn session_data(session: &SessionType<'_>) -> TokenStream {
    let private = session.krate.private();
    let serde = quote!(#private::serde);
    let (ty, state) = (session.ty(), format_ident!("__State"));
    let fields = session.parameters.with_argument(&session.fields_ident(), &state);
    let (parameters, _, bounds) = session.parameters.bounded().split_for_impl();
    let (_, arguments, _) = session.parameters.written().split_for_impl();
    let arguments = arguments.as_turbofish();
    let descriptions = session.fields.iter().map(|field| description(session, field));
    let initial = initial(session);
    let copies = session.fields.iter().map(|field| {
        let (name, copy) = (field.member(), copy(field, &quote!(self)));
        quote!(#name: #copy,)
    });
    let (version, merge) = (version::items(session), merge::item(session));
    let schema = schema::fingerprint(session);
    quote! {
        #[automatically_derived]
        impl #parameters #private::SessionData for #ty #bounds {
            type Fields<#state: #private::State> = #fields;

            const FIELDS: &'static [#private::Field] = &[#(#descriptions,)*];
            const SCHEMA: &'static str = #schema;
            #version

            fn initial() -> Self {
                #initial
            }

            fn duplicate(&self) -> Self {
                Self { #(#copies)* }
            }

            fn serialize<__S: #serde::Serializer>(
                &self,
                serializer: __S,
            ) -> ::core::result::Result<__S::Ok, __S::Error> {
                __Stored #arguments::serialize(self, serializer)
            }

            fn deserialize<'de, __D: #serde::Deserializer<'de>>(
                deserializer: __D,
            ) -> ::core::result::Result<Self, __D::Error> {
                __Stored #arguments::deserialize(deserializer)
            }

            #merge
        }
    }
}

/// ```text
/// { let value = &self.views; Clone::clone(value) }
/// ```
/// A type that can't be cloned is blamed at the field. What is said there has its own variable, since a macro may have
/// written the field, and `self` isn't that macro's.
pub(super) fn copy(field: &Field<'_>, session: &TokenStream) -> TokenStream {
    let (name, ty) = (field.member(), field.ty());
    let value = Ident::new("value", ty.span());
    let copy = quote_spanned!(ty.span()=> ::core::clone::Clone::clone(#value));
    quote!({ let #value = &#session.#name; #copy })
}

/// `Field::new("views", &["seen"])`
fn description(session: &SessionType<'_>, field: &Field<'_>) -> TokenStream {
    let private = session.krate.private();
    let (name, aliases) = (&field.stored_name, &field.aliases);
    let unordered = field.is_unordered().then(|| quote!(.unordered()));
    let skipped = field.is_skipped().then(|| quote!(.skipped()));
    let unstored = (!field.is_stored()).then(|| quote!(.unstored()));
    let rotates = field.rotate.as_ref().map(|_| quote!(.rotates()));
    let indexed = field.index.as_ref().map(|_| quote!(.indexed()));
    let adds_up = matches!(field.merge, Some(Merge::Sum(_) | Merge::Function(_)));
    let accumulates = adds_up.then(|| quote!(.accumulates()));
    let redacted = field.redact.as_ref().map(|_| quote!(.redacted()));
    quote!(#private::Field::new(#name, &[#(#aliases),*]) #unordered #skipped #unstored #rotates #indexed #accumulates #redacted)
}

/// `Self { views: initial_views(), theme: default_theme(), ..Default::default() }`
fn initial(session: &SessionType<'_>) -> TokenStream {
    let values = session.fields.iter().filter_map(|field| {
        let (name, function) = (field.member(), initial_path(session, field));
        match &field.initial {
            Initial::Trait { .. } | Initial::Expr(_) => Some(quote!(#name: #function(),)),
            Initial::Function(path) => {
                let path = path_in(path);
                Some(quote!(#name: #path(),))
            }
            Initial::Struct => None,
        }
    });
    let takes_rest = session.fields.iter().any(|field| matches!(field.initial, Initial::Struct));
    let rest = takes_rest.then(|| match &session.default {
        Some(SerdeDefault::Function(path)) => {
            let path = path_in(path);
            quote!(..#path())
        }
        _ => quote!(..::core::default::Default::default()),
    });
    quote!(Self { #(#values)* #rest })
}

/// The path in a string literal, as serde takes it. One that is no path is reported by serde.
fn path_in(literal: &LitStr) -> TokenStream {
    literal.parse::<ExprPath>().map_or_else(|_| quote!(::core::default::Default::default), |path| quote!(#path))
}
