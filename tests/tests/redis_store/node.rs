//! What a service on Node.js writes, this one reads, and the other way round.

use std::fs;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use redis::cmd;
use serde_json::Value;
use session::store::{Created, Updated};
use session::{Options, RedisStore, Secret, Session, SessionLayer, Store};
use session_tests::redis::Program;
use session_tests::serve;

use crate::support::{DAY, HOUR, Scene, after, close_to, created, id, loaded, record, renewal, text, views, views_of};

fn vectors() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/parity/interop/connect-redis.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

pub(crate) fn vectors_are_read_and_written(program: Program) {
    Scene::play(program, "vectors", async |mut scene| {
        let vectors = vectors();
        assert_eq!(vectors["default_prefix"], "sess:");
        let mut stored = 0;
        for scenario in vectors["scenarios"].as_array().unwrap() {
            for entry in scenario["keys"].as_array().unwrap() {
                let (name, value) = (scenario["id"].as_str().unwrap(), entry["value"].as_str().unwrap());
                let prefix = entry["key"].as_str().unwrap().strip_suffix(name).unwrap();
                let store = scene.store.clone().prefix(format!("{}{prefix}", scene.prefix));
                let key = format!("{}{}", scene.prefix, entry["key"].as_str().unwrap());
                let life = entry["pttl_ms"].as_i64().unwrap();

                // As Node wrote it.
                let mut set = cmd("SET");
                set.arg(&key).arg(value);
                if life > 0 {
                    set.arg("PX").arg(life);
                }
                set.exec_async(&mut scene.raw).await.unwrap();
                let found = loaded(&store, name).await.unwrap();
                assert_eq!(text(&found), value);
                let now = after(Duration::ZERO).as_millis();
                assert!(life < 0 || close_to(found.expires.as_millis() - now, life));
                assert!(life > 0 || found.expires.as_millis() > now + 1_000_000_000_000, "it has no expiry");

                // A load here is a touch there.
                let own = scenario["keys"][0]["value"].as_str().unwrap();
                let own: Value = serde_json::from_str(own).unwrap();
                let own = own["cookie"]["originalMaxAge"].as_i64().unwrap_or(86_400_000);
                let found = store.load(&id(name), Some(renewal(DAY))).await.unwrap().unwrap();
                assert_eq!(text(&found), value, "touching leaves the text alone");
                assert!(close_to(scene.pttl(&key).await, own), "{}", scenario["name"]);

                // As this store writes it.
                store.destroy(&id(name)).await.unwrap();
                created(&store, name, record(value)).await;
                let there: String = cmd("GET").arg(&key).query_async(&mut scene.raw).await.unwrap();
                assert_eq!(there, value);
                store.destroy(&id(name)).await.unwrap();
                stored += 1;
            }
        }
        assert!(stored > 30, "there were {stored} only");

        for read in vectors["reads"].as_array().unwrap() {
            scene.node_writes("read", read["value"].as_str().unwrap()).await;
            let is_session = loaded(&scene.store, "read").await.is_some();
            assert_eq!(is_session, read.get("session") != Some(&Value::Null), "{}", read["why"]);
            let renewed = scene.store.load(&id("read"), Some(renewal(HOUR))).await.unwrap();
            assert_eq!(renewed.is_some(), is_session, "{}", read["why"]);
        }
    });
}

pub(crate) fn what_node_writes_is_a_conflict(program: Program) {
    Scene::play(program, "node", async |mut scene| {
        let store = scene.store.clone();
        let revision = created(&store, "a", views(1)).await;
        scene.node_writes("a", str::from_utf8(views(5).json()).unwrap()).await;
        let updated = store.update(&id("a"), revision.clone(), views(2), after(HOUR)).await.unwrap();
        let Updated::Conflict(theirs) = updated else { panic!("Node wrote: {updated:?}") };
        assert_eq!(views_of(&theirs), 5);
        assert!(close_to(theirs.expires.as_millis(), after(DAY).as_millis()));
        let updated = store.update(&id("a"), theirs.revision, views(6), after(HOUR)).await.unwrap();
        assert!(matches!(updated, Updated::Replaced(_)));
        assert_eq!(store.create(&id("a"), views(9), after(HOUR)).await.unwrap(), Created::Taken);

        // One that Node removed is gone, and one that it emptied is none.
        let _: i64 = cmd("DEL").arg(scene.key("a")).query_async(&mut scene.raw).await.unwrap();
        assert!(matches!(
            store.update(&id("a"), revision.clone(), views(2), after(HOUR)).await.unwrap(),
            Updated::Gone
        ));
        scene.node_writes("a", "null").await;
        assert!(matches!(store.update(&id("a"), revision, views(2), after(HOUR)).await.unwrap(), Updated::Gone));
    });
}

#[derive(Session)]
struct Visit {
    views: u32,
}

async fn count(mut session: Session<Visit>) -> String {
    let views = session.views + 1;
    session.set_views(views);
    views.to_string()
}

pub(crate) fn node_and_rust_share_a_visit(program: Program) {
    Scene::play(program, "visit", async |mut scene| {
        let store: RedisStore = scene.store.clone();
        let secret = Secret::legacy("keyboard cat").unwrap();
        let layer = SessionLayer::<Visit>::with_options(store, secret, Options::express()).unwrap();
        let mut client = serve(Router::new().route("/", get(count)).layer(layer)).await;
        assert_eq!(client.get("/").await.body, "1");
        let cookie = client.jar["connect.sid"].clone();
        let name = cookie.strip_prefix("s%3A").unwrap().split('.').next().unwrap().to_owned();
        let key = scene.key(&name);
        let written: String = cmd("GET").arg(&key).query_async(&mut scene.raw).await.unwrap();
        let vectors = vectors();
        let vector = &vectors["scenarios"][0];
        assert_eq!(vector["name"], "browser-session");
        assert_eq!(vector["keys"][0]["value"], written, "the very text of connect-redis");
        assert!(close_to(scene.pttl(&key).await, 86_400_000));

        scene.node_writes(&name, &written.replace(r#""views":1"#, r#""views":41,"node":true"#)).await;
        assert_eq!(client.get("/").await.body, "42");
        let written: String = cmd("GET").arg(&key).query_async(&mut scene.raw).await.unwrap();
        assert!(written.ends_with(r#""views":42,"node":true}"#), "{written}");
    });
}
