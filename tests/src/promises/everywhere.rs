//! Logging out everywhere ends every session of a user, whatever requests are under way.

use session::Store;
use tokio::task::JoinSet;

use super::account::{Account, App, WAYS};
use crate::{Reply, Visitor};

const DEVICES: usize = 20;
const REQUESTS: usize = 100;

/// Logs a user out everywhere while 100 requests use the sessions: first those that have loaded theirs and have not
/// written it, then, several times, those that do both meanwhile.
///
/// # Panics
/// If a session is there afterwards, or one of another user isn't.
pub async fn log_out_everywhere_holds(store: impl Store + Clone) {
    let app = App::new(store.clone());
    let (mut bystander, _) = app.logged_in("bob").await;

    let visitors = logged_in(&app).await;
    let flying = requests(&visitors, "late");
    app.gate.wait_for(REQUESTS as u32).await;
    assert_eq!(log_out_everywhere(&app).await, DEVICES);
    app.gate.open(REQUESTS);
    for (visitor, reply) in flying.join_all().await {
        assert!(matches!(reply.status, 200 | 401), "{} {}", reply.status, reply.body);
        assert!(visitor.cookie.is_none() || reply.set_cookies().is_empty(), "a cookie for a dead session");
    }
    nothing_is_left(&app, &store).await;

    for _ in 0..10 {
        let visitors = logged_in(&app).await;
        let flying = requests(&visitors, "now");
        tokio::task::yield_now().await;
        log_out_everywhere(&app).await;
        flying.join_all().await;
        nothing_is_left(&app, &store).await;
    }
    assert_eq!(bystander.get("/user").await.body, "bob");
}

async fn logged_in(app: &App) -> Vec<Visitor> {
    let mut visitors = Vec::new();
    for _ in 0..DEVICES {
        visitors.push(app.logged_in("ada").await.0);
    }
    visitors
}

/// Requests that use these visitors' sessions in all ways.
fn requests(visitors: &[Visitor], when: &str) -> JoinSet<(Visitor, Reply)> {
    let mut requests = JoinSet::new();
    for (number, visitor) in visitors.iter().cycle().take(REQUESTS).enumerate() {
        let (mut visitor, way) = (visitor.clone(), WAYS[(number + number / DEVICES) % WAYS.len()]);
        let path = format!("/{when}/{way}");
        requests.spawn(async move {
            let reply = visitor.post(&path).await;
            (visitor, reply)
        });
    }
    requests
}

async fn log_out_everywhere(app: &App) -> usize {
    app.sessions.destroy_all(&Account::by_user(&"ada".to_owned())).await.expect("the store answers")
}

async fn nothing_is_left(app: &App, store: &impl Store) {
    let found = app.sessions.find(Account::by_user(&"ada".to_owned())).next().await.expect("the store answers");
    assert!(found.is_none(), "a session survived");
    assert_eq!(store.len().await.expect("the store answers"), 1, "sessions that nobody finds");
}
