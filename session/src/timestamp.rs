//! A moment in whole milliseconds, the unit in which sessions are stored and express-session counts.

use std::fmt;
use std::num::NonZeroU64;
use std::time::{Duration, SystemTime};

/// A moment, in whole milliseconds since 1970-01-01T00:00:00Z. Sub-millisecond parts are cut off.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(Millis);

/// Milliseconds, less than none of them, too. Counted from the least that there can be, which is one, so that an optional
/// number takes no more room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Millis(NonZeroU64);

const SIGN: u64 = 1 << 63;

impl Millis {
    pub(crate) const fn new(millis: i64) -> Self {
        match NonZeroU64::new(millis.cast_unsigned() ^ SIGN) {
            Some(number) => Self(number),
            None => Self(NonZeroU64::MIN),
        }
    }

    pub(crate) const fn get(self) -> i64 {
        (self.0.get() ^ SIGN).cast_signed()
    }
}

impl Timestamp {
    /// The present moment by the system's clock.
    #[must_use]
    pub fn now() -> Self {
        SystemTime::now().into()
    }

    /// The moment so many milliseconds after 1970 (before it, if negative).
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(Millis::new(millis))
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0.get()
    }

    /// This moment and `duration` more. Stops at the last representable moment.
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Self {
        self.plus_millis(millis(duration))
    }

    /// The time from `earlier` to this moment; zero if `earlier` is later.
    #[must_use]
    pub fn saturating_since(self, earlier: Self) -> Duration {
        let (Self(Millis(later)), Self(Millis(earlier))) = (self, earlier);
        Duration::from_millis(later.get().saturating_sub(earlier.get()))
    }

    pub(crate) const fn plus_millis(self, millis: i64) -> Self {
        Self::from_millis(self.as_millis().saturating_add(millis))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Timestamp").field(&self.as_millis()).finish()
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => Self::from_millis(millis(after)),
            Err(before) => Self::from_millis(-millis(before.duration())),
        }
    }
}

impl From<Timestamp> for SystemTime {
    fn from(timestamp: Timestamp) -> Self {
        let distance = Duration::from_millis(timestamp.as_millis().unsigned_abs());
        let moment = if timestamp.as_millis() < 0 {
            Self::UNIX_EPOCH.checked_sub(distance)
        } else {
            Self::UNIX_EPOCH.checked_add(distance)
        };
        moment.unwrap_or(Self::UNIX_EPOCH)
    }
}

/// A duration in whole milliseconds, at most as many as fit.
pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
