//! The rules that one attribute alone can't break: about names, and fields together.

use std::collections::HashMap;

use proc_macro2::Ident;
use quote::ToTokens;
use syn::Error;

use crate::attr::Merge;
use crate::diag::Errors;
use crate::model::{Field, SessionType};
use crate::{schema, types};

/// What records keep for themselves.
const RESERVED: &[&str] = &["cookie", "$session"];
/// The set of changed fields has this many bits.
const MOST_FIELDS: usize = 128;

pub(crate) fn all(session: &SessionType<'_>, errors: &mut Errors) {
    no_reserved_names(session, errors);
    no_hidden_setters(session, errors);
    no_shared_names(session, errors);
    not_too_many(session, errors);
    versions_in_order(session, errors);
    nothing_special_on_skipped_fields(session, errors);
    generated_names(session, errors);
    no_extractors_of_generic_sessions(session, errors);
    nothing_borrowed(session, errors);
    nothing_unordered_in_indexes(session, errors);
}

/// Whether what is generated has names that nothing else has.
pub(crate) fn names_are_free(session: &SessionType<'_>) -> bool {
    let mut errors = Errors::default();
    generated_names(session, &mut errors);
    errors.finish().is_ok()
}

fn generated_names(session: &SessionType<'_>, errors: &mut Errors) {
    no_shared_setters(session, errors);
    no_shared_extractors(session, errors);
    no_taken_extractors(session, errors);
}

/// ```text
/// struct Visit { #[serde(rename = "$session")] meta: u32 }
/// ```
fn no_reserved_names(session: &SessionType<'_>, errors: &mut Errors) {
    for field in &session.fields {
        if RESERVED.contains(&field.stored_name.as_str()) && field.plain_name() != "cookie" {
            let name = &field.stored_name;
            errors.blame(
                field.ident,
                format!("`{name}` is where a record keeps its own data: store the field under another name"),
            );
        }
    }
}

/// ```text
/// struct Visit { cookie: u32 }
/// ```
fn no_hidden_setters(session: &SessionType<'_>, errors: &mut Errors) {
    for field in session.fields.iter().filter(|field| field.plain_name() == "cookie") {
        errors.blame(
            field.ident,
            "a field can't be called `cookie`: a record keeps the session's cookie there, and `session.cookie_mut()` \
             changes it; give the field another name",
        );
    }
}

/// ```text
/// struct Visit { user: u32, #[serde(alias = "user")] name: u32 }
/// ```
fn no_shared_names(session: &SessionType<'_>, errors: &mut Errors) {
    let mut owners: HashMap<String, &dyn ToTokens> = HashMap::new();
    for field in session.fields.iter().filter(|field| field.is_stored()) {
        let own = [(field.stored_name.clone(), field.ident as &dyn ToTokens)];
        let aliases = field.aliases.iter().map(|alias| (alias.value(), alias as &dyn ToTokens));
        for (name, place) in own.into_iter().chain(aliases) {
            if let Some(first) = owners.get(&name) {
                errors.add(both(
                    place,
                    *first,
                    &format!("two fields are stored under the name `{name}`: rename one of them"),
                ));
            } else {
                owners.insert(name, place);
            }
        }
    }
}

/// ```text
/// struct Visit { r#type: u32, #[serde(rename = "kind")] type_mut: u32 }   // no clash: only whole names count
/// ```
fn no_shared_setters(session: &SessionType<'_>, errors: &mut Errors) {
    let mut owners = HashMap::new();
    for field in &session.fields {
        for setter in field.setters() {
            match owners.get(&setter) {
                None => drop(owners.insert(setter, field.ident)),
                Some(first) => errors.add(both(
                    field.ident,
                    first,
                    &format!("both fields would have a method `{setter}`: rename one of them, with `#[serde(rename)]` for its stored name"),
                )),
            }
        }
    }
}

fn not_too_many(session: &SessionType<'_>, errors: &mut Errors) {
    if let Some(field) = session.fields.get(MOST_FIELDS) {
        errors.blame(
            field.ident,
            format!("a session has at most {MOST_FIELDS} fields: group some of them in a struct of their own"),
        );
    }
}

/// ```text
/// #[session(version = 2)] struct Visit { … }      // upgraded from what?
/// ```
fn versions_in_order(session: &SessionType<'_>, errors: &mut Errors) {
    let number = match session.version.as_ref().map(|version| version.base10_parse::<u32>()) {
        None => None,
        Some(Ok(number)) => Some(number),
        Some(Err(_)) => {
            errors.blame(&session.version, "a version is a whole number: 1, 2, 3, …");
            return;
        }
    };
    if let (Some(deny), Some(2..)) = (&session.deny_unknown_fields, number) {
        errors.blame(
            deny,
            "an upgraded session keeps the fields of its older version, for a rollback, and would be refused for them: \
             leave this out",
        );
    }
    if let (Some(oldest), Some(_)) = (&session.oldest, &session.previous) {
        errors.blame(oldest, "there is an older version, `previous`: keep one of the two");
        return;
    }
    if session.oldest.is_some() && number.is_some_and(|number| number > 1) {
        return;
    }
    match (number, &session.previous) {
        (Some(0), _) => errors.blame(&session.version, "versions begin with 1, which is that of a struct without one"),
        (None | Some(1), Some(previous)) => errors.blame(
            previous,
            "a first version has no previous one: write `version = 2` here, or the next one after that of `previous`",
        ),
        (Some(number @ 2..), None) => errors.blame(
            &session.version,
            format!(
                "version {number} needs the one before it, to upgrade stored sessions from: write `previous = …`, the \
                 struct of version {}, or `oldest` if no session of an older version is stored any more",
                number - 1
            ),
        ),
        (None | Some(1), None) | (Some(2..), Some(_)) => {}
    }
}

