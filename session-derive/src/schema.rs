//! The fingerprint of what a session type stores.

use std::collections::HashMap;

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;

use crate::attr::Merge;
use crate::model::{Field, SessionType, serde_attrs};

/// A word for each field, `name:digest`, in the order of declaration; one more, without a name, for serde attributes of
/// the struct. What is not stored has no word.
pub(crate) fn fingerprint(session: &SessionType<'_>) -> String {
    let container: Vec<_> =
        serde_attrs(&session.original.attrs).map(|attr| canonical(attr.to_token_stream())).collect();
    let container = (!container.is_empty()).then(|| format!(":{}", digest(&container)));
    let fields = session.fields.iter().filter(|field| !field.skipped).map(word);
    container.into_iter().chain(fields).collect::<Vec<_>>().join(" ")
}

/// What is different, in words; none if nothing is. The order of the fields says nothing.
pub(crate) fn difference(old: &str, new: &str) -> Option<String> {
    let split = |text: &'_ str| -> Vec<(String, String)> {
        text.split_whitespace()
            .map(|word| word.rsplit_once(':').unwrap_or((word, "")))
            .map(|(name, digest)| (name.to_owned(), digest.to_owned()))
            .collect()
    };
    let (old, new) = (split(old), split(new));
    let before: HashMap<_, _> = old.iter().cloned().collect();
    let after: HashMap<_, _> = new.iter().cloned().collect();
    let named = |name: &str| {
        if name.is_empty() { "the struct's `#[serde(…)]`".to_owned() } else { format!("`{name}`") }
    };
    let mut differences = Vec::new();
    for (name, digest) in &new {
        match before.get(name) {
            None => differences.push(format!("{} is new", named(name))),
            Some(earlier) if earlier != digest => {
                differences.push(format!("{} is stored or merged in another way", named(name)));
            }
            Some(_) => {}
        }
    }
    let gone = old.iter().filter(|(name, _)| !after.contains_key(name));
    differences.extend(gone.map(|(name, _)| format!("{} is gone", named(name))));
    (!differences.is_empty()).then(|| differences.join(", "))
}

fn word(field: &Field<'_>) -> String {
    let mut parts = vec![field.stored_name.clone(), canonical(field.ty().to_token_stream())];
    parts.extend(serde_attrs(&field.original.attrs).map(|attr| canonical(attr.to_token_stream())));
    parts.extend(match &field.merge {
        None | Some(Merge::Last(_)) => None,
        Some(Merge::Sum(word) | Merge::Union(word)) => Some(word.to_string()),
        Some(Merge::Function(path)) => Some(canonical(path.to_token_stream())),
    });
    let name: String = field.stored_name.chars().map(|letter| if is_plain(letter) { letter } else { '_' }).collect();
    format!("{name}:{}", digest(&parts))
}

const fn is_plain(letter: char) -> bool {
    !letter.is_whitespace() && letter != ':' && letter != '"'
}

/// The tokens with one blank between them, since compilers print them differently.
fn canonical(tokens: TokenStream) -> String {
    let mut words = Vec::new();
    collect(tokens, &mut words);
    words.join(" ")
}

fn collect(tokens: TokenStream, words: &mut Vec<String>) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                words.push(format!("{:?}(", group.delimiter()));
                collect(group.stream(), words);
                words.push(")".to_owned());
            }
            other => words.push(other.to_string()),
        }
    }
}

/// Six digits of FNV-1a: enough to notice a change, and the same in every build.
fn digest(parts: &[String]) -> String {
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0]));
    let hash =
        bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    format!("{:06x}", (hash ^ (hash >> 32)) & 0xff_ffff)
}
