//! One visitor at two services, in Rust and in Node, which share a store: what one does, the other one sees.

#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

use std::future::Future;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use session::{SessionId, Store, Timestamp};
use session_tests::database::{Database, Kind, run};
use session_tests::redis::RedisServer;
use session_tests::requirements::{self, Requirement, Test};
use session_tests::{Client, Process, Reply, Request};

const SECRET: &str = "the secret of both services, long enough";

#[derive(Clone, Copy, Debug)]
enum Service {
    Rust,
    Node,
}

use Service::{Node, Rust};

/// Each of them first, and the other one after it.
const BOTH_WAYS: [(Service, Service); 2] = [(Rust, Node), (Node, Rust)];

/// Both services on one store. They end with the value, and the store after them.
struct Site {
    rust: Client,
    node: Client,
    store: String,
    _processes: [Process; 2],
    _server: Box<dyn Send + Sync>,
}

/// Where the sessions are.
#[derive(Clone, Copy)]
enum Place {
    Redis,
    Postgres,
}

impl Site {
    fn at(place: Place) -> Self {
        match place {
            Place::Redis => {
                let server = RedisServer::start(&[]);
                Self::start(server.url(), Box::new(server))
            }
            Place::Postgres => {
                let database = run(Database::new(Kind::Postgres));
                Self::start(database.url.clone(), Box::new(database))
            }
        }
    }

    /// Node comes first, as on a site that moves: on PostgreSQL, it makes the table.
    fn start(store: String, server: Box<dyn Send + Sync>) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("interop");
        requirements::install_packages(&folder);
        let start = |command: &mut Command| {
            let (process, address) = Process::serve(command.env("PORT", "0").env("SESSION_SECRET", SECRET));
            let mut client = Client::new(address);
            assert_eq!(run(client.post("/views")).status, 200);
            (process, client.another())
        };
        let (in_node, node) = start(Command::new("node").args(["server.js", &store]).current_dir(folder));
        let (in_rust, rust) = start(Command::new(env!("CARGO_BIN_EXE_interop")).args(["--store", &store]));
        Self { rust, node, store, _processes: [in_node, in_rust], _server: server }
    }
}

/// The sites, each shared by its tests and started by the first of them.
static SITES: [Mutex<Option<Arc<Site>>>; 2] = [const { Mutex::new(None) }; 2];

fn play<F: Future<Output = ()>>(place: Place, test: impl FnOnce(Visitors) -> F) {
    let site = SITES[place as usize].lock().unwrap().get_or_insert_with(|| Arc::new(Site::at(place))).clone();
    run(async {
        let store = examples::open_store(&site.store).await.unwrap();
        test(Visitors { site, store }).await;
    });
}

/// Where visitors come from.
struct Visitors {
    site: Arc<Site>,
    store: Arc<dyn Store>,
}

impl Visitors {
    const fn one(&self) -> Visitor<'_> {
        Visitor { at: self, cookie: None }
    }
}

/// A visitor with one cookie for both services.
struct Visitor<'a> {
    at: &'a Visitors,
    cookie: Option<String>,
}

impl Visitor<'_> {
    async fn send(&mut self, service: Service, request: Request) -> Reply {
        let mut client = match service {
            Rust => self.at.site.rust.clone(),
            Node => self.at.site.node.clone(),
        };
        client.jar.extend(self.cookie.take().map(|cookie| ("connect.sid".to_owned(), cookie)));
        let reply = client.send(request).await;
        assert_eq!(reply.status, 200, "{service:?}: {}", reply.body);
        self.cookie = client.jar.remove("connect.sid");
        reply
    }

    async fn post(&mut self, service: Service, path: &str, form: &str) -> Value {
        let reply = self.send(service, Request::new("POST", path).form(form)).await;
        serde_json::from_str(&reply.body).unwrap()
    }

    /// The fields that both services know.
    async fn account(&mut self, service: Service) -> (Value, Value) {
        let reply = self.send(service, Request::get("/")).await;
        let mut page: Value = serde_json::from_str(&reply.body).unwrap();
        (page["user"].take(), page["views"].take())
    }

    async fn note(&mut self) -> Value {
        let reply = self.send(Node, Request::get("/")).await;
        serde_json::from_str::<Value>(&reply.body).unwrap()["note"].take()
    }

    async fn log_in(&mut self, service: Service, name: &str) {
        assert_eq!(self.post(service, "/login", &format!("name={name}")).await, "logged in");
    }

    /// The id in the cookie, which is signed.
    fn id(&self) -> SessionId {
        let cookie = self.cookie.as_deref().unwrap();
        let (id, _signature) = cookie.strip_prefix("s%3A").unwrap().split_once('.').unwrap();
        SessionId::new(id).unwrap()
    }

    /// Whether the session lives about as long as a new one does.
    async fn has_a_whole_day(&self) -> bool {
        let found = self.at.store.load(&self.id(), None).await.unwrap().unwrap();
        found.expires > Timestamp::now().saturating_add(Duration::from_secs(23 * 3600))
    }

    async fn expires_in(&self, seconds: i64) {
        let expires = Timestamp::from_millis(Timestamp::now().as_millis() + 1000 * seconds);
        assert!(self.at.store.touch(&self.id(), expires).await.unwrap());
    }
}

