//! Parallel changes of one session, merged field by field: any interleaving ends as a simple model says.

#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{COOKIE, SET_COOKIE};
use axum::routing::{get, post};
use proptest::prelude::*;
use session::merge::{Sum, Union};
use session::{MemoryStore, Session, SessionLayer, SessionRejection};
use session_tests::secret;
use tokio::sync::Mutex;
use tokio::sync::oneshot;
use tower::ServiceExt;

#[derive(Session, Clone, Debug, Default, PartialEq)]
struct Basket {
    #[session(merge = sum)]
    count: i64,
    #[session(merge = union)]
    seen: BTreeSet<u8>,
    #[session(merge = union)]
    amounts: BTreeMap<u8, u8>,
    #[session(merge = sum)]
    counts: BTreeMap<u8, i64>,
    #[session(merge = longer)]
    longest: String,
    #[session(merge = last)]
    last: u8,
    plain: u8,
}

fn longer(_base: &str, mine: &str, theirs: &str) -> String {
    if mine.len() > theirs.len() { mine.to_owned() } else { theirs.to_owned() }
}

#[derive(Clone, Debug)]
enum Change {
    Count(i8),
    See(u8),
    Forget(u8),
    Amount(u8, u8),
    NoAmount(u8),
    CountOf(u8, i8),
    NoCountOf(u8),
    Longest(String),
    Last(u8),
    Plain(u8),
}

impl Change {
    fn apply(&self, basket: &mut Basket) {
        match self {
            Self::Count(by) => basket.count += i64::from(*by),
            Self::See(element) => drop(basket.seen.insert(*element)),
            Self::Forget(element) => drop(basket.seen.remove(element)),
            Self::Amount(key, amount) => drop(basket.amounts.insert(*key, *amount)),
            Self::NoAmount(key) => drop(basket.amounts.remove(key)),
            Self::CountOf(key, by) => *basket.counts.entry(*key).or_default() += i64::from(*by),
            Self::NoCountOf(key) => drop(basket.counts.remove(key)),
            Self::Longest(text) => basket.longest.clone_from(text),
            Self::Last(value) => basket.last = *value,
            Self::Plain(value) => basket.plain = *value,
        }
    }

    fn apply_to_session(&self, session: &mut Session<Basket>) {
        match self {
            Self::Count(by) => *session.count_mut() += i64::from(*by),
            Self::See(element) => drop(session.seen_mut().insert(*element)),
            Self::Forget(element) => drop(session.seen_mut().remove(element)),
            Self::Amount(key, amount) => drop(session.amounts_mut().insert(*key, *amount)),
            Self::NoAmount(key) => drop(session.amounts_mut().remove(key)),
            Self::CountOf(key, by) => *session.counts_mut().entry(*key).or_default() += i64::from(*by),
            Self::NoCountOf(key) => drop(session.counts_mut().remove(key)),
            Self::Longest(text) => session.set_longest(text.clone()),
            Self::Last(value) => session.set_last(*value),
            Self::Plain(value) => session.set_plain(*value),
        }
    }
}

/// What a commit makes of the stored session: written down once more, element by element.
fn model(base: &Basket, mine: &Basket, stored: &mut Basket) {
    stored.count += mine.count - base.count;
    for element in 0..=u8::MAX {
        match (base.seen.contains(&element), mine.seen.contains(&element)) {
            (false, true) => drop(stored.seen.insert(element)),
            (true, false) => drop(stored.seen.remove(&element)),
            _ => {}
        }
        match (base.amounts.get(&element), mine.amounts.get(&element)) {
            (before, Some(amount)) if before != Some(amount) => drop(stored.amounts.insert(element, *amount)),
            (Some(_), None) => drop(stored.amounts.remove(&element)),
            _ => {}
        }
        let count = |basket: &Basket| basket.counts.get(&element).copied();
        let sum = count(stored).unwrap_or(0) + count(mine).unwrap_or(0) - count(base).unwrap_or(0);
        let somebody_removed_it = count(base).is_some() && (count(mine).is_none() || count(stored).is_none());
        match (count(stored).or(count(mine)).or(count(base)), sum) {
            (None, _) => {}
            (Some(_), 0) if somebody_removed_it => drop(stored.counts.remove(&element)),
            (Some(_), sum) => drop(stored.counts.insert(element, sum)),
        }
    }
    // Nobody else stored anything in between: no merge, this request's value.
    if mine.longest != base.longest && (*stored.longest == *base.longest || mine.longest.len() > stored.longest.len()) {
        stored.longest.clone_from(&mine.longest);
    }
    if mine.last != base.last {
        stored.last = mine.last;
    }
    if mine.plain != base.plain {
        stored.plain = mine.plain;
    }
}

