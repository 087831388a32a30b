//! What the derive makes compiles without a warning wherever a struct may stand: next to names that shadow the prelude,
//! under strict lints, in functions, modules and macros, and with the oddest names.

#![deny(warnings, missing_docs, clippy::pedantic)]
#![deny(missing_debug_implementations, unreachable_pub, unused_qualifications, unused_lifetimes, single_use_lifetimes)]
#![forbid(unsafe_code)]

use axum::Router;
use axum::routing::get;
use session::{MemoryStore, Session, SessionData, SessionLayer};
use session_tests::{secret, serve};

/// Own things by the names of the prelude, and of the crates that generated code is made with.
mod shadowed {
    #![allow(dead_code, unused_macros, reason = "they are there to be in the way")]

    use ::session::Session as Derived;

    pub(crate) struct Option;
    pub(crate) struct Some;
    pub(crate) struct None;
    pub(crate) struct Result;
    pub(crate) struct Ok;
    pub(crate) struct Err;
    pub(crate) struct Vec;
    pub(crate) struct String;
    pub(crate) struct Box;
    pub(crate) struct Session;
    pub(crate) struct SessionData;
    pub(crate) struct Tracked;
    pub(crate) struct Field;
    pub(crate) struct Fields;
    pub(crate) struct Stored;
    pub(crate) trait Default {}
    pub(crate) trait Clone {}
    pub(crate) trait Send {}
    pub(crate) trait Sync {}
    pub(crate) trait Sized {}
    pub(crate) trait Deref {}
    pub(crate) trait Serialize {}
    pub(crate) trait Deserialize {}
    pub(crate) trait Serializer {}
    pub(crate) trait Deserializer {}
    pub(crate) trait State {}
    pub(crate) trait Readable {}
    pub(crate) trait Writable {}

    /// Methods of every type, by the names of those that generated code calls.
    pub(crate) trait Noise {
        fn clone(&self) {}
        fn read(&self) {}
        fn write(&self, _: usize) {}
        fn take(&self) {}
        fn is_none(&self) {}
        fn unordered(&self) {}
        fn serialize(&self) {}
        fn deserialize() {}
        fn default() {}
        fn initial_value() {}
    }

    impl<T: ?core_::marker::Sized> Noise for T {}

    use ::core as core_;

    pub(crate) mod session_ {}
    pub(crate) mod session {}
    pub(crate) mod serde {}
    pub(crate) mod serde_json {}
    pub(crate) mod std {}
    pub(crate) mod core {}
    pub(crate) mod alloc {}

    macro_rules! in_the_way {
        ($($name:ident)*) => {$(
            macro_rules! $name {
                () => {
                    compile_error!("not this macro")
                };
            }
        )*};
    }

    in_the_way! { vec format unreachable panic assert matches write concat stringify }

    /// A session.
    #[derive(Derived)]
    pub(crate) struct Visit {
        pub(crate) views: u32,
        pub(crate) user: ::core::option::Option<::std::string::String>,
        #[session(default = ::std::vec::Vec::new())]
        pub(crate) items: ::std::vec::Vec<u8>,
        pub(crate) seen: ::std::collections::HashSet<u8>,
        #[serde(skip)]
        pub(crate) scratch: u8,
        #[serde(default)]
        pub(crate) other: u8,
    }
}

/// Not even the prelude is there.
#[no_implicit_prelude]
mod bare {
    /// A session.
    #[derive(::session::Session)]
    pub(crate) struct Visit {
        pub(crate) views: u32,
        pub(crate) user: ::core::option::Option<::std::string::String>,
    }
}

/// Types and fields by the names of what is generated.
mod named_as_generated {
    use serde::{Deserialize, Serialize};
    use session::Session;

    #[derive(Clone, Debug, Default, Serialize, Deserialize)]
    pub(crate) struct S;

    #[derive(Clone, Debug, Default, Serialize, Deserialize)]
    pub(crate) struct State;

    #[derive(Session)]
    pub(crate) struct Visit {
        pub(crate) state: S,
        pub(crate) states: Vec<S>,
        pub(crate) other: Option<State>,
    }

