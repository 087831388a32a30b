//! The picture of the input that the expansion draws from.

use std::collections::HashSet;

use proc_macro2::{Ident, Span, TokenStream};
use quote::format_ident;
use syn::ext::IdentExt;
use syn::punctuated::Punctuated;
use syn::{
    Attribute, Data, DeriveInput, Expr, Fields, GenericArgument, LitInt, LitStr, Meta, Path, PathArguments, Token,
    Type, Visibility, parse_quote,
};

use crate::attr::{Extract, FieldAttrs, Merge, SerdeDefault, SessionDefault, StructAttrs};
use crate::diag::Errors;
use crate::generics::Parameters;
use crate::krate::Crate;

/// A session type.
pub(crate) struct SessionType<'a> {
    pub(crate) original: &'a DeriveInput,
    /// What serde is told of the struct, but for its own path.
    pub(crate) serde_attrs: Vec<Attribute>,
    pub(crate) krate: Crate,
    pub(crate) parameters: Parameters,
    pub(crate) fields: Vec<Field<'a>>,
    pub(crate) version: Option<LitInt>,
    pub(crate) previous: Option<Path>,
    /// The words `oldest` and `deny_unknown_fields`, where they stand.
    pub(crate) oldest: Option<Ident>,
    pub(crate) deny_unknown_fields: Option<Ident>,
    pub(crate) schema: Option<LitStr>,
    /// Where the initial values come from that the fields don't say themselves.
    pub(crate) default: Option<SerdeDefault>,
    pub(crate) has_serde_bound: bool,
}

/// A field of a session type.
pub(crate) struct Field<'a> {
    pub(crate) original: &'a syn::Field,
    pub(crate) ident: &'a Ident,
    /// The name that records have it under.
    pub(crate) stored_name: String,
    pub(crate) aliases: Vec<LitStr>,
    pub(crate) initial: Initial,
    pub(crate) merge: Option<Merge>,
    /// The words `rotate`, `index` and `redact`, where they stand.
    pub(crate) rotate: Option<Ident>,
    pub(crate) index: Option<Ident>,
    pub(crate) redact: Option<Ident>,
    pub(crate) extract: Option<Extract>,
    /// Not written to a record, or not read from it.
    pub(crate) skipped_when_written: bool,
    pub(crate) skipped_when_read: bool,
    /// Whether a function of the application writes or reads it.
    pub(crate) has_function: bool,
}

/// Where a field's initial value comes from.
pub(crate) enum Initial {
    /// Its type's `Default`, which serde may have been told as well.
    Trait { by_serde: bool },
    /// `#[session(default = expr)]`
    Expr(Expr),
    /// `#[serde(default = "path")]`
    Function(LitStr),
    /// The struct's `#[serde(default)]`.
    Struct,
}

impl<'a> SessionType<'a> {
    pub(crate) fn new(input: &'a DeriveInput, errors: &mut Errors) -> Self {
        let attrs = StructAttrs::parse(&input.attrs, errors);
        let fields = named_fields(input, errors).filter_map(|field| Field::new(field, &attrs, errors)).collect();
        let krate = Crate::new(attrs.krate);
        Self {
            original: input,
            serde_attrs: serde_attrs(&input.attrs).filter_map(without_path).collect(),
            parameters: Parameters::new(input, &krate, errors),
            krate,
            fields,
            version: attrs.version,
            previous: attrs.previous,
            oldest: attrs.oldest,
            deny_unknown_fields: attrs.deny_unknown_fields,
            schema: attrs.schema,
            default: attrs.serde_default,
            has_serde_bound: attrs.has_serde_bound,
        }
    }

    /// The struct's name, in generated code.
    pub(crate) fn ident(&self) -> Ident {
        generated(&self.original.ident)
    }

    /// The name of the struct's fields type.
    pub(crate) fn fields_ident(&self) -> Ident {
        format_ident!("{}Fields", self.ident())
    }

    /// The struct's type, with its parameters.
    pub(crate) fn ty(&self) -> TokenStream {
        self.parameters.of(&self.ident())
    }

