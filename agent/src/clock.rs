//! The agent's clock: time since boot, so that nobody who sets the wall clock
//! lengthens or shortens a deadline.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use pinion_model::Timestamp;
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Tells the time in milliseconds since 1970 as it was believed at boot; from
/// then on it counts with the machine's boot clock, sleep included.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// A clock that asks `now`: for tests that have a time of their own.
    pub fn new(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The boot clock from a base, as [`Base::of_this_boot`] gives it.
    #[must_use]
    pub fn boot(base: &Base) -> Self {
        let base = base.millis;
        Self::new(move || Timestamp(base.saturating_add(since_boot())))
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        (self.0)()
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Clock({})", self.now())
    }
}

/// What a boot's instants are counted from; the same for all processes of a
/// boot that share a state directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    boot_id: String,
    millis: u64,
}

impl Base {
    /// The base that is held, if it is of this boot; else one by which now is
    /// the wall clock's time, and never before `floor`, the latest instant
    /// that is on record.
    #[must_use]
    pub fn of_this_boot(held: Option<Self>, floor: Timestamp) -> Self {
        let boot_id = fs::read_to_string(Path::new(BOOT_ID))
            .unwrap_or_default()
            .trim()
            .to_owned();
        match held {
            Some(base) if base.boot_id == boot_id && !boot_id.is_empty() => base,
            _ => {
                let now = wall_clock().max(floor.0);
                Self {
                    boot_id,
                    millis: now.saturating_sub(since_boot()),
                }
            }
        }
    }
}

fn since_boot() -> u64 {
    let time = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds
        .saturating_mul(1000)
        .saturating_add(u64::try_from(time.tv_nsec / 1_000_000).unwrap_or(0))
}

fn wall_clock() -> u64 {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_of_one_boot_share_their_base_and_another_boot_never_goes_back() {
        let first = Base::of_this_boot(None, Timestamp(0));
        assert_eq!(Base::of_this_boot(Some(first.clone()), Timestamp(0)), first);

        let other_boot = Base {
            boot_id: "another".to_owned(),
            millis: 5,
        };
        let late = Timestamp(wall_clock() + 1_000_000);
        let rebased = Base::of_this_boot(Some(other_boot), late);
        assert!(Clock::boot(&rebased).now() >= late);
    }
}
