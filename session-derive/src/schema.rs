//! The fingerprint of what a session type stores.

use std::collections::{HashMap, HashSet};

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;

use crate::attr::Merge;
use crate::model::{Field, SessionType, serde_attrs};

/// A word for each field, `name:digest`, in the order of declaration; one more, without a name, for serde attributes of
/// the struct. What is not stored has no word.
pub(crate) fn fingerprint(session: &SessionType<'_>) -> String {
    let container: Vec<_> = session.serde_attrs.iter().map(|attr| canonical(attr.to_token_stream())).collect();
    let container = (!container.is_empty()).then(|| format!(":{}", digest(&container)));
    let fields = session.fields.iter().filter(|field| !field.is_skipped()).map(word);
    container.into_iter().chain(fields).collect::<Vec<_>>().join(" ")
}

/// What is different, in words; none if nothing is. The order of the fields says nothing.
pub(crate) fn difference(old: &str, new: &str) -> Option<String> {
    let (before, after) = (digests(old), digests(new));
    let named = |name: &str| {
        if name.is_empty() { "the struct's `#[serde(…)]`".to_owned() } else { format!("`{name}`") }
    };
    let new_or_other = names(new).filter_map(|name| match before.get(name) {
        None => Some(format!("{} is new", named(name))),
        Some(digests) if after.get(name) != Some(digests) => {
            Some(format!("{} is stored or merged in another way", named(name)))
        }
        Some(_) => None,
    });
    let gone = names(old).filter(|name| !after.contains_key(name)).map(|name| format!("{} is gone", named(name)));
    let differences: Vec<_> = new_or_other.chain(gone).collect();
    (!differences.is_empty()).then(|| differences.join(", "))
}

/// The digests of each name, in order: two names can be the same word, as `a b` and `a_b` are.
fn digests(fingerprint: &str) -> HashMap<&str, Vec<&str>> {
    let mut digests: HashMap<_, Vec<_>> = HashMap::new();
    for (name, digest) in words(fingerprint) {
        digests.entry(name).or_default().push(digest);
    }
    digests.values_mut().for_each(|digests| digests.sort_unstable());
    digests
}

/// Each name once.
fn names(fingerprint: &str) -> impl Iterator<Item = &str> {
    let mut seen = HashSet::new();
    words(fingerprint).map(|(name, _)| name).filter(move |name| seen.insert(*name))
}

fn words(fingerprint: &str) -> impl Iterator<Item = (&str, &str)> {
    fingerprint.split_whitespace().map(|word| word.rsplit_once(':').unwrap_or((word, "")))
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
