//! The states of a session, as types.
//!
//! A [`Session<T, S>`](struct@crate::Session) carries its state `S`. What a state allows is written as a bound on each method,
//! so that misuse is a compile error in this library's words:
//!
//! | state | read | write | `save` `reload` `touch` | `initialize` | `regenerate` | `destroy` `rotate_id` |
//! |---|---|---|---|---|---|---|
//! | [`Live`] | yes | yes, the first write initializes | yes | no, call [`state`](crate::Session::state) first | → [`Uninitialized`] | → [`Destroyed`], stays |
//! | [`Uninitialized`] | yes, the initial values | no | no | → [`Initialized`] | no | no |
//! | [`Initialized`] | yes | yes | yes | no | → [`Uninitialized`] | → [`Destroyed`], stays |
//! | [`Destroyed`] | no | no | no | no | → [`Uninitialized`] | no |
//!
//! The types have no values; they only stand in type parameters.

/// A session that may or may not hold stored data: what a handler normally asks for.
///
/// Its first write initializes it. [`Session::state`](crate::Session::state) tells at run time which of the two it is.
#[derive(Debug)]
pub enum Live {}

/// No stored session stands behind it and nothing was changed. It costs no id, no record and no cookie.
#[derive(Debug)]
pub enum Uninitialized {}

/// The session holds data that is stored, or will be at the end of the request.
#[derive(Debug)]
pub enum Initialized {}

/// The session is gone from the store. Only a new one can be begun in its place.
#[derive(Debug)]
pub enum Destroyed {}

/// A state that a session can be in. Sealed: the four types of [this module](crate::state) are all there are.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a state of a session",
    label = "not a session state",
    note = "the states are `Live`, `Uninitialized`, `Initialized` and `Destroyed`"
)]
pub trait State: sealed::Sealed + 'static {}

/// States in which the session's fields can be read.
#[diagnostic::on_unimplemented(
    message = "a session in state `{Self}` can't be read",
    label = "this session has no data any more",
    note = "read what you need before `destroy()`, or begin a new session with `regenerate()`"
)]
pub trait Readable: State {}

/// States in which the session's fields can be written.
#[diagnostic::on_unimplemented(
    message = "a session in state `{Self}` can't be written",
    label = "this session takes no changes",
    note = "an `Uninitialized` session is written after `initialize()`, a `Destroyed` one after `regenerate()` and `initialize()`"
)]
pub trait Writable: Readable {}

/// States that [`regenerate`](crate::Session::regenerate) can replace by a new session.
#[diagnostic::on_unimplemented(
    message = "a session in state `{Self}` can't be regenerated",
    label = "there is nothing to replace",
    note = "an `Uninitialized` session is new already: call `initialize()` to use it"
)]
pub trait Replaceable: State {}

impl State for Live {}
impl State for Uninitialized {}
impl State for Initialized {}
impl State for Destroyed {}

impl Readable for Live {}
impl Readable for Uninitialized {}
impl Readable for Initialized {}

impl Writable for Live {}
impl Writable for Initialized {}

impl Replaceable for Live {}
impl Replaceable for Initialized {}
impl Replaceable for Destroyed {}

/// Keeps other crates from adding states, so that the table above stays the whole truth.
mod sealed {
    pub trait Sealed {
        /// Whether there is something to read.
        const IS_READABLE: bool = true;
    }

    impl Sealed for super::Live {}
    impl Sealed for super::Uninitialized {}
    impl Sealed for super::Initialized {}
    impl Sealed for super::Destroyed {
        const IS_READABLE: bool = false;
    }
}
