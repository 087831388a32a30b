//! Session types with parameters, and types that say where things are in other ways.

#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

use std::collections::BTreeMap;
use std::fmt::Debug;

use axum::Router;
use axum::routing::{get, post};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use session::{MemoryStore, Session, SessionData, SessionLayer};
use session_tests::{secret, serve};

#[derive(Session)]
struct First<T: Default> {
    item: T,
}

#[derive(Session)]
#[session(version = 2, previous = First<T>)]
struct Basket<T, const N: usize = 4>
where
    T: Clone + Default + PartialEq + Debug,
{
    #[session(index)]
    owner: Option<String>,
    item: T,
    #[session(default = vec![T::default(); N])]
    items: Vec<T>,
    #[session(merge = union)]
    by_name: BTreeMap<String, T>,
}

impl<T: Clone + Default + PartialEq + Debug, const N: usize> From<First<T>> for Basket<T, N> {
    fn from(old: First<T>) -> Self {
        Self { owner: None, item: old.item, items: Vec::new(), by_name: BTreeMap::new() }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Book {
    title: String,
}

fn set<T, const N: usize>(session: &mut Session<Basket<T, N>>, item: T)
where
    T: Clone + Default + PartialEq + Debug + Serialize + DeserializeOwned + Send + Sync + 'static,
{
    session.set_item(item.clone());
    session.items_mut().push(item);
}

#[tokio::test]
async fn a_session_with_parameters_is_a_session_of_each_type() {
    let layer = SessionLayer::<Basket<Book, 2>>::new(MemoryStore::new(), secret());
    let sessions = layer.sessions();
    let app = Router::new()
        .route(
            "/add",
            post(async |mut session: Session<Basket<Book, 2>>| {
                set(&mut session, Book { title: "Notes".to_owned() });
                session.set_owner(Some("ada".to_owned()));
            }),
        )
        .route(
            "/read",
            get(async |session: Session<Basket<Book, 2>>| format!("{:?} {:?}", session.item, session.items)),
        )
        .layer(layer);
    let mut client = serve(app).await;
    assert_eq!(client.get("/read").await.body, r#"Book { title: "" } [Book { title: "" }, Book { title: "" }]"#);
    client.post("/add").await;
    assert!(client.get("/read").await.body.ends_with(r#"Book { title: "Notes" }]"#));
    let mut found = sessions.find(Basket::<Book, 2>::by_owner("ada"));
    assert!(found.next().await.is_ok_and(|found| found.is_some()));
}

#[test]
fn each_type_has_its_own_initial_values() {
    assert_eq!(Basket::<u8, 3>::initial().items, [0, 0, 0]);
    assert_eq!(Basket::<String>::initial().items.len(), 4);
    assert_eq!(Basket::<u8>::VERSION, 2);
}

/// What a session asks of a parameter may be written on it, too.
#[derive(Session)]
struct Bounded<T: Serialize + DeserializeOwned + Default> {
    item: T,
}

/// With serde's `default`, all initial values are those of the struct.
#[derive(Session)]
#[serde(default)]
struct Begun<T: Default> {
    item: T,
    count: u32,
}

/// As `Begun`, and serde asks nothing of the parameter.
#[derive(Session)]
#[serde(default, bound = "")]
struct Unbound<T: Default> {
    item: T,
    count: u32,
}

impl<T: Default> Default for Begun<T> {
    fn default() -> Self {
        Self { item: T::default(), count: 7 }
    }
}

impl<T: Default> Default for Unbound<T> {
    fn default() -> Self {
        Self { item: T::default(), count: 8 }
    }
}

/// A type by the name that the state of a session has in generated code.
struct S;

trait Of<X> {}

impl Of<S> for u8 {}

#[derive(Session)]
struct Clause<T>
where
    T: Of<S> + Default,
{
    item: T,
}

/// A session that holds an older one.
#[derive(Session, Clone, Serialize, Deserialize)]
struct Nested {
    before: Option<Box<Self>>,
    count: u32,
}

/// A framework's macro, which finds the library where the framework has it.
mod framework {
    pub(crate) use session as sessions;
}

macro_rules! visit {
    ($name:ident) => {
        #[derive($crate::framework::sessions::Session)]
        #[session(crate = $crate::framework::sessions)]
        struct $name {
            views: u32,
        }
    };
}

visit!(Visit);

/// What is read from a record that says nothing of some fields.
fn read<T: SessionData>(record: &str) -> T {
    let record: serde_json::Value = serde_json::from_str(record).unwrap();
    T::deserialize(record).unwrap()
}

#[test]
fn bounds_may_be_written_where_serde_or_the_struct_wants_them() {
    assert_eq!(read::<Bounded<u8>>(r#"{"item":7}"#).item, 7);
    assert_eq!(read::<Clause<u8>>(r#"{"item":7}"#).item, 7);
    let (begun, unbound) = (read::<Begun<u8>>(r#"{"item":1}"#), read::<Unbound<u8>>(r#"{"item":1}"#));
    assert_eq!([(begun.item, begun.count), (unbound.item, unbound.count)], [(1, 7), (1, 8)]);
    assert_eq!((Begun::<u8>::initial().count, Unbound::<u8>::initial().count), (7, 8));
}

#[test]
fn a_session_may_name_itself_and_a_macro_the_library() {
    let nested = read::<Nested>(r#"{"before":{"before":null,"count":1},"count":2}"#);
    assert_eq!((nested.count, nested.before.map(|before| before.count)), (2, Some(1)));
    assert_eq!(read::<Visit>(r#"{"views":7}"#).views, 7);
}
