//! Visitors of an app whose store has an outage.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use session::{Options, Store};
use session_tests::promises::board;
use session_tests::{Client, Reply, serve};
use tokio::task::JoinSet;

/// What requests that only read get while an outage lasts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reads {
    Fail,
    Succeed,
}

/// Something that can happen to a server.
pub(crate) trait Outage: Send {
    /// What requests that only read get.
    const READS: Reads;

    fn begin(&mut self) -> impl Future<Output = ()> + Send;

    fn end(&mut self) -> impl Future<Output = ()> + Send;
}

const VISITORS: usize = 4;
const WRITERS: usize = 8;

/// Plays an outage twice, with writers at work, half of them in an app of their own.
pub(crate) async fn survive(store: impl Store + Clone, mut outage: impl Outage) {
    let (app, other) = (served(store.clone()).await, served(store.clone()).await);
    let mut visitors = Vec::new();
    for _ in 0..VISITORS {
        visitors.push(begun(&app).await);
    }
    let busy = begun(&app).await;
    let mut elsewhere = other;
    elsewhere.jar.clone_from(&busy.jar);
    let busy = [busy, elsewhere];
    for round in 1..=2 {
        for visitor in &mut visitors {
            assert_eq!(visitor.post("/add").await.body, round.to_string());
        }
        survive_once(&app, &mut visitors, &busy, &mut outage).await;
        for visitor in &mut visitors {
            assert_eq!(visitor.get("/count").await.body, round.to_string(), "it is as it was acknowledged");
        }
        // A newcomer who was refused may have a session that nobody will find: the refusal may have come too late.
        let others = store.len().await.unwrap() - VISITORS - 1;
        assert!(others <= round, "no session took the place of another one: {others} too many");
    }
}

async fn survive_once<O: Outage>(app: &Client, visitors: &mut [Client], busy: &[Client; 2], outage: &mut O) {
    let before = busy[0].clone().get("/count").await.body.parse::<u64>().unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let writers = writers(busy, &stop);
    outage.begin().await;
    for visitor in visitors {
        let cookies = visitor.jar.clone();
        let wanted = if O::READS == Reads::Fail { 503 } else { 200 };
        assert_eq!(visitor.get("/count").await.status, wanted);
        refused(&visitor.post("/add").await);
        assert_eq!(visitor.jar, cookies, "nobody is logged out");
    }
    refused(&app.another().post("/begin").await);
    outage.end().await;
    recovered(&busy[0]).await;
    stop.store(true, Ordering::Relaxed);
    let (mut done, mut unknown) = (1, 0);
    for writer in writers.join_all().await {
        done += writer.0;
        unknown += writer.1;
    }
    let added = busy[0].clone().get("/count").await.body.parse::<u64>().unwrap() - before;
    assert!(added >= done && added <= done + unknown, "{added} were added; {done} acknowledged, {unknown} refused");
}

/// Requests that add one to the count of one session, until they are told to stop: how many were acknowledged, and how
/// many weren't.
fn writers(busy: &[Client; 2], stop: &Arc<AtomicBool>) -> JoinSet<(u64, u64)> {
    let mut writers = JoinSet::new();
    for client in busy.iter().cycle().take(WRITERS) {
        let (mut client, stop) = (client.clone(), Arc::clone(stop));
        writers.spawn(async move {
            let (mut done, mut unknown) = (0, 0);
            while !stop.load(Ordering::Relaxed) {
                let reply = client.post("/add").await;
                if reply.status == 200 {
                    done += 1;
                } else {
                    refused(&reply);
                    unknown += 1;
                }
            }
            (done, unknown)
        });
    }
    writers
}

/// Adds one as soon as that goes.
pub(crate) async fn recovered(client: &Client) {
    let (mut client, begin) = (client.clone(), Instant::now());
    loop {
        let reply = client.post("/add").await;
        if reply.status == 200 {
            return;
        }
        refused(&reply);
        assert!(begin.elapsed() < Duration::from_secs(60), "it does not recover");
    }
}

fn refused(reply: &Reply) {
    assert_eq!((reply.status, reply.set_cookies().len()), (503, 0), "{}", reply.body);
}

/// The app on loopback.
pub(crate) async fn served(store: impl Store) -> Client {
    // A store that waits long for a lock, or for a connection, is given up before.
    serve(board::app(store, Options::default().store_timeout(Duration::from_secs(1)))).await
}

/// A visitor who has a session.
pub(crate) async fn begun(app: &Client) -> Client {
    let mut visitor = app.another();
    let reply = visitor.post("/begin").await;
    assert_eq!((reply.status, visitor.jar.len()), (200, 1), "{}", reply.body);
    visitor
}