    pub(crate) const fn vis(&self) -> &'a Visibility {
        &self.original.vis
    }
}

impl<'a> Field<'a> {
    fn new(field: &'a syn::Field, container: &StructAttrs, errors: &mut Errors) -> Option<Self> {
        let ident = field.ident.as_ref()?;
        let attrs = FieldAttrs::parse(&field.attrs, errors);
        let plain = ident.unraw().to_string();
        let stored_name = match (&attrs.rename, container.rename_all) {
            (Some(name), _) => name.value(),
            (None, Some(rename)) => rename(&plain),
            (None, None) => plain,
        };
        // serde takes an alias that is the name itself, and one that is there twice.
        let mut aliases = attrs.aliases;
        let mut known = HashSet::from([stored_name.clone()]);
        aliases.retain(|alias| known.insert(alias.value()));
        if attrs.default.is_some() && attrs.serde_default.is_some() {
            errors
                .blame(ident, "this field's initial value is given twice, to `session` and to `serde`: keep the first");
        }
        let initial = match (attrs.default, attrs.serde_default, &container.serde_default) {
            (Some(SessionDefault::Expr(expr)), ..) => Initial::Expr(expr),
            (Some(SessionDefault::Trait), ..) => Initial::Trait { by_serde: false },
            (None, Some(SerdeDefault::Function(path)), _) => Initial::Function(path),
            (None, Some(SerdeDefault::Trait), _) => Initial::Trait { by_serde: true },
            (None, None, None) => Initial::Trait { by_serde: false },
            (None, None, Some(_)) => Initial::Struct,
        };
        Some(Self {
            original: field,
            ident,
            stored_name,
            aliases,
            initial,
            merge: attrs.merge,
            rotate: attrs.rotate,
            index: attrs.index,
            redact: attrs.redact,
            extract: attrs.extract,
            skipped_when_written: attrs.skipped_when_written,
            skipped_when_read: attrs.skipped_when_read,
            has_function: attrs.has_function,
        })
    }

    /// Not written, or not read.
    pub(crate) const fn is_skipped(&self) -> bool {
        self.skipped_when_written || self.skipped_when_read
    }

    pub(crate) const fn is_stored(&self) -> bool {
        !self.skipped_when_written || !self.skipped_when_read
    }

    pub(crate) const fn ty(&self) -> &'a Type {
        &self.original.ty
    }

    /// The field's name, in generated code.
    pub(crate) fn member(&self) -> Ident {
        generated(self.ident)
    }

    pub(crate) fn is_option(&self) -> bool {
        is_called(self.ty(), "Option")
    }

    /// The type within an `Option`; the field's own otherwise.
    pub(crate) fn inner_ty(&self) -> &'a Type {
        let inner = if self.is_option() { arguments(self.ty()).next() } else { None };
        inner.unwrap_or(self.ty())
    }

    /// Written as an array whose order says nothing.
    pub(crate) fn is_unordered(&self) -> bool {
        is_called(self.inner_ty(), "HashSet")
    }

    /// The field's name without `r#`, for names that are made of it.
    pub(crate) fn plain_name(&self) -> String {
        self.ident.unraw().to_string()
    }

    /// The extractor's name: as it was given, or `VisitUser`.
    pub(crate) fn extractor_ident(&self, session: &SessionType<'_>, extract: &Extract) -> Ident {
        let camel = || {
            let words = self.plain_name();
            let words = words.split('_').map(|word| {
                let mut letters = word.chars();
                letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>()).unwrap_or_default()
            });
            Ident::new(&format!("{}{}", session.ident().unraw(), words.collect::<String>()), self.ident.span())
        };
        extract.name.clone().unwrap_or_else(camel)
    }

    /// The extractor's visibility: the narrower one of the field's and the struct's, whose fields may be of types that
    /// are as private as it is.
    pub(crate) fn extractor_vis(&self, session: &SessionType<'a>) -> &'a Visibility {
        if reach(session.vis()) < reach(&self.original.vis) { session.vis() } else { &self.original.vis }
    }

    /// The methods that are generated for the field.
    pub(crate) fn setters(&self) -> Vec<String> {
        let name = self.plain_name();
        let mut setters = vec![format!("set_{name}"), format!("{name}_mut")];
        if self.is_option() {
            setters.push(format!("take_{name}"));
        }
        setters
    }
}

