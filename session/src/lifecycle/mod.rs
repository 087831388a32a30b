//! What happens to a session at the end of a request: one pure function, from facts to actions.
//!
//! The rules are those of express-session 1.19. Where [`Rules::Express`] keeps one of its corners, the default does the
//! safer thing.

/// Whose corners are kept: see the table "beyond the options" in the README.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rules {
    Safe,
    Express,
}

/// What becomes of a stored session that a handler [unset](crate::Session::unset).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unset {
    /// The request's changes are dropped, and the stored session stays. The default.
    #[default]
    Keep,
    /// The stored session is destroyed at the end of the request.
    Destroy,
}

/// The options that the decision depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    pub(crate) rules: Rules,
    pub(crate) resave: bool,
    pub(crate) save_uninitialized: bool,
    pub(crate) rolling: bool,
    pub(crate) unset: Unset,
    pub(crate) clear_cookie: bool,
}

impl Policy {
    /// Whether something happens at the end of a request that did nothing but read its stored session.
    pub(crate) const fn acts_on_reading(self) -> bool {
        self.resave || self.rolling
    }
}

/// How the handlers left the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// In use until the end.
    Open,
    Unset,
    Destroyed,
    /// Somebody else destroyed it, or it has expired, which the store told when it was to be written.
    Gone,
    /// The request came with an id that the session had before, which leads to it for a moment. Whoever has the new one
    /// has the cookie.
    Moved,
}

/// What is known about the request's session at the end of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent facts, and every combination is tested")]
pub(crate) struct Facts {
    pub(crate) ending: Ending,
    /// The client sent a validly signed cookie, whatever it led to.
    pub(crate) presented: bool,
    /// This cookie led to a stored session.
    pub(crate) found: bool,
    /// The session's id is the one that this cookie brought.
    pub(crate) known: bool,
    /// The store has a record of the session.
    pub(crate) stored: bool,
    /// The data, or the id, differ from what was loaded; the cookie's settings aside.
    pub(crate) modified: bool,
    /// The data differ from what is stored.
    pub(crate) unsaved: bool,
    /// The handler saved the session itself.
    pub(crate) saved: bool,
    /// The handler made it an initialized session, whatever it holds.
    pub(crate) initialized: bool,
    /// The cookie's settings differ from the stored ones.
    pub(crate) cookie_changed: bool,
    /// The handler saved other settings of the cookie than the client has.
    pub(crate) cookie_saved: bool,
    /// The handler asked for another renewal.
    pub(crate) touched: bool,
    /// The cookie has an expiry.
    pub(crate) expires: bool,
    /// The cookie may go over this connection.
    pub(crate) sendable: bool,
}

/// What is done in the store, before the response leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Write {
    Nothing,
    Create,
    Update,
    Touch,
    Destroy,
}

/// What is done to the client's cookie, once the store has done its part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Announce {
    Nothing,
    Set,
    Remove,
}

/// The actions at the end of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Actions {
    pub(crate) write: Write,
    pub(crate) announce: Announce,
}

/// Decides what happens to the session.
pub(crate) fn decide(facts: Facts, policy: Policy) -> Actions {
    let write = write(facts, policy);
    let announce = if sets_cookie(facts, policy, write) {
        Announce::Set
    } else if removes_cookie(facts, policy, write) {
        Announce::Remove
    } else {
        Announce::Nothing
    };
    Actions { write, announce }
}

fn write(facts: Facts, policy: Policy) -> Write {
    match facts.ending {
        Ending::Destroyed | Ending::Gone | Ending::Moved => Write::Nothing,
        Ending::Unset if policy.unset == Unset::Destroy && facts.stored => Write::Destroy,
        Ending::Unset => Write::Nothing,
        Ending::Open if facts.stored => {
            // express-session stores a changed cookie alone by touching, which it does only to known sessions.
            let stores_cookie = facts.cookie_changed && (facts.known || policy.rules == Rules::Safe);
            if facts.unsaved || stores_cookie || (policy.resave && !facts.saved) {
                Write::Update
            } else if facts.known && facts.touched {
                Write::Touch
            } else {
                Write::Nothing
            }
        }
        // Nobody could ever come back to a session whose cookie can't be sent; express-session stores it all the same.
        Ending::Open if !facts.sendable && policy.rules == Rules::Safe => Write::Nothing,
        Ending::Open if is_wanted(facts, policy) => Write::Create,
        Ending::Open => Write::Nothing,
    }
}

/// Whether a new session is one that the client should have.
fn is_wanted(facts: Facts, policy: Policy) -> bool {
    facts.modified || facts.initialized || policy.save_uninitialized
}

fn sets_cookie(facts: Facts, policy: Policy, write: Write) -> bool {
    let is_left = facts.ending == Ending::Unset && write == Write::Nothing;
    if is_left && !facts.known {
        // What the handler unset lives on, under an id that the visitor doesn't have yet: one is not logged out by that.
        return facts.sendable && facts.stored && policy.rules == Rules::Safe;
    }
    if facts.ending != Ending::Open || !facts.sendable {
        return false;
    }
    if facts.known {
        return policy.rolling
            || (facts.expires && facts.modified)
            || ((facts.cookie_changed || facts.cookie_saved) && policy.rules == Rules::Safe);
    }
    match policy.rules {
        Rules::Safe => facts.stored || write == Write::Create,
        Rules::Express => is_wanted(facts, policy),
    }
}

/// The cookie of a session that this request has ended is taken away. One that leads nowhere by itself stays: another request
/// may have logged in meanwhile, and its visitor would be logged out if this response came later.
fn removes_cookie(facts: Facts, policy: Policy, write: Write) -> bool {
    let was_ended = match facts.ending {
        Ending::Destroyed => true,
        Ending::Gone | Ending::Moved => false,
        Ending::Unset => write == Write::Destroy || (facts.found && !facts.known),
        Ending::Open => facts.found && !facts.known,
    };
    policy.clear_cookie && facts.presented && facts.sendable && was_ended
}

#[cfg(test)]
mod tests;
