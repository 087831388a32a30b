//! Values come back from a record as they were, differ where they differ, and an upgrade loses none of them.

#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use session::{Session, SessionData};
use session_tests::Planted;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Wallet {
    wei: u128,
    of: BTreeMap<String, u128>,
}

#[derive(Session)]
struct Visit {
    wallet: Wallet,
    ratio: f64,
    ratios: Vec<Option<f64>>,
    tags: Option<HashSet<String>>,
}

const WALLET: &str = r#"{"wallet":{"wei":25000000000000000000,"of":{"a":25000000000000000000}}}"#;

#[tokio::test]
async fn numbers_of_more_than_64_bits_differ_by_one() {
    let changes: [fn(&mut Session<Visit>) -> String; 2] = [
        |session| {
            session.wallet_mut().wei += 1;
            session.is_modified().to_string()
        },
        |session| {
            *session.wallet_mut().of.get_mut("a").unwrap() += 1;
            session.is_modified().to_string()
        },
    ];
    for change in changes {
        let planted = Planted::new(WALLET).await;
        assert_eq!(planted.visit(change).await.body, "true");
        assert!(planted.stored().await.contains("25000000000000000001"));
    }
}

#[tokio::test]
async fn a_float_is_read_as_it_was_written() {
    // The nearest double of a short text, which a quick reader misses by one bit.
    let planted = Planted::new(r#"{"ratio":3.6562958389999998}"#).await;
    let handler: fn(&mut Session<Visit>) -> String = |session| {
        let found = session.ratio;
        session.set_ratio(3.656_295_838_999_999_8);
        format!("{found:?} {}", session.is_modified())
    };
    assert_eq!(planted.visit(handler).await.body, "3.6562958389999998 false");
}

#[tokio::test]
async fn a_number_that_json_cannot_hold_is_an_error_and_the_session_stays() {
    let changes: [fn(&mut Session<Visit>); 4] = [
        |session| session.set_ratio(f64::NAN),
        |session| session.set_ratio(f64::INFINITY),
        |session| session.ratios_mut().push(Some(f64::NEG_INFINITY)),
        |session| {
            session.ratios_mut().push(None);
            session.ratios_mut().push(Some(f64::NAN));
        },
    ];
    for change in changes {
        let planted = Planted::new(r#"{"ratio":1.5}"#).await;
        let before = planted.stored().await;
        assert_eq!(planted.visit(change).await.status, 500);
        assert_eq!(planted.stored().await, before);
    }
    let planted = Planted::new(r#"{"ratio":1.5}"#).await;
    let change: fn(&mut Session<Visit>) = |session| session.ratios_mut().push(None);
    assert_eq!(planted.visit(change).await.status, 200);
    assert!(planted.stored().await.contains(r#""ratios":[null]"#));
}

#[tokio::test]
async fn a_set_within_an_option_has_no_order() {
    let letters: Vec<String> = ('a'..='z').map(String::from).collect();
    let planted = Planted::new(&json!({ "tags": letters }).to_string()).await;
    let handler: fn(&mut Session<Visit>) -> String = |session| {
        session.set_tags(Some(('a'..='z').rev().map(String::from).collect()));
        session.is_modified().to_string()
    };
    assert_eq!(planted.visit(handler).await.body, "false");
}

#[test]
fn a_float_that_nobody_else_changed_is_taken_as_it_is() {
    #[derive(Session)]
    struct Account {
        #[session(merge = sum)]
        total: f64,
    }
    let (base, mine, mut theirs) = (Account { total: 1e16 }, Account { total: 0.1 }, Account { total: 1e16 });
    Account::merge(0, false, &base, &mine, &mut theirs);
    assert!(theirs.total.to_bits() == 0.1_f64.to_bits(), "{}", theirs.total);
}

mod upgraded {
    use super::{Planted, Session, Value, json};

    #[derive(Session)]
    struct First {
        #[serde(alias = "seen")]
        views: u32,
    }

    #[derive(Session)]
    #[session(version = 2, previous = First)]
    struct Second {
        views: u32,
        #[serde(skip)]
        scratch: u32,
        #[serde(skip_serializing)]
        node: u32,
    }

    impl From<First> for Second {
        fn from(old: First) -> Self {
            Self { views: old.views, scratch: 0, node: 0 }
        }
    }

    #[derive(Session)]
    #[session(version = 3, previous = Second)]
    struct Third {
        views: u32,
    }

    impl From<Second> for Third {
        fn from(old: Second) -> Self {
            Self { views: old.views + old.scratch + old.node }
        }
    }

    #[tokio::test]
    async fn a_name_counts_more_than_its_alias_in_older_versions_too() {
        let planted = Planted::new(r#"{"views":3,"seen":2}"#).await;
        let views: fn(&mut Session<First>) -> String = |session| session.views.to_string();
        assert_eq!(planted.visit(views).await.body, "3");
        let views: fn(&mut Session<Second>) -> String = |session| session.views.to_string();
        assert_eq!(planted.visit(views).await.body, "3");
        let views: fn(&mut Session<Third>) -> String = |session| session.views.to_string();
        assert_eq!(planted.visit(views).await.body, "3");
    }

    #[tokio::test]
    async fn what_stands_under_the_name_of_a_field_that_is_not_stored_stays() {
        let planted = Planted::new(r#"{"views":1,"scratch":"somebody else's","node":7}"#).await;
        let change: fn(&mut Session<Second>) = |session| session.set_views(2);
        assert_eq!(planted.visit(change).await.status, 200);
        let stored: Value = serde_json::from_str(&planted.stored().await).unwrap();
        assert_eq!(
            [&stored["views"], &stored["scratch"], &stored["node"]],
            [&json!(2), &json!("somebody else's"), &json!(7)]
        );
    }
}
