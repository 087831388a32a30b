//! `#[derive(Session)]` and its attributes: the names of fields, their initial values, what is stored and what is read.

#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod names;

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use serde_json::{Value, json};
use session::{Session, SessionData};
use session_tests::Planted;

fn written<T: SessionData>(value: &T) -> Value {
    value.serialize(serde_json::value::Serializer).unwrap()
}

fn read<T: SessionData>(record: Value) -> Result<T, serde_json::Error> {
    T::deserialize(record)
}

/// Plants a record, lets one request after the other change it, and gives what is stored then, the cookie aside.
async fn after<T: SessionData>(record: Value, changes: &[fn(&mut Session<T>)]) -> Value {
    let planted = Planted::new(&record.to_string()).await;
    for change in changes {
        assert_eq!(planted.visit(*change).await.status, 200);
    }
    let mut stored: Value = serde_json::from_str(&planted.stored().await).unwrap();
    stored.as_object_mut().unwrap().remove("cookie").unwrap();
    stored
}

mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format!("{}s", duration.as_secs()))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(deserializer)?;
        let seconds = text.trim_end_matches('s').parse().map_err(serde::de::Error::custom)?;
        Ok(Duration::from_secs(seconds))
    }
}

#[tokio::test]
async fn a_field_is_stored_with_the_functions_that_are_named() {
    #[derive(Session)]
    struct Visit {
        #[serde(with = "seconds")]
        idle: Duration,
        #[serde(serialize_with = "seconds::serialize", deserialize_with = "seconds::deserialize")]
        #[session(default = Duration::from_secs(9))]
        busy: Duration,
    }
    let empty: Visit = read(json!({})).unwrap();
    assert_eq!((empty.idle.as_secs(), empty.busy.as_secs()), (0, 9), "`with` alone makes a field required in serde");
    assert!(read::<Visit>(json!({"idle": 5})).is_err());
    let change: fn(&mut Session<Visit>) = |session| {
        assert_eq!(session.idle.as_secs(), 5);
        *session.idle_mut() += Duration::from_millis(2500);
        let busy = session.busy;
        session.set_busy(busy);
    };
    assert_eq!(after(json!({"idle": "5s"}), &[change]).await, json!({"idle": "7s"}));
}

#[tokio::test]
async fn a_skipped_field_lives_for_one_request() {
    #[derive(Session)]
    struct Visit {
        views: u32,
        #[serde(skip)]
        #[session(default = 7)]
        scratch: u32,
        #[serde(skip_serializing)]
        read_only: u32,
        #[serde(skip_deserializing)]
        write_only: u32,
    }
    let skipped: Vec<_> = Visit::FIELDS.iter().map(|field| field.skipped).collect();
    assert_eq!(skipped, [false, true, true, true]);
    assert_eq!(written(&Visit::initial()), json!({"views": 0, "write_only": 0}));
    let fill: fn(&mut Session<Visit>) = |session| {
        assert_eq!((session.scratch, session.read_only, session.write_only), (7, 2, 0));
        session.set_scratch(1);
        assert!(!session.is_modified());
        session.set_read_only(1);
        session.set_write_only(1);
        session.set_views(1);
        assert_eq!((session.scratch, session.read_only, session.write_only), (1, 1, 1));
    };
    let look: fn(&mut Session<Visit>) = |session| {
        assert_eq!((session.views, session.scratch, session.read_only, session.write_only), (1, 7, 2, 0));
    };
    let record = json!({"scratch": "somebody else's", "read_only": 2, "write_only": 2});
    let expected = json!({"scratch": "somebody else's", "read_only": 2, "write_only": 1, "views": 1});
    assert_eq!(after(record, &[fill, look]).await, expected);
}

#[tokio::test]
async fn a_field_is_left_out_as_long_as_it_says_so() {
    #[derive(Session)]
    struct Visit {
        #[serde(skip_serializing_if = "Option::is_none")]
        user: Option<String>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        items: Vec<u32>,
    }
    assert_eq!(written(&Visit::initial()), json!({}));
    let fill: fn(&mut Session<Visit>) = |session| {
        session.set_user(Some("ada".to_owned()));
        session.items_mut().extend([1, 2]);
    };
    let empty: fn(&mut Session<Visit>) = |session| {
        assert_eq!(session.take_user().as_deref(), Some("ada"));
        session.items_mut().clear();
    };
    assert_eq!(after(json!({"x": 1}), &[fill]).await, json!({"x": 1, "user": "ada", "items": [1, 2]}));
    assert_eq!(after(json!({"x": 1}), &[fill, empty]).await, json!({"x": 1}));
}

