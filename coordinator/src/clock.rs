//! The time of day, so that tests can have their own.

use std::time::{SystemTime, UNIX_EPOCH};

use pinion_model::Timestamp;

/// Where instants come from.
pub trait Clock: Send + Sync + std::fmt::Debug + 'static {
    /// The present, at millisecond precision.
    fn now(&self) -> Timestamp;
}

/// The machine's own clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}

/// Starts at a given instant and goes as the runtime's timers do, which a
/// test can pause.
#[derive(Debug, Clone, Copy)]
pub struct TimerClock {
    began_at: Timestamp,
    began: tokio::time::Instant,
}

impl TimerClock {
    /// A clock that reads `at` now.
    #[must_use]
    pub fn starting_at(at: Timestamp) -> Self {
        Self {
            began_at: at,
            began: tokio::time::Instant::now(),
        }
    }
}

impl Clock for TimerClock {
    fn now(&self) -> Timestamp {
        self.began_at + self.began.elapsed()
    }
}
