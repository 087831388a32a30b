//! A schema changes on a live site: stored sessions of older versions are upgraded, those of newer ones kept whole.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that can't go on fails")]

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use session::store::{Created, Record};
use session::{MemoryStore, Session, SessionData, SessionId, SessionLayer, Sessions, Store, Timestamp};
use session_tests::{Client, FaultyStore, Gate, Operation, Request, secret, serve};

#[derive(Session)]
struct AccountV1 {
    views: u32,
    name: String,
}

#[derive(Session)]
#[session(version = 2, previous = AccountV1)]
struct AccountV2 {
    views: u32,
    first: String,
    last: String,
}

impl From<AccountV1> for AccountV2 {
    fn from(old: AccountV1) -> Self {
        let (first, last) = old.name.split_once(' ').unwrap_or((&old.name, ""));
        Self { views: old.views, first: first.to_owned(), last: last.to_owned() }
    }
}

#[derive(Session)]
#[session(version = 3, previous = AccountV2)]
struct Account {
    views: u64,
    names: Vec<String>,
    #[session(default = "light".to_owned(), index)]
    theme: String,
}

impl From<AccountV2> for Account {
    fn from(old: AccountV2) -> Self {
        Self { views: old.views.into(), names: vec![old.first, old.last], theme: "light".to_owned() }
    }
}

type Watched = FaultyStore<MemoryStore>;

fn layer<T: SessionData>(store: &Watched) -> SessionLayer<T> {
    SessionLayer::new(store.clone(), secret())
}

/// The build of version 1.
async fn first_build(store: &Watched) -> Client {
    let app = Router::new()
        .route("/read", get(async |session: Session<AccountV1>| format!("{} {}", session.views, session.name)))
        .route("/see", get(async |mut session: Session<AccountV1>| *session.views_mut() += 1))
        .route("/begin", post(async |mut session: Session<AccountV1>| session.set_name("Ada Lovelace".to_owned())))
        .layer(layer::<AccountV1>(store));
    serve(app).await
}

/// The build of version 2.
async fn second_build(store: &Watched) -> Client {
    let app = Router::new()
        .route(
            "/read",
            get(async |session: Session<AccountV2>| format!("{} {} {}", session.views, session.first, session.last)),
        )
        .route("/see", get(async |mut session: Session<AccountV2>| *session.views_mut() += 1))
        .route("/marry", post(async |mut session: Session<AccountV2>| session.set_last("King".to_owned())))
        .layer(layer::<AccountV2>(store));
    serve(app).await
}

/// The build of version 3.
async fn third_build(store: &Watched) -> Client {
    let app = Router::new()
        .route("/read", get(async |session: Session<Account>| format!("{} {:?}", session.views, session.names)))
        .route("/see", get(async |mut session: Session<Account>| *session.views_mut() += 1))
        .layer(layer::<Account>(store));
    serve(app).await
}

fn store() -> Watched {
    FaultyStore::new(MemoryStore::new())
}

async fn stored(store: &Watched) -> String {
    let page = store.all(None, 10).await.unwrap();
    let [(_, loaded)] = &page.sessions[..] else { panic!("one session was expected, not {}", page.sessions.len()) };
    String::from_utf8(loaded.record.json().to_vec()).unwrap()
}

async fn plant(store: &impl Store, id: &str, json: &str) {
    let expires = Timestamp::now().saturating_add(Duration::from_secs(3600));
    let record = Record::from_json(json.to_owned());
    let created = store.create(&SessionId::new(id).unwrap(), record, expires).await.unwrap();
    assert!(matches!(created, Created::Stored(_)));
}

