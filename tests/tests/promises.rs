//! What the library promises about parallel requests, on every store.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use session::Store;
use session_tests::backend::Backend;
use session_tests::database::{Database, Kind, run as in_runtime};
use session_tests::promises::{
    Rounds, destroyed_stays_destroyed, expired_stays_expired, log_out_everywhere_holds, no_update_is_lost,
    own_fields_all_survive,
};
use session_tests::requirements::{Test, run};

fn main() -> ExitCode {
    let mut tests = Vec::new();
    for backend in Backend::ALL {
        let rounds = if backend == Backend::Memory { Rounds::All } else { Rounds::For(Duration::from_secs(1)) };
        tests.push(test(backend, "no_update_is_lost", no_update_is_lost));
        tests.push(test(backend, "own_fields_all_survive", own_fields_all_survive));
        tests.push(match backend {
            Backend::Sqlite => logging_out_of(Kind::Sqlite, backend),
            Backend::Postgres => logging_out_of(Kind::Postgres, backend),
            Backend::Mysql => logging_out_of(Kind::Mysql, backend),
            _ => test(backend, "log_out_everywhere_holds", log_out_everywhere_holds),
        });
        tests.push(test(backend, "destroyed_stays_destroyed", move |store| {
            counted(destroyed_stays_destroyed(store, rounds))
        }));
        tests.push(test(backend, "expired_stays_expired", move |store| counted(expired_stays_expired(store, rounds))));
    }
    run(tests)
}

fn test<F>(backend: Backend, promise: &str, scenario: impl FnOnce(Arc<dyn Store>) -> F + Send + 'static) -> Test
where
    F: Future<Output = ()> + Send + 'static,
{
    Test::new(format!("{}_{promise}", backend.name()), backend.needs(), move || backend.play(scenario))
}

/// In an SQL database, with a look at the index: no row of it has lost its session.
fn logging_out_of(kind: Kind, backend: Backend) -> Test {
    Test::new(format!("{}_log_out_everywhere_holds", backend.name()), backend.needs(), move || {
        in_runtime(async {
            let database = Database::new(kind).await;
            let store = database.store().await;
            log_out_everywhere_holds(store.shared()).await;
            store.sweep().await;
            let (rows, sessions) = ("SELECT COUNT(*) FROM session_index", "SELECT COUNT(*) FROM session");
            assert_eq!((store.number(rows).await, store.number(sessions).await), (1, 1));
        });
    })
}

/// As many rounds as were played are shown when a test fails, or with `--nocapture`.
async fn counted(rounds: impl Future<Output = u32>) {
    println!("{} rounds", rounds.await);
}
