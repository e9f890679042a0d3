use std::num::NonZeroU32;
use std::time::Duration;

/// How sessions are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionSettings {
    /// How often an agent says that it lives. Default 10 s.
    pub heartbeat_period: Duration,
    /// How many heartbeats may be missed. Default 3.
    pub heartbeats_missed: u32,
    /// How long a stream may take to say Hello. Default 10 s.
    pub hello_deadline: Duration,
    /// Longest delay before an agent comes back by itself. Default 60 s.
    pub reconnect_limit: Duration,
    /// Messages of one agent that are read each second, in the long run.
    /// Default 20; what comes faster is read later.
    pub messages_per_second: NonZeroU32,
    /// Messages that may come at once. Default 200.
    pub messages_at_once: NonZeroU32,
}

impl SessionSettings {
    /// Silent for that long, an agent is offline.
    #[must_use]
    pub fn silence(&self) -> Duration {
        self.heartbeat_period * self.heartbeats_missed
    }
}

impl Default for SessionSettings {
    fn default() -> Self {
        Self {
            heartbeat_period: Duration::from_secs(10),
            heartbeats_missed: 3,
            hello_deadline: Duration::from_secs(10),
            reconnect_limit: Duration::from_secs(60),
            messages_per_second: NonZeroU32::new(20).expect("20 is not 0"),
            messages_at_once: NonZeroU32::new(200).expect("200 is not 0"),
        }
    }
}
