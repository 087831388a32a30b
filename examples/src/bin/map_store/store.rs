use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use session::SessionId as Id;
use session::store::*;

/// Sessions in a map behind one lock. Clones share them. Its answers are there at once, so they borrow nothing.
#[derive(Clone, Default)]
pub(crate) struct MapStore(Arc<Mutex<Sessions>>);

type Sessions = BTreeMap<Id, Loaded>;
type Answer<T> = StoreFuture<'static, T>;

impl MapStore {
    /// Every operation comes here: it is alone, and sees living sessions only.
    fn run<T>(&self, operation: impl FnOnce(&mut Sessions) -> T) -> Answer<T> {
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|_, found| found.expires > Timestamp::now());
        StoreFuture::ready(Ok(operation(&mut sessions)))
    }
}

fn put(sessions: &mut Sessions, id: &Id, record: Record, expires: Timestamp) -> Revision {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let revision = Revision::from(LAST.fetch_add(1, Ordering::Relaxed));
    sessions.insert(id.clone(), Loaded { record, revision: revision.clone(), expires });
    revision
}

fn page(sessions: &Sessions, after: Option<&Cursor>, limit: usize, wanted: impl Fn(&Record) -> bool) -> Page {
    let is_next = |id: &Id| after.is_none_or(|after| id.as_str() > after.as_str());
    let rest = sessions.iter().filter(|(id, found)| is_next(id) && wanted(&found.record));
    let sessions: Vec<_> = rest.take(limit.max(1)).map(|(id, found)| (id.clone(), found.clone())).collect();
    Page { next: sessions.last().map(|(id, _)| Cursor::new(id.as_str())), sessions }
}

impl Store for MapStore {
    fn load(&self, id: &Id, renewal: Option<Renewal>) -> Answer<Option<Loaded>> {
        self.run(|sessions| {
            let found = sessions.get_mut(id)?;
            let renew = |renewal: Renewal| renewal.expires(found.record.max_age(), Timestamp::now(), found.expires);
            found.expires = renewal.and_then(renew).unwrap_or(found.expires);
            Some(found.clone())
        })
    }

    fn create(&self, id: &Id, record: Record, expires: Timestamp) -> Answer<Created> {
        self.run(|sessions| match sessions.get(id) {
            Some(_) => Created::Taken,
            None => Created::Stored(put(sessions, id, record, expires)),
        })
    }

    fn update(&self, id: &Id, expected: Revision, record: Record, expires: Timestamp) -> Answer<Updated> {
        self.run(|sessions| match sessions.get(id) {
            None => Updated::Gone,
            Some(found) if found.revision != expected => Updated::Conflict(found.clone()),
            Some(_) => Updated::Replaced(put(sessions, id, record, expires)),
        })
    }

    fn touch(&self, id: &Id, expires: Timestamp) -> Answer<bool> {
        self.run(|sessions| sessions.get_mut(id).map(|found| found.expires = expires).is_some())
    }

    fn rename(&self, old: &Id, expected: Revision, new: &Id, record: Record, expires: Timestamp) -> Answer<Renamed> {
        self.run(|sessions| match sessions.get(old) {
            None => Renamed::Gone,
            Some(found) if found.revision != expected => Renamed::Conflict(found.clone()),
            Some(_) if sessions.contains_key(new) => Renamed::Taken,
            Some(_) => {
                sessions.remove(old);
                Renamed::Stored(put(sessions, new, record, expires))
            }
        })
    }

    fn destroy(&self, id: &Id) -> Answer<()> {
        self.run(|sessions| drop(sessions.remove(id)))
    }

    fn all(&self, after: Option<Cursor>, limit: usize) -> Answer<Page> {
        self.run(|sessions| page(sessions, after.as_ref(), limit, |_| true))
    }

    fn find(&self, key: &IndexKey, after: Option<Cursor>, limit: usize) -> Answer<Page> {
        self.run(|sessions| page(sessions, after.as_ref(), limit, |it| it.index().unwrap_or_default().contains(key)))
    }

    fn len(&self) -> Answer<usize> {
        self.run(|sessions| sessions.len())
    }

    fn clear(&self) -> Answer<()> {
        self.run(|sessions| sessions.clear())
    }
}
