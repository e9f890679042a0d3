use std::time::Duration;

use pinion_model::InUse;
use serde::{Deserialize, Serialize};

/// What an agent is told of time. Measured on the agent's boot clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct Timing {
    /// From receipt: what has not cut over by then never does.
    pub start_within: Duration,
    /// From the next container's start: proven by then, or rolled back.
    pub healthy_deadline: Duration,
    /// Healthy without a break for that long is proven.
    pub min_healthy: Duration,
    /// How long the old container is kept after that.
    pub soak: Duration,
    /// How long a cut-over may be put off because the machine is in use;
    /// `start_within` stands still meanwhile.
    pub defer_within: Duration,
    /// What a machine does that is in use for longer.
    pub in_use: InUse,
}

impl Default for Timing {
    /// 10 min, 5 min, 10 s, 5 min; 1 h, then it counts as a failure.
    fn default() -> Self {
        Self {
            start_within: Duration::from_secs(600),
            healthy_deadline: Duration::from_secs(300),
            min_healthy: Duration::from_secs(10),
            soak: Duration::from_secs(300),
            defer_within: Duration::from_secs(3600),
            in_use: InUse::Fail,
        }
    }
}
