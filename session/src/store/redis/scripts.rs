//! What the server does in one step.
//!
//! Each script touches the keys that it is given: a session, and perhaps the list of its index keys, which a cluster has
//! in one slot; two sessions in [`RENAME`] alone. A list is a hash with one field, which can be empty.

use std::borrow::Cow;
use std::sync::LazyLock;

use ::redis::Cmd;
use bytes::Bytes;
use sha1::{Digest, Sha1};

use crate::record::Revision;

/// A script, and the digest by which the server knows it.
pub(super) struct Script {
    source: &'static str,
    digest: String,
}

impl Script {
    fn new(source: &'static str) -> Self {
        Self { source, digest: hex(&Sha1::digest(source)) }
    }

    /// The call of a script that the server has.
    pub(super) fn by_digest(&self, keys: &[&[u8]], arguments: &[&[u8]]) -> Cmd {
        call("EVALSHA", &self.digest, keys, arguments)
    }

    /// The call that brings the script along, for a server that lost it.
    pub(super) fn by_source(&self, keys: &[&[u8]], arguments: &[&[u8]]) -> Cmd {
        call("EVAL", self.source, keys, arguments)
    }
}

/// A command with room for arguments of so many bytes, short words and numbers aside.
pub(super) fn command(name: &str, bytes: usize) -> Cmd {
    const ARGUMENTS: usize = 8;
    const SHORT: usize = 48;
    let mut command = Cmd::with_capacity(ARGUMENTS, bytes + SHORT);
    command.arg(name);
    command
}

fn call(name: &str, script: &str, keys: &[&[u8]], arguments: &[&[u8]]) -> Cmd {
    let bytes = keys.iter().chain(arguments).map(|part| part.len()).sum::<usize>();
    let mut command = command(name, script.len() + bytes);
    command.arg(script).arg(keys.len());
    keys.iter().chain(arguments).for_each(|part| {
        command.arg(*part);
    });
    command
}

/// The longest value in bytes that is sent along to be compared; of a longer one it is the digest. That spares the way,
/// and costs both ends more: it has to be made here, and by the server's script.
const SENT_ALONG: usize = 16 * 1024;

/// What scripts compare a session's value with: the value that is expected, or its SHA-1 if it is a long one, since that
/// is the digest that scripts can compute.
///
/// SHA-1 is broken for those who choose both texts. Here, somebody would have to bring about two records of one session
/// with the same digest, out of the characters that JSON leaves to them, and would gain that an update of their own
/// session, made between two requests of theirs, is overwritten.
pub(super) fn expectation(revision: &Revision) -> Cow<'_, [u8]> {
    match revision.as_bytes() {
        value if value.len() <= SENT_ALONG => Cow::Borrowed(value),
        value => Cow::Owned(hex(&Sha1::digest(value)).into_bytes()),
    }
}

fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(nibble.into(), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Whether a value is a session at all: connect-redis takes an empty text and `null` for none.
pub(super) fn is_session(value: &Bytes) -> bool {
    !value.is_empty() && value.as_ref() != b"null"
}

/// `KEYS[1]`: a session. Its value and its life in milliseconds.
pub(super) static PEEK: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local value = redis.call('GET', KEYS[1])
if not value then return 0 end
return {value, redis.call('PTTL', KEYS[1])}",
    )
});

/// Whether a value is the expected one. No session is made of a digest's letters, so neither is taken for the other.
macro_rules! is_expected {
    () => {
        "(value == ARGV[1] or #ARGV[1] == 40 and redis.sha1hex(value) == ARGV[1])"
    };
}

/// `KEYS[1]`: a session. `ARGV`: its value, or the digest of that, and its new life.
pub(super) static CORRECT_LIFE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(concat!(
        "local value = redis.call('GET', KEYS[1])
if not value then return 0 end
if ",
        is_expected!(),
        " then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 1",
    ))
});

// What scripts do with a `list`, if they have one. Lua functions would be made anew at each call, for sessions without a
// list, too.

/// There is no session, though it may have entries, for somebody tried to write it.
macro_rules! unlist {
    () => {
        "if list and keys ~= '' and redis.call('HSETNX', list, 'keys', '') == 1 then redis.call('PEXPIRE', list, life) end
"
    };
}

/// The session is stored with these `keys`; `former` are those that it had before. Sessions that never had a key have no
/// list.
macro_rules! relist {
    () => {
        "local former = list and redis.call('HGET', list, 'keys')
if list and (former or keys ~= '') then
  redis.call('HSET', list, 'keys', keys)
  redis.call('PEXPIRE', list, life)
end
"
    };
}

