//! How a rollout goes: what was asked for ([`Strategy`]) and what it became
//! when the rollout began ([`Spec`], every default filled in).

mod amount;
mod check;
mod fault;
mod fill;
mod freeze;
mod order;
mod window;

use std::time::Duration;

use pinion_model::{LabelSelector, StageName, StrategyName};
use serde::{Deserialize, Serialize};

pub use amount::Amount;
pub use check::{
    Answer, Check, Comparison, Condition, HttpGet, Judgement, Probe, PromQuery, Sample, Series,
    check_all,
};
pub use fault::Fault;
pub(crate) use fill::fill;
pub(crate) use freeze::freeze;
pub use window::{Calendar, Day, Freeze, Group, Openings, TimeOfDay, TimeZoneName, Window};

/// Who is in a stage. A machine is in the first stage that takes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cohort {
    /// That many more machines, at least 1.
    Count(u32),
    /// Cumulative share of the whole selected fleet, 1 to 100, rounded up.
    Percent(u32),
    /// Labels that must all match.
    Selector(LabelSelector),
    /// All that are left.
    Rest,
}

/// Whether a person opens a stage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Approval {
    /// It opens when the stage before it has passed.
    #[default]
    Automatic,
    /// It waits for `ApproveStage`.
    Manual,
}

/// What a tripped gate does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureAction {
    /// Assign nothing more, withdraw what has not cut over, wait for a person.
    #[default]
    Halt,
    /// Take every machine that was changed back to its baseline.
    Rollback,
}

/// What becomes of a machine that is offline when its turn comes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OfflinePolicy {
    /// The stage waits until it is back.
    #[default]
    Wait,
    /// The stage goes on without it; it catches up with the stable digest later.
    Skip,
    /// It counts as a failure.
    Fail,
}

/// One stage as it was asked for. What is absent is the strategy's, else the default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageSpec {
    /// Unique in its strategy. Absent: its number, from 1.
    pub name: Option<StageName>,
    /// Who is in it.
    pub cohort: Cohort,
    /// Absent: automatic.
    pub approval: Option<Approval>,
    /// Share of the stage. Absent: the strategy's.
    pub max_in_flight: Option<Amount>,
    /// Share of the stage. Absent: 0 in the first stage, else the strategy's.
    pub failure_budget: Option<Amount>,
    /// Extra wait after the last machine settled. Absent: none.
    pub bake: Option<Duration>,
    /// Machines that must run a proven container. Absent: 1. 0: a stage whose
    /// machines are all only staged passes.
    pub min_proven: Option<u32>,
}

impl StageSpec {
    /// A stage of this cohort with everything else left to the strategy.
    #[must_use]
    pub fn of(cohort: Cohort) -> Self {
        Self {
            name: None,
            cohort,
            approval: None,
            max_in_flight: None,
            failure_budget: None,
            bake: None,
            min_proven: None,
        }
    }
}

/// How a rollout should go. What is absent is the default (see [`Spec`]).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Strategy {
    /// Its name in the configuration, if it has one.
    pub name: Option<StrategyName>,
    /// Empty: 1 machine, 10 %, 50 %, the rest.
    pub stages: Vec<StageSpec>,
    /// Absent: halt.
    pub on_failure: Option<FailureAction>,
    /// Share of a stage. Absent: 10 %.
    pub max_in_flight: Option<Amount>,
    /// Share of a stage. Absent: 2 %.
    pub failure_budget: Option<Amount>,
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
    /// Absent: wait.
    pub offline: Option<OfflinePolicy>,
}

/// The durations that an agent is told. Measured on the agent's boot clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    /// From receipt: what has not cut over by then never does.
    pub start_within: Duration,
    /// From the next container's start: proven by then, or rolled back.
    pub healthy_deadline: Duration,
    /// Healthy without a break for that long is proven.
    pub min_healthy: Duration,
    /// How long the old container is kept after that.
    pub soak: Duration,
}

impl Default for Timing {
    /// 10 min, 5 min, 10 s, 5 min.
    fn default() -> Self {
        Self {
            start_within: Duration::from_secs(600),
            healthy_deadline: Duration::from_secs(300),
            min_healthy: Duration::from_secs(10),
            soak: Duration::from_secs(300),
        }
    }
}

/// One stage's rules with every default filled in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageRules {
    /// Unique in its rollout.
    pub name: StageName,
    /// Who is in it.
    pub cohort: Cohort,
    /// Whether a person opens it.
    pub approval: Approval,
    /// How many of it at once.
    pub max_in_flight: Amount,
    /// How many of it may fail.
    pub failure_budget: Amount,
    /// Extra wait after its last machine settled.
    pub bake: Duration,
    /// Machines of it that must run a proven container.
    pub min_proven: u32,
}

/// What a rollout was started with, every default filled in; never changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    /// The strategy's name in the configuration, if it has one.
    pub strategy: Option<StrategyName>,
    /// Machines that it is for; empty: the whole fleet.
    pub agents: LabelSelector,
    /// At least one.
    pub stages: Vec<StageRules>,
    /// What a tripped gate does.
    pub on_failure: FailureAction,
    /// The strategy's own, for stages that name none.
    pub max_in_flight: Amount,
    /// The strategy's own, for stages that name none.
    pub failure_budget: Amount,
    /// No progress in the open stage for that long fails what is in flight.
    pub progress_deadline: Duration,
    /// What the agents are told.
    pub timing: Timing,
    /// What becomes of offline machines.
    pub offline: OfflinePolicy,
}
