//! What the guide to changes of the schema says.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that can't go on fails")]

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use session::store::Record;
use session::{
    MemoryStore, MigrationProgress, OnInvalid, Options, Session, SessionData, SessionId, SessionLayer, Sessions, Store,
    Timestamp,
};
use session_tests::{Client, Visitor, secret, serve};
use tokio::sync::watch;

#[derive(Session)]
struct AccountV1 {
    user: Option<String>,
    seen: u32,
    token: Option<String>,
}

/// A field is indexed, one has another type under its old name, one is emptied, one is new.
#[derive(Session)]
#[session(version = 2, previous = AccountV1)]
struct Account {
    #[session(index)]
    user: Option<String>,
    seen: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    #[session(default = 5)]
    added: u32,
}

impl From<AccountV1> for Account {
    fn from(old: AccountV1) -> Self {
        Self { user: old.user, seen: old.seen.to_string(), token: None, added: 5 }
    }
}

const STORED: &str = r#"{"cookie":{},"user":"ada","seen":1,"token":"t","unknown":[1]}"#;

async fn store_of(records: &[&str]) -> MemoryStore {
    let store = MemoryStore::new();
    let expires = Timestamp::now().saturating_add(Duration::from_secs(3600));
    for json in records {
        let record = Record::from_json((*json).to_owned());
        store.create(&SessionId::random().unwrap(), record, expires).await.unwrap();
    }
    store
}

fn sessions<T: SessionData>(store: &MemoryStore) -> Sessions<T> {
    SessionLayer::new(store.clone(), secret()).sessions()
}

async fn only(store: &MemoryStore) -> String {
    let page = store.all(None, 10).await.unwrap();
    let [(_, loaded)] = &page.sessions[..] else { panic!("one session was expected, not {}", page.sessions.len()) };
    String::from_utf8(loaded.record.json().to_vec()).unwrap()
}

async fn unreadable<T: SessionData>(json: &str) -> u64 {
    let store = store_of(&[json]).await;
    let MigrationProgress { seen, upgraded, unreadable, .. } = sessions::<T>(&store).migrate_all().run().await.unwrap();
    assert_eq!((seen, upgraded), (1, 0));
    assert_eq!(only(&store).await, json, "nothing is written");
    unreadable
}

async fn old_build(store: &MemoryStore, options: Options) -> Client {
    let layer = SessionLayer::<AccountV1>::with_options(store.clone(), secret(), options).unwrap();
    let app = Router::new()
        .route("/read", get(async |session: Session<AccountV1>| format!("{:?} {}", session.user, session.seen)))
        .route("/login", post(async |mut session: Session<AccountV1>| session.set_user(Some("ada".to_owned()))))
        .layer(layer);
    serve(app).await
}

