//! How a rollout goes: what was asked for ([`Strategy`]) and what it became
//! when the rollout began ([`Spec`], every default filled in).

mod amount;
mod budget;
mod check;
mod cohorts;
mod fault;
mod faults;
mod fill;
mod freeze;
mod late;
mod order;
mod policy;
mod queue;
mod stage;
mod timing;
mod window;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pinion_model::{InUse, LabelSelector, StrategyName, WorkloadName};
use serde::{Deserialize, Serialize};

pub use amount::Amount;
pub use budget::{Budget, FailureGroup};
pub use check::{
    Answer, Check, Comparison, Condition, HttpGet, Judgement, Probe, PromQuery, Sample, Series,
    check_all,
};
pub use fault::Fault;
pub(crate) use faults::Faults;
pub(crate) use fill::fill;
pub(crate) use freeze::{enlisted, freeze};
pub(crate) use late::stage_of_late;
pub(crate) use pinion_model::written;
pub use policy::{
    FailureAction, OfflinePolicy, PrefetchRules, PrefetchSpec, SickPolicy, Supersede,
};
pub use stage::{Approval, Cohort, StageRules, StageSpec};
pub use timing::Timing;
pub use window::{Calendar, Day, Freeze, Group, Openings, TimeOfDay, TimeZoneName, Window};

/// How a rollout should go. What is absent is the default (see [`Spec`]).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Strategy {
    /// Its name in the coordinator, if it has one.
    pub name: Option<StrategyName>,
    /// Which version of that name, from 1.
    pub version: Option<u32>,
    /// Empty: 1 machine, 10 %, 50 %, the rest.
    pub stages: Vec<StageSpec>,
    /// A label's key: machines that share its value share a fate (a region, an
    /// uplink), and no stage is made of one value alone while there are others.
    pub spread_by: Option<String>,
    /// Absent: none.
    pub prefetch: Option<PrefetchSpec>,
    /// Absent: halt.
    pub on_failure: Option<FailureAction>,
    /// While it is taken back: share of the machines to take back. Absent: all at once.
    pub rollback_in_flight: Option<Amount>,
    /// Share of a stage. Absent: 10 %.
    pub max_in_flight: Option<Amount>,
    /// Share of the machines of all stages together. Absent: no limit.
    pub max_unavailable: Option<Amount>,
    /// Whether machines that were sick before count as unavailable. Absent: no.
    pub count_baseline: Option<bool>,
    /// Whether no more machines are in flight than may still fail, and one. One
    /// that is skipped because it went offline on its way does not count, nor
    /// one that had settled and may sicken. Absent: no.
    pub strict: Option<bool>,
    /// Share of a stage. Absent: 2 %.
    pub failure_budget: Option<Budget>,
    /// Share of a stage, by kind of failure, beside `failure_budget`.
    #[serde(default)]
    pub budgets: BTreeMap<FailureGroup, Budget>,
    /// Absent: 10 s. Less than `healthy_deadline`.
    pub min_healthy: Option<Duration>,
    /// Absent: 5 min. Less than `progress_deadline`.
    pub healthy_deadline: Option<Duration>,
    /// Absent: 10 min.
    pub progress_deadline: Option<Duration>,
    /// Absent: 10 min.
    pub start_within: Option<Duration>,
    /// Absent: 5 min.
    pub soak: Option<Duration>,
    /// Absent: fail.
    #[serde(default)]
    pub in_use: Option<InUse>,
    /// How long a machine may put off its cut-over because it is in use. Absent: 1 h.
    #[serde(default)]
    pub defer_within: Option<Duration>,
    /// Absent: wait.
    pub offline: Option<OfflinePolicy>,
    /// How long a machine may be offline before `offline` means it. Absent: 0.
    pub offline_grace: Option<Duration>,
    /// Absent: include.
    pub sick: Option<SickPolicy>,
    /// On how many machines the image may fail before it is quarantined, at
    /// least 1. Absent: 1 % of the selected machines, at least 3.
    pub quarantine_after: Option<u32>,
    /// Absent: replace.
    pub supersede: Option<Supersede>,
    /// Workloads that go first: on a machine that a rollout of one of them is
    /// yet to reach, this one waits.
    #[serde(default)]
    pub after: BTreeSet<WorkloadName>,
    /// When machines may be touched. Empty: at any time.
    #[serde(default)]
    pub calendar: Calendar,
}

/// What a rollout was started with, every default filled in; never changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    /// The strategy's name in the coordinator, if it has one.
    pub strategy: Option<StrategyName>,
    /// Which version of that name.
    pub version: Option<u32>,
    /// Machines that it is for; empty: the whole fleet.
    pub agents: LabelSelector,
    /// At least one.
    pub stages: Vec<StageRules>,
    /// The label whose values are spread over the stages.
    pub spread_by: Option<String>,
    /// The pass ahead of the stages, if there is one.
    pub prefetch: Option<PrefetchRules>,
    /// What a tripped gate does.
    pub on_failure: FailureAction,
    /// How many at once while it is taken back.
    pub rollback_in_flight: Amount,
    /// The strategy's own, for stages that name none.
    pub max_in_flight: Amount,
    /// How many machines of all stages together may be in flight or newly sick.
    pub max_unavailable: Option<Amount>,
    /// Whether those that were sick before count there.
    pub count_baseline: bool,
    /// No more in flight than may still fail, and one.
    pub strict: bool,
    /// The strategy's own, for stages that name none.
    pub failure_budget: Budget,
    /// The strategy's own, for stages that name none.
    pub budgets: BTreeMap<FailureGroup, Budget>,
    /// A machine in flight has failed that long after it last got further, came
    /// or went, and any of its stage cut over or came to an outcome.
    pub progress_deadline: Duration,
    /// What the agents are told; the soak is the stage's.
    pub timing: Timing,
    /// What becomes of offline machines.
    pub offline: OfflinePolicy,
    /// How long they may be away before.
    pub offline_grace: Duration,
    /// What becomes of machines that were sick before.
    pub sick: SickPolicy,
    /// On how many machines it may fail before its digest is quarantined.
    /// None: 1 % of the selected machines, at least 3.
    pub quarantine_after: Option<u32>,
    /// What it does to a rollout that is not over.
    pub supersede: Supersede,
    /// Workloads that go first on every machine.
    pub after: BTreeSet<WorkloadName>,
    /// When machines may be touched.
    pub calendar: Calendar,
}

impl Spec {
    /// What is said of machines whose failure is not blamed on the rollout.
    pub(crate) fn excuse(&self) -> &'static str {
        match self.timing.in_use {
            InUse::Skip => "sick before or in use",
            InUse::Fail | InUse::Force => "sick before",
        }
    }
}
