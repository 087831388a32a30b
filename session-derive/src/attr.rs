//! The grammar of `#[session(…)]`, and as much of `#[serde(…)]` as a session has to know.

use proc_macro2::{Ident, TokenTree};
use syn::meta::ParseNestedMeta;
use syn::parse::Parse;
use syn::{Attribute, Error, Expr, LitInt, LitStr, Path, Result, Token, parenthesized};

use crate::diag::Errors;
use crate::rename::{self, Rule};

/// The keys of `#[session(…)]`.
const CRATE: &str = "crate";
const VERSION: &str = "version";
const PREVIOUS: &str = "previous";
const OLDEST: &str = "oldest";
const SCHEMA: &str = "schema";
const DEFAULT: &str = "default";
const MERGE: &str = "merge";
const ROTATE: &str = "rotate";
const INDEX: &str = "index";
const EXTRACT: &str = "extract";
const REDACT: &str = "redact";

const ON_STRUCTS: &[&str] = &[CRATE, VERSION, PREVIOUS, OLDEST, SCHEMA];
const ON_FIELDS: &[&str] = &[DEFAULT, MERGE, ROTATE, INDEX, EXTRACT, REDACT];

/// What the attributes of the struct say.
#[derive(Default)]
pub(crate) struct StructAttrs {
    pub(crate) krate: Option<Path>,
    pub(crate) version: Option<LitInt>,
    pub(crate) previous: Option<Path>,
    /// The word `oldest`, where it stands.
    pub(crate) oldest: Option<Ident>,
    pub(crate) schema: Option<LitStr>,
    /// serde's `rename_all`.
    pub(crate) rename_all: Option<Rule>,
    /// serde's `deny_unknown_fields`, where it stands.
    pub(crate) deny_unknown_fields: Option<Ident>,
    /// serde's `default`: the initial values come from the whole struct's.
    pub(crate) serde_default: Option<SerdeDefault>,
    /// Whether serde is told what the parameters have to be.
    pub(crate) has_serde_bound: bool,
}

/// What the attributes of a field say.
#[derive(Default)]
pub(crate) struct FieldAttrs {
    pub(crate) default: Option<SessionDefault>,
    pub(crate) merge: Option<Merge>,
    /// The words `rotate`, `index` and `redact`, where they stand.
    pub(crate) rotate: Option<Ident>,
    pub(crate) index: Option<Ident>,
    pub(crate) redact: Option<Ident>,
    pub(crate) extract: Option<Extract>,
    /// serde's `default`
    pub(crate) serde_default: Option<SerdeDefault>,
    pub(crate) rename: Option<LitStr>,
    pub(crate) aliases: Vec<LitStr>,
    /// serde's `skip`, or one half of it.
    pub(crate) skipped_when_written: bool,
    pub(crate) skipped_when_read: bool,
    /// Whether a function writes or reads the field (serde's `with` and its halves).
    pub(crate) has_function: bool,
}

/// `merge = …`
pub(crate) enum Merge {
    Last(Ident),
    Sum(Ident),
    Union(Ident),
    Function(Path),
}

/// `extract`, alone or with a name.
pub(crate) struct Extract {
    pub(crate) word: Ident,
    pub(crate) name: Option<Ident>,
}

/// `default`, alone or with a value.
pub(crate) enum SessionDefault {
    Trait,
    Expr(Expr),
}

/// serde's `default`, alone or with the path of a function.
#[derive(Clone)]
pub(crate) enum SerdeDefault {
    Trait,
    Function(LitStr),
}

impl StructAttrs {
    pub(crate) fn parse(attrs: &[Attribute], errors: &mut Errors) -> Self {
        let mut parsed = Self::default();
        let mut seen = Vec::new();
        each(attrs, "session", errors, |meta| {
            let key = key(meta)?;
            once(&mut seen, &key, meta)?;
            match key.as_str() {
                CRATE => parsed.krate = Some(value(meta, "crate = path::to::session")?),
                VERSION => parsed.version = Some(value(meta, "version = 2")?),
                PREVIOUS => parsed.previous = Some(value(meta, "previous = OldName")?),
                OLDEST => parsed.oldest = Some(word_alone(meta)?),
                SCHEMA => parsed.schema = Some(value(meta, "schema = \"\"")?),
                _ => return Err(unknown(meta, &key, ON_STRUCTS, ON_FIELDS, "field")),
            }
            Ok(())
        });
        each(attrs, "serde", errors, |meta| parsed.read_serde(meta));
        parsed
    }