/// Whether a type has this name, whatever its path.
fn is_called(ty: &Type, name: &str) -> bool {
    matches!(plain(ty), Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == name))
}

/// How far a visibility reaches. Of `pub(in path)`, a longer path from `crate` is narrower, one of more `super` wider.
fn reach(vis: &Visibility) -> usize {
    const CRATE: usize = usize::MAX - 1;
    let path = match vis {
        Visibility::Inherited => return 0,
        Visibility::Public(_) => return usize::MAX,
        Visibility::Restricted(restricted) => &restricted.path.segments,
    };
    match path.first() {
        Some(first) if first.ident == "crate" => CRATE - (path.len() - 1),
        _ => path.iter().filter(|segment| segment.ident == "super").count(),
    }
}

/// The types between the angle brackets.
pub(crate) fn arguments(ty: &Type) -> impl Iterator<Item = &Type> {
    let last = match plain(ty) {
        Type::Path(path) => path.path.segments.last(),
        _ => None,
    };
    let arguments = last.and_then(|last| match &last.arguments {
        PathArguments::AngleBracketed(arguments) => Some(&arguments.args),
        _ => None,
    });
    arguments.into_iter().flatten().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

/// The type that a macro passed on, without its wrapping.
pub(crate) fn plain(mut ty: &Type) -> &Type {
    while let Type::Group(group) = ty {
        ty = &group.elem;
    }
    ty
}

/// The named fields of the input; anything else can't be a session.
fn named_fields<'a>(input: &'a DeriveInput, errors: &mut Errors) -> impl Iterator<Item = &'a syn::Field> + use<'a> {
    const NAMED: &str =
        "the setters and the stored record are made of the fields' names: write `struct Name { field: Type }`";
    let fields = match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => Some(&fields.named),
            Fields::Unnamed(fields) => {
                errors.blame(fields, format!("a session can't be a tuple struct: {NAMED}"));
                None
            }
            Fields::Unit => {
                errors.blame(&input.ident, format!("a session can't be a unit struct: {NAMED}"));
                None
            }
        },
        Data::Enum(data) => {
            errors.blame(
                data.enum_token,
                format!("a session can't be an enum: {NAMED}, and make the enum a field of it"),
            );
            None
        }
        Data::Union(data) => {
            errors.blame(data.union_token, format!("a session can't be a union: {NAMED}"));
            None
        }
    };
    fields.into_iter().flatten()
}

/// The place of something that an application wrote, for what is generated from it: errors show the place, names are
/// those of the derive's own scope, and lints know that nobody wrote it.
pub(crate) fn generated_at(place: Span) -> Span {
    Span::call_site().located_at(place)
}

/// The attribute without `crate = "…"`, if anything is left of it: generated code has another path to serde.
fn without_path(attr: &Attribute) -> Option<Attribute> {
    let is_path = |item: &Meta| item.path().is_ident("crate");
    match attr.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated) {
        Ok(items) if items.iter().any(is_path) => {
            let rest: Vec<_> = items.iter().filter(|item| !is_path(item)).collect();
            (!rest.is_empty()).then(|| parse_quote!(#[serde(#(#rest),*)]))
        }
        _ => Some(attr.clone()),
    }
}

fn generated(ident: &Ident) -> Ident {
    let mut generated = ident.clone();
    generated.set_span(generated_at(ident.span()));
    generated
}

/// The attributes that serde reads.
pub(crate) fn serde_attrs(attrs: &[Attribute]) -> impl Iterator<Item = &Attribute> {
    attrs.iter().filter(|attr| attr.path().is_ident("serde"))
}