async fn a_login_at_one_is_one_at_the_other(visitors: Visitors) {
    for (first, second) in BOTH_WAYS {
        let mut visitor = visitors.one();
        visitor.post(first, "/views", "").await;
        let anonymous = visitor.cookie.clone();
        visitor.log_in(first, "ada").await;
        assert_ne!(visitor.cookie, anonymous, "the id is another one");
        let cookie = visitor.cookie.clone();
        assert_eq!(visitor.account(second).await, (json!("ada"), json!(0)));
        assert_eq!(visitor.cookie, cookie, "{second:?} accepts the cookie as it is");

        visitor.log_in(second, "grace").await;
        assert_eq!(visitor.account(first).await, (json!("grace"), json!(0)));
        visitor.cookie = cookie;
        assert_eq!(visitor.account(first).await, (json!(null), json!(0)), "the id from before is worth nothing");
    }
}

async fn a_hundred_increments_in_turns_make_a_hundred(visitors: Visitors) {
    for (first, second) in BOTH_WAYS {
        let mut visitor = visitors.one();
        for round in 0..50 {
            assert_eq!(visitor.post(first, "/views", "").await, 2 * round + 1);
            assert_eq!(visitor.post(second, "/views", "").await, 2 * round + 2);
        }
        assert_eq!(visitor.account(first).await, (json!(null), json!(100)));
        assert_eq!(visitor.account(second).await, (json!(null), json!(100)));
    }
}

async fn fields_that_the_struct_does_not_know_survive(visitors: Visitors) {
    let mut visitor = visitors.one();
    visitor.log_in(Rust, "ada").await;
    visitor.post(Node, "/note", "note=milk%0A%22%C3%A9%22").await;
    assert_eq!(visitor.post(Rust, "/views", "").await, 1);
    assert_eq!(visitor.note().await, "milk\n\"é\"");
    assert_eq!(visitor.account(Node).await, (json!("ada"), json!(1)));
}

async fn what_one_destroys_is_gone_at_the_other(visitors: Visitors) {
    for (first, second) in BOTH_WAYS {
        for (begins, destroys) in BOTH_WAYS {
            let mut visitor = visitors.one();
            visitor.log_in(begins, "ada").await;
            visitor.account(first).await;
            let (id, cookie) = (visitor.id(), visitor.cookie.clone());
            assert_eq!(visitor.post(destroys, "/logout", "").await, "logged out");
            assert!(visitors.store.load(&id, None).await.unwrap().is_none());
            for service in [first, second] {
                visitor.cookie.clone_from(&cookie);
                assert_eq!(visitor.account(service).await, (json!(null), json!(0)));
            }
            assert!(visitors.store.load(&id, None).await.unwrap().is_none(), "asking has not brought it back");
        }
    }
}

async fn an_expiry_that_one_renews_is_renewed_for_the_other(visitors: Visitors) {
    for (first, second) in BOTH_WAYS {
        let mut visitor = visitors.one();
        visitor.log_in(first, "ada").await;
        assert!(visitor.has_a_whole_day().await);
        for service in [second, first] {
            visitor.expires_in(60).await;
            assert!(!visitor.has_a_whole_day().await);
            assert_eq!(visitor.account(service).await.0, "ada");
            assert!(visitor.has_a_whole_day().await, "{service:?} renews it");
        }

        let cookie = visitor.cookie.clone();
        visitor.expires_in(-1).await;
        for service in [second, first] {
            visitor.cookie.clone_from(&cookie);
            assert_eq!(visitor.account(service).await.0, json!(null), "it has expired for {service:?}");
        }
    }
}

async fn a_cookie_that_nobody_signed_is_refused_by_both(visitors: Visitors) {
    let mut visitor = visitors.one();
    visitor.log_in(Node, "ada").await;
    let signed = visitor.cookie.clone().unwrap();
    let forged = signed.rsplit_once('.').unwrap().0.to_owned() + ".bm90IHRoZSBzaWduYXR1cmUgb2YgYW55Ym9keSBhdCBhbGwu";
    for service in [Rust, Node] {
        visitor.cookie = Some(forged.clone());
        assert_eq!(visitor.account(service).await.0, json!(null));
        visitor.cookie = Some(signed.clone());
        assert_eq!(visitor.account(service).await.0, "ada");
    }
}

type NamedTest = (&'static str, fn(Place));

const TESTS: [NamedTest; 6] = [
    ("a_login_at_one_is_one_at_the_other", |place| play(place, a_login_at_one_is_one_at_the_other)),
    ("a_hundred_increments_in_turns_make_a_hundred", |place| play(place, a_hundred_increments_in_turns_make_a_hundred)),
    ("fields_that_the_struct_does_not_know_survive", |place| play(place, fields_that_the_struct_does_not_know_survive)),
    ("what_one_destroys_is_gone_at_the_other", |place| play(place, what_one_destroys_is_gone_at_the_other)),
    ("an_expiry_that_one_renews_is_renewed_for_the_other", |place| {
        play(place, an_expiry_that_one_renews_is_renewed_for_the_other)
    }),
    ("a_cookie_that_nobody_signed_is_refused_by_both", |place| {
        play(place, a_cookie_that_nobody_signed_is_refused_by_both)
    }),
];

fn main() -> ExitCode {
    let on_redis = TESTS.map(|(name, test)| {
        let needs = [Requirement::Node, Requirement::RedisServer];
        Test::new(format!("redis::{name}"), &needs, move || test(Place::Redis))
    });
    let on_postgres = TESTS.map(|(name, test)| {
        let needs = [Requirement::Node, Requirement::Postgres];
        Test::new(format!("postgres::{name}"), &needs, move || test(Place::Postgres))
    });
    let exit_code = requirements::run(on_redis.into_iter().chain(on_postgres));
    for site in &SITES {
        drop(site.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
    exit_code
}
