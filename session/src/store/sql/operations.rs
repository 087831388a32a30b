//! What the operations of the contract do, in statements.

use std::collections::BTreeSet;
use std::io;

use sha2::{Digest, Sha256};
use sqlx::Connection as _;
use sqlx::{Error, SqlStr};

use super::attempts::Attempts;
use super::driver::{Connection, Driver, Row, Value};
use super::shared::Shared;
use crate::id::SessionId;
use crate::record::{IndexKey, Record, Revision};
use crate::store::{Created, Cursor, Loaded, Page, Renamed, Renewal, Updated};
use crate::timestamp::Timestamp;

/// The last moment of the year 9999: later ones can't be told in every database.
const LATEST: Timestamp = Timestamp::from_millis(253_402_300_799_999);

/// How often a step is taken again that others got in the way of.
const ROUNDS: u32 = 16;

/// A record on its way into the store.
pub(super) struct Writing<'a> {
    id: &'a SessionId,
    record: &'a Record,
    json: &'a str,
    expires: Timestamp,
    revision: Revision,
}

impl<'a> Writing<'a> {
    pub(super) fn new<D: Driver>(id: &'a SessionId, record: &'a Record, expires: Timestamp) -> Result<Self, Error> {
        let json = str::from_utf8(record.json()).map_err(|error| Error::Encode(error.into()))?;
        Ok(Self { id, record, json, expires: storable(expires), revision: new_revision::<D>(json)? })
    }

    /// Its values in the order of the statements, the revision only where it is stored.
    fn values<D: Driver>(&self) -> impl Iterator<Item = Value<'_>> {
        let revision = D::DIALECT.revision_is_stored.then(|| Value::Bytes(self.revision.as_bytes()));
        [Value::Text(self.json), self.expires.into()].into_iter().chain(revision)
    }

    /// Whether this is what was written, so that the reply to it was lost. Where the revision follows from the content,
    /// somebody else may have written the same; the expiry then tells.
    fn is(&self, stored: &Loaded) -> bool {
        self.revision == stored.revision && self.expires == stored.expires
    }
}

impl<D: Driver> Shared<D> {
    pub(super) async fn load(&self, id: &SessionId, renewal: Option<Renewal>) -> Result<Option<Loaded>, Error> {
        let mut attempts = Attempts::new();
        for _ in 0..ROUNDS {
            match self.load_once(id, renewal, &attempts).await {
                Ok(Found::Loaded(loaded)) => return Ok(Some(loaded)),
                Ok(Found::Nothing) => return Ok(None),
                Ok(Found::Moved) => {}
                Err(error) => attempts.again::<D>(error).await?,
            }
        }
        Err(contended())
    }

    async fn load_once(&self, id: &SessionId, renewal: Option<Renewal>, attempts: &Attempts) -> Result<Found, Error> {
        let sql = self.statements().await?;
        let now = Timestamp::now();
        let mut connection = self.acquire(attempts).await?;
        let row = match (&sql.load_renewed, renewal) {
            (Some(statement), Some(renewal)) => {
                let (ttl, after) = (millis(renewal.ttl), millis(renewal.after));
                let values = [Value::Text(id.as_str()), now.into(), Value::Int(ttl), Value::Int(after)];
                first::<D>(&mut connection, statement, &values).await
            }
            _ => first::<D>(&mut connection, &sql.load, &[Value::Text(id.as_str()), now.into()]).await,
        };
        let Ok(Some((_, mut loaded))) = row else { return connection.ended(row.map(|_| Found::Nothing)) };
        let renewed = renewal.and_then(|renewal| renewal.expires(loaded.record.max_age(), now, loaded.expires));
        let Some(renewed) = renewed.map(storable).filter(|renewed| *renewed != loaded.expires) else {
            return connection.ended(Ok(Found::Loaded(loaded)));
        };
        let revision = Value::Bytes(loaded.revision.as_bytes());
        let values = [renewed.into(), Value::Text(id.as_str()), revision, now.into()];
        let rows = if D::DIALECT.single_writer {
            // Who waits for the writer's turn holds no connection that the writer may wait for.
            connection.ended(Ok(()))?;
            self.write(&sql.renew, &values, attempts).await?
        } else {
            let rows = D::execute(&mut connection, &sql.renew, &values).await;
            connection.ended(rows)?
        };
        if rows == 0 {
            return Ok(Found::Moved);
        }
        loaded.expires = renewed;
        Ok(Found::Loaded(loaded))
    }

