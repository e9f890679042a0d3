//! All that is known: pins, rollouts, agents, access. Changed only by [`crate::apply`].

mod access;
mod agent;
mod calendars;
mod catch_up;
mod check_run;
mod class;
mod due;
mod hold;
mod index;
mod kept;
mod late;
mod mark;
mod member;
mod placed;
mod placement;
mod pull;
mod quarantine;
mod rollout;
mod seat;
mod share;
mod stable;
mod strategies;
mod tally;
mod trim;
mod turns;
mod way;
mod workload;

use pinion_model::{AgentId, Digest, Generation, RolloutId, StrategyName, WorkloadName};
use serde::{Deserialize, Serialize};

pub use access::{Access, Operator, Token, TokenKind, Use};
pub use agent::{Agent, Certificate, Hold, Presence, Processes, Versions};
pub use check_run::{CheckRun, CheckVerdict, Checks};
pub use hold::FleetHold;
pub use member::{Member, Prefetched, Restore, Standing};
pub use placement::{Ahead, Health, ObservedContainer, Placement, Tried};
pub use pull::PrefetchCounts;
pub use quarantine::Quarantine;
pub use rollout::{Approved, Attribution, Gate, Interrupted, Prefetch, Rollout, Stage};
pub use strategies::{NamedStrategy, StrategySource, StrategyVersion};
pub use trim::{ROLLOUTS_KEPT_WHOLE, Trimmed};
pub use workload::{Pin, Stable, Workload};

pub(crate) use catch_up::CatchUp;
pub(crate) use class::Class;
pub(crate) use index::{Index, Touched};
pub(crate) use mark::{Mark, Marks};
pub(crate) use pull::Pull;
pub(crate) use quarantine::is_of_the_image;
pub(crate) use seat::Seat;
pub(crate) use tally::{EMPTY, Tally};
pub(crate) use turns::First;
pub(crate) use way::Way;

use trim::Numbers;

use crate::{Assignment, Desired, Map};

/// Everything that was committed, in memory.
///
/// Serialises as its facts alone; the index that planning lives on is rebuilt
/// from them when it is read back.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Facts")]
pub struct World {
    /// By name: pins and the order of rollouts. Those that were never pinned are absent.
    pub workloads: Map<WorkloadName, Workload>,
    /// Every rollout that ever was.
    pub rollouts: Map<RolloutId, Rollout>,
    /// Every machine that is enrolled, revoked ones too.
    pub agents: Map<AgentId, Agent>,
    /// Tokens, operators and what is denied.
    pub access: Access,
    /// By id: selectors and workloads that rollouts go round.
    pub holds: Map<String, FleetHold>,
    /// How many of those there ever were; the next id follows from it.
    pub holds_placed: u64,
    /// Images that failed, and those that no more machines get.
    pub quarantine: Map<Digest, Quarantine>,
    /// By name: every strategy that was ever kept under one.
    pub strategies: Map<StrategyName, NamedStrategy>,
    #[serde(skip)]
    pub(crate) index: Index,
}

#[derive(Deserialize)]
struct Facts {
    workloads: Map<WorkloadName, Workload>,
    rollouts: Map<RolloutId, Rollout>,
    agents: Map<AgentId, Agent>,
    access: Access,
    holds: Map<String, FleetHold>,
    holds_placed: u64,
    quarantine: Map<Digest, Quarantine>,
    strategies: Map<StrategyName, NamedStrategy>,
}

impl From<Facts> for World {
    fn from(facts: Facts) -> Self {
        let mut world = Self {
            workloads: facts.workloads,
            rollouts: facts.rollouts,
            agents: facts.agents,
            access: facts.access,
            holds: facts.holds,
            holds_placed: facts.holds_placed,
            quarantine: facts.quarantine,
            strategies: facts.strategies,
            index: Index::default(),
        };
        world.share();
        world.rebuild_index();
        world
    }
}

/// How many machines of a stage stand where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// All of them.
    pub agents: u32,
    /// Not assigned, and it can or will be.
    pub pending: u32,
    /// Assigned, and neither proven nor terminal.
    pub in_flight: u32,
    /// Proven, soaking.
    pub soaking: u32,
    /// Proven and soaked.
    pub settled: u32,
    /// Pulled and tagged only.
    pub staged: u32,
    /// Not as asked.
    pub failed: u32,
    /// Of those that failed: were sick before, and so are blamed on nobody.
    pub excused: u32,
    /// Gone round: held, revoked, removed, offline by policy, or not reached before the end.
    pub skipped: u32,
}

impl World {
    /// The complete desired state of one agent; generation 0 and nothing, if it is not known.
    #[must_use]
    pub fn desired(&self, agent: &AgentId) -> Desired {
        let Some(agent) = self.agents.get(agent) else {
            return Desired::default();
        };
        let assignments = agent
            .placements
            .values()
            .filter_map(|placement| placement.told().cloned());
        Desired {
            generation: agent.generation,
            assignments: assignments.collect(),
        }
    }

    /// The rollout of a workload that has begun and is not terminal.
    #[must_use]
    pub fn active_rollout(&self, workload: &WorkloadName) -> Option<&Rollout> {
        self.rollouts.get(self.index.active.get(workload)?)
    }

    /// The rollout of a workload that begins when the active one is over.
    #[must_use]
    pub fn queued_rollout(&self, workload: &WorkloadName) -> Option<&Rollout> {
        self.rollouts.get(self.index.queued.get(workload)?)
    }

    /// Every rollout that has begun and is not terminal.
    pub fn active_rollouts(&self) -> impl Iterator<Item = &Rollout> {
        self.index
            .active
            .values()
            .filter_map(|id| self.rollouts.get(id))
    }

    /// How many machines of a stage stand where; nothing if there is no such stage.
    #[must_use]
    pub fn counts(&self, rollout: &RolloutId, stage: usize) -> Counts {
        let tally = self
            .index
            .tallies
            .get(rollout)
            .and_then(|stages| stages.get(stage));
        let Some(rollout) = self.rollouts.get(rollout) else {
            return Counts::default();
        };
        let trimmed = rollout.trimmed.as_ref();
        let trimmed = trimmed.and_then(|trimmed| trimmed.stages.get(stage));
        let counts = tally.map(|tally| tally.counts(rollout.spec.offline));
        counts
            .unwrap_or_default()
            .with(trimmed.copied().unwrap_or_default())
    }

    /// Machines that are enrolled and not revoked.
    #[must_use]
    pub fn fleet_size(&self) -> usize {
        self.index.fleet
    }

    pub(crate) fn assignment(
        &self,
        agent: &AgentId,
        workload: &WorkloadName,
    ) -> Option<&Assignment> {
        self.agents
            .get(agent)?
            .placements
            .get(workload)?
            .assignment
            .as_ref()
    }

    pub(crate) fn next_generation(&self, agent: &AgentId) -> Generation {
        let agent = self.agents.get(agent);
        agent
            .map(|agent| agent.generation.max(agent.claimed))
            .unwrap_or_default()
            .next()
    }

    /// Where a digest of a workload can be pulled from: its pin's images, else the newest pin's.
    pub(crate) fn run_of(&self, workload: &WorkloadName, digest: &Digest) -> Option<crate::Run> {
        let workload = self.workloads.get(workload)?;
        let pin = workload.pin_of(digest).or_else(|| workload.current())?;
        Some(crate::Run {
            digest: digest.clone(),
            images: pin.images.clone(),
        })
    }
}
