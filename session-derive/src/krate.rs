//! The path of the runtime crate.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::Path;

/// `::session`, or what `#[session(crate = path)]` says.
pub(crate) struct Crate(Option<Path>);

impl Crate {
    pub(crate) const fn new(path: Option<Path>) -> Self {
        Self(path)
    }

    /// The path of the module that generated code may name.
    pub(crate) fn private(&self) -> TokenStream {
        quote!(#self::__private)
    }
}

impl ToTokens for Crate {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match &self.0 {
            Some(path) => path.to_tokens(tokens),
            None => quote!(::session).to_tokens(tokens),
        }
    }
}