    /// The living record of `id`.
    async fn living(&self, id: &SessionId, attempts: &Attempts) -> Result<Option<Loaded>, Error> {
        let sql = self.statements().await?;
        let mut connection = self.acquire(attempts).await?;
        let values = [Value::Text(id.as_str()), Timestamp::now().into()];
        let found = first::<D>(&mut connection, &sql.load, &values).await;
        Ok(connection.ended(found)?.map(|(_, loaded)| loaded))
    }

    pub(super) async fn create(&self, new: &Writing<'_>) -> Result<Created, Error> {
        let sql = self.statements().await?;
        let mut attempts = Attempts::new();
        for _ in 0..ROUNDS {
            let values: Vec<_> = [Value::Text(new.id.as_str())].into_iter().chain(new.values::<D>()).collect();
            match self.put(&sql.create, &values, new, &attempts).await {
                Ok(_) => return Ok(Created::Stored(new.revision.clone())),
                Err(error) if is_duplicate(&error) => match self.make_room(new, &attempts).await {
                    Ok(Room::Made) => {}
                    Ok(Room::Mine) => return Ok(Created::Stored(new.revision.clone())),
                    Ok(Room::Taken) => return Ok(Created::Taken),
                    Err(error) => attempts.again::<D>(error).await?,
                },
                Err(error) => attempts.again::<D>(error).await?,
            }
        }
        Err(contended())
    }

    /// Removes the expired record that has the id of a new one.
    async fn make_room(&self, new: &Writing<'_>, attempts: &Attempts) -> Result<Room, Error> {
        let sql = self.statements().await?;
        let values = [Value::Text(new.id.as_str()), Timestamp::now().into()];
        if self.write(&sql.bury, &values, attempts).await? > 0 {
            return Ok(Room::Made);
        }
        Ok(match self.living(new.id, attempts).await? {
            Some(stored) if attempts.has_lost_a_reply() && new.is(&stored) => Room::Mine,
            Some(_) => Room::Taken,
            None => Room::Made,
        })
    }

    pub(super) async fn update(&self, expected: Revision, new: &Writing<'_>) -> Result<Updated, Error> {
        let mut attempts = Attempts::new();
        for _ in 0..ROUNDS {
            match self.update_once(expected.clone(), new, &attempts).await {
                Ok(Some(updated)) => return Ok(updated),
                Ok(None) => {}
                Err(error) => attempts.again::<D>(error).await?,
            }
        }
        Err(contended())
    }

    async fn update_once(
        &self,
        expected: Revision,
        new: &Writing<'_>,
        attempts: &Attempts,
    ) -> Result<Option<Updated>, Error> {
        let sql = self.statements().await?;
        let condition = [Value::Text(new.id.as_str()), Value::Bytes(expected.as_bytes()), Timestamp::now().into()];
        let values: Vec<_> = new.values::<D>().chain(condition).collect();
        if self.put(&sql.update, &values, new, attempts).await? > 0 {
            return Ok(Some(Updated::Replaced(new.revision.clone())));
        }
        Ok(match self.living(new.id, attempts).await? {
            None => Some(Updated::Gone),
            Some(stored) if stored.revision == expected => None,
            Some(stored) if attempts.has_lost_a_reply() && new.revision == stored.revision => {
                Some(Updated::Replaced(new.revision.clone()))
            }
            Some(_) if attempts.has_lost_a_reply() && new.record.accumulates() => {
                return Err(Error::Protocol(
                    "the reply to a write was lost, and somebody else has written since".into(),
                ));
            }
            Some(stored) => Some(Updated::Conflict(stored)),
        })
    }

    pub(super) async fn rename(
        &self,
        old: &SessionId,
        expected: Revision,
        new: &Writing<'_>,
    ) -> Result<Renamed, Error> {
        let mut attempts = Attempts::new();
        for _ in 0..ROUNDS {
            match self.rename_once(old, expected.clone(), new, &attempts).await {
                Ok(Some(renamed)) => return Ok(renamed),
                Ok(None) => {}
                Err(error) => attempts.again::<D>(error).await?,
            }
        }
        Err(contended())
    }