#[tokio::test]
async fn a_field_is_stored_when_it_is_changed() {
    #[derive(Session)]
    struct Wider {
        user: Option<String>,
        seen: u64,
        #[session(default = 5)]
        added: u32,
    }
    let store = MemoryStore::new();
    let mut old = old_build(&store, Options::default()).await;
    old.post("/login").await;
    let app = Router::new()
        .route("/see", post(async |mut session: Session<Wider>| *session.seen_mut() += 1))
        .route("/add", post(async |mut session: Session<Wider>| *session.added_mut() += 1))
        .layer(SessionLayer::<Wider>::new(store.clone(), secret()));
    let mut new = serve(app).await;
    new.jar = old.jar.clone();
    new.post("/see").await;
    assert!(!only(&store).await.contains("added"));
    new.post("/add").await;
    assert!(only(&store).await.contains(r#""added":6"#));
    old.post("/login").await;
    assert_eq!(old.get("/read").await.body, r#"Some("ada") 1"#);
    assert!(only(&store).await.contains(r#""added":6"#), "the old build keeps it");
}

#[tokio::test]
async fn an_index_on_a_field_that_was_there_takes_a_migration() {
    #[derive(Session)]
    struct Indexed {
        #[session(index)]
        user: Option<String>,
    }
    let store = store_of(&[STORED]).await;
    let unversioned = sessions::<Indexed>(&store);
    assert_eq!(unversioned.migrate_all().run().await.unwrap().upgraded, 0);
    assert_eq!(unversioned.destroy_all(&Indexed::by_user("ada")).await.unwrap(), 0);

    let versioned = sessions::<Account>(&store);
    assert_eq!(versioned.migrate_all().run().await.unwrap().upgraded, 1);
    assert_eq!(versioned.destroy_all(&Account::by_user("ada")).await.unwrap(), 1);
}

#[derive(Session)]
struct Before {
    #[session(index)]
    user: Option<String>,
    seen: u32,
}

#[derive(Session)]
struct Renamed {
    #[session(index)]
    #[serde(alias = "user")]
    name: Option<String>,
    seen: u32,
}

#[derive(Session)]
#[session(version = 2, previous = Before)]
struct RenamedAnew {
    #[session(index)]
    #[serde(alias = "user")]
    name: Option<String>,
    seen: u32,
}

impl From<Before> for RenamedAnew {
    fn from(old: Before) -> Self {
        Self { name: old.user, seen: old.seen }
    }
}

/// A store with a session of ada's that the build before has stored, and a visitor of the next one, who has it.
async fn renamed<T: SessionData>(store: &Arc<dyn Store>, next: Router) -> Visitor {
    let log_in = async |mut session: Session<Before>| session.set_user(Some("ada".to_owned()));
    let before = Router::new().route("/", post(log_in)).layer(SessionLayer::<Before>::new(Arc::clone(store), secret()));
    let (mut old, mut new) =
        (Visitor::new(before), Visitor::new(next.layer(SessionLayer::<T>::new(Arc::clone(store), secret()))));
    old.post("/").await;
    new.cookie = old.cookie;
    new
}

#[tokio::test]
async fn an_index_on_a_field_that_is_renamed_in_the_store_takes_a_migration() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let see = async |mut session: Session<Renamed>| *session.seen_mut() += 1;
    let mut visitor = renamed::<Renamed>(&store, Router::new().route("/see", post(see))).await;
    let sessions = SessionLayer::<Renamed>::new(Arc::clone(&store), secret()).sessions();
    assert_eq!(sessions.migrate_all().run().await.unwrap().upgraded, 0);
    assert_eq!(sessions.destroy_all(&Renamed::by_name("ada")).await.unwrap(), 0);
    visitor.post("/see").await;
    assert_eq!(sessions.destroy_all(&Renamed::by_name("ada")).await.unwrap(), 1, "any save tells the store");

    renamed::<RenamedAnew>(&store, Router::new()).await;
    let sessions = SessionLayer::<RenamedAnew>::new(Arc::clone(&store), secret()).sessions();
    assert_eq!(sessions.destroy_all(&RenamedAnew::by_name("ada")).await.unwrap(), 0);
    assert_eq!(sessions.migrate_all().run().await.unwrap().upgraded, 1);
    assert_eq!(sessions.destroy_all(&RenamedAnew::by_name("ada")).await.unwrap(), 1);

    renamed::<RenamedAnew>(&store, Router::new()).await;
    let old = SessionLayer::<Before>::new(Arc::clone(&store), secret()).sessions();
    assert_eq!(old.destroy_all(&Before::by_user("ada")).await.unwrap(), 1, "the old struct still finds it");
}

#[tokio::test]
async fn a_field_that_an_upgrade_empties_leaves_the_record() {
    let store = store_of(&[STORED]).await;
    sessions::<Account>(&store).migrate_all().run().await.unwrap();
    let text = only(&store).await;
    assert!(!text.contains("token"), "{text}");
    assert!(text.contains(r#""seen":"1","unknown":[1],"added":5,"$session":{"v":2}"#), "{text}");
}

#[tokio::test]
async fn a_stored_value_of_another_type_can_not_be_read() {
    #[derive(Session)]
    struct Reused {
        token: u32,
    }
    #[derive(Session)]
    #[session(version = 2, oldest)]
    struct Latest {
        views: u32,
    }
    assert_eq!(unreadable::<Reused>(STORED).await, 1);
    assert_eq!(unreadable::<Latest>(STORED).await, 1);
    assert_eq!(unreadable::<Latest>(r#"{"cookie":{},"views":2,"$session":{"v":2}}"#).await, 0);
}

/// Two builds side by side write a field under its old name and its new one.
#[tokio::test]
async fn a_fields_own_name_counts_before_an_alias() {
    #[derive(Session)]
    struct Renamed {
        #[serde(alias = "seen", alias = "looked")]
        views: u32,
        user: Option<String>,
    }
    for (stored, views) in [
        (r#"{"cookie":{},"seen":1,"user":"ada"}"#, 1),
        (r#"{"cookie":{},"views":2,"user":"ada","seen":1}"#, 2),
        (r#"{"cookie":{},"seen":1,"user":"ada","views":2}"#, 2),
        (r#"{"cookie":{},"looked":3,"seen":1,"user":"ada"}"#, 3),
    ] {
        let store = store_of(&[stored]).await;
        let found = sessions::<Renamed>(&store).all().next().await.unwrap().unwrap();
        assert_eq!((found.views, found.user.as_deref()), (views, Some("ada")), "{stored}");
    }
}

#[tokio::test]
async fn what_the_old_build_cant_read_is_kept() {
    let store = MemoryStore::new();
    let mut old = old_build(&store, Options::default()).await;
    old.post("/login").await;
    let layer = SessionLayer::<Account>::new(store.clone(), secret());
    let app = Router::new()
        .route("/see", post(async |mut session: Session<Account>| session.set_seen("2".to_owned())))
        .layer(layer);
    let mut new = serve(app).await;
    new.jar = old.jar.clone();
    new.post("/see").await;
    let stored = only(&store).await;

    let rejected = old.get("/read").await;
    assert_eq!((rejected.status, rejected.set_cookies().len()), (500, 0));
    assert_eq!(only(&store).await, stored);

    let mut fresh = old_build(&store, Options::default().on_invalid(OnInvalid::StartFresh)).await;
    fresh.jar = old.jar.clone();
    let reply = fresh.get("/read").await;
    assert_eq!((reply.body.as_str(), reply.set_cookies().len()), ("None 0", 0), "the new build can read it");
    assert_eq!(only(&store).await, stored);
}

#[tokio::test]
async fn a_migration_of_a_store_that_never_waits_can_be_interrupted() {
    let store = store_of(&[STORED; 50]).await;
    let (report, mut reported) = watch::channel(MigrationProgress::default());
    let migration = sessions::<Account>(&store).migrate_all().page_size(10).on_progress(move |progress| {
        report.send_replace(progress.clone());
    });
    let first = tokio::select! {
        _ = migration.run() => panic!("it was not interrupted"),
        progress = reported.wait_for(|progress| progress.seen > 0) => progress.unwrap().clone(),
    };
    assert!(first.seen < 50);
    let rest = sessions::<Account>(&store).migrate_all().resume_from(first.cursor.unwrap()).run().await.unwrap();
    assert_eq!((first.seen + rest.seen, first.upgraded + rest.upgraded), (50, 50));
}