mod defaults {
    use super::{Session, SessionData, json, read};

    fn five() -> u32 {
        5
    }

    /// A new session and a stored one that lacks every field begin with the same values.
    fn both<T: SessionData>() -> [T; 2] {
        [T::initial(), read(json!({})).unwrap()]
    }

    #[test]
    fn a_field_begins_with_its_default() {
        #[derive(Session)]
        struct Visit {
            plain: u32,
            #[session(default)]
            bare: u32,
            #[session(default = five() * 2)]
            own: u32,
            #[serde(default)]
            serde: u32,
            #[serde(default = "five")]
            serde_path: u32,
        }
        for Visit { plain, bare, own, serde, serde_path } in both() {
            assert_eq!([plain, bare, own, serde, serde_path], [0, 0, 10, 0, 5]);
        }
    }

    #[test]
    fn a_fields_own_default_wins_over_the_structs() {
        #[derive(Session)]
        #[serde(default)]
        struct Visit {
            plain: u32,
            #[session(default)]
            bare: u32,
            #[session(default = 10)]
            own: u32,
            #[serde(default)]
            serde: u32,
            #[serde(default = "five")]
            serde_path: u32,
        }

        impl Default for Visit {
            fn default() -> Self {
                Self { plain: 1, bare: 1, own: 1, serde: 1, serde_path: 1 }
            }
        }

        for Visit { plain, bare, own, serde, serde_path } in both() {
            assert_eq!([plain, bare, own, serde, serde_path], [1, 0, 10, 0, 5]);
        }
    }

    #[test]
    fn a_struct_names_the_function_of_its_default() {
        #[derive(Session)]
        #[serde(default = "Visit::begin")]
        struct Visit {
            one: u32,
            two: u32,
        }

        impl Visit {
            fn begin() -> Self {
                Self { one: 1, two: 2 }
            }
        }

        for Visit { one, two } in both() {
            assert_eq!([one, two], [1, 2]);
        }
    }

    #[test]
    fn a_type_without_default_needs_none_if_the_field_has_one() {
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        enum Theme {
            Light,
            Dark,
        }

        #[derive(Session)]
        struct Visit {
            #[session(default = Theme::Dark)]
            theme: Theme,
            other: Option<Theme>,
        }
        for Visit { theme, other } in both() {
            assert_eq!((theme, other), (Theme::Dark, None));
        }
        assert_eq!(read::<Visit>(json!({"theme": "Light"})).unwrap().theme, Theme::Light);
    }
}

#[tokio::test]
async fn unknown_fields_are_refused_on_demand_but_the_records_own_never() {
    #[derive(Session)]
    #[serde(deny_unknown_fields)]
    struct Visit {
        views: u32,
    }
    let change: fn(&mut Session<Visit>) = |session| session.set_views(2);
    let record = json!({"views": 1, "$session": {"created": 1}});
    assert_eq!(after(record, &[change]).await, json!({"views": 2, "$session": {"created": 1}}));
    assert!(read::<Visit>(json!({"views": 1, "clicks": 1})).is_err());
}

#[tokio::test]
async fn options_are_taken_and_collections_change_in_place() {
    #[derive(Session)]
    struct Visit {
        user: Option<String>,
        path: std::option::Option<u8>,
        items: Vec<u32>,
        seen: HashSet<u32>,
        counts: BTreeMap<String, u32>,
    }
    let unordered: Vec<_> = Visit::FIELDS.iter().map(|field| field.unordered).collect();
    assert_eq!(unordered, [false, false, false, true, false]);
    let change: fn(&mut Session<Visit>) = |session| {
        assert_eq!((session.take_user().as_deref(), session.take_user()), (Some("ada"), None));
        assert_eq!(session.take_path(), None);
        session.user_mut().get_or_insert_default().push('b');
        session.items_mut().retain(|item| *item > 1);
        session.seen_mut().insert(4);
        *session.counts_mut().entry("x".to_owned()).or_default() += 1;
    };
    let record = json!({"user": "ada", "items": [1, 2], "seen": [], "counts": {"x": 1}});
    let expected = json!({"user": "b", "items": [2], "seen": [4], "counts": {"x": 2}});
    assert_eq!(after(record, &[change]).await, expected);
}

#[tokio::test]
async fn a_session_can_be_without_fields() {
    #[derive(Session)]
    struct Nothing {}
    assert!(Nothing::FIELDS.is_empty());
    assert_eq!(written(&Nothing::initial()), json!({}));
    let change: fn(&mut Session<Nothing>) = |session| assert!(!session.is_modified());
    assert_eq!(after(json!({"views": 1}), &[change]).await, json!({"views": 1}));
}
