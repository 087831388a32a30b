//! What a field's type says of the values in it, by the names of its parts.

use syn::{Type, TypePath};

use crate::model::{arguments, plain};

/// Types that are stored as what they hold.
const CONTAINERS: &[&str] =
    &["Option", "Result", "Box", "Vec", "VecDeque", "BTreeMap", "BTreeSet", "HashMap", "HashSet"];

/// The first text or slice that is borrowed. Other references may be to what an application knows by heart and reads by
/// itself.
pub(crate) fn borrowed(ty: &Type) -> Option<&Type> {
    first(ty, &|ty| match ty {
        Type::Reference(reference) => match plain(&reference.elem) {
            Type::Slice(_) => true,
            Type::Path(path) => path.path.is_ident("str"),
            _ => false,
        },
        _ => false,
    })
}

/// The first map or set whose entries come in any order.
pub(crate) fn unordered(ty: &Type) -> Option<&Type> {
    first(ty, &|ty| matches!(ty, Type::Path(path) if is_one_of(path, &["HashMap", "HashSet"])))
}

/// The first one of this kind among a type and what it holds.
fn first<'a>(ty: &'a Type, is_it: &dyn Fn(&Type) -> bool) -> Option<&'a Type> {
    let ty = plain(ty);
    if is_it(ty) {
        return Some(ty);
    }
    match ty {
        Type::Paren(paren) => first(&paren.elem, is_it),
        Type::Array(array) => first(&array.elem, is_it),
        Type::Tuple(tuple) => tuple.elems.iter().find_map(|ty| first(ty, is_it)),
        Type::Path(path) if is_one_of(path, CONTAINERS) => arguments(ty).find_map(|ty| first(ty, is_it)),
        _ => None,
    }
}

fn is_one_of(path: &TypePath, names: &[&str]) -> bool {
    path.path.segments.last().is_some_and(|last| names.iter().any(|name| last.ident == name))
}
