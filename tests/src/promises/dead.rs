//! A session that has ended stays so, whatever a request does that loaded it before.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use session::{SessionId, Store, Timestamp};
use tokio::task::JoinSet;

use super::Rounds;
use super::account::{Account, App, WAYS};
use crate::Visitor;

/// How many rounds are played at the same time.
const PLAYERS: u32 = 16;

/// How a session ends while a request uses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Destroyed,
    Rotated,
    Regenerated,
    LoggedOutEverywhere,
    Expired,
}

/// One request loads the session; another one destroys it, changes its id, begins anew, or logs out everywhere; the first
/// one then saves, touches or rotates. Gives the number of rounds.
///
/// # Panics
/// If a session comes back, or a cookie for a dead session goes out.
pub async fn destroyed_stays_destroyed(store: impl Store + Clone, rounds: Rounds) -> u32 {
    use Ending::{Destroyed, LoggedOutEverywhere, Regenerated, Rotated};
    play(store, &[Destroyed, Rotated, Regenerated, LoggedOutEverywhere], rounds).await
}

/// The same, with a session that expires while the request uses it.
///
/// # Panics
/// If a session comes back, or a cookie for a dead session goes out.
pub async fn expired_stays_expired(store: impl Store + Clone, rounds: Rounds) -> u32 {
    play(store, &[Ending::Expired], rounds).await
}

async fn play(store: impl Store + Clone, endings: &'static [Ending], rounds: Rounds) -> u32 {
    let (next, begin) = (Arc::new(AtomicU32::new(0)), Instant::now());
    let mut players = JoinSet::new();
    for _ in 0..PLAYERS {
        let (store, next) = (store.clone(), Arc::clone(&next));
        players.spawn(async move {
            let app = App::new(store.clone());
            let mut played = 0;
            loop {
                let round = next.fetch_add(1, Ordering::Relaxed);
                if !rounds.go_on(round, begin) {
                    return played;
                }
                let cases = WAYS.iter().flat_map(|way| endings.iter().map(move |ending| (*way, *ending)));
                let case = cases.cycle().nth(round as usize % (WAYS.len() * endings.len()));
                let (way, ending) = case.expect("a cycle has no end");
                play_round(&app, &store, round, (way, ending)).await;
                played += 1;
            }
        });
    }
    let played = players.join_all().await.into_iter().sum();
    assert_eq!(store.len().await.expect("it answers"), 0, "sessions came back");
    played
}

async fn play_round(app: &App, store: &impl Store, round: u32, (way, ending): (&str, Ending)) {
    let user = format!("user-{round}");
    let (visitor, id) = app.logged_in(&user).await;
    let (mut late, mut other, mut later) = (visitor.clone(), visitor.clone(), visitor);
    // In every other cycle nobody waits: what is written before the end is right, and what is written after it is not. (Of
    // two rotations one is too late, and a renewal before the expiry is one.)
    let is_race = (round / 16).is_multiple_of(2) && way != "rotate" && ending != Ending::Expired;
    let path = format!("/{}/{way}", if is_race { "now" } else { "late" });
    let end_it = async {
        if !is_race {
            app.gate.wait_for(1).await;
        }
        end(app, store, ending, (&user, &id), &mut other).await;
        app.gate.open(usize::from(!is_race));
    };
    let (reply, ()) = tokio::join!(late.post(&path), end_it);
    let case = format!("round {round}: {ending:?}, then {way}");
    assert!(matches!(reply.status, 200 | 401), "{case}: {} {}", reply.status, reply.body);
    assert!(is_race || late.cookie.is_none() || reply.set_cookies().is_empty(), "{case}: a cookie for a dead session");
    assert_eq!(later.get("/user").await.body, "", "{case}: the session came back");
    if let Ending::Rotated | Ending::Regenerated = ending {
        // What took its place is as it was.
        let kept = if matches!(ending, Ending::Rotated) { &*user } else { "" };
        assert_eq!(other.get("/user").await.body, kept, "{case}");
        assert_eq!(other.post("/destroy").await.status, 200, "{case}");
    }
}

async fn end(app: &App, store: &impl Store, ending: Ending, (user, id): (&str, &str), other: &mut Visitor) {
    let path = match ending {
        Ending::Destroyed => "/destroy",
        Ending::Rotated => "/rotate",
        Ending::Regenerated => "/regenerate",
        Ending::LoggedOutEverywhere => {
            let index = Account::by_user(&user.to_owned());
            let destroyed = app.sessions.destroy_all(&index).await.expect("the store answers");
            assert_eq!(destroyed, 1, "{user}");
            return;
        }
        Ending::Expired => {
            let id = SessionId::new(id).expect("an id");
            let soon = Timestamp::from_millis(Timestamp::now().as_millis() + 1);
            assert!(store.touch(&id, soon).await.expect("the store answers"));
            while store.load(&id, None).await.expect("the store answers").is_some() {
                tokio::task::yield_now().await;
            }
            return;
        }
    };
    let reply = other.post(path).await;
    assert_eq!(reply.status, 200, "{ending:?}: {}", reply.body);
}