    async fn rename_once(
        &self,
        old: &SessionId,
        expected: Revision,
        new: &Writing<'_>,
        attempts: &Attempts,
    ) -> Result<Option<Renamed>, Error> {
        let sql = self.statements().await?;
        let condition = [Value::Text(old.as_str()), Value::Bytes(expected.as_bytes()), Timestamp::now().into()];
        let id = [Value::Text(new.id.as_str())].into_iter();
        let values: Vec<_> = id.chain(new.values::<D>()).chain(condition).collect();
        // Replacing an id by itself would go well.
        let put = if old == new.id { Ok(0) } else { self.put(&sql.rename, &values, new, attempts).await };
        match put {
            Ok(0) => {}
            Ok(_) => return Ok(Some(Renamed::Stored(new.revision.clone()))),
            Err(error) if is_duplicate(&error) => {
                let room = self.make_room(new, attempts).await?;
                return Ok(matches!(room, Room::Taken).then_some(Renamed::Taken));
            }
            Err(error) => return Err(error),
        }
        if let Some(stored) = self.living(old, attempts).await? {
            return Ok(match stored.revision == expected {
                true if old == new.id => Some(Renamed::Taken),
                true => None,
                false => Some(Renamed::Conflict(stored)),
            });
        }
        let is_mine =
            attempts.has_lost_a_reply() && self.living(new.id, attempts).await?.is_some_and(|stored| new.is(&stored));
        Ok(Some(if is_mine { Renamed::Stored(new.revision.clone()) } else { Renamed::Gone }))
    }

    pub(super) async fn touch(&self, id: &SessionId, expires: Timestamp) -> Result<bool, Error> {
        let sql = self.statements().await?;
        let values = [storable(expires).into(), Value::Text(id.as_str()), Timestamp::now().into()];
        Ok(self.repeat(&sql.touch, &values).await? > 0)
    }

    pub(super) async fn destroy(&self, id: &SessionId) -> Result<(), Error> {
        let sql = self.statements().await?;
        self.repeat(&sql.destroy, &[Value::Text(id.as_str())]).await.map(drop)
    }

    pub(super) async fn clear(&self) -> Result<(), Error> {
        let sql = self.statements().await?;
        self.repeat(&sql.clear, &[]).await.map(drop)
    }

    pub(super) async fn len(&self) -> Result<usize, Error> {
        let sql = self.statements().await?;
        let now = [Timestamp::now().into()];
        let mut attempts = Attempts::new();
        loop {
            let mut connection = self.acquire(&attempts).await?;
            let number = D::number(&mut connection, &sql.len, &now).await;
            match connection.ended(number) {
                Ok(number) => return Ok(usize::try_from(number).unwrap_or_default()),
                Err(error) => attempts.again::<D>(error).await?,
            }
        }
    }

