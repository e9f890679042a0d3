use std::collections::BTreeMap;
use std::sync::Arc;

use pinion_model::{
    Actor, AgentId, CheckName, Digest, PinNumber, RolloutId, RolloutPhase, StageName, Timestamp,
    WorkloadName,
};
use serde::{Deserialize, Serialize};

use super::{Agent, Member, Trimmed};
use crate::spec::stage_of_late;
use crate::{CheckRun, Checks, Cohort, FailureGroup, Map, Openings, Run, Spec, StageRules, Timing};

/// Who, when and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attribution {
    /// Who.
    pub actor: Actor,
    /// When.
    pub at: Timestamp,
    /// In their words; may be empty.
    pub reason: String,
}

/// Taking one pin to a frozen set of agents, stage by stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollout {
    /// `<workload>-<pin number>-<n>`.
    pub id: RolloutId,
    /// Which workload.
    pub workload: WorkloadName,
    /// Which pin.
    pub pin: PinNumber,
    /// Its digest and images.
    pub run: Run,
    /// Its local tag.
    pub local_tag: Arc<str>,
    /// What it was started with.
    pub spec: Arc<Spec>,
    /// Where it is.
    pub phase: RolloutPhase,
    /// Why it is there: who paused it, which gate halted it. Empty while it runs.
    pub reason: String,
    /// What goes on once it is resumed, where it was paused or halted while it
    /// took its machines back. None: it was not.
    pub interrupted: Option<Interrupted>,
    /// Since when it is there.
    pub since: Timestamp,
    /// The gate that halted it.
    pub halted_by: Option<Gate>,
    /// 0-based; the number of stages once the last has passed.
    pub open_stage: usize,
    /// At least one; none while it is queued.
    pub stages: Vec<Stage>,
    /// Every machine of every stage; of older rollouts, those alone that
    /// something may still become of.
    pub members: Map<AgentId, Member>,
    /// Machines that were selected, but that no stage took; none of an older
    /// rollout that a newer one has outdone.
    pub left_out: Arc<[AgentId]>,
    /// How many machines were selected when the stages were frozen: the whole
    /// of every share that is one of all selected machines.
    pub selected: u32,
    /// The pass ahead of the stages. None: there is none.
    pub prefetch: Option<Prefetch>,
    /// How many may be unavailable over all stages, after rounding.
    pub max_unavailable: Option<u32>,
    /// On how many machines the image may fail before it is quarantined, after rounding.
    pub quarantine_after: u32,
    /// Which of its windows are open and which of its freezes are on, as it was
    /// last committed.
    pub openings: Openings,
    /// Who said that they do not count.
    pub windows_overridden: Option<Attribution>,
    /// Its machines are (or were) taken back to their baselines.
    pub rolled_back: bool,
    /// The same, because it was aborted so, and not because its digest is bad.
    #[serde(default)]
    pub reverted: bool,
    /// Who started it, and why.
    pub started: Attribution,
    /// When it became terminal.
    pub ended_at: Option<Timestamp>,
    /// The rollout whose place this one took.
    pub replaces: Option<RolloutId>,
    /// The rollout that took this one's place.
    pub superseded_by: Option<RolloutId>,
    /// How its machines stood that are no longer kept. None: all are.
    #[serde(default)]
    pub trimmed: Option<Arc<Trimmed>>,
}

impl Rollout {
    /// The stage that is open; none once the last has passed.
    #[must_use]
    pub fn open(&self) -> Option<&Stage> {
        self.stages.get(self.open_stage)
    }

    /// The stage of this name, and its place.
    #[must_use]
    pub fn stage(&self, name: &StageName) -> Option<(usize, &Stage)> {
        self.stages
            .iter()
            .enumerate()
            .find(|(_, stage)| stage.rules.name == *name)
    }

    /// Whether a machine is one of those that it is for: selected, and taken by
    /// a stage, or come later and such as a stage would take.
    #[must_use]
    pub fn is_for(&self, id: &AgentId, agent: &Agent) -> bool {
        self.spec.agents.matches(&agent.labels)
            && self.left_out.binary_search(id).is_err()
            && (self.would_take(id, agent) || self.members.contains_key(id))
    }

    /// Whether a machine that it selects, and has not left out, is in a stage or
    /// would be: it was there at the start, or a stage takes its like later.
    pub(super) fn would_take(&self, id: &AgentId, agent: &Agent) -> bool {
        agent.enrolled_at <= self.started.at || stage_of_late(self, id, &agent.labels).is_some()
    }

