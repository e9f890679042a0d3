//! The unit of storage, replication, audit and live watching.

mod decision;
mod describe;
mod observation;
mod words;

use serde::{Deserialize, Serialize};

pub use decision::{Act, Decision};
pub use observation::{Observation, Report};

/// What was committed: something decided, or something seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Raises the decision revision, and stands in the audit log.
    Decision(Decision),
    /// Never conflicts; the latest counts.
    Observation(Observation),
}

impl From<Decision> for Change {
    fn from(decision: Decision) -> Self {
        Self::Decision(decision)
    }
}

impl From<Observation> for Change {
    fn from(observation: Observation) -> Self {
        Self::Observation(observation)
    }
}
