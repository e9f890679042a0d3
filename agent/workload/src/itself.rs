//! What an agent knows of its own program.

use std::collections::BTreeMap;
use std::time::Duration;

use pinion_model::{Digest, Timestamp, WorkloadName};

use crate::names::{OpId, REPLACER_LABEL};
use crate::recreate::OPERATION_LABEL;
use crate::{Candidate, Container, ContainerId, ContainerState, Health, Slot, Slots, Verdict};

/// The workload that the agent itself is.
pub const ITSELF: &str = "pinion-agent";

/// Whether a workload is the agent itself.
#[must_use]
pub fn is_itself(workload: &WorkloadName) -> bool {
    workload.as_str() == ITSELF
}

/// How the agent's own program was started, and how it fares.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Itself {
    /// How it was started.
    pub home: Home,
    /// The two places for programs, as they stand; none if they cannot be read.
    pub slots: Option<Slots>,
    /// Since when it has its session with the coordinator without a break.
    pub session: Option<Timestamp>,
    /// When this process began.
    pub since: Timestamp,
}

/// How an agent's program was started.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Home {
    /// By hand: nobody would start another one in its stead.
    #[default]
    Bare,
    /// By the launcher, from this place.
    Slot(Slot),
    /// By the engine, as this container.
    Container(ContainerId),
    /// By an agent that is replaced with its container: this process does it,
    /// and treats that container as any other.
    Replacer,
}

impl Itself {
    /// The candidate of an operation, if there is one.
    #[must_use]
    pub fn candidate(&self, op: &OpId) -> Option<&Candidate> {
        let candidate = self.slots.as_ref()?.candidate.as_ref()?;
        (candidate.op == *op).then_some(candidate)
    }

    /// What became of an operation's candidate.
    #[must_use]
    pub fn verdict(&self, op: &OpId) -> Option<&Verdict> {
        let verdict = self.slots.as_ref()?.verdict.as_ref()?;
        (verdict.op == *op).then_some(verdict)
    }

    /// The candidate that this very process is, if it is one.
    #[must_use]
    pub fn tried(&self, containers: &[Container]) -> Option<&Candidate> {
        let candidate = self.slots.as_ref()?.candidate.as_ref()?;
        let is_this = match &self.home {
            Home::Slot(slot) => candidate.slot == *slot,
            Home::Container(id) => containers
                .iter()
                .find(|c| c.id == *id)
                .and_then(|c| c.labels.get(OPERATION_LABEL))
                .is_some_and(|op| op == candidate.op.as_str()),
            Home::Bare | Home::Replacer => false,
        };
        is_this.then_some(candidate)
    }

    /// A replacer proves a container only once the agent in it has confirmed.
    pub(crate) fn awaits_confirmation(&self, op: &OpId) -> bool {
        self.home == Home::Replacer && !self.candidate(op).is_some_and(|c| c.confirmed)
    }

    /// The program as if it ran in a container, for whom that makes no
    /// difference. None where it does run in one, or is nobody's to replace.
    #[must_use]
    pub fn as_container(&self) -> Option<(Container, Option<Digest>)> {
        let Home::Slot(slot) = self.home else {
            return None;
        };
        let program = self.slots.as_ref().and_then(|s| s.programs.get(&slot));
        let container = Container {
            id: ContainerId(format!("slot {}", slot.word())),
            name: ITSELF.to_owned(),
            image_id: String::new(),
            image_reference: String::new(),
            repo_digests: Vec::new(),
            labels: BTreeMap::new(),
            state: ContainerState::Running,
            health: Health::None,
            health_timing: None,
            restart_count: 0,
            oom_killed: false,
            exit_code: 0,
            started_at: Some(self.since),
            restart_policy: "always".to_owned(),
            restart_retries: 0,
            auto_remove: false,
            stop_timeout: Duration::from_secs(10),
            depends_on: Vec::new(),
            claims: Vec::new(),
            podman: None,
        };
        Some((container, program.and_then(|p| p.image.clone())))
    }
}

/// The container that replaces the agent's, for that operation.
pub(crate) fn replacer_of<'a>(containers: &'a [Container], op: &OpId) -> Option<&'a Container> {
    containers.iter().find(|c| {
        c.state != ContainerState::Removing
            && c.labels.get(REPLACER_LABEL).map(String::as_str) == Some(op.as_str())
    })
}