    fn read_serde(&mut self, meta: &ParseNestedMeta<'_>) -> Result<()> {
        let key = key(meta)?;
        match key.as_str() {
            "rename_all" => {
                let name = same_both_ways(meta, &key)?;
                self.rename_all = name.as_ref().and_then(|name| rename::rule(&name.value()));
            }
            "default" => self.serde_default = Some(serde_default(meta)?),
            "deny_unknown_fields" => self.deny_unknown_fields = Some(word(meta)?),
            "bound" => {
                self.has_serde_bound = true;
                skip(meta)?;
            }
            "tag" | "content" | "untagged" | "transparent" | "from" | "try_from" | "into" | "remote" => {
                return Err(meta.error(format!(
                    "a session is stored field by field, which `#[serde({key})]` would change: leave it out"
                )));
            }
            _ => skip(meta)?,
        }
        Ok(())
    }
}

impl FieldAttrs {
    pub(crate) fn parse(attrs: &[Attribute], errors: &mut Errors) -> Self {
        let mut parsed = Self::default();
        let mut seen = Vec::new();
        each(attrs, "session", errors, |meta| {
            let key = key(meta)?;
            once(&mut seen, &key, meta)?;
            match key.as_str() {
                DEFAULT if meta.input.peek(Token![=]) => {
                    parsed.default = Some(SessionDefault::Expr(meta.value()?.parse()?));
                }
                DEFAULT => parsed.default = Some(SessionDefault::Trait),
                MERGE => parsed.merge = Some(Merge::of(value(meta, "merge = sum")?)),
                ROTATE => parsed.rotate = Some(word_alone(meta)?),
                INDEX => parsed.index = Some(word_alone(meta)?),
                REDACT => parsed.redact = Some(word_alone(meta)?),
                EXTRACT => {
                    let word = word(meta)?;
                    let name = if meta.input.peek(Token![=]) { Some(meta.value()?.parse()?) } else { None };
                    parsed.extract = Some(Extract { word, name });
                }
                _ => return Err(unknown(meta, &key, ON_FIELDS, ON_STRUCTS, "struct")),
            }
            Ok(())
        });
        each(attrs, "serde", errors, |meta| parsed.read_serde(meta));
        parsed
    }

    fn read_serde(&mut self, meta: &ParseNestedMeta<'_>) -> Result<()> {
        let key = key(meta)?;
        match key.as_str() {
            "rename" => self.rename = same_both_ways(meta, &key)?,
            "alias" => self.aliases.push(meta.value()?.parse()?),
            "default" => self.serde_default = Some(serde_default(meta)?),
            "skip" => (self.skipped_when_written, self.skipped_when_read) = (true, true),
            "skip_serializing" => self.skipped_when_written = true,
            "skip_deserializing" => self.skipped_when_read = true,
            "with" | "serialize_with" | "deserialize_with" => {
                self.has_function = true;
                skip(meta)?;
            }
            "flatten" => {
                return Err(meta.error(
                    "a flattened field has no name of its own to be stored under: give the session its fields instead",
                ));
            }
            _ => skip(meta)?,
        }
        Ok(())
    }
}

impl Merge {
    fn of(rule: Path) -> Self {
        match rule.get_ident() {
            Some(word) if word == "last" => Self::Last(word.clone()),
            Some(word) if word == "sum" => Self::Sum(word.clone()),
            Some(word) if word == "union" => Self::Union(word.clone()),
            _ => Self::Function(rule),
        }
    }
}