    /// Whether every machine that it selects is one of those that it is for,
    /// whenever it comes.
    pub(super) fn is_for_newcomers(&self) -> bool {
        let all = |stage: &StageRules| matches!(stage.cohort, Cohort::Rest | Cohort::Percent(100));
        self.left_out.is_empty() && self.spec.stages.iter().any(all)
    }

    /// The digest that it takes to its machines.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.run.digest
    }

    /// The phase that it is in, or goes on in once it is resumed.
    pub(crate) fn course(&self) -> RolloutPhase {
        let interrupted = self.interrupted.as_ref();
        interrupted.map_or(self.phase, |interrupted| interrupted.phase)
    }

    /// Whether this stage takes machines now.
    #[must_use]
    pub fn is_open(&self, stage: usize) -> bool {
        stage == self.open_stage
            && self
                .stages
                .get(stage)
                .is_some_and(|stage| stage.opened_at.is_some())
            && !self.phase.is_terminal()
    }
}

/// A way back that was paused or halted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interrupted {
    /// Rolling back, or aborting.
    pub phase: RolloutPhase,
    /// Why it was in that phase.
    pub reason: String,
}

/// The pass ahead of the stages, in which machines only pull.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prefetch {
    /// How many at once, after rounding; at least 1.
    pub max_in_flight: u32,
    /// How many may fail, after rounding.
    pub failure_budget: u32,
    /// When it first took machines.
    pub opened_at: Option<Timestamp>,
    /// When it had passed.
    pub passed_at: Option<Timestamp>,
    /// When a pull last came to an outcome; later where all are given their
    /// time anew.
    pub progressed_at: Timestamp,
    /// What is remarkable about how it passed; empty if nothing.
    pub note: String,
}

/// A gate, by the word that stands in reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    /// More machines failed than the stage may lose.
    FailureBudget,
    /// An old container did not come back: a person must look.
    RollbackFailed,
    /// No machine, or too few, proved the digest.
    MinProven,
    /// More machines could not even pull the image than may.
    Prefetch,
    /// The digest was quarantined.
    Quarantine,
    /// A check of what the world says failed, or could not tell.
    Metric,
    /// Nobody is left whom the rollout was for.
    Nobody,
}

impl Gate {
    /// The stable word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::FailureBudget => "failure_budget",
            Self::RollbackFailed => "rollback_failed",
            Self::MinProven => "min_proven",
            Self::Prefetch => "prefetch",
            Self::Quarantine => "quarantine",
            Self::Metric => "metric",
            Self::Nobody => "nobody",
        }
    }
}

/// A cohort, frozen when the rollout began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// Its rules.
    pub rules: Arc<StageRules>,
    /// Its machines, in the order in which they are assigned.
    pub order: Arc<[AgentId]>,
    /// Machines that joined it since, in the places after those.
    pub late: Vec<AgentId>,
    /// What its agents are told of time: the rollout's, with the stage's own soak.
    pub timing: Arc<Timing>,
    /// How many at once, after rounding; at least 1.
    pub max_in_flight: u32,
    /// How many may fail, after rounding.
    pub failure_budget: u32,
    /// How many may fail of one kind, after rounding.
    pub budgets: BTreeMap<FailureGroup, u32>,
    /// When it first took machines.
    pub opened_at: Option<Timestamp>,
    /// When it had passed; none again when a retry reopened it.
    pub passed_at: Option<Timestamp>,
    /// Who approved it, and what exactly.
    pub approved: Option<Approved>,
    /// When a machine of it last cut over or came to an outcome; later where
    /// all are given their time anew.
    pub progressed_at: Timestamp,
    /// When a machine of it last settled.
    pub settled_at: Option<Timestamp>,
    /// An operator resumed although too few machines had proved the digest.
    pub accepted_unproven: bool,
    /// What was measured of its checks so far.
    pub checks: Checks,
    /// What is remarkable about how it passed; empty if nothing.
    pub note: String,
}

impl Stage {
    /// What was measured of this check.
    #[must_use]
    pub fn check(&self, name: &CheckName) -> Option<&CheckRun> {
        self.checks.runs.iter().find(|run| run.name == *name)
    }
}

impl Stage {
    /// The machine of a place.
    #[must_use]
    pub fn agent(&self, place: usize) -> Option<&AgentId> {
        let late = || self.late.get(place.checked_sub(self.order.len())?);
        self.order.get(place).or_else(late)
    }

    /// Its machines, those that joined it late at the end.
    pub fn agents(&self) -> impl Iterator<Item = &AgentId> {
        self.order.iter().chain(&self.late)
    }
}

/// A person's word that a stage may open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approved {
    /// Who, when and why.
    pub by: Attribution,
    /// The hash of what was shown: it is approved, and nothing else.
    pub plan: String,
}
