use std::collections::BTreeMap;
use std::sync::Arc;

use pinion_model::{
    AgentId, AgentPhase, Attempt, CheckName, Deferral, Digest, Failure, Generation, RolloutId,
    SessionEpoch, StageName, Timestamp, WorkloadName,
};
use serde::{Deserialize, Serialize};

use crate::{ObservedContainer, Sample, Versions};

/// Something seen. Never conflicts with anything; what is stale is accepted and ignored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Observation {
    /// A coordinator began: no agent is known to be there, and none to be away.
    Started {
        /// When.
        at: Timestamp,
    },
    /// An agent's session began.
    Hello {
        /// Whose.
        agent: AgentId,
        /// Of the session; a lower one than the agent's latest is stale.
        epoch: SessionEpoch,
        /// The highest that the agent has accepted.
        generation: Generation,
        /// Random, per process.
        process_id: String,
        /// Facts of the machine.
        facts: BTreeMap<String, String>,
        /// What runs there.
        versions: Versions,
        /// When.
        at: Timestamp,
    },
    /// An agent's session lives.
    Online {
        /// Whose.
        agent: AgentId,
        /// Of the session.
        epoch: SessionEpoch,
        /// When.
        at: Timestamp,
    },
    /// An agent's session ended or missed three heartbeats.
    Offline {
        /// Whose.
        agent: AgentId,
        /// Of the session; a lower one than the agent's latest is stale.
        epoch: SessionEpoch,
        /// When.
        at: Timestamp,
    },
    /// How one assignment fares.
    Reported {
        /// Whose.
        agent: AgentId,
        /// What it said.
        report: Report,
        /// When it arrived.
        at: Timestamp,
    },
    /// A check was measured once.
    Probed {
        /// Of which rollout.
        rollout: RolloutId,
        /// Of which stage.
        stage: StageName,
        /// Which.
        check: CheckName,
        /// When it was asked. What has changed since, it says nothing about.
        asked_at: Timestamp,
        /// What it gave.
        sample: Sample,
        /// When that came.
        at: Timestamp,
    },
    /// What all of a machine's containers run now. Always complete.
    Inventory {
        /// Whose.
        agent: AgentId,
        /// By workload; one that is not named has no container there.
        workloads: BTreeMap<WorkloadName, Vec<ObservedContainer>>,
        /// When it arrived.
        at: Timestamp,
    },
}

/// What an agent says about one assignment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Which workload.
    pub workload: WorkloadName,
    /// Of the assignment.
    pub generation: Generation,
    /// Of the assignment.
    pub attempt: Attempt,
    /// Where it is.
    pub phase: AgentPhase,
    /// Why it waits, in words.
    pub waiting_for: Arc<str>,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// While the machine is in use, and afterwards if it was cut over all the same.
    #[serde(default)]
    pub deferral: Option<Arc<Deferral>>,
    /// What the containers run now.
    pub containers: Vec<ObservedContainer>,
    /// The digest that is wanted after this outcome: the new one, or the restored one.
    pub running: Option<Digest>,
}

impl Observation {
    /// The agent that it is about, if it is about one.
    #[must_use]
    pub fn agent(&self) -> Option<&AgentId> {
        match self {
            Self::Started { .. } | Self::Probed { .. } => None,
            Self::Hello { agent, .. }
            | Self::Online { agent, .. }
            | Self::Offline { agent, .. }
            | Self::Reported { agent, .. }
            | Self::Inventory { agent, .. } => Some(agent),
        }
    }
}
