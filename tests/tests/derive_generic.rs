//! Session types with parameters.

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
