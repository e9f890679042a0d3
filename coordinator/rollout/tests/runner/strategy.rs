//! Strategies as operators write them in `coordinator.toml`.

use std::collections::{BTreeMap, BTreeSet};

use pinion_model::{InUse, LabelSelector, Role, StageName, StrategyName, WorkloadName};
use pinion_rollout::{
    Approval, Calendar, Cohort, FailureAction, FailureGroup, OfflinePolicy, PrefetchSpec,
    SickPolicy, StageSpec, Strategy, Supersede,
};
use serde::Deserialize;

use super::Fault;
use super::shapes::{AskedCheck, AskedFreeze, AskedWindow, Limit, Share, Text, Time};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    strategy: BTreeMap<StrategyName, Asked>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    #[serde(default)]
    stage: Vec<AskedStage>,
    spread_by: Option<String>,
    prefetch: Option<AskedPrefetch>,
    on_failure: Option<FailureAction>,
    rollback_in_flight: Option<Share>,
    max_in_flight: Option<Share>,
    max_unavailable: Option<Share>,
    count_baseline: Option<bool>,
    strict: Option<bool>,
    failure_budget: Option<Limit>,
    #[serde(default)]
    budgets: BTreeMap<FailureGroup, Limit>,
    min_healthy: Option<Time>,
    healthy_deadline: Option<Time>,
    progress_deadline: Option<Time>,
    start_within: Option<Time>,
    soak: Option<Time>,
    in_use: Option<InUse>,
    defer_within: Option<Time>,
    offline: Option<OfflinePolicy>,
    offline_grace: Option<Time>,
    sick: Option<SickPolicy>,
    quarantine_after: Option<u32>,
    supersede: Option<Supersede>,
    #[serde(default)]
    after: BTreeSet<WorkloadName>,
    #[serde(default)]
    window: Vec<AskedWindow>,
    #[serde(default)]
    freeze: Vec<AskedFreeze>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AskedPrefetch {
    max_in_flight: Option<Share>,
    failure_budget: Option<Limit>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AskedStage {
    name: Option<StageName>,
    count: Option<u32>,
    percent: Option<u32>,
    selector: Option<LabelSelector>,
    #[serde(default)]
    rest: bool,
    approval: Option<Approval>,
    approver: Option<Text<Role>>,
    max_in_flight: Option<Share>,
    failure_budget: Option<Limit>,
    #[serde(default)]
    budgets: BTreeMap<FailureGroup, Limit>,
    soak: Option<Time>,
    bake: Option<Time>,
    min_proven: Option<u32>,
    #[serde(default)]
    checks: Vec<AskedCheck>,
}

/// Reads `[strategy.NAME]` tables.
pub(super) fn read(text: &str) -> Result<BTreeMap<StrategyName, Strategy>, Fault> {
    let file: File = toml::from_str(text).map_err(|error| fault(text, &error))?;
    let read = file.strategy.into_iter().map(|(name, asked)| {
        let strategy = strategy(name.clone(), asked)?;
        Ok((name, strategy))
    });
    read.collect()
}

fn fault(text: &str, error: &toml::de::Error) -> Fault {
    let before = error.span().map_or("", |span| &text[..span.start]);
    Fault::at(before.matches('\n').count() + 1, error.message())
}

fn strategy(name: StrategyName, asked: Asked) -> Result<Strategy, String> {
    let stages = asked.stage.into_iter().map(stage);
    Ok(Strategy {
        name: Some(name),
        version: None,
        stages: stages.collect::<Result<_, _>>()?,
        spread_by: asked.spread_by,
        prefetch: asked.prefetch.map(|prefetch| PrefetchSpec {
            max_in_flight: prefetch.max_in_flight.map(Into::into),
            failure_budget: prefetch.failure_budget.map(Into::into),
        }),
        on_failure: asked.on_failure,
        rollback_in_flight: asked.rollback_in_flight.map(Into::into),
        max_in_flight: asked.max_in_flight.map(Into::into),
        max_unavailable: asked.max_unavailable.map(Into::into),
        count_baseline: asked.count_baseline,
        strict: asked.strict,
        failure_budget: asked.failure_budget.map(Into::into),
        budgets: budgets(asked.budgets),
        min_healthy: asked.min_healthy.map(Into::into),
        healthy_deadline: asked.healthy_deadline.map(Into::into),
        progress_deadline: asked.progress_deadline.map(Into::into),
        start_within: asked.start_within.map(Into::into),
        soak: asked.soak.map(Into::into),
        in_use: asked.in_use,
        defer_within: asked.defer_within.map(Into::into),
        offline: asked.offline,
        offline_grace: asked.offline_grace.map(Into::into),
        sick: asked.sick,
        quarantine_after: asked.quarantine_after,
        supersede: asked.supersede,
        after: asked.after,
        calendar: Calendar {
            windows: asked.window.into_iter().map(Into::into).collect(),
            freezes: asked.freeze.into_iter().map(Into::into).collect(),
        },
    })
}

fn budgets(asked: BTreeMap<FailureGroup, Limit>) -> BTreeMap<FailureGroup, pinion_rollout::Budget> {
    let limits = asked.into_iter();
    limits.map(|(kind, limit)| (kind, limit.into())).collect()
}

fn stage(asked: AskedStage) -> Result<StageSpec, String> {
    let cohorts = [
        asked.count.map(Cohort::Count),
        asked.percent.map(Cohort::Percent),
        asked.selector.map(Cohort::Selector),
        asked.rest.then_some(Cohort::Rest),
    ];
    let mut cohorts: Vec<_> = cohorts.into_iter().flatten().collect();
    let (Some(cohort), true) = (cohorts.pop(), cohorts.is_empty()) else {
        return Err("a stage has exactly one of count, percent, selector, rest".to_owned());
    };
    let checks = asked.checks.into_iter().map(AskedCheck::read);
    Ok(StageSpec {
        name: asked.name,
        cohort,
        approval: asked.approval,
        approver: asked.approver.map(|role| role.0),
        max_in_flight: asked.max_in_flight.map(Into::into),
        failure_budget: asked.failure_budget.map(Into::into),
        budgets: budgets(asked.budgets),
        soak: asked.soak.map(Into::into),
        bake: asked.bake.map(Into::into),
        min_proven: asked.min_proven,
        checks: checks.collect::<Result<_, _>>()?,
    })
}
