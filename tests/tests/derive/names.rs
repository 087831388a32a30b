//! The names under which fields are stored, and the form that they are stored in.

use serde_json::{Value, json};
use session::{Session, SessionData};

use super::{after, written};

/// The names under which the fields are stored.
fn names<T: SessionData>() -> Vec<&'static str> {
    T::FIELDS.iter().map(|field| field.name).collect()
}

mod rename_all {
    use super::{Session, SessionData, Value, names, written};

    /// serde's own derive on the same struct says what the names are.
    macro_rules! as_serde_does {
        ($($test:ident: $rule:literal;)*) => {$(
            #[test]
            fn $test() {
                #[derive(Session, serde::Serialize)]
                #[serde(rename_all = $rule)]
                struct Visit {
                    x: u8,
                    user_name: u8,
                    a_b_c: u8,
                    http2_url: u8,
                    url_: u8,
                    _hidden: u8,
                    größe: u8,
                    r#type: u8,
                    #[serde(rename = "as It-is")]
                    renamed: u8,
                }
                let visit = Visit::initial();
                let by_serde = serde_json::to_string(&visit).unwrap();
                let place = |name: &&str| by_serde.find(&format!("\"{name}\":"));
                assert!(names::<Visit>().iter().map(place).is_sorted_by(|one, next| one.is_some() && one < next));
                assert_eq!(written(&visit), serde_json::from_str::<Value>(&by_serde).unwrap());
            }
        )*};
    }

    as_serde_does! {
        lower: "lowercase";
        upper: "UPPERCASE";
        pascal: "PascalCase";
        camel: "camelCase";
        snake: "snake_case";
        screaming_snake: "SCREAMING_SNAKE_CASE";
        kebab: "kebab-case";
        screaming_kebab: "SCREAMING-KEBAB-CASE";
    }

    #[test]
    fn the_same_rule_twice_is_one_rule() {
        #[derive(Session)]
        #[serde(rename_all(serialize = "camelCase", deserialize = "camelCase"))]
        struct Visit {
            page_views: u32,
            #[serde(rename(serialize = "u", deserialize = "u"))]
            user: u32,
        }
        assert_eq!(names::<Visit>(), ["pageViews", "u"]);
        assert_eq!(written(&Visit::initial()), serde_json::json!({"pageViews": 0, "u": 0}));
    }
}

#[tokio::test]
async fn a_renamed_field_is_found_under_its_stored_name_whatever_that_is() {
    #[derive(Session)]
    struct Visit {
        #[serde(rename = "__proto__")]
        odd: u32,
        #[serde(rename = "a \"b\" \\ ключ")]
        odder: u32,
    }
    let record = json!({"__proto__": 1, "odd": "not this", "a \"b\" \\ ключ": 2});
    let change: fn(&mut Session<Visit>) = |session| {
        assert_eq!((session.odd, session.odder), (1, 2));
        session.set_odd(3);
        session.set_odder(4);
    };
    let expected = json!({"__proto__": 3, "odd": "not this", "a \"b\" \\ ключ": 4});
    assert_eq!(after(record, &[change]).await, expected);
}

#[tokio::test]
async fn an_alias_is_read_and_goes_with_the_first_change() {
    #[derive(Session)]
    struct Visit {
        #[serde(alias = "seen", alias = "hits")]
        views: u32,
        other: u32,
    }
    assert_eq!(Visit::FIELDS[0].aliases, ["seen", "hits"]);
    let unrelated: fn(&mut Session<Visit>) = |session| session.set_other(1);
    let change: fn(&mut Session<Visit>) = |session| {
        let views = session.views + 1;
        session.set_views(views);
    };
    for alias in ["views", "seen", "hits"] {
        assert_eq!(after(json!({alias: 7}), &[unrelated]).await, json!({alias: 7, "other": 1}));
        assert_eq!(after(json!({alias: 7}), &[change]).await, json!({"views": 8}));
    }
}

#[tokio::test]
async fn an_alias_that_is_the_name_itself_says_nothing() {
    #[derive(Session)]
    #[serde(rename_all = "camelCase")]
    struct Visit {
        #[serde(alias = "pageViews", alias = "seen", alias = "seen")]
        page_views: u32,
    }
    assert_eq!(Visit::FIELDS[0].aliases, ["seen"]);
    let change: fn(&mut Session<Visit>) = |session| {
        assert_eq!(session.page_views, 7);
        session.set_page_views(8);
    };
    for record in [json!({"pageViews": 7}), json!({"seen": 7}), json!({"seen": 1, "pageViews": 7})] {
        assert_eq!(after(record, &[change]).await, json!({"pageViews": 8}));
    }
}

#[tokio::test]
async fn a_field_that_is_never_stored_takes_no_name() {
    #[derive(Session)]
    struct Visit {
        #[serde(skip, alias = "uid")]
        user: Option<String>,
        #[serde(rename = "user", alias = "uid", alias = "userId")]
        user_id: Option<u32>,
        #[serde(rename = "user", skip_serializing, skip_deserializing)]
        cached: u32,
    }
    let change: fn(&mut Session<Visit>) = |session| {
        assert_eq!((session.user_id, session.user.as_deref(), session.cached), (Some(7), None, 0));
        session.set_user_id(Some(8));
    };
    for record in [json!({"user": 7}), json!({"userId": 7}), json!({"userId": 1, "user": 7, "uid": 2})] {
        assert_eq!(after(record, &[change]).await, json!({"user": 8}));
    }
    let only_here: fn(&mut Session<Visit>) = |session| {
        session.set_user(Some("ada".to_owned()));
        session.set_cached(1);
        assert!(!session.is_modified());
    };
    assert_eq!(after(json!({"user": 7}), &[only_here]).await, json!({"user": 7}));
}

mod own {
    pub(crate) use serde as serde_again;
}

#[test]
fn another_path_to_serde_changes_nothing_of_what_is_stored() {
    #[derive(Session, serde::Serialize)]
    #[serde(crate = "own::serde_again", rename_all = "camelCase")]
    struct Visit {
        page_views: u32,
    }
    #[derive(Session, serde::Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Usual {
        page_views: u32,
    }
    #[derive(Session, serde::Serialize)]
    #[serde(crate = "own::serde_again")]
    struct Alone {
        views: u32,
    }
    assert_eq!(Visit::SCHEMA, Usual::SCHEMA);
    assert_eq!(written(&Visit::initial()), serde_json::to_value(Usual::initial()).unwrap());
    assert_eq!(written(&Visit::initial()), serde_json::to_value(Visit::initial()).unwrap());
    assert_eq!(written(&Alone::initial()), serde_json::to_value(Alone::initial()).unwrap());
    assert!(Alone::SCHEMA.starts_with("views:"));
}

#[test]
fn names_that_differ_in_a_blank_have_a_fingerprint_that_can_be_written() {
    #[derive(Session)]
    #[session(schema = "a_b:025e4b a_b:1a291b")]
    struct Visit {
        #[serde(rename = "a b")]
        x: u32,
        #[serde(rename = "a_b")]
        y: u32,
    }
    assert_eq!(names::<Visit>(), ["a b", "a_b"]);
    assert_eq!(Visit::SCHEMA, "a_b:025e4b a_b:1a291b");
}
