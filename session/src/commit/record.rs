//! A session made ready to be stored.

use std::sync::Arc;

use super::encode_error;
use crate::context::{LayerContext, RequestFacts};
use crate::data::{Changes, SessionData, Special, index_of, size_at_most, texts};
use crate::error::SessionError;
use crate::field::FieldSet;
use crate::record::{self, Decoded, FieldTexts, Form, Frame, Meta, Older, Record};

/// A new session, ready to be stored. `changes` are those since it began.
pub(super) fn created<T: SessionData>(
    layer: &LayerContext,
    request: &RequestFacts,
    mut content: Box<Decoded<T>>,
    changes: &Changes,
) -> Result<Arc<Decoded<T>>, SessionError> {
    prepare(layer, request, &mut content)?;
    if is_shared::<T>(layer) {
        let size = size_at_most(&content.value).map_err(encode_error::<T>)?;
        content.size = content.frame().size_at_most() + size;
        return finished(layer, content);
    }
    let made;
    let texts = if changes.compared == FieldSet::ALL {
        &changes.texts
    } else {
        made = texts(&content.value, FieldSet::ALL).map_err(encode_error::<T>)?;
        &made
    };
    let frame = Frame { absent: layer.absent(request), ..content.frame() };
    let json = record::write(texts, &frame).map_err(encode_error::<T>)?;
    content.set_json(json);
    finished(layer, content)
}

/// What is to take the place of a stored session.
pub(super) struct Replacement<'a> {
    pub(super) old: &'a dyn Form,
    /// What the old record is known to say beside its cookie and its fields.
    pub(super) old_meta: Option<Meta>,
    pub(super) changed: FieldSet,
    /// Of the changed fields, at least.
    pub(super) texts: &'a FieldTexts,
}

/// The record that replaces an older one. What that has beside the changed fields stays, for a version that knows it.
pub(super) fn replaced<T: SessionData>(
    layer: &LayerContext,
    request: &RequestFacts,
    mut content: Box<Decoded<T>>,
    Replacement { old, old_meta, changed, texts }: Replacement<'_>,
) -> Result<Arc<Decoded<T>>, SessionError> {
    prepare(layer, request, &mut content)?;
    if is_shared::<T>(layer) {
        content.size = old.size() + content.frame().size_at_most() + texts.size();
        if let Some((text, changed_before)) = old.known_text() {
            content.set_older_text(text.clone(), changed_before.union(changed));
        }
    } else {
        let frame = Frame { absent: layer.absent(request), ..content.frame() };
        let older = Older { json: old.json(), meta: old_meta };
        let json = record::splice(older, T::FIELDS, changed, texts, &frame);
        content.set_json(json.map_err(encode_error::<T>)?);
    }
    finished(layer, content)
}

/// The record `old`, of an older version, in the form of the present one.
pub(crate) fn upgraded<T: SessionData>(
    layer: &LayerContext,
    request: &RequestFacts,
    old: &Record,
    content: Arc<Decoded<T>>,
) -> Result<Record, SessionError> {
    let texts = texts(&content.value, FieldSet::ALL).map_err(encode_error::<T>)?;
    let content = Decoded::new(content.value.duplicate(), content.cookie.clone(), content.meta);
    let replacement = Replacement { old: old.form(), old_meta: None, changed: FieldSet::ALL, texts: &texts };
    replaced(layer, request, Box::new(content), replacement).map(|content| of(&content))
}

/// The record of what is ready to be stored.
pub(super) fn of<T: SessionData>(content: &Arc<Decoded<T>>) -> Record {
    let has_skipped = Special::<T>::FIELDS.has_skipped;
    if has_skipped { Record::text_of(&**content) } else { Record::of(Arc::clone(content)) }
}

/// Whether the store keeps the session as it is. One with fields that aren't stored begins each request with what its
/// text says, as it would with a store in another process.
pub(super) fn is_shared<T: SessionData>(layer: &LayerContext) -> bool {
    layer.shares_records && !Special::<T>::FIELDS.has_skipped
}

fn prepare<T: SessionData>(
    layer: &LayerContext,
    request: &RequestFacts,
    content: &mut Decoded<T>,
) -> Result<(), SessionError> {
    content.set_absent(layer.absent(request));
    if let Some(index) = index_of(&content.value).map_err(encode_error::<T>)? {
        content.set_index(index);
    }
    Ok(())
}

fn finished<T: SessionData>(
    layer: &LayerContext,
    mut content: Box<Decoded<T>>,
) -> Result<Arc<Decoded<T>>, SessionError> {
    if let Some(limit) = layer.options.max_size.filter(|limit| content.size > *limit) {
        let size = match content.made_json() {
            Some(json) => json.len(),
            None => content.encoded().map_err(encode_error::<T>)?.len(),
        };
        if size > limit {
            return Err(SessionError::TooLarge { size, limit });
        }
        content.size = size;
    }
    Ok(content.into())
}
