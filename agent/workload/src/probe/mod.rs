//! Probes: what a container is asked beyond its own health check.
//!
//! Owns how a probe is written down, which containers are to be asked, and
//! what their answers come to. Never asks anybody itself: an answer is an
//! observation, with the instants at which it was asked for and came.
//!
//! ```text
//!   label pinion.probe, else agent.toml ─▶ Probe ─▶ to_ask ─▶ (the edge asks) ─▶ Pulse::heard
//!                                                                                  └─▶ health: judge
//! ```

mod ask;
mod error;
mod grammar;
mod pulse;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::time::Duration;

use pinion_model::{Failure, FailureKind};

use crate::{Container, ContainerId};

pub use ask::to_ask;
pub use error::ProbeError;
pub(crate) use pulse::Beat;
pub use pulse::{ProbeAnswer, Pulse};

/// Label that says how a container is asked whether it serves.
pub const PROBE_LABEL: &str = "pinion.probe";

/// What a container is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// To take a TCP connection.
    Tcp {
        /// The container's own port.
        port: NonZeroU16,
    },
    /// To answer a GET with a status from 200 to 399.
    Http {
        /// The container's own port.
        port: NonZeroU16,
        /// Path and query, beginning with a slash.
        path: String,
    },
    /// To run a command that exits with 0, by the engine, without a shell.
    Exec {
        /// The program and its arguments.
        command: Vec<String>,
    },
}

impl Probe {
    /// How long an answer may take; then it is a failure.
    pub const TIMEOUT: Duration = Duration::from_secs(5);
    /// Failures in a row that take a container back which was proven before,
    /// as many as a health check's default.
    pub const RETRIES: u32 = 3;
}

/// What is known about the probes of one workload.
#[derive(Debug, Clone, Copy)]
pub struct Probes<'a> {
    /// The one that the machine's configuration names for the workload.
    pub configured: Option<&'a Probe>,
    /// What was heard from each container.
    pub pulses: &'a BTreeMap<ContainerId, Pulse>,
}

static NO_PULSES: BTreeMap<ContainerId, Pulse> = BTreeMap::new();

impl Probes<'_> {
    /// Nobody is asked anything.
    pub const NONE: Probes<'static> = Probes {
        configured: None,
        pulses: &NO_PULSES,
    };

    /// The probe of a container: its label's, else the configured one.
    ///
    /// # Errors
    ///
    /// If its label cannot be read.
    pub fn of(&self, container: &Container) -> Result<Option<Probe>, ProbeError> {
        match container.labels.get(PROBE_LABEL) {
            Some(text) => text.parse().map(Some),
            None => Ok(self.configured.cloned()),
        }
    }

    /// Refuses a container whose label cannot be read.
    pub(crate) fn check(&self, container: &Container) -> Result<(), Failure> {
        let refused = |error: ProbeError| {
            let message = format!(
                "container {:?}: its label {PROBE_LABEL} cannot be read: {error}; nothing was touched",
                container.name
            );
            Failure::new(FailureKind::Policy, message)
        };
        self.of(container).map(drop).map_err(refused)
    }

    /// What its probe says of this start of a container.
    pub(crate) fn beat(&self, container: &Container) -> Beat {
        match self.of(container) {
            Ok(None) => Beat::NoProbe,
            Ok(Some(probe)) => {
                let pulse = self.pulses.get(&container.id);
                let pulse = pulse.filter(|pulse| pulse.is_of(container, &probe));
                Beat::of(&probe, pulse)
            }
            // Refused before the cut-over; one that got there all the same is not proven by it.
            Err(error) => Beat::Unheard(format!("its label {PROBE_LABEL} cannot be read: {error}")),
        }
    }
}
