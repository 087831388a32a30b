//! What the attributes generate compiles under an application's strictest lints, next to any name.

#![deny(warnings, missing_docs, unsafe_code, clippy::all, clippy::pedantic)]

/// Names that the prelude has, too.
#[allow(dead_code, reason = "they are only in the way")]
mod shadows {
    pub(crate) struct Option;
    pub(crate) struct Some;
    pub(crate) struct None;
    pub(crate) struct Result;
    pub(crate) struct Ok;
    pub(crate) struct Err;
    pub(crate) struct String;
    pub(crate) struct Vec;
    pub(crate) struct Box;
    pub(crate) trait Clone {}
    pub(crate) trait Default {}
    pub(crate) trait Deref {}
    pub(crate) trait Send {}
    pub(crate) trait Sync {}
    pub(crate) trait Sized {}
    pub(crate) trait ToOwned {}
    pub(crate) trait From {}
    pub(crate) trait Into {}
    pub(crate) trait Debug {}
    pub(crate) trait Sum {}
    pub(crate) trait Union {}
    pub(crate) mod core {}
    pub(crate) mod std {}
    pub(crate) mod session {}
    pub(crate) mod axum {}
    pub(crate) mod serde {}
}

/// The application's own words for the library.
pub mod web {
    pub use session::*;
}

/// Every attribute there is.
pub mod every {
    #[allow(unused_imports, reason = "they are only in the way")]
    use super::shadows::*;

    /// The first version.
    #[derive(crate::web::Session)]
    #[session(crate = crate::web)]
    pub struct First {
        /// Who.
        pub user: ::std::option::Option<::std::string::String>,
    }

    /// The present version.
    #[derive(crate::web::Session)]
    #[session(crate = crate::web, version = 2, previous = First, schema = "views:b2316b user:ddb5cd seen:9bc8c1 r_type:1d8875 last:4b6179")]
    pub struct Visit {
        /// How often.
        #[session(merge = sum)]
        pub views: u32,
        /// Who.
        #[session(rotate, index, extract = CurrentUser, redact)]
        pub user: ::std::option::Option<::std::string::String>,
        /// What.
        #[session(merge = union, extract)]
        pub seen: ::std::collections::BTreeSet<u32>,
        /// Of which kind.
        #[serde(rename = "r type")]
        #[session(index, extract = Kind)]
        pub r#type: u8,
        #[session(merge = self::latest, index)]
        last: ::std::string::String,
    }

    fn latest(_base: &str, mine: &str, theirs: &str) -> ::std::string::String {
        ::std::borrow::ToOwned::to_owned(::std::cmp::Ord::max(mine, theirs))
    }

    impl ::std::convert::From<First> for Visit {
        fn from(old: First) -> Self {
            let mut new = <Self as crate::web::SessionData>::initial();
            new.user = old.user;
            new
        }
    }

    /// Looks by a private field.
    #[must_use]
    pub fn by_the_last() -> crate::web::Index<Visit> {
        Visit::by_last("7")
    }
}

/// A session whose fields are of types that are as private as it is.
mod private {
    use session::Session;

    #[derive(Clone, Default, serde::Serialize, serde::Deserialize)]
    pub(super) struct User {
        pub(super) id: u32,
    }

    #[derive(Clone, Default, serde::Serialize, serde::Deserialize)]
    struct Theme(u32);

    #[derive(Session)]
    struct Visit {
        #[session(extract = CurrentUser)]
        pub user: Option<Theme>,
        #[session(extract)]
        pub(crate) theme: Theme,
    }

    #[derive(Session)]
    pub(super) struct Account {
        #[session(extract)]
        pub user: Option<User>,
        #[session(extract)]
        theme: Theme,
    }

    pub(super) fn sum(user: u32) -> u32 {
        let visit = CurrentUser(Theme(user)).0.0 + VisitTheme(Theme(1)).0.0;
        visit + AccountTheme(Theme(1)).0.0
    }
}

/// A session and its extractors, by the name that the state of axum's applications often has.
mod named_s {
    /// A session.
    #[derive(session::Session)]
    pub(super) struct S {
        #[session(extract = Theme)]
        pub(super) theme: String,
        #[session(extract = User)]
        pub(super) user: Option<String>,
    }
}

/// A session whose name is written as that of a keyword.
mod raw {
    #[derive(session::Session)]
    pub(super) struct r#Visit {
        #[session(extract)]
        pub(super) theme: u32,
    }
}

/// References that nothing is read into.
mod references {
    use std::borrow::Cow;
    use std::marker::PhantomData;

    use session::Session;

    pub(super) trait Owned {
        type As;
    }

    impl Owned for &'static str {
        type As = String;
    }

    #[derive(Session)]
    pub(super) struct Visit {
        pub(super) handler: PhantomData<fn(&u32)>,
        pub(super) kind: PhantomData<&'static str>,
        pub(super) text: Cow<'static, str>,
        pub(super) owned: <&'static str as Owned>::As,
        #[serde(skip)]
        pub(super) skipped: Option<&'static str>,
    }
}

/// Extractors of what is there for old times' sake.
pub mod past {
    /// A session.
    #[derive(Debug, session::Session)]
    pub struct Visit {
        /// Who.
        #[deprecated]
        #[session(extract)]
        pub user: Option<u8>,
        /// What.
        #[deprecated]
        #[session(extract)]
        pub theme: u8,
        /// A number.
        #[expect(deprecated, reason = "an application may have its reasons")]
        #[session(extract, index)]
        pub number: Number,
    }

    /// A type of the past.
    #[deprecated]
    pub type Number = u8;
}

#[test]
fn an_extractor_is_seen_as_far_as_its_session_and_holds_what_the_field_holds() {
    assert_eq!(private::sum(2) + private::AccountUser(private::User { id: 3 }).id, 7);
    assert_eq!(named_s::Theme("dark".to_owned()).len() + named_s::User("ada".to_owned()).len(), 7);
    assert_eq!(raw::VisitTheme(7).0, 7);
    assert_eq!(past::VisitUser(1).0 + past::VisitTheme(2).0 + past::VisitNumber(4).0, 7);
}

#[test]
fn a_reference_that_is_not_stored_may_stay() {
    use session::SessionData;

    let references::Visit { handler, kind, text, owned, skipped } = references::Visit::initial();
    assert_eq!((handler, kind), (std::marker::PhantomData, std::marker::PhantomData));
    assert_eq!((text.len(), owned.len(), skipped), (0, 0, None));
}

#[test]
fn every_attribute_does_what_it_says() {
    use session::SessionData;

    let special: Vec<_> =
        every::Visit::FIELDS.iter().map(|field| (field.rotates, field.indexed, field.redacted)).collect();
    let expected =
        [(false, false, false), (true, true, true), (false, false, false), (false, true, false), (false, true, false)];
    assert_eq!(special, expected);
    assert_eq!(every::Visit::VERSION, 2);
    assert!(format!("{:?}", every::by_the_last()).contains("last"));
    assert!(format!("{:?}", every::Visit::by_type(&1)).contains("rtype"));
    assert_eq!(every::CurrentUser("ada".to_owned()).len(), 3);
    assert!(every::VisitSeen(std::collections::BTreeSet::new()).is_empty());
    assert_eq!(every::Kind(1).0, 1);
}
