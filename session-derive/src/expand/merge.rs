//! Merging a field that two requests changed.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::Ident;
use syn::spanned::Spanned;

use super::data::copy;
use crate::attr::Merge;
use crate::model::{Field, SessionType, generated_at};

/// ```text
/// fn merge(field, contested, base, mine, theirs) {
///     match field {
///         0 => theirs.views = if contested { Sum::sum(&base.views, &mine.views, &theirs.views) } else { copy of mine.views },
///         1 => theirs.user = copy of mine.user,
///         2 => theirs.seen = if contested { latest(&base.seen, &mine.seen, &theirs.seen) } else { copy of mine.seen },
///         _ => {}
///     }
/// }
/// ```
pub(super) fn item(session: &SessionType<'_>) -> TokenStream {
    let arms = session.fields.iter().enumerate().map(|(index, field)| {
        let (name, value) = (field.member(), merged(session, field));
        quote!(#index => theirs.#name = #value,)
    });
    quote! {
        #[allow(unused_variables, reason = "a session without fields has nothing to merge")]
        fn merge(field: usize, contested: bool, base: &Self, mine: &Self, theirs: &mut Self) {
            match field {
                #(#arms)*
                _ => {}
            }
        }
    }
}

/// What a field becomes: with what nobody else changed, this request's value.
fn merged(session: &SessionType<'_>, field: &Field<'_>) -> TokenStream {
    let mine = copy(field, &quote!(mine));
    let both = match &field.merge {
        None | Some(Merge::Last(_)) => return mine,
        Some(Merge::Sum(word)) => by_trait(session, field, word, &quote!(Sum::sum)),
        Some(Merge::Union(word)) => by_trait(session, field, word, &quote!(Union::union)),
        Some(Merge::Function(path)) => {
            // Called where it is written, so that `&String` becomes the `&str` that it may ask for.
            let name = field.member();
            quote_spanned!(path.span()=> #path(&base.#name, &mine.#name, &theirs.#name))
        }
    };
    quote!(if contested { #both } else { #mine })
}

/// The rule is blamed where it is written.
fn by_trait(session: &SessionType<'_>, field: &Field<'_>, word: &Ident, function: &TokenStream) -> TokenStream {
    let (private, mut name, place) = (session.krate.private(), field.member(), generated_at(word.span()));
    name.set_span(place);
    let function = quote!(#private::#function).into_iter().map(|mut token| {
        token.set_span(place);
        token
    });
    let function: TokenStream = function.collect();
    quote_spanned!(place=> #function(&base.#name, &mine.#name, &theirs.#name))
}
