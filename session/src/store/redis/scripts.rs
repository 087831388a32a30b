//! What the server does in one step.
//!
//! Each script touches the keys that it is given; one key, so that it runs on a cluster, except [`RENAME`].

use std::fmt::Write;
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

fn call(name: &str, script: &str, keys: &[&[u8]], arguments: &[&[u8]]) -> Cmd {
    let mut command = ::redis::cmd(name);
    command.arg(script).arg(keys.len());
    keys.iter().chain(arguments).for_each(|part| {
        command.arg(*part);
    });
    command
}

/// The revision of a value: its SHA-1, since that is the digest that scripts can compute.
///
/// SHA-1 is broken for those who choose both texts. Here, somebody would have to bring about two records of one session
/// with the same digest, out of the characters that JSON leaves to them, and would gain that an update of their own
/// session, made between two requests of theirs, is overwritten.
pub(super) fn revision(value: &[u8]) -> Revision {
    let mut bytes = [0; 32];
    let digest = Sha1::digest(value);
    bytes.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    Revision::from(bytes)
}

/// A revision as scripts write it.
pub(super) fn digest_text(revision: Revision) -> String {
    hex(revision.as_bytes().get(..20).unwrap_or_default())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a string can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
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

/// `KEYS[1]`: a session. `ARGV`: the digest that its value must have, and its new life.
pub(super) static CORRECT_LIFE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local value = redis.call('GET', KEYS[1])
if not value then return 0 end
if redis.sha1hex(value) == ARGV[1] then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 1",
    )
});

/// `KEYS[1]`: a session. `ARGV`: the digest that its value must have, the new value, and its life.
pub(super) static UPDATE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local value = redis.call('GET', KEYS[1])
if not value then return 0 end
if redis.sha1hex(value) ~= ARGV[1] then return {value, redis.call('PTTL', KEYS[1])} end
if tonumber(ARGV[3]) > 0 then
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
else
  redis.call('DEL', KEYS[1])
end
return 1",
    )
});

/// `KEYS`: a session, and its new key. `ARGV`: as of [`UPDATE`]. 2: the new key is taken.
pub(super) static RENAME: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local value = redis.call('GET', KEYS[1])
if not value then return 0 end
if redis.sha1hex(value) ~= ARGV[1] then return {value, redis.call('PTTL', KEYS[1])} end
if redis.call('EXISTS', KEYS[2]) == 1 then return 2 end
if tonumber(ARGV[3]) > 0 then redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3]) end
redis.call('DEL', KEYS[1])
return 1",
    )
});

/// `KEYS[1]`: a session. `ARGV[1]`: the digest that its value must have to be removed.
pub(super) static REMOVE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local value = redis.call('GET', KEYS[1])
if not value then return 0 end
if redis.sha1hex(value) ~= ARGV[1] then return {value, redis.call('PTTL', KEYS[1])} end
redis.call('DEL', KEYS[1])
return 1",
    )
});

/// `KEYS[1]`: a sorted set. `ARGV`: a member, its score, and how long the set is kept at least. How many members it
/// has.
pub(super) static ADD_ENTRY: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
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