#[tokio::test]
async fn an_older_session_is_upgraded_when_it_is_loaded_and_stored_with_its_next_save() {
    let store = store();
    let mut first = first_build(&store).await;
    first.post("/begin").await;
    first.get("/see").await;
    let before = stored(&store).await;
    store.take_log();

    let mut third = third_build(&store).await;
    third.jar = first.jar.clone();
    assert_eq!(third.get("/read").await.body, r#"1 ["Ada", "Lovelace"]"#);
    assert_eq!(stored(&store).await, before, "a read writes nothing");
    assert_eq!(store.take_log(), [Operation::Load]);

    third.get("/see").await;
    let after = stored(&store).await;
    for part in [r#""views":2"#, r#""names":["Ada","Lovelace"]"#, r#""theme":"light""#, r#""$session":{"v":3}"#] {
        assert!(after.contains(part), "{part} in {after}");
    }
}

#[tokio::test]
async fn two_builds_against_one_store_lose_no_field_and_log_nobody_out() {
    let store = store();
    let (mut old, mut new) = (first_build(&store).await, second_build(&store).await);
    old.post("/begin").await;
    new.jar = old.jar.clone();
    for views in 1..=10 {
        assert_eq!(old.get("/read").await.body, format!("{} Ada Lovelace", 2 * views - 2));
        old.get("/see").await;
        assert_eq!(new.get("/read").await.body, format!("{} Ada Lovelace", 2 * views - 1));
        new.get("/see").await;
    }
    new.post("/marry").await;
    old.get("/see").await;
    assert_eq!(new.get("/read").await.body, "21 Ada King");
    let text = stored(&store).await;
    assert!(text.contains(r#""$session":{"v":2}"#), "the old build keeps the new one's number: {text}");
    assert!(text.contains(r#""name":"Ada Lovelace""#), "a rollback finds what it knows: {text}");
}

#[tokio::test]
async fn what_a_newer_version_of_the_library_keeps_is_kept() {
    let store = store();
    let mut old = first_build(&store).await;
    old.post("/begin").await;
    let id = store.all(None, 1).await.unwrap().sessions[0].0.clone();
    store.destroy(&id).await.unwrap();
    let newer = r#"{"cookie":{"originalMaxAge":null,"expires":null,"httpOnly":true,"path":"/","sameSite":"lax"},"views":1,"name":"x","$session":{"v":9,"later":[1]},"beyond":{"b":1}}"#;
    plant(&store, id.as_str(), newer).await;
    old.get("/see").await;
    assert_eq!(stored(&store).await, newer.replace(r#""views":1"#, r#""views":2"#));
}

#[tokio::test]
async fn an_upgrade_is_merged_with_what_an_older_build_stores_meanwhile() {
    let (store, gate) = (store(), Gate::default());
    let handler_gate = gate.clone();
    let slow = Router::new()
        .route(
            "/rename",
            post(async move |mut session: Session<AccountV2>| {
                session.set_first("Augusta".to_owned());
                handler_gate.pass().await;
            }),
        )
        .layer(layer::<AccountV2>(&store));
    let (mut old, mut new) = (first_build(&store).await, serve(slow).await);
    old.post("/begin").await;
    new.jar = old.jar.clone();
    let mut renaming = new.clone();
    let renaming = tokio::spawn(async move { renaming.send(Request::new("POST", "/rename")).await });
    gate.wait_for(1).await;
    old.get("/see").await;
    gate.open(1);
    assert_eq!(renaming.await.unwrap().status, 200);
    let mut reading = second_build(&store).await;
    reading.jar = old.jar;
    assert_eq!(reading.get("/read").await.body, "1 Augusta Lovelace");
}

/// Every form that was ever stored loads in the newest version.
#[tokio::test]
async fn golden_records_of_every_version_load() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let store = MemoryStore::new();
    let sessions: Sessions<Account> = SessionLayer::new(store.clone(), secret()).sessions();
    let mut names = Vec::new();
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        plant(&store, path.file_name().unwrap().to_str().unwrap(), &fs::read_to_string(&path).unwrap()).await;
        names.push(path);
    }
    let mut listed = sessions.all();
    let mut count = 0;
    while let Some(session) = listed.next().await.unwrap() {
        assert_eq!(session.views, 3);
        assert_eq!(session.names, ["Ada", "Lovelace"]);
        assert_eq!(session.theme, "light");
        count += 1;
    }
    assert_eq!(count, names.len(), "all of {names:?}");
    assert!(count >= 5);
}

#[tokio::test]
async fn a_whole_store_is_migrated_in_steps_that_can_be_interrupted() {
    let store = store();
    let json = |views: u32| {
        format!(
            r#"{{"cookie":{{"originalMaxAge":null,"expires":null}},"views":{views},"name":"Ada Lovelace","kept":1}}"#
        )
    };
    for number in 0..50 {
        plant(&store, &format!("old-{number}"), &json(number)).await;
    }
    plant(&store, "unreadable", r#"{"cookie":{},"views":"many"}"#).await;
    plant(&store, "newest", r#"{"cookie":{},"views":1,"names":[],"theme":"dark","$session":{"v":3}}"#).await;
    let id = SessionId::new("old-7").unwrap();
    let expires = store.load(&id, None).await.unwrap().unwrap().expires;
    let sessions = layer::<Account>(&store).sessions();

    // The store fails in the middle: what was reported last is where to go on.
    let reported = Arc::new(Mutex::new(None));
    let report = Arc::clone(&reported);
    let failing = store.clone();
    let interrupted = sessions
        .migrate_all()
        .page_size(20)
        .on_progress(move |progress| {
            *report.lock().unwrap() = Some(progress.clone());
            failing.inject(Operation::Update, session_tests::Fault::Error);
        })
        .run()
        .await;
    assert!(interrupted.is_err());
    store.heal();
    let first = reported.lock().unwrap().clone().unwrap();
    assert!(first.upgraded >= 18, "{first:?}");

    let rest = sessions.migrate_all().page_size(20).resume_from(first.cursor.unwrap()).run().await.unwrap();
    assert_eq!(first.seen + rest.seen, 52);
    assert_eq!((first.upgraded + rest.upgraded, first.unreadable + rest.unreadable), (50, 1));
    assert_eq!(rest.cursor, None);

    let loaded = store.load(&id, None).await.unwrap().unwrap();
    assert_eq!(loaded.expires, expires, "the expiry stays");
    let text = str::from_utf8(loaded.record.json()).unwrap();
    for part in [r#""views":7"#, r#""names":["Ada","Lovelace"]"#, r#""kept":1"#, r#""$session":{"v":3}"#] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(sessions.find(Account::by_theme("light")).next().await.unwrap().is_some(), "and it can be found");
    let again = sessions.migrate_all().run().await.unwrap();
    assert_eq!((again.seen, again.upgraded), (52, 0));
}

#[tokio::test]
async fn a_migration_does_not_undo_what_a_request_stores_meanwhile() {
    let store = store();
    plant(&store, "one", r#"{"cookie":{},"views":1,"name":"Ada Lovelace"}"#).await;
    store.inject(Operation::Update, session_tests::Fault::Delay(Duration::from_secs(1)));
    let sessions = layer::<Account>(&store).sessions();
    let migration = tokio::spawn(sessions.migrate_all().run());
    tokio::time::sleep(Duration::from_millis(30)).await;
    store.heal();
    let id = SessionId::new("one").unwrap();
    let loaded = store.load(&id, None).await.unwrap().unwrap();
    let changed = Record::from_json(r#"{"cookie":{},"views":2,"name":"Ada King"}"#);
    store.update(&id, loaded.revision, changed, loaded.expires).await.unwrap();
    assert_eq!(migration.await.unwrap().unwrap().upgraded, 1);
    assert!(stored(&store).await.contains(r#""names":["Ada","King"]"#));
    assert!(stored(&store).await.contains(r#""views":2"#));
}

#[tokio::test]
async fn a_migration_passes_over_sessions_that_hold_nothing_of_its_type() {
    let foreign = r#"{"cookie":{},"items":[1,2]}"#;
    let store = store();
    plant(&store, "another-type", foreign).await;
    plant(&store, "empty", r#"{"cookie":{}}"#).await;
    let done = layer::<Account>(&store).sessions().migrate_all().run().await.unwrap();
    assert_eq!((done.seen, done.upgraded, done.unreadable), (2, 1, 0));
    let kept = store.load(&SessionId::new("another-type").unwrap(), None).await.unwrap().unwrap();
    assert_eq!(str::from_utf8(kept.record.json()).unwrap(), foreign);
}

#[test]
fn the_schema_can_be_read_at_run_time() {
    assert_eq!((AccountV1::VERSION, AccountV2::VERSION, Account::VERSION), (1, 2, 3));
    let names =
        |schema: &str| schema.split(' ').map(|word| word.split(':').next().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(names(AccountV1::SCHEMA), ["views", "name"]);
    assert_ne!(AccountV2::SCHEMA.split(' ').next(), Account::SCHEMA.split(' ').next(), "`views` has another type");
    assert_eq!(AccountV1::SCHEMA.split(' ').next(), AccountV2::SCHEMA.split(' ').next());
}