    pub(super) async fn page(
        &self,
        key: Option<&IndexKey>,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page, Error> {
        let sql = self.statements().await?;
        // The first page comes after nothing, and not after the empty text, which is null for some servers.
        let statement = match (key, after) {
            (None, None) => &sql.all,
            (None, Some(_)) => &sql.all_after,
            (Some(_), None) => &sql.find,
            (Some(_), Some(_)) => &sql.find_after,
        };
        let number = i64::try_from(limit).unwrap_or(i64::MAX);
        let texts = [key.map(IndexKey::as_str), after.map(Cursor::as_str)].into_iter().flatten().map(Value::Text);
        let values: Vec<_> = texts.chain([Timestamp::now().into(), Value::Int(number)]).collect();
        let mut attempts = Attempts::new();
        let rows = loop {
            let mut connection = self.acquire(&attempts).await?;
            let rows = D::sessions(&mut connection, statement, &values).await;
            match connection.ended(rows) {
                Ok(rows) => break rows,
                Err(error) => attempts.again::<D>(error).await?,
            }
        };
        let next = rows.last().filter(|_| rows.len() >= limit).map(|row| Cursor::new(&*row.id));
        // Others may have stored something under what is no id here.
        let sessions = rows.into_iter().filter(|row| SessionId::new(&row.id).is_ok());
        Ok(Page { sessions: sessions.map(read).collect::<Result<_, _>>()?, next })
    }

    /// Removes a number of expired sessions; tells how many there were.
    pub(super) async fn sweep(&self, number: u32) -> Result<u64, Error> {
        let sql = self.statements().await?;
        let now = Value::from(Timestamp::now());
        let mut values = vec![now; sql.sweep_moments];
        values.push(Value::Int(number.into()));
        self.write(&sql.sweep, &values, &Attempts::new()).await
    }

    /// A write that may as well happen twice.
    async fn repeat(&self, statement: &SqlStr, values: &[Value<'_>]) -> Result<u64, Error> {
        let mut attempts = Attempts::new();
        loop {
            match self.write(statement, values, &attempts).await {
                Ok(rows) => return Ok(rows),
                Err(error) => attempts.again::<D>(error).await?,
            }
        }
    }

    async fn write(&self, statement: &SqlStr, values: &[Value<'_>], attempts: &Attempts) -> Result<u64, Error> {
        let _alone = self.write_alone().await;
        let mut connection = self.acquire(attempts).await?;
        let rows = D::execute(&mut connection, statement, values).await;
        connection.ended(rows)
    }

    /// Writes a record, with its index keys in the same transaction.
    async fn put(
        &self,
        statement: &SqlStr,
        values: &[Value<'_>],
        new: &Writing<'_>,
        attempts: &Attempts,
    ) -> Result<u64, Error> {
        let Some(index) = new.record.index() else { return self.write(statement, values, attempts).await };
        let _alone = self.write_alone().await;
        let mut connection = self.acquire(attempts).await?;
        let rows = self.put_with_keys(&mut connection, (statement, values), (new.id, index)).await;
        connection.ended(rows)
    }

    async fn put_with_keys(
        &self,
        connection: &mut Connection<D>,
        (statement, values): (&SqlStr, &[Value<'_>]),
        (id, index): (&SessionId, &[IndexKey]),
    ) -> Result<u64, Error> {
        let sql = self.statements().await?;
        let mut transaction = connection.begin_with(D::DIALECT.begin).await?;
        let rows = D::execute(&mut transaction, statement, values).await?;
        if rows > 0 {
            let id = Value::Text(id.as_str());
            let stored = D::texts(&mut transaction, &sql.keys, &[id]).await?;
            let stored: BTreeSet<_> = stored.iter().map(String::as_str).collect();
            let index: BTreeSet<_> = index.iter().map(IndexKey::as_str).collect();
            for key in stored.difference(&index) {
                D::execute(&mut transaction, &sql.remove_key, &[Value::Text(key), id]).await?;
            }
            for key in index.difference(&stored) {
                D::execute(&mut transaction, &sql.add_key, &[Value::Text(key), id]).await?;
            }
        }
        transaction.commit().await?;
        Ok(rows)
    }
}

enum Found {
    Loaded(Loaded),
    Nothing,
    /// Somebody wrote it while it was to be renewed.
    Moved,
}

enum Room {
    Made,
    /// The new record is there already: the reply to its creation was lost.
    Mine,
    Taken,
}

async fn first<D: Driver>(
    connection: &mut Connection<D>,
    statement: &SqlStr,
    values: &[Value<'_>],
) -> Result<Option<(SessionId, Loaded)>, Error> {
    D::sessions(connection, statement, values).await?.pop().map(read).transpose()
}

fn read(row: Row) -> Result<(SessionId, Loaded), Error> {
    let id = SessionId::new(row.id).map_err(|error| Error::Decode(error.into()))?;
    let expires = Timestamp::from_millis(row.expires);
    Ok((id, Loaded { record: Record::from_json(row.json), revision: row.revision.into(), expires }))
}

/// A number that nobody else has, or, where the revision follows from the content, what the server will find.
fn new_revision<D: Driver>(json: &str) -> Result<Revision, Error> {
    if !D::DIALECT.revision_is_stored {
        return Ok(Revision::from(<[u8; 32]>::from(Sha256::digest(json))));
    }
    let mut revision = [0; 16];
    getrandom::fill(&mut revision).map_err(|error| Error::Encode(error.into()))?;
    Ok(revision.into())
}

fn storable(expires: Timestamp) -> Timestamp {
    expires.clamp(Timestamp::from_millis(0), LATEST)
}

fn millis(duration: std::time::Duration) -> i64 {
    crate::timestamp::millis(duration).min(LATEST.as_millis())
}

fn is_duplicate(error: &Error) -> bool {
    error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation)
}

fn contended() -> Error {
    Error::Io(io::Error::other(format!("other writers got in the way {ROUNDS} times")))
}
