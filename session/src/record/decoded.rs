//! A record's content, typed.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::write::Frame;
use super::{Absent, IndexKey, Meta, Moved};
use crate::cookie::{CookieOptions, SessionCookie};
use crate::field::FieldSet;

/// A record's content, typed. The memory store keeps it as it is, so what few sessions have is kept apart.
// In this order, so that what each request looks at lies in one cache line with the reference count.
#[repr(C)]
pub(crate) struct Decoded<T> {
    pub(crate) cookie: SessionCookie,
    rare: OnceLock<Box<Rare>>,
    pub(crate) meta: Meta,
    /// The text has at most so many bytes.
    pub(crate) size: usize,
    pub(crate) value: T,
}

#[derive(Default)]
struct Rare {
    is_outdated: bool,
    moved: Option<Moved>,
    absent: Option<(Arc<CookieOptions>, bool)>,
    index: Option<Arc<[IndexKey]>>,
    older: Option<(Bytes, FieldSet)>,
    json: OnceLock<Bytes>,
}

impl<T> Decoded<T> {
    pub(crate) fn new(value: T, cookie: SessionCookie, meta: Meta) -> Self {
        Self { value, cookie, meta, size: 0, rare: OnceLock::new() }
    }

    /// Whether the record has the form of an older version: the next save writes all fields.
    pub(crate) fn is_outdated(&self) -> bool {
        self.rare.get().is_some_and(|rare| rare.is_outdated)
    }

    /// Where the session is now, if this is what it left behind.
    pub(crate) fn moved(&self) -> Option<&Moved> {
        self.rare.get()?.moved.as_ref()
    }

    pub(crate) fn index(&self) -> Option<&[IndexKey]> {
        self.rare.get()?.index.as_deref()
    }

    /// The text, if it was made.
    pub(crate) fn made_json(&self) -> Option<&Bytes> {
        self.rare.get()?.json.get()
    }

    /// The text, made with the first call.
    pub(crate) fn json_or_else(&self, make: impl FnOnce() -> Bytes) -> &Bytes {
        self.rare.get_or_init(Box::default).json.get_or_init(make)
    }

    /// The text that this one is made from, which may have fields that the type doesn't know, and the fields that have
    /// changed since.
    pub(crate) fn older_text(&self) -> Option<(&Bytes, FieldSet)> {
        let (text, changed) = self.rare.get()?.older.as_ref()?;
        Some((text, *changed))
    }

    /// What stands in the record beside the fields.
    pub(crate) fn frame(&self) -> Frame<'_> {
        let absent = match self.rare.get().and_then(|rare| rare.absent.as_ref()) {
            Some((attributes, cookie_too)) => Absent { attributes, cookie_too: *cookie_too, usual: None },
            None => Absent { attributes: self.cookie.attributes(), cookie_too: false, usual: None },
        };
        Frame { cookie: &self.cookie, absent, meta: self.meta }
    }

    pub(super) fn read(mut self, is_outdated: bool, moved: Option<Moved>) -> Self {
        if is_outdated || moved.is_some() {
            self.change_rare(|rare| (rare.is_outdated, rare.moved) = (is_outdated, moved));
        }
        self
    }

    /// Says what a reader takes attributes of the cookie for that are left out.
    pub(crate) fn set_absent(&mut self, absent: Absent<'_>) {
        if absent.cookie_too || !Arc::ptr_eq(absent.attributes, self.cookie.attributes()) {
            self.change_rare(|rare| rare.absent = Some((Arc::clone(absent.attributes), absent.cookie_too)));
        }
    }

    pub(crate) fn set_index(&mut self, index: Vec<IndexKey>) {
        self.change_rare(|rare| rare.index = Some(index.into()));
    }

    pub(crate) fn set_older_text(&mut self, text: Bytes, changed: FieldSet) {
        self.change_rare(|rare| rare.older = Some((text, changed)));
    }

    pub(crate) fn set_json(&mut self, json: Vec<u8>) {
        self.size = json.len();
        self.change_rare(|rare| rare.json = Bytes::from(json).into());
    }

    fn change_rare(&mut self, change: impl FnOnce(&mut Rare)) {
        let mut rare = self.rare.take().unwrap_or_default();
        change(&mut rare);
        self.rare = rare.into();
    }
}
