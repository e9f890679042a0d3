use std::collections::BTreeMap;
use std::time::Duration;

use pinion_model::{LabelSelector, Role, StageName};
use serde::{Deserialize, Serialize};

use super::{Amount, Budget, Check, FailureGroup};

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

/// One stage as it was asked for. What is absent is the strategy's, else the default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageSpec {
    /// Unique in its strategy. Absent: its number, from 1.
    pub name: Option<StageName>,
    /// Who is in it.
    pub cohort: Cohort,
    /// Absent: automatic.
    pub approval: Option<Approval>,
    /// Who may approve it: that role, or one above it. Absent: operator.
    pub approver: Option<Role>,
    /// Share of the stage. Absent: the strategy's.
    pub max_in_flight: Option<Amount>,
    /// Share of the stage. Absent: 0 in the first stage, else the strategy's.
    pub failure_budget: Option<Budget>,
    /// Share of the stage, beside `failure_budget`. What is absent is the strategy's.
    #[serde(default)]
    pub budgets: BTreeMap<FailureGroup, Budget>,
    /// How long the old container is kept. Absent: the strategy's.
    pub soak: Option<Duration>,
    /// Extra wait after the last machine settled. Absent: none.
    pub bake: Option<Duration>,
    /// Machines that must run a proven container; all that can, where those are
    /// fewer, and also where some of them are gone round. Absent: 1. 0: a stage
    /// whose machines are all only staged passes.
    pub min_proven: Option<u32>,
    /// What the world is asked after the bake, before the next stage.
    #[serde(default)]
    pub checks: Vec<Check>,
}

impl StageSpec {
    /// A stage of this cohort with everything else left to the strategy.
    #[must_use]
    pub fn of(cohort: Cohort) -> Self {
        Self {
            name: None,
            cohort,
            approval: None,
            approver: None,
            max_in_flight: None,
            failure_budget: None,
            budgets: BTreeMap::new(),
            soak: None,
            bake: None,
            min_proven: None,
            checks: Vec::new(),
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
    /// Who may: that role, or one above it.
    pub approver: Role,
    /// How many of it at once.
    pub max_in_flight: Amount,
    /// How many of it may fail.
    pub failure_budget: Budget,
    /// How many of it may fail of one kind. A kind without one has the whole budget.
    pub budgets: BTreeMap<FailureGroup, Budget>,
    /// How long the old container is kept.
    pub soak: Duration,
    /// Extra wait after its last machine settled.
    pub bake: Duration,
    /// Machines of it that must run a proven container.
    pub min_proven: u32,
    /// What the world is asked after the bake, before the next stage.
    pub checks: Vec<Check>,
}
