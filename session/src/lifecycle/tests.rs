//! The decision over its whole input: 5 endings × 2¹³ facts × 2⁶ policies.

use super::*;

fn bits(number: usize) -> impl FnMut() -> bool {
    let mut rest = number;
    move || {
        let bit = rest & 1 == 1;
        rest >>= 1;
        bit
    }
}

fn all_facts() -> impl Iterator<Item = Facts> {
    let endings = [Ending::Open, Ending::Unset, Ending::Destroyed, Ending::Gone, Ending::Moved];
    let facts = endings.into_iter().flat_map(|ending| {
        (0..1 << 13).map(move |number| {
            let mut next = bits(number);
            Facts {
                ending,
                presented: next(),
                found: next(),
                known: next(),
                stored: next(),
                modified: next(),
                unsaved: next(),
                saved: next(),
                initialized: next(),
                cookie_changed: next(),
                cookie_saved: next(),
                touched: next(),
                expires: next(),
                sendable: next(),
            }
        })
    });
    // A session is known, or found, by the cookie that was presented, and what was saved is stored.
    facts.filter(|facts| {
        let is_by_cookie = facts.presented || !(facts.known || facts.found);
        is_by_cookie && (!facts.saved || facts.stored) && (!facts.cookie_saved || facts.saved)
    })
}

fn all_policies() -> impl Iterator<Item = Policy> {
    (0..1 << 6).map(|number| {
        let mut next = bits(number);
        Policy {
            rules: if next() { Rules::Express } else { Rules::Safe },
            resave: next(),
            save_uninitialized: next(),
            rolling: next(),
            unset: if next() { Unset::Destroy } else { Unset::Keep },
            clear_cookie: next(),
        }
    })
}

/// Checks a rule for every input.
fn for_all(rule: impl Fn(Facts, Policy, Actions) -> bool) {
    let mut checked = 0;
    for policy in all_policies() {
        for facts in all_facts() {
            let actions = decide(facts, policy);
            assert!(rule(facts, policy, actions), "{facts:#?}\n{policy:#?}\n{actions:#?}");
            checked += 1;
        }
    }
    assert!(checked > 100_000, "only {checked} inputs");
}

/// express-session's own functions, for a session in use; `initialize()` counts as a change that it doesn't have, and a
/// change of the cookie alone is written with the record.
mod express {
    use super::*;

    fn is_saved(facts: Facts, policy: Policy) -> bool {
        let compared_with_loaded = facts.stored && !policy.resave;
        (facts.saved || compared_with_loaded) && !facts.unsaved
    }

    pub(super) fn should_save(facts: Facts, policy: Policy) -> bool {
        if !facts.stored && !policy.save_uninitialized {
            facts.modified || facts.initialized
        } else {
            !is_saved(facts, policy)
        }
    }

    pub(super) fn should_set_cookie(facts: Facts, policy: Policy) -> bool {
        if facts.known {
            policy.rolling || (facts.expires && facts.modified)
        } else {
            policy.save_uninitialized || facts.modified || facts.initialized
        }
    }
}

#[test]
fn express_rules_are_those_of_express_session() {
    for_all(|facts, policy, actions| {
        if policy.rules != Rules::Express || facts.ending != Ending::Open {
            return true;
        }
        let saves = matches!(actions.write, Write::Create | Write::Update);
        let sets = actions.announce == Announce::Set;
        saves == (express::should_save(facts, policy) || (facts.known && facts.stored && facts.cookie_changed))
            && sets == (facts.sendable && express::should_set_cookie(facts, policy))
    });
}

#[test]
fn a_record_is_created_once_and_only_an_existing_one_is_changed() {
    for_all(|facts, _, actions| match actions.write {
        Write::Nothing => true,
        Write::Create => !facts.stored,
        Write::Update | Write::Touch | Write::Destroy => facts.stored,
    });
}

#[test]
fn a_session_that_ended_is_never_written_and_announced_only_where_it_lives_on_unknown() {
    for_all(|facts, policy, actions| match facts.ending {
        Ending::Open => true,
        Ending::Destroyed | Ending::Gone => actions.write == Write::Nothing && actions.announce != Announce::Set,
        Ending::Moved => actions == Actions { write: Write::Nothing, announce: Announce::Nothing },
        Ending::Unset => {
            let destroys = policy.unset == Unset::Destroy && facts.stored;
            // The handler gave it another id, or saved it, before: without a cookie its visitor would be logged out.
            let is_unknown = facts.stored && !facts.known && !destroys && facts.sendable && policy.rules == Rules::Safe;
            actions.write == (if destroys { Write::Destroy } else { Write::Nothing })
                && (actions.announce == Announce::Set) == is_unknown
        }
    });
}

#[test]
fn no_cookie_goes_out_over_a_connection_that_it_must_not_use() {
    for_all(|facts, _, actions| facts.sendable || actions.announce == Announce::Nothing);
}

#[test]
fn a_new_session_that_nobody_wants_leaves_no_trace() {
    for_all(|facts, policy, actions| {
        let wanted = facts.modified || facts.initialized || policy.save_uninitialized || facts.stored;
        wanted || (actions.write == Write::Nothing && (actions.announce != Announce::Set || facts.known))
    });
}

#[test]
fn by_default_a_new_session_is_announced_exactly_if_it_is_stored() {
    for_all(|facts, policy, actions| {
        if policy.rules == Rules::Express || facts.known || facts.ending != Ending::Open || !facts.sendable {
            return true;
        }
        let stored = facts.stored || actions.write == Write::Create;
        (actions.announce == Announce::Set) == stored
    });
}

#[test]
fn by_default_a_changed_cookie_reaches_its_client_whoever_stores_it() {
    for_all(|facts, policy, actions| {
        let is_news = (facts.cookie_changed || facts.cookie_saved) && facts.known && facts.sendable;
        let applies = is_news && facts.ending == Ending::Open && policy.rules == Rules::Safe;
        !applies || actions.announce == Announce::Set
    });
}

#[test]
fn by_default_a_session_that_could_not_be_announced_is_not_stored() {
    for_all(|facts, policy, actions| {
        policy.rules == Rules::Express || facts.sendable || actions.write != Write::Create
    });
}

#[test]
fn an_unmodified_stored_session_is_written_only_by_resave_or_for_its_cookie() {
    for_all(|facts, policy, actions| {
        let reason = facts.unsaved || facts.cookie_changed || (policy.resave && !facts.saved);
        actions.write != Write::Update || reason
    });
}

#[test]
fn a_cookie_is_removed_exactly_if_this_request_ended_its_session_and_that_is_wanted() {
    for_all(|facts, policy, actions| {
        let is_other = facts.found && !facts.known && actions.announce != Announce::Set;
        let was_ended = match facts.ending {
            Ending::Open => is_other,
            Ending::Unset => actions.write == Write::Destroy || is_other,
            Ending::Destroyed => true,
            Ending::Gone | Ending::Moved => false,
        };
        let wanted = was_ended && policy.clear_cookie && facts.presented && facts.sendable;
        (actions.announce == Announce::Remove) == wanted
    });
}

#[test]
fn a_stored_session_that_was_only_read_is_left_alone_unless_an_option_says_otherwise() {
    for_all(|facts, policy, actions| {
        let was_changed = facts.modified || facts.unsaved || facts.saved || facts.cookie_changed || facts.touched;
        let was_only_read = facts.ending == Ending::Open && facts.known && facts.stored && !was_changed;
        let nothing = Actions { write: Write::Nothing, announce: Announce::Nothing };
        !was_only_read || policy.acts_on_reading() || actions == nothing
    });
}