/// ```text
/// #[session(schema = "views:0a1b2c")] struct Visit { views: u64 }      // was u32 when the line was written
/// ```
pub(crate) fn schema_as_written(session: &SessionType<'_>, errors: &mut Errors) {
    let Some(written) = &session.schema else { return };
    let (name, fingerprint) = (session.ident(), schema::fingerprint(session));
    let Some(difference) = schema::difference(&written.value(), &fingerprint) else { return };
    if written.value().trim().is_empty() {
        errors.blame(written, format!("the fingerprint of `{name}` goes here: write `schema = \"{fingerprint}\"`"));
        return;
    }
    let next = session.version.as_ref().and_then(|version| version.base10_parse::<u32>().ok()).unwrap_or(1) + 1;
    errors.blame(
        written,
        format!(
            "the stored form of `{name}` has changed: {difference}\n\
             if stored sessions can still be read, write `schema = \"{fingerprint}\"`\n\
             if they can't, keep the old struct under another name and write `version = {next}, previous = …` here, \
             with `impl From` for the upgrade\n\
             or undo the change"
        ),
    );
}

/// ```text
/// struct Visit { #[serde(skip)] #[session(index)] user: String }
/// ```
fn nothing_special_on_skipped_fields(session: &SessionType<'_>, errors: &mut Errors) {
    for field in session.fields.iter().filter(|field| field.is_skipped()) {
        let merge = field.merge.as_ref().map(|merge| match merge {
            Merge::Last(word) | Merge::Sum(word) | Merge::Union(word) => word as &dyn ToTokens,
            Merge::Function(path) => path,
        });
        let words = [&field.rotate, &field.index].into_iter().flatten().map(|word| word as &dyn ToTokens);
        for place in words.chain(merge) {
            errors.blame(place, "serde skips this field, so it is not stored: take `skip` or this away");
        }
    }
}

/// ```text
/// struct Visit { #[session(extract = User)] user: u32, #[session(extract = User)] admin: u32 }
/// ```
fn no_shared_extractors(session: &SessionType<'_>, errors: &mut Errors) {
    let mut owners: HashMap<String, Ident> = HashMap::new();
    for (field, extract) in session.fields.iter().filter_map(|field| Some((field, field.extract.as_ref()?))) {
        let name = field.extractor_ident(session, extract);
        let place = extract.name.as_ref().unwrap_or(&extract.word).clone();
        match owners.get(&name.to_string()) {
            None => drop(owners.insert(name.to_string(), place)),
            Some(first) => errors.add(both(&place, first, &format!("two extractors are called `{name}`"))),
        }
    }
}

/// ```text
/// struct Visit { #[session(extract)] fields: u32 }
/// ```
fn no_taken_extractors(session: &SessionType<'_>, errors: &mut Errors) {
    let taken = [(session.ident(), "the session"), (session.fields_ident(), "the type that has its setters")];
    for (field, extract) in session.fields.iter().filter_map(|field| Some((field, field.extract.as_ref()?))) {
        let name = field.extractor_ident(session, extract);
        if let Some((_, owner)) = taken.iter().find(|(taken, _)| *taken == name) {
            let place = extract.name.as_ref().unwrap_or(&extract.word);
            errors.blame(place, format!("{owner} is called `{name}`: write `extract = …` with another name"));
        }
    }
}

/// ```text
/// struct Visit<T> { #[session(extract)] theme: T }
/// ```
fn no_extractors_of_generic_sessions(session: &SessionType<'_>, errors: &mut Errors) {
    let extracts = session.fields.iter().filter_map(|field| field.extract.as_ref());
    for extract in extracts.filter(|_| !session.parameters.is_empty()) {
        errors.blame(
            &extract.word,
            "an extractor belongs to one session type, and this one has parameters: take the field from the session in \
             the handler",
        );
    }
}

/// ```text
/// struct Visit { theme: &'static str }
/// ```
fn nothing_borrowed(session: &SessionType<'_>, errors: &mut Errors) {
    // A lifetime of the struct's own was reported already.
    if session.original.generics.lifetimes().next().is_some() {
        return;
    }
    let read_by_serde = |field: &&Field<'_>| !field.skipped_when_read && !field.has_function;
    for borrowed in session.fields.iter().filter(read_by_serde).filter_map(|field| types::borrowed(field.ty())) {
        errors.blame(
            borrowed,
            "a session is read back from its store, so it borrows nothing: write `String` for `&str`, `Vec<T>` for \
             `&[T]`",
        );
    }
}

/// ```text
/// struct Visit { #[session(index)] groups: HashSet<u32> }
/// ```
fn nothing_unordered_in_indexes(session: &SessionType<'_>, errors: &mut Errors) {
    let indexed = session.fields.iter().filter(|field| field.index.is_some() && !field.has_function);
    for unordered in indexed.filter_map(|field| types::unordered(field.ty())) {
        errors.blame(
            unordered,
            "its entries are stored in any order, so that two equal values are not the same index key: write `BTreeMap` \
             for `HashMap`, `BTreeSet` for `HashSet`",
        );
    }
}

/// An error that shows two places.
fn both(place: impl ToTokens, other: impl ToTokens, message: &str) -> Error {
    let mut error = Error::new_spanned(place, message);
    error.combine(Error::new_spanned(other, "the other one is here"));
    error
}
