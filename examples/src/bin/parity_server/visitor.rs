//! The session of a request in whatever state it is, and the steps that lead from one state to the next.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use session::{Session, SessionCookie, SessionError, Timestamp};

use crate::config::{Failing, priority_of, same_site_of, secure_of};
use crate::store::ParityStore;
use crate::view;

#[derive(Session)]
pub(crate) struct Visit {
    views: u32,
    user: Option<String>,
    tags: Vec<String>,
    counts: BTreeMap<String, u32>,
    note: Value,
}

pub(crate) type MakeValue = fn() -> Value;

/// The fields and their defaults.
pub(crate) const FIELDS: [(&str, MakeValue); 5] = [
    ("views", || json!(0)),
    ("user", || Value::Null),
    ("tags", || json!([])),
    ("counts", || json!({})),
    ("note", || Value::Null),
];

/// Who sent the request: the session, and where it went.
pub(crate) struct Visitor {
    state: VisitorState,
    /// The id that the session has, or had last.
    id: Option<String>,
}

enum VisitorState {
    /// The request lies outside the session's path.
    NoSession,
    /// The state of the session itself is known at run time only, since a script says what happens to it.
    Session(Session<Visit>),
    Destroyed,
    Unset,
}

/// A step of a script.
#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
enum Step {
    Sleep { ms: u64 },
    HasSession,
    StoreGet { id: String },
    StoreSet { id: String, record: Option<Value>, raw: Option<String>, patch: Option<Map<String, Value>> },
    StoreDestroy { id: String },
    StoreFail { on: Failing },
    Get { field: Field },
    All,
    Set { field: Field, value: Value },
    Incr { field: Field, key: Option<String>, by: Option<Value> },
    Push { field: Field, value: Value },
    Pop { field: Field },
    Id,
    IsNew,
    Cookie { set: Option<Map<String, Value>> },
    Save,
    Reload,
    Touch,
    Regenerate,
    Destroy,
    Unset,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Field {
    Views,
    User,
    Tags,
    Counts,
    Note,
}

/// Why a step failed, in the protocol's words.
struct Code(&'static str);

type StepResult<T> = Result<T, Code>;

impl Visitor {
    pub(crate) const fn with_session(session: Session<Visit>) -> Self {
        Self { state: VisitorState::Session(session), id: None }
    }

    pub(crate) const fn without_session() -> Self {
        Self { state: VisitorState::NoSession, id: None }
    }

    /// Plays the steps; a failing one does not stop the script.
    pub(crate) async fn run(&mut self, store: &ParityStore, steps: &[Value]) -> Vec<Value> {
        let mut results = Vec::with_capacity(steps.len());
        for step in steps {
            self.remember_id();
            results.push(match self.step(store, step).await {
                Ok(None) => json!({"ok": true}),
                Ok(Some(value)) => json!({"value": value}),
                Err(Code(code)) => json!({"error": code}),
            });
        }
        results
    }

    /// Lets the session go, for the layer to commit it.
    pub(crate) fn give_back(&mut self) {
        self.remember_id();
        if matches!(self.state, VisitorState::Session(_)) {
            self.state = VisitorState::NoSession;
        }
    }

    async fn step(&mut self, store: &ParityStore, step: &Value) -> StepResult<Option<Value>> {
        match Step::deserialize(step).map_err(|_| Code("bad_step"))? {
            Step::Sleep { ms } => tokio::time::sleep(Duration::from_millis(ms)).await,
            Step::HasSession => return Ok(Some(matches!(self.state, VisitorState::Session(_)).into())),
            Step::StoreGet { id } => {
                let record = store.text(self.named(&id)?).and_then(|text| serde_json::from_str(&text).ok());
                return Ok(Some(record.map_or(Value::Null, |record| view::data(&record))));
            }
            Step::StoreSet { id, patch: Some(patch), .. } => store.patch(self.named(&id)?, patch),
            Step::StoreSet { id, record, raw, patch: None } => {
                let text = raw.or_else(|| record.map(|record| record.to_string())).ok_or(Code("bad_step"))?;
                store.plant(self.named(&id)?, text);
            }
            Step::StoreDestroy { id } => store.remove(self.named(&id)?),
            Step::StoreFail { on } => store.set_failing(on),
            Step::Regenerate | Step::Destroy | Step::Unset => self.leave(&step["op"]).await?,
            step => return on_session(self.session()?, step).await,
        }
        Ok(None)
    }

    /// The transitions that consume the session.
    async fn leave(&mut self, op: &Value) -> StepResult<()> {
        self.session()?;
        let VisitorState::Session(session) = std::mem::replace(&mut self.state, VisitorState::NoSession) else {
            return Err(Code("no_session"));
        };
        let next = match op.as_str() {
            Some("regenerate") => session.regenerate().await.map(|new| VisitorState::Session(new.into())),
            Some("destroy") => session.destroy().await.map(|_| VisitorState::Destroyed),
            _ => {
                session.unset();
                Ok(VisitorState::Unset)
            }
        };
        let (next, result) = match next {
            Ok(next) => (next, Ok(())),
            Err(failed) => {
                let code = code_of(failed.error(), "destroyed");
                (VisitorState::Session(failed.into_session()), Err(code))
            }
        };
        self.state = next;
        result
    }

    fn session(&mut self) -> StepResult<&mut Session<Visit>> {
        match &mut self.state {
            VisitorState::Session(session) => Ok(session),
            VisitorState::NoSession => Err(Code("no_session")),
            VisitorState::Destroyed => Err(Code("destroyed")),
            VisitorState::Unset => Err(Code("unset")),
        }
    }

    fn remember_id(&mut self) {
        if let VisitorState::Session(session) = &self.state
            && let Ok(id) = session.id()
        {
            self.id = Some(id.as_str().to_owned());
        }
    }

    fn named<'a>(&'a self, id: &'a str) -> StepResult<&'a str> {
        if id == "$current" { self.id.as_deref().ok_or(Code("no_session")) } else { Ok(id) }
    }
}

/// The steps that leave the session in the handler's hands.
async fn on_session(session: &mut Session<Visit>, step: Step) -> StepResult<Option<Value>> {
    match step {
        Step::Get { field } => return Ok(Some(read(session, field))),
        Step::All => {
            let fields = [Field::Views, Field::User, Field::Tags, Field::Counts, Field::Note];
            let names = FIELDS.iter().map(|(name, _)| (*name).to_owned());
            return Ok(Some(Value::Object(names.zip(fields.map(|field| read(session, field))).collect())));
        }
        Step::Set { field, value } => match field {
            Field::Views => session.set_views(fitting(value)?),
            Field::User => session.set_user(fitting(value)?),
            Field::Tags => session.set_tags(fitting(value)?),
            Field::Counts => session.set_counts(fitting(value)?),
            Field::Note => session.set_note(value),
        },
        Step::Incr { field, key, by } => {
            let by = by.map_or(Ok(1), fitting)?;
            return Ok(Some(match (field, key) {
                (Field::Views, _) => {
                    let next = sum(session.views, by)?;
                    session.set_views(next);
                    next.into()
                }
                (Field::Counts, Some(key)) => {
                    let next = sum(session.counts.get(&key).copied().unwrap_or(0), by)?;
                    session.counts_mut().insert(key, next);
                    next.into()
                }
                _ => return Err(Code("bad_step")),
            }));
        }
        Step::Push { field: Field::Tags, value } => session.tags_mut().push(fitting(value)?),
        Step::Pop { field: Field::Tags } => {
            session.tags_mut().pop();
        }
        Step::Id => return Ok(Some(session.id().map_err(|error| code_of(&error, "store"))?.as_str().into())),
        Step::IsNew => return Ok(Some(session.is_new().into())),
        Step::Cookie { set: None } => return Ok(Some(cookie_view(session.cookie()))),
        Step::Cookie { set: Some(set) } => {
            for (key, value) in set {
                set_cookie(session.cookie_mut(), &key, value)?;
            }
        }
        Step::Save => session.save().await.map_err(|error| code_of(&error, "destroyed"))?,
        Step::Reload => session.reload().await.map_err(|error| code_of(&error, "missing"))?,
        Step::Touch => session.touch(),
        _ => return Err(Code("bad_step")),
    }
    Ok(None)
}

fn read(session: &Session<Visit>, field: Field) -> Value {
    match field {
        Field::Views => session.views.into(),
        Field::User => json!(session.user),
        Field::Tags => json!(session.tags),
        Field::Counts => json!(session.counts),
        Field::Note => session.note.clone(),
    }
}

fn fitting<T: DeserializeOwned>(value: Value) -> StepResult<T> {
    serde_json::from_value(value).map_err(|_| Code("bad_value"))
}

fn sum(number: u32, by: i64) -> StepResult<u32> {
    u32::try_from(i64::from(number) + by).map_err(|_| Code("bad_value"))
}

fn cookie_view(cookie: &SessionCookie) -> Value {
    use session::{Priority, SameSite, Secure};

    let expires = cookie.expires().map(|expires| Timestamp::from(expires).as_millis());
    json!({
        "maxAge": expires.map(|expires| expires - Timestamp::now().as_millis()),
        "expires": expires.and_then(view::iso8601),
        "originalMaxAge": cookie.original_max_age().map(|age| age.as_millis()),
        "path": cookie.path(),
        "domain": cookie.domain(),
        "httpOnly": cookie.http_only(),
        "secure": cookie.secure() == Secure::On,
        "sameSite": match cookie.same_site() {
            SameSite::Strict => Some("strict"),
            SameSite::Lax => Some("lax"),
            SameSite::None => Some("none"),
            SameSite::Auto | SameSite::Unset => None,
        },
        "partitioned": cookie.partitioned(),
        "priority": cookie.priority().map(|priority| match priority {
            Priority::Low => "low",
            Priority::Medium => "medium",
            Priority::High => "high",
        }),
    })
}

fn set_cookie(cookie: &mut SessionCookie, key: &str, value: Value) -> StepResult<()> {
    const BAD: Code = Code("bad_value");
    match key {
        "maxAge" => match fitting::<Option<i64>>(value)? {
            Some(millis) if millis < 0 => cookie.set_expires(Some(SystemTime::now() - duration(-millis))),
            millis => cookie.set_max_age(millis.map(duration)),
        },
        "expires" => cookie.set_expires(match value {
            Value::Null | Value::Bool(false) => None,
            Value::String(text) => Some(Timestamp::from_millis(view::millis(&text).ok_or(BAD)?).into()),
            _ => return Err(BAD),
        }),
        "originalMaxAge" => cookie.set_original_max_age(fitting::<Option<i64>>(value)?.map(duration)),
        "path" => cookie.set_path(fitting::<String>(value)?),
        "domain" => cookie.set_domain(fitting::<Option<String>>(value)?.map(Into::into)),
        "httpOnly" => cookie.set_http_only(fitting(value)?),
        "secure" => cookie.set_secure(secure_of(&value).ok_or(BAD)?),
        "sameSite" => cookie.set_same_site(same_site_of(&value).ok_or(BAD)?),
        "partitioned" => cookie.set_partitioned(fitting(value)?),
        "priority" => {
            let name: Option<String> = fitting(value)?;
            cookie.set_priority(name.map(|name| priority_of(&name).ok_or(BAD)).transpose()?);
        }
        _ => return Err(Code("bad_step")),
    }
    Ok(())
}

fn duration(millis: i64) -> Duration {
    Duration::from_millis(millis.unsigned_abs())
}

fn code_of(error: &SessionError, gone: &'static str) -> Code {
    Code(match error {
        SessionError::Gone => gone,
        SessionError::Decode { .. } => "corrupt",
        _ => "store",
    })
}