/// Reads all attributes of this name; a part that can't be read doesn't hide the others.
fn each(
    attrs: &[Attribute],
    name: &str,
    errors: &mut Errors,
    mut read: impl FnMut(&ParseNestedMeta<'_>) -> Result<()>,
) {
    for attr in attrs.iter().filter(|attr| attr.path().is_ident(name)) {
        let read_all = attr.parse_nested_meta(|meta| match read(&meta) {
            Ok(()) => Ok(()),
            Err(error) => {
                errors.add(error);
                skip_rest(&meta)
            }
        });
        errors.take(read_all);
    }
}

fn word(meta: &ParseNestedMeta<'_>) -> Result<Ident> {
    meta.path.get_ident().cloned().ok_or_else(|| meta.error("expected a single word"))
}

/// A word that says it all.
fn word_alone(meta: &ParseNestedMeta<'_>) -> Result<Ident> {
    let word = word(meta)?;
    if meta.input.peek(Token![=]) {
        return Err(meta.error(format!("`{word}` takes no value: write it alone, or leave it out")));
    }
    Ok(word)
}

/// What stands after `=`.
fn value<T: Parse>(meta: &ParseNestedMeta<'_>, example: &str) -> Result<T> {
    if !meta.input.peek(Token![=]) {
        return Err(meta.error(format!("a value is missing: write `{example}`, say")));
    }
    meta.value()?.parse()
}

fn key(meta: &ParseNestedMeta<'_>) -> Result<String> {
    meta.path.get_ident().map(ToString::to_string).ok_or_else(|| meta.error("expected a single word"))
}

fn once(seen: &mut Vec<String>, key: &str, meta: &ParseNestedMeta<'_>) -> Result<()> {
    if seen.iter().any(|earlier| earlier == key) {
        return Err(meta.error(format!("`{key}` is given twice: keep one of them")));
    }
    seen.push(key.to_owned());
    Ok(())
}

/// An unknown key: it belongs elsewhere, or is near to a known one, or neither.
fn unknown(meta: &ParseNestedMeta<'_>, key: &str, known: &[&str], elsewhere: &[&str], other: &str) -> Error {
    if elsewhere.contains(&key) {
        return meta.error(format!("`{key}` belongs on a {other}, not here"));
    }
    let nearest = known.iter().min_by_key(|known| distance(known, key));
    match nearest.filter(|known| distance(known, key) <= 2) {
        Some(nearest) => meta.error(format!("unknown session attribute `{key}`, did you mean `{nearest}`?")),
        None => meta.error(format!("unknown session attribute `{key}`, expected `{}`", known.join("`, `"))),
    }
}

/// `key = "name"`, or `key(serialize = "name", deserialize = "name")` if both names are the same.
fn same_both_ways(meta: &ParseNestedMeta<'_>, key: &str) -> Result<Option<LitStr>> {
    if meta.input.peek(Token![=]) {
        return meta.value()?.parse().map(Some);
    }
    let mut names: Vec<LitStr> = Vec::new();
    meta.parse_nested_meta(|way| {
        names.push(way.value()?.parse()?);
        Ok(())
    })?;
    match &names[..] {
        [one, other] if one.value() == other.value() => Ok(names.pop()),
        _ => Err(meta.error(format!(
            "a session is read under the name that it was written under: write `#[serde({key} = \"…\")]`, and `alias` \
             for older names"
        ))),
    }
}

fn serde_default(meta: &ParseNestedMeta<'_>) -> Result<SerdeDefault> {
    if meta.input.peek(Token![=]) { meta.value()?.parse().map(SerdeDefault::Function) } else { Ok(SerdeDefault::Trait) }
}

/// Passes over what serde itself reads.
fn skip(meta: &ParseNestedMeta<'_>) -> Result<()> {
    if meta.input.peek(Token![=]) {
        meta.value()?.parse::<Expr>()?;
    } else if meta.input.peek(syn::token::Paren) {
        let content;
        parenthesized!(content in meta.input);
        content.parse::<proc_macro2::TokenStream>()?;
    }
    Ok(())
}

/// Passes over what is left of a part that can't be read.
fn skip_rest(meta: &ParseNestedMeta<'_>) -> Result<()> {
    while !meta.input.is_empty() && !meta.input.peek(Token![,]) {
        meta.input.parse::<TokenTree>()?;
    }
    Ok(())
}

/// How many letters to change, add or take away to make one word of the other (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.bytes().enumerate() {
        let mut diagonal = i;
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
        for (j, b) in other.bytes().enumerate() {
            let above = row[j + 1];
            row[j + 1] = (diagonal + usize::from(a != b)).min(above + 1).min(row[j] + 1);
            diagonal = above;
        }
    }
    row.last().copied().unwrap_or_default()
}
