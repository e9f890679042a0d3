use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The durations that an agent is told. Measured on the agent's boot clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Timing {
    /// From receipt: what has not cut over by then never does.
    pub start_within: Duration,
    /// From the next container's start: proven by then, or rolled back.
    pub healthy_deadline: Duration,
    /// Healthy without a break for that long is proven.
    pub min_healthy: Duration,
    /// How long the old container is kept after that.
    pub soak: Duration,
}

impl Default for Timing {
    /// 10 min, 5 min, 10 s, 5 min.
    fn default() -> Self {
        Self {
            start_within: Duration::from_secs(600),
            healthy_deadline: Duration::from_secs(300),
            min_healthy: Duration::from_secs(10),
            soak: Duration::from_secs(300),
        }
    }
}