/// A request that has its session and waits for the word to go on.
struct Waiting {
    go: oneshot::Sender<()>,
    done: tokio::task::JoinHandle<u16>,
}

type Loaded = Arc<Mutex<Option<oneshot::Sender<()>>>>;

#[derive(Clone)]
struct Steps {
    changes: Vec<Change>,
    loaded: Loaded,
    go: Arc<Mutex<Option<oneshot::Receiver<()>>>>,
}

async fn change(request: Request) -> Result<(), SessionRejection> {
    let (parts, _) = request.into_parts();
    let steps: Steps = parts.extensions.get::<Steps>().unwrap().clone();
    let mut session = Session::<Basket>::from_parts(&parts).await?;
    steps.loaded.lock().await.take().unwrap().send(()).unwrap();
    steps.go.lock().await.take().unwrap().await.unwrap();
    steps.changes.iter().for_each(|change| change.apply_to_session(&mut session));
    Ok(())
}

async fn read(State(found): State<Arc<Mutex<Basket>>>, session: Session<Basket>) {
    let basket: &Basket = &session;
    *found.lock().await = basket.clone();
}

async fn begin_request(app: &Router, cookie: &str, changes: Vec<Change>) -> Waiting {
    let (loaded, is_loaded) = oneshot::channel();
    let (go, may_go) = oneshot::channel();
    let steps = Steps { changes, loaded: Arc::new(Mutex::new(Some(loaded))), go: Arc::new(Mutex::new(Some(may_go))) };
    let request = Request::get("/change").header(COOKIE, cookie).extension(steps).body(Body::empty()).unwrap();
    let answer = app.clone().oneshot(request);
    let done = tokio::spawn(async move { answer.await.unwrap().status().as_u16() });
    is_loaded.await.unwrap();
    Waiting { go, done }
}

