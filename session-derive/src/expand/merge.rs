//! Merging a field that two requests changed.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;

use super::data::copy;
use crate::attr::Merge;
use crate::model::{Field, SessionType, generated_at};

/// ```text
/// fn merge(field, contested, base, mine, theirs) {
///     match field {
///         0 => theirs.views = Sum::sum(&base.views, &mine.views, &theirs.views),
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

/// The rule is blamed where it is written. Sums and unions with what nobody else changed are this request's value.
fn merged(session: &SessionType<'_>, field: &Field<'_>) -> TokenStream {
    let (private, mut name) = (session.krate.private(), field.member());
    let (word, function) = match &field.merge {
        None | Some(Merge::Last(_)) => return copy(field, &quote!(mine)),
        Some(Merge::Sum(word)) => (word, quote!(Sum::sum)),
        Some(Merge::Union(word)) => (word, quote!(Union::union)),
        Some(Merge::Function(path)) => {
            // Called where it is written, so that `&String` becomes the `&str` that it may ask for.
            let merged = quote_spanned!(path.span()=> #path(&base.#name, &mine.#name, &theirs.#name));
            let mine = copy(field, &quote!(mine));
            return quote!(if contested { #merged } else { #mine });
        }
    };
    let place = generated_at(word.span());
    name.set_span(place);
    let function = quote!(#private::#function).into_iter().map(|mut token| {
        token.set_span(place);
        token
    });
    let function: TokenStream = function.collect();
    quote_spanned!(place=> #function(&base.#name, &mine.#name, &theirs.#name))
}