    /// `S` again, as the session.
    pub(crate) mod session_named_s {
        #[derive(session::Session)]
        pub(crate) struct S {
            pub(crate) x: u8,
        }
    }
}

/// Fields by the names of the handle's methods and fields, of variables and of keywords.
pub mod names {
    use session::Session;

    /// A session.
    #[derive(Debug, Session)]
    #[expect(clippy::struct_excessive_bools, reason = "as many as an application may have")]
    #[expect(non_snake_case, reason = "an application may have its reasons")]
    pub struct Visit {
        /// A field.
        pub id: u8,
        /// A field.
        pub save: u8,
        /// A field.
        pub self_: u8,
        /// A field.
        pub data: u8,
        /// A field.
        pub state: u8,
        /// A field.
        pub cookie_: u8,
        /// A field.
        pub handle: u8,
        /// A field.
        pub parts: u8,
        /// A field.
        pub fields: u8,
        /// A field.
        pub tracked: u8,
        /// A field.
        pub base: u8,
        /// A field.
        pub mine: u8,
        /// A field.
        pub theirs: u8,
        /// A field.
        pub field: Option<u8>,
        /// A field.
        pub serializer: bool,
        /// A field.
        pub deserializer: bool,
        /// A field.
        pub r#type: bool,
        /// A field.
        pub r#mut: bool,
        /// A field.
        pub r#async: Option<bool>,
        /// A field.
        pub(crate) _unused: u8,
        /// A field.
        pub camelCase: u8,
        /// A field.
        #[deprecated]
        pub old: u8,
        /// A field.
        #[expect(deprecated, reason = "an application may have its reasons")]
        pub number: OldNumber,
    }

    /// A type of the past.
    #[deprecated]
    pub type OldNumber = u8;

    /// A session of the past.
    #[deprecated]
    #[derive(Debug, Session)]
    pub struct Old {
        /// A field.
        pub field: u8,
    }

    /// Sets every field, and reads those whose names the handle has too.
    pub fn set_all(session: &mut Session<Visit>) -> [u8; 6] {
        session.set_id(1);
        session.set_save(2);
        session.set_self_(3);
        session.set_data(4);
        session.set_state(5);
        session.set_cookie_(6);
        session.set_handle(7);
        session.set_parts(8);
        session.set_fields(9);
        session.set_tracked(10);
        session.set_base(11);
        session.set_mine(12);
        session.set_theirs(13);
        session.set_field(Some(14));
        session.set_serializer(true);
        session.set_deserializer(true);
        session.set_type(true);
        session.set_mut(true);
        session.set_async(Some(true));
        session.set__unused(15);
        session.set_camelCase(16);
        *session.handle_mut() += 1;
        *session.parts_mut() += 1;
        *session.tracked_mut() += 1;
        *session.type_mut() &= session.take_async().is_some();
        [session.id, session.save, session.state, session.handle, session.parts, session.tracked]
    }
}

/// Structs that a macro makes: names and types of its own, and of whoever calls it.
mod macros {
    use session::Session;

