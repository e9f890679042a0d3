//! What the answers of a probe come to.

use pinion_model::Timestamp;

use super::Probe;
use crate::{Container, ContainerId};

/// What one asking of a probe brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeAnswer {
    /// The container serves.
    Passed,
    /// It does not, and why.
    Failed(String),
    /// Nobody knows, and why: neither a pass nor a failure.
    Unknown(String),
}

/// What was heard from one start of one container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulse {
    start: (ContainerId, Option<Timestamp>),
    probe: Probe,
    /// When the last answer was asked for.
    asked: Timestamp,
    passes: Option<Passes>,
    /// Failures since the last pass, and what the last of them said.
    failures: u32,
    why: String,
    unknown: Option<String>,
}

/// Passes without a failure between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Passes {
    /// When the answer to the first of them came.
    pub(crate) since: Timestamp,
    /// When the last of them was asked for.
    pub(crate) asked: Timestamp,
    /// When it was last asked, whatever came of it.
    pub(crate) heard: Timestamp,
}

impl Pulse {
    /// What is known after an answer that was asked for at `asked` and came
    /// at `came`. What was heard `before` counts if it is of the same start.
    #[must_use]
    pub fn heard(
        before: Option<&Self>,
        container: &Container,
        probe: &Probe,
        answer: ProbeAnswer,
        (asked, came): (Timestamp, Timestamp),
    ) -> Self {
        let before = before.filter(|before| before.is_of(container, probe));
        let mut now = before.cloned().unwrap_or_else(|| Self {
            start: container.start_mark(),
            probe: probe.clone(),
            asked,
            passes: None,
            failures: 0,
            why: String::new(),
            unknown: None,
        });
        now.asked = asked;
        now.unknown = None;
        match answer {
            ProbeAnswer::Passed => {
                let since = now.passes.map_or(came, |passes| passes.since);
                now.passes = Some(Passes {
                    since,
                    asked,
                    heard: asked,
                });
                now.failures = 0;
            }
            ProbeAnswer::Failed(why) => {
                now.passes = None;
                now.failures = now.failures.saturating_add(1);
                now.why = why;
            }
            ProbeAnswer::Unknown(why) => {
                now.passes = now.passes.map(|passes| Passes {
                    heard: asked,
                    ..passes
                });
                now.unknown = Some(why);
            }
        }
        now
    }

    /// Whether it is of this start of the container, asked this way.
    #[must_use]
    pub fn is_of(&self, container: &Container, probe: &Probe) -> bool {
        self.start == container.start_mark() && self.probe == *probe
    }

    /// When the last answer was asked for.
    #[must_use]
    pub fn asked(&self) -> Timestamp {
        self.asked
    }
}

/// What a probe says of a container, for whoever judges it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Beat {
    /// It has none.
    NoProbe,
    /// It was not asked yet.
    Unasked(String),
    /// Nothing was heard that tells anything, and why.
    Unheard(String),
    /// It passes, without a failure since.
    Passes(Passes),
    /// It fails.
    Fails {
        /// How often in a row.
        times: u32,
        /// Which probe, and what it met last.
        why: String,
        /// When it was last asked.
        asked: Timestamp,
    },
}

impl Beat {
    pub(super) fn of(probe: &Probe, pulse: Option<&Pulse>) -> Self {
        let Some(pulse) = pulse else {
            return Self::Unasked(format!("its probe {probe} was not asked yet"));
        };
        match (pulse.passes, &pulse.unknown) {
            _ if pulse.failures > 0 => Self::Fails {
                times: pulse.failures,
                why: format!("its probe {probe} fails: {}", pulse.why),
                asked: pulse.asked,
            },
            (Some(passes), _) => Self::Passes(passes),
            (None, why) => {
                let why = why.as_deref().unwrap_or("no answer yet");
                Self::Unheard(format!("nobody knows what its probe {probe} says: {why}"))
            }
        }
    }

    /// It does not speak against the container's health.
    pub(crate) fn is_good(&self) -> bool {
        matches!(self, Self::NoProbe | Self::Passes(_))
    }

    /// What it says where it does not pass; else empty.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::NoProbe | Self::Passes(_) => String::new(),
            Self::Unasked(why) | Self::Unheard(why) | Self::Fails { why, .. } => format!("; {why}"),
        }
    }
}
