//! A session made ready to be stored.

use std::sync::Arc;

use super::encode_error;
use crate::context::{LayerContext, RequestFacts};
use crate::data::{Changes, SessionData, Special, index_of, texts};
use crate::error::SessionError;
use crate::field::FieldSet;
use crate::record::{self, Decoded, FieldTexts, Frame, Record};

/// The record of a new session. `changes` are those since it began.
pub(super) fn created<T: SessionData>(
    layer: &LayerContext,
    request: &RequestFacts,
    content: &mut Arc<Decoded<T>>,
    changes: &Changes,
) -> Result<Record, SessionError> {
    let decoded = prepared(layer, request, content)?;
    let made;
    let texts = if changes.compared == FieldSet::ALL {
        &changes.texts
    } else {
        made = texts(&decoded.value, FieldSet::ALL).map_err(encode_error::<T>)?;
        &made
    };
    if is_shared::<T>(layer) {
        decoded.size = decoded.frame().size_at_most() + texts.size_at_most(T::FIELDS);
    } else {
        let frame = Frame { absent: layer.absent(request), ..decoded.frame() };
        let json = record::write(T::FIELDS, texts, &frame).map_err(encode_error::<T>)?;
        decoded.set_json(json);
    }
    finished(layer, content)
}

/// The record that takes the place of `old`, with these fields changed. What it has beside them stays, for a version that
/// knows it.
pub(super) fn replaced<T: SessionData>(
    layer: &LayerContext,
    request: &RequestFacts,
    content: &mut Arc<Decoded<T>>,
    (old, changed, texts): (&Record, FieldSet, &FieldTexts),
) -> Result<Record, SessionError> {
    let decoded = prepared(layer, request, content)?;
    if is_shared::<T>(layer) {
        decoded.size = old.size() + decoded.frame().size_at_most() + texts.size_at_most(T::FIELDS);
        if let Some((text, changed_before)) = old.known_text() {
            decoded.set_older_text(text.clone(), changed_before.union(changed));
        }
    } else {
        let frame = Frame { absent: layer.absent(request), ..decoded.frame() };
        let json = record::splice(old.json(), T::FIELDS, changed, texts, &frame);
        decoded.set_json(json.map_err(encode_error::<T>)?);
    }
    finished(layer, content)
}

/// The record `old`, of an older version, in the form of the present one.
pub(crate) fn upgraded<T: SessionData>(
    layer: &LayerContext,
    request: &RequestFacts,
    old: &Record,
    mut content: Arc<Decoded<T>>,
) -> Result<Record, SessionError> {
    let texts = texts(&content.value, FieldSet::ALL).map_err(encode_error::<T>)?;
    replaced(layer, request, &mut content, (old, FieldSet::ALL, &texts))
}

/// Whether the store keeps the session as it is. One with fields that aren't stored begins each request with what its
/// text says, as it would with a store in another process.
fn is_shared<T: SessionData>(layer: &LayerContext) -> bool {
    layer.shares_records && !Special::<T>::FIELDS.has_skipped
}

fn prepared<'a, T: SessionData>(
    layer: &LayerContext,
    request: &RequestFacts,
    content: &'a mut Arc<Decoded<T>>,
) -> Result<&'a mut Decoded<T>, SessionError> {
    let decoded = Arc::make_mut(content);
    decoded.renew();
    decoded.set_absent(layer.absent(request));
    if let Some(index) = index_of(&decoded.value).map_err(encode_error::<T>)? {
        decoded.set_index(index);
    }
    Ok(decoded)
}

fn finished<T: SessionData>(layer: &LayerContext, content: &mut Arc<Decoded<T>>) -> Result<Record, SessionError> {
    if let Some(limit) = layer.options.max_size.filter(|limit| content.size > *limit) {
        let size = match content.made_json() {
            Some(json) => json.len(),
            None => content.encoded().map_err(encode_error::<T>)?.len(),
        };
        if size > limit {
            return Err(SessionError::TooLarge { size, limit });
        }
        // The only one who has it, with all that was said of it.
        Arc::get_mut(content).into_iter().for_each(|content| content.size = size);
    }
    let has_skipped = Special::<T>::FIELDS.has_skipped;
    Ok(if has_skipped { Record::text_of(&**content) } else { Record::of(Arc::clone(content)) })
}