    macro_rules! session {
        ($(#[$attr:meta])* $name:ident of $token:tt { $($field:ident: $type:ty = $default:expr,)* }) => {
            #[derive(Session)]
            $(#[$attr])*
            pub(crate) struct $name {
                pub(crate) made_here: Option<u32>,
                pub(crate) half_made_here: $token,
                $(#[session(default = $default)] pub(crate) $field: $type,)*
            }
        };
    }

    session! {
        #[serde(rename_all = "camelCase")]
        Visit of u8 {
            page_views: u32 = 7,
            user: Option<String> = None,
            seen: std::collections::HashSet<u32> = std::collections::HashSet::new(),
        }
    }
}

/// A session that another module sees only in part, and one that is nobody else's business.
mod visibility {
    use session::{Session, SessionData};

    pub(crate) mod inner {
        #[derive(session::Session)]
        #[session(crate = super::super::renamed)]
        pub(crate) struct Visit {
            pub(crate) open: u8,
            pub(super) half_open: u8,
            closed: u8,
            #[expect(clippy::option_option, reason = "an application may have its reasons")]
            nested: Option<Option<u8>>,
        }

        pub(crate) fn close(session: &mut session::Session<Visit>) -> u8 {
            session.set_closed(3);
            session.set_nested(Some(None));
            session.closed + u8::from(session.take_nested().is_none())
        }
    }

    pub(crate) fn open(session: &mut Session<inner::Visit>) -> [u8; 3] {
        session.set_open(1);
        session.set_half_open(2);
        [session.open, session.half_open, inner::close(session)]
    }

    #[test]
    fn a_struct_can_stand_in_a_function() {
        struct Local(u8);

        impl Local {
            const fn value() -> u8 {
                Self(7).0
            }
        }

        #[derive(Session)]
        #[session(crate = crate::renamed)]
        struct Visit {
            #[session(default = Local::value())]
            views: u8,
        }
        assert_eq!(Visit::initial().views, 7);
    }
}

/// The library by another name.
mod renamed {
    pub(crate) use session::*;
}

#[test]
fn fields_are_stored_under_the_names_that_were_written() {
    fn names<T: SessionData>() -> Vec<&'static str> {
        T::FIELDS.iter().map(|field| field.name).collect()
    }
    assert_eq!(names::<shadowed::Visit>(), ["views", "user", "items", "seen", "scratch", "other"]);
    assert_eq!(names::<bare::Visit>(), ["views", "user"]);
    assert_eq!(names::<named_as_generated::Visit>(), ["state", "states", "other"]);
    assert_eq!(names::<named_as_generated::session_named_s::S>(), ["x"]);
    assert_eq!(names::<macros::Visit>(), ["madeHere", "halfMadeHere", "pageViews", "user", "seen"]);
    assert_eq!(names::<visibility::inner::Visit>(), ["open", "half_open", "closed", "nested"]);
    assert_eq!(names::<names::Visit>().iter().filter(|name| name.starts_with("r#")).count(), 0);
    assert_eq!(macros::Visit::initial().page_views, 7);
}

/// A new session, changed by one request and read by the next.
async fn change_and_look<T: SessionData>(change: fn(&mut Session<T>), look: fn(&Session<T>)) {
    let app = Router::new()
        .route("/change", get(async move |mut session: Session<T>| change(&mut session)))
        .route("/look", get(async move |session: Session<T>| look(&session)))
        .layer(SessionLayer::<T>::new(MemoryStore::new(), secret()));
    let mut client = serve(app).await;
    for path in ["/change", "/look"] {
        assert_eq!(client.get(path).await.status, 200);
    }
}

#[tokio::test]
async fn every_setter_writes_its_own_field() {
    change_and_look::<names::Visit>(
        |session| assert_eq!(names::set_all(session), [1, 2, 5, 8, 9, 11]),
        |session| {
            assert_eq!([session.id, session.save, session.state, session.handle], [1, 2, 5, 8]);
            assert_eq!([session.self_, session.data, session.cookie_, session.fields], [3, 4, 6, 9]);
            assert_eq!([session.base, session.mine, session.theirs, session.camelCase], [11, 12, 13, 16]);
            assert_eq!((session.field, session.r#async, session.r#type, session.r#mut), (Some(14), None, true, true));
        },
    )
    .await;
    change_and_look::<visibility::inner::Visit>(
        |session| assert_eq!(visibility::open(session), [1, 2, 3]),
        |session| assert_eq!(session.open, 1),
    )
    .await;
    change_and_look::<shadowed::Visit>(
        |session| {
            session.set_user(Some("ada".to_owned()));
            session.items_mut().push(1);
            assert_eq!(session.take_user().as_deref(), Some("ada"));
        },
        |session| assert_eq!((session.items.as_slice(), session.user.as_deref()), (&[1][..], None)),
    )
    .await;
    change_and_look::<macros::Visit>(
        |session| {
            session.set_user(Some("ada".to_owned()));
            assert_eq!((session.take_user().as_deref(), session.take_made_here()), (Some("ada"), None));
            session.seen_mut().extend([1, 2]);
        },
        |session| assert_eq!((session.seen.len(), session.page_views), (2, 7)),
    )
    .await;
}
