use std::collections::BTreeMap;
use std::time::Duration;

use pinion_model::{
    Attempt, Digest, Generation, ImageRef, InUse, Repository, RolloutId, StageName, Timestamp,
    WorkloadName,
};
use serde::{Deserialize, Serialize};

/// All that this agent must converge to. Always complete; the latest wins.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Desired {
    /// Fences the stream: a lower one is refused.
    pub generation: Generation,
    /// By workload; a workload without one is left as it is.
    pub assignments: BTreeMap<WorkloadName, Assignment>,
    /// How workloads are found on the machine.
    pub catalog: BTreeMap<WorkloadName, CatalogEntry>,
}

impl Desired {
    /// The same as it is accepted now, after `held`: an assignment that has not
    /// changed was received when it came first.
    #[must_use]
    pub fn received(mut self, held: &Self, now: Timestamp) -> Self {
        for (workload, assignment) in &mut self.assignments {
            let known = held.assignments.get(workload);
            let same = known.filter(|known| known.generation == assignment.generation);
            assignment.received_at = same.map_or(now, |known| known.received_at);
        }
        self
    }
}

/// How the containers of one workload are found, and what they start from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogEntry {
    /// Repositories whose images are this workload's.
    pub repositories: Vec<Repository>,
    /// Tag kept on the chosen digest for the machine's own provisioner.
    pub local_tag: String,
}

/// What this agent must converge to for one workload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// Which workload.
    pub workload: WorkloadName,
    /// Changes only when this assignment does; every report names it.
    pub generation: Generation,
    /// Raised by an operator to try the same digest again.
    pub attempt: Attempt,
    /// The rollout that it is part of; none for catching up with the stable digest.
    pub rollout: Option<RolloutId>,
    /// Its stage there.
    pub stage: Option<StageName>,
    /// The same digest in one repository per registry, in order of preference.
    /// Empty: leave the containers as they are (what was asked before is withdrawn).
    pub run: Vec<ImageRef>,
    /// Images to pull and verify without touching a container.
    pub prefetch: Vec<ImageRef>,
    /// When this machine accepted it, by its own clock; stamped by [`Desired::received`].
    pub received_at: Timestamp,
    /// From receipt: when it has not cut over by then, it never does.
    pub start_within: Duration,
    /// From the start of the next container: proven by then, or rolled back.
    pub healthy_deadline: Duration,
    /// How long the container must be healthy without a break to be proven.
    pub min_healthy: Duration,
    /// How long the old container is kept after that.
    pub soak: Duration,
    /// How long the cut-over may be put off because the machine is in use.
    #[serde(default)]
    pub defer_within: Duration,
    /// What happens when it is in use for longer.
    #[serde(default)]
    pub in_use: InUse,
    /// Tag kept on the chosen digest; empty: the catalog's.
    pub local_tag: String,
}

impl Assignment {
    /// The digest to run; none when the containers are left as they are.
    #[must_use]
    pub fn digest(&self) -> Option<&Digest> {
        self.run.first().map(|image| &image.digest)
    }
}
