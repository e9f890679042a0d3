use pinion_proto::convert::{duration, or_empty};
use pinion_proto::v1;
use pinion_rollout::{Cohort, Spec, StageRules, StageSpec, Strategy};

use super::calendar::{freeze_message, window_message};
use super::checks;
use super::limits::{to_amount, to_budget, to_budgets};
use super::words::{
    approval_message, offline_message, on_failure_message, sick_message, supersede_message,
};

/// What a rollout was started with, every default filled in.
pub fn spec(spec: &Spec) -> v1::Strategy {
    v1::Strategy {
        name: or_empty(spec.strategy.as_ref()),
        version: spec.version.unwrap_or_default(),
        stages: spec.stages.iter().map(rules).collect(),
        spread_by: spec.spread_by.clone().unwrap_or_default(),
        prefetch: spec.prefetch.map(|prefetch| v1::PrefetchSpec {
            max_in_flight: Some(to_amount(prefetch.max_in_flight)),
            failure_budget: Some(to_budget(prefetch.failure_budget)),
        }),
        on_failure: on_failure_message(spec.on_failure).into(),
        rollback_in_flight: Some(to_amount(spec.rollback_in_flight)),
        max_in_flight: Some(to_amount(spec.max_in_flight)),
        max_unavailable: spec.max_unavailable.map(to_amount),
        count_baseline: Some(spec.count_baseline),
        strict: Some(spec.strict),
        failure_budget: Some(to_budget(spec.failure_budget)),
        budgets: to_budgets(&spec.budgets),
        min_healthy: Some(duration(spec.timing.min_healthy)),
        healthy_deadline: Some(duration(spec.timing.healthy_deadline)),
        progress_deadline: Some(duration(spec.progress_deadline)),
        start_within: Some(duration(spec.timing.start_within)),
        soak: Some(duration(spec.timing.soak)),
        in_use: v1::InUsePolicy::from(spec.timing.in_use).into(),
        defer_within: Some(duration(spec.timing.defer_within)),
        offline: offline_message(spec.offline).into(),
        offline_grace: Some(duration(spec.offline_grace)),
        sick: sick_message(spec.sick).into(),
        quarantine_after: spec.quarantine_after.unwrap_or_default(),
        supersede: supersede_message(spec.supersede).into(),
        after: spec.after.iter().map(ToString::to_string).collect(),
        windows: spec.calendar.windows.iter().map(window_message).collect(),
        freezes: spec.calendar.freezes.iter().map(freeze_message).collect(),
    }
}

fn rules(rules: &StageRules) -> v1::StageSpec {
    v1::StageSpec {
        name: rules.name.to_string(),
        cohort: Some(cohort(&rules.cohort)),
        approval: approval_message(rules.approval).into(),
        approver: v1::Role::from(rules.approver).into(),
        max_in_flight: Some(to_amount(rules.max_in_flight)),
        failure_budget: Some(to_budget(rules.failure_budget)),
        budgets: to_budgets(&rules.budgets),
        soak: Some(duration(rules.soak)),
        bake: Some(duration(rules.bake)),
        min_proven: Some(rules.min_proven),
        checks: rules.checks.iter().map(checks::message).collect(),
    }
}

/// A strategy as it was asked for: what is absent stays absent.
pub fn strategy(strategy: &Strategy) -> v1::Strategy {
    v1::Strategy {
        name: or_empty(strategy.name.as_ref()),
        version: strategy.version.unwrap_or_default(),
        stages: strategy.stages.iter().map(stage).collect(),
        spread_by: strategy.spread_by.clone().unwrap_or_default(),
        prefetch: strategy.prefetch.map(|prefetch| v1::PrefetchSpec {
            max_in_flight: prefetch.max_in_flight.map(to_amount),
            failure_budget: prefetch.failure_budget.map(to_budget),
        }),
        on_failure: strategy
            .on_failure
            .map_or(0, |action| on_failure_message(action).into()),
        rollback_in_flight: strategy.rollback_in_flight.map(to_amount),
        max_in_flight: strategy.max_in_flight.map(to_amount),
        max_unavailable: strategy.max_unavailable.map(to_amount),
        count_baseline: strategy.count_baseline,
        strict: strategy.strict,
        failure_budget: strategy.failure_budget.map(to_budget),
        budgets: to_budgets(&strategy.budgets),
        min_healthy: strategy.min_healthy.map(duration),
        healthy_deadline: strategy.healthy_deadline.map(duration),
        progress_deadline: strategy.progress_deadline.map(duration),
        start_within: strategy.start_within.map(duration),
        soak: strategy.soak.map(duration),
        in_use: strategy
            .in_use
            .map_or(0, |policy| v1::InUsePolicy::from(policy).into()),
        defer_within: strategy.defer_within.map(duration),
        offline: strategy
            .offline
            .map_or(0, |policy| offline_message(policy).into()),
        offline_grace: strategy.offline_grace.map(duration),
        sick: strategy
            .sick
            .map_or(0, |policy| sick_message(policy).into()),
        quarantine_after: strategy.quarantine_after.unwrap_or_default(),
        supersede: strategy
            .supersede
            .map_or(0, |kind| supersede_message(kind).into()),
        after: strategy.after.iter().map(ToString::to_string).collect(),
        windows: strategy
            .calendar
            .windows
            .iter()
            .map(window_message)
            .collect(),
        freezes: strategy
            .calendar
            .freezes
            .iter()
            .map(freeze_message)
            .collect(),
    }
}

fn stage(stage: &StageSpec) -> v1::StageSpec {
    v1::StageSpec {
        name: or_empty(stage.name.as_ref()),
        cohort: Some(cohort(&stage.cohort)),
        approval: stage
            .approval
            .map_or(0, |approval| approval_message(approval).into()),
        approver: stage.approver.map_or(0, |role| v1::Role::from(role).into()),
        max_in_flight: stage.max_in_flight.map(to_amount),
        failure_budget: stage.failure_budget.map(to_budget),
        budgets: to_budgets(&stage.budgets),
        soak: stage.soak.map(duration),
        bake: stage.bake.map(duration),
        min_proven: stage.min_proven,
        checks: stage.checks.iter().map(checks::message).collect(),
    }
}

fn cohort(cohort: &Cohort) -> v1::stage_spec::Cohort {
    use v1::stage_spec::Cohort as Message;
    match cohort {
        Cohort::Count(count) => Message::Count(*count),
        Cohort::Percent(percent) => Message::Percent(*percent),
        Cohort::Selector(labels) => Message::Selector(v1::LabelSelector {
            match_labels: labels.0.clone(),
        }),
        Cohort::Rest => Message::Rest(true),
    }
}