/// Runs requests whose loads and commits come in this order, on the library and on the model.
async fn run(requests: Vec<Vec<Change>>, order: Vec<usize>) -> (Basket, Basket) {
    let found = Arc::new(Mutex::new(Basket::default()));
    let app = Router::new()
        .route("/begin", post(async |mut session: Session<Basket>| session.set_plain(1)))
        .route("/change", get(change))
        .route("/read", get(read))
        .with_state(Arc::clone(&found))
        .layer(SessionLayer::<Basket>::new(MemoryStore::new(), secret()));
    let begun = app.clone().oneshot(Request::post("/begin").body(Body::empty()).unwrap()).await.unwrap();
    let cookie = begun.headers()[SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned();

    let mut stored = Basket { plain: 1, ..Basket::default() };
    let mut waiting: Vec<Option<(Waiting, Basket)>> = requests.iter().map(|_| None).collect();
    for number in order {
        match waiting[number].take() {
            None => {
                let request = begin_request(&app, &cookie, requests[number].clone()).await;
                waiting[number] = Some((request, stored.clone()));
            }
            Some((request, base)) => {
                request.go.send(()).unwrap();
                assert_eq!(request.done.await.unwrap(), 200);
                let mut mine = base.clone();
                requests[number].iter().for_each(|change| change.apply(&mut mine));
                model(&base, &mine, &mut stored);
            }
        }
    }
    app.oneshot(Request::get("/read").header(COOKIE, &cookie).body(Body::empty()).unwrap()).await.unwrap();
    let found = found.lock().await.clone();
    (found, stored)
}

fn changes() -> impl Strategy<Value = Change> {
    let small = || 0..4_u8;
    prop_oneof![
        any::<i8>().prop_map(Change::Count),
        small().prop_map(Change::See),
        small().prop_map(Change::Forget),
        (small(), small()).prop_map(|(key, amount)| Change::Amount(key, amount)),
        small().prop_map(Change::NoAmount),
        (small(), -2..3_i8).prop_map(|(key, by)| Change::CountOf(key, by)),
        small().prop_map(Change::NoCountOf),
        "[a-c]{0,5}".prop_map(Change::Longest),
        small().prop_map(Change::Last),
        small().prop_map(Change::Plain),
    ]
}

/// Requests, and the order of their loads and commits: each number twice.
fn interleavings() -> impl Strategy<Value = (Vec<Vec<Change>>, Vec<usize>)> {
    prop::collection::vec(prop::collection::vec(changes(), 0..5), 1..7).prop_flat_map(|requests| {
        let events: Vec<usize> = (0..requests.len()).chain(0..requests.len()).collect();
        (Just(requests), Just(events).prop_shuffle())
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn any_interleaving_of_requests_ends_as_the_model_says((requests, order) in interleavings()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (found, expected) = runtime.block_on(run(requests, order));
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn sums_of_integers_stop_at_their_limits(base: u8, mine: u8, theirs: u8) {
        let exact = i32::from(theirs) + i32::from(mine) - i32::from(base);
        prop_assert_eq!(i32::from(u8::sum(&base, &mine, &theirs)), exact.clamp(0, 255));
    }

    #[test]
    fn sums_of_signed_integers_do_not_overflow(base: i8, mine: i8, theirs: i8) {
        let exact = i32::from(theirs) + i32::from(mine) - i32::from(base);
        let sum = i32::from(i8::sum(&base, &mine, &theirs));
        // A difference that the type can't hold is taken in two steps, which may meet a limit on the way.
        let difference = i32::from(mine) - i32::from(base);
        if i8::try_from(difference).is_ok() {
            prop_assert_eq!(sum, exact.clamp(-128, 127));
        }
    }

    #[test]
    fn a_union_with_what_nobody_else_changed_is_mine(base: BTreeSet<u8>, mine: BTreeSet<u8>) {
        prop_assert_eq!(Union::union(&base, &mine, &base), mine.clone());
        prop_assert_eq!(Union::union(&base, &base, &mine), mine);
    }

    #[test]
    fn a_sum_of_maps_with_what_nobody_else_changed_is_mine(base: BTreeMap<u8, u8>, mine: BTreeMap<u8, u8>) {
        prop_assert_eq!(Sum::sum(&base, &mine, &base), mine.clone());
        prop_assert_eq!(Sum::sum(&base, &base, &mine), mine);
    }
}

#[test]
fn floats_are_summed() {
    assert!((f64::sum(&1.0, &2.5, &10.0) - 11.5).abs() < 1e-9);
}

#[test]
fn maps_are_summed_key_by_key() {
    let map = |entries: &[(&'static str, u32)]| -> HashMap<&'static str, u32> { entries.iter().copied().collect() };
    let base = map(&[("apples", 3), ("pears", 1), ("plums", 2)]);
    let mine = map(&[("apples", 4), ("plums", 2), ("figs", 1)]);
    let theirs = map(&[("apples", 5), ("pears", 1), ("figs", 2)]);
    assert_eq!(Sum::sum(&base, &mine, &theirs), map(&[("apples", 6), ("figs", 3)]));
    // Somebody put another one in while this request took all out.
    assert_eq!(Sum::sum(&base, &map(&[]), &map(&[("pears", 2)])), map(&[("pears", 1)]));
}
