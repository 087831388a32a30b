//! The versions of a session type.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;

use crate::model::{SessionType, generated_at};

/// ```text
/// const VERSION: u32 = 2;
/// fn deserialize_version(version, deserializer) -> Result<Self, _> {
///     if version >= 2 { Self::deserialize(deserializer) } else { upgraded::<Self, VisitV1, _>(version, deserializer) }
/// }
/// ```
/// Nothing for a type without a version.
pub(super) fn items(session: &SessionType<'_>) -> Option<TokenStream> {
    let (version, previous) = (session.version.as_ref()?, session.previous.as_ref());
    let private = session.krate.private();
    // A constant outside knows no parameters.
    let check = (!session.parameters.is_empty()).then(|| assertion(session)).flatten();
    let check = check.map(|check| quote!(const { #check }));
    let upgrade = previous.map(|previous| {
        let upgraded = quote_spanned!(generated_at(previous.span())=> #private::upgraded::<Self, #previous, __D>);
        quote! {
            fn deserialize_version<'de, __D: #private::serde::Deserializer<'de>>(
                version: u32,
                deserializer: __D,
            ) -> ::core::result::Result<Self, __D::Error> {
                #check
                if version >= #version {
                    Self::deserialize(deserializer)
                } else {
                    #upgraded(version, deserializer)
                }
            }

            fn fields_of(version: u32) -> &'static [#private::Field] {
                #[allow(unused_imports, reason = "for a type that has no version")]
                use #private::NoVersion as _;
                if version >= #version {
                    Self::FIELDS
                } else {
                    #private::PreviousVersion::<#previous>::fields_of(version)
                }
            }
        }
    });
    let oldest = session.oldest.as_ref().map(|_| {
        quote! {
            fn deserialize_version<'de, __D: #private::serde::Deserializer<'de>>(
                version: u32,
                deserializer: __D,
            ) -> ::core::result::Result<Self, __D::Error> {
                if version >= #version {
                    Self::deserialize(deserializer)
                } else {
                    ::core::result::Result::Err(#private::too_old(version))
                }
            }
        }
    });
    Some(quote! {
        const VERSION: u32 = #version;
        #upgrade
        #oldest
    })
}

/// ```text
/// const _: () = assert!(PreviousVersion::<VisitV1>::OF == 1, "…");
/// ```
/// What is no session has no version either, and is reported elsewhere.
pub(super) fn check(session: &SessionType<'_>) -> Option<TokenStream> {
    let check = assertion(session).filter(|_| session.parameters.is_empty())?;
    Some(quote!(const _: () = { #check };))
}

fn assertion(session: &SessionType<'_>) -> Option<TokenStream> {
    let (version, previous) = (session.version.as_ref()?, session.previous.as_ref()?);
    let number: u32 = version.base10_parse().ok()?;
    let private = session.krate.private();
    let before = number.checked_sub(1)?;
    let message = format!(
        "`previous` of version {number} must be the struct of version {before}: write `version = {before}` on it, or the \
         missing versions between them",
    );
    Some(quote_spanned! {generated_at(previous.span())=>
        #[allow(unused_imports, reason = "for a type that has no version")]
        use #private::NoVersion as _;
        let version = #private::PreviousVersion::<#previous>::OF;
        ::core::assert!(version == #before || version == ::core::primitive::u32::MAX, #message);
    })
}