/// `KEYS`: a session, and its list. `ARGV`: its value, its life, its keys, and the list's life. 2: it is taken.
pub(super) static CREATE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(concat!(
        "local list, keys, life = KEYS[2], ARGV[3], ARGV[4]
if not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 2 end
",
        relist!(),
        "return {former or ''}"
    ))
});

/// `KEYS[1]`: a session. `ARGV`: its value, or the digest of that, the new value, and its life.
pub(super) static UPDATE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(concat!(
        "local value = redis.call('GET', KEYS[1])
if value and ",
        is_expected!(),
        " then
  if ARGV[3] ~= '0' then
    redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
  else
    redis.call('DEL', KEYS[1])
  end
  return 1
end
return value and {value, redis.call('PTTL', KEYS[1])} or 0"
    ))
});

/// `KEYS`: a session, and perhaps its list. `ARGV`: as of [`UPDATE`], and, with a list, the keys and the list's life.
pub(super) static UPDATE_LISTED: LazyLock<Script> = LazyLock::new(|| {
    Script::new(concat!(
        "local list, keys, life = KEYS[2], ARGV[4], ARGV[5]
local value = redis.call('GET', KEYS[1])
if not value then
",
        unlist!(),
        "return 0
end
if not ",
        is_expected!(),
        " then return {value, redis.call('PTTL', KEYS[1])} end
if tonumber(ARGV[3]) > 0 then
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
else
  redis.call('DEL', KEYS[1])
end
",
        relist!(),
        "return list and {former or ''} or 1"
    ))
});

/// `KEYS`: a session, and its new key; perhaps their lists. `ARGV`: as of [`UPDATE_LISTED`]. 2: the new key is taken.
pub(super) static RENAME: LazyLock<Script> = LazyLock::new(|| {
    Script::new(concat!(
        "local list, keys, life = KEYS[4], ARGV[4], ARGV[5]
if list and redis.call('EXISTS', KEYS[2]) == 0 then
",
        unlist!(),
        "end
local value = redis.call('GET', KEYS[1])
if not value then return 0 end
if not ",
        is_expected!(),
        " then return {value, redis.call('PTTL', KEYS[1])} end
if redis.call('EXISTS', KEYS[2]) == 1 then return 2 end
if tonumber(ARGV[3]) > 0 then redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3]) end
redis.call('DEL', KEYS[1])
",
        relist!(),
        "return {KEYS[3] and redis.call('HGET', KEYS[3], 'keys') or ''}"
    ))
});

/// `KEYS`: a session, and perhaps its list. `ARGV[1]`: its value, or the digest of that, for it to be removed.
pub(super) static REMOVE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(concat!(
        "local value = redis.call('GET', KEYS[1])
if not value then return 0 end
if not ",
        is_expected!(),
        " then return {value, redis.call('PTTL', KEYS[1])} end
redis.call('DEL', KEYS[1])
return {KEYS[2] and redis.call('HGET', KEYS[2], 'keys') or ''}",
    ))
});

/// `KEYS`: a session, and its list.
pub(super) static DESTROY: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "redis.call('UNLINK', KEYS[1])
return {redis.call('HGET', KEYS[2], 'keys') or ''}",
    )
});

/// `KEYS`: a session, and its list. Its value, its life in milliseconds, and its keys; false without a list.
pub(super) static PEEK_LISTED: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local value = redis.call('GET', KEYS[1])
if not value then return 0 end
return {value, redis.call('PTTL', KEYS[1]), KEYS[2] and redis.call('HGET', KEYS[2], 'keys') or false}",
    )
});

/// `KEYS`: a session, and its list. `ARGV[1]`: how much longer the list lives. The session's life in milliseconds, and its
/// keys; false without a list.
pub(super) static KEEP_LIST: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local life = redis.call('PTTL', KEYS[1])
local keys = KEYS[2] and redis.call('HGET', KEYS[2], 'keys') or false
if keys and life ~= -2 and life > redis.call('PTTL', KEYS[2]) - ARGV[1] then
  redis.call('PEXPIRE', KEYS[2], string.format('%.0f', life + ARGV[1]))
end
return {life, keys}",
    )
});

/// `KEYS[1]`: a sorted set. `ARGV`: a member, its score, how long the set is kept at least, and `LT` if a lower score that
/// it has is kept. How many members the set has.
pub(super) static ADD_ENTRY: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "redis.call('ZADD', KEYS[1], ARGV[4] or 'CH', ARGV[2], ARGV[1])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[3]) then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
return redis.call('ZCARD', KEYS[1])",
    )
});

/// `KEYS[1]`: a sorted set. `ARGV`: a member, and the highest score with which it is removed.
pub(super) static REMOVE_ENTRY: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local score = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not score or tonumber(score) > tonumber(ARGV[2]) then return 0 end
return redis.call('ZREM', KEYS[1], ARGV[1])",
    )
});
