use std::sync::Arc;

use pinion_model::{Attempt, Digest, Generation, Image, RolloutId, StageName, WorkloadName};
use serde::{Deserialize, Serialize};

use crate::Timing;

/// What one agent must converge to for one workload.
///
/// Its generation changes only when it does: one that is unchanged restarts
/// nothing on the machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// Which workload.
    pub workload: WorkloadName,
    /// The agent's generation when this was made; every report names it.
    pub generation: Generation,
    /// Raised by an operator to try the same digest again.
    pub attempt: Attempt,
    /// Why it was made.
    pub purpose: Purpose,
    /// What to run. None: leave the containers as they are (what was asked
    /// before is withdrawn).
    pub run: Option<Run>,
    /// What to pull and verify, without touching a container. Only where `run` is absent.
    pub prefetch: Option<Run>,
    /// What the agent is told of time.
    pub timing: Arc<Timing>,
    /// Tag kept on the digest for the machine's own provisioner.
    pub local_tag: Arc<str>,
}

impl Assignment {
    /// The digest to run; none when the containers are left as they are.
    #[must_use]
    pub fn digest(&self) -> Option<&Digest> {
        self.run.as_ref().map(|run| &run.digest)
    }

    /// The rollout that it is part of.
    #[must_use]
    pub fn rollout(&self) -> Option<&RolloutId> {
        self.purpose.rollout()
    }

    /// Its stage there.
    #[must_use]
    pub fn stage(&self) -> Option<&StageName> {
        match &self.purpose {
            Purpose::Rollout { stage, .. } => Some(stage),
            _ => None,
        }
    }
}

/// One digest and where it can be pulled from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Valid in every one of the repositories.
    pub digest: Digest,
    /// In order of preference; at least one.
    pub images: Arc<[Image]>,
}

/// Why an assignment was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// A stage of a rollout reached the machine.
    Rollout {
        /// Which rollout.
        rollout: RolloutId,
        /// Which stage of it.
        stage: StageName,
    },
    /// A rollout's image, ahead of the machine's turn; without images, what
    /// was asked so before is taken back.
    Prefetch {
        /// Which rollout.
        rollout: RolloutId,
    },
    /// A rollout is taken back: the machine's baseline.
    Restore {
        /// The rollout that is taken back.
        rollout: RolloutId,
    },
    /// The agent rolled back by itself: what it restored, for it to adopt without a step.
    Adopt {
        /// The rollout whose digest failed there, if it was one.
        rollout: Option<RolloutId>,
    },
    /// Catching up with the workload's stable digest, outside any rollout.
    Stable,
    /// What was asked before is taken back, unless it has cut over.
    Withdraw {
        /// The rollout that had asked, if it was one.
        rollout: Option<RolloutId>,
    },
}

impl Purpose {
    /// To pull ahead of the machine's turn, or to leave that be.
    #[must_use]
    pub fn is_prefetch(&self) -> bool {
        matches!(self, Self::Prefetch { .. })
    }

    /// The rollout that it is part of.
    #[must_use]
    pub fn rollout(&self) -> Option<&RolloutId> {
        match self {
            Self::Rollout { rollout, .. }
            | Self::Prefetch { rollout }
            | Self::Restore { rollout } => Some(rollout),
            Self::Adopt { rollout } | Self::Withdraw { rollout } => rollout.as_ref(),
            Self::Stable => None,
        }
    }
}

/// The complete desired state of one agent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Desired {
    /// Fences the stream: an agent refuses a lower one.
    pub generation: Generation,
    /// In the order of the workloads' names.
    pub assignments: Vec<Assignment>,
}
