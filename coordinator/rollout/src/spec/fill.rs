use std::collections::BTreeSet;
use std::time::Duration;

use pinion_model::{LabelSelector, StageName};

use super::{Amount, Approval, Cohort, Spec, StageRules, StageSpec, Strategy, Timing};
use crate::Refusal;

/// Most stages of a rollout.
const MAX_STAGES: usize = 100;
/// Longest duration: 366 days.
const MAX_DURATION: Duration = Duration::from_secs(366 * 86_400);

/// Fills in every default of a strategy, and checks that it makes sense.
///
/// # Errors
///
/// The first fault, with its path in the strategy.
pub(crate) fn fill(strategy: &Strategy, agents: LabelSelector) -> Result<Spec, Refusal> {
    let usual = Timing::default();
    let timing = Timing {
        start_within: strategy.start_within.unwrap_or(usual.start_within),
        healthy_deadline: strategy.healthy_deadline.unwrap_or(usual.healthy_deadline),
        min_healthy: strategy.min_healthy.unwrap_or(usual.min_healthy),
        soak: strategy.soak.unwrap_or(usual.soak),
    };
    let progress_deadline = strategy
        .progress_deadline
        .unwrap_or(Duration::from_secs(600));
    check_timing(&timing, progress_deadline)?;
    let max_in_flight = strategy.max_in_flight.unwrap_or(Amount::Percent(10));
    let failure_budget = strategy.failure_budget.unwrap_or(Amount::Percent(2));
    check_in_flight("strategy.max_in_flight", max_in_flight)?;
    check_amount("strategy.failure_budget", failure_budget)?;
    Ok(Spec {
        strategy: strategy.name.clone(),
        agents,
        stages: stages(strategy, max_in_flight, failure_budget)?,
        on_failure: strategy.on_failure.unwrap_or_default(),
        max_in_flight,
        failure_budget,
        progress_deadline,
        timing,
        offline: strategy.offline.unwrap_or_default(),
    })
}

fn check_timing(timing: &Timing, progress_deadline: Duration) -> Result<(), Refusal> {
    let ordered = [
        (
            "min_healthy",
            timing.min_healthy,
            "healthy_deadline",
            timing.healthy_deadline,
        ),
        (
            "healthy_deadline",
            timing.healthy_deadline,
            "progress_deadline",
            progress_deadline,
        ),
    ];
    for (name, less, other, more) in ordered {
        if less >= more {
            let message = format!("{less:?} must be less than {other} ({more:?})");
            return Err(Refusal::invalid(format!("strategy.{name}"), message));
        }
    }
    if timing.start_within.is_zero() {
        return Err(Refusal::invalid(
            "strategy.start_within",
            "must be more than 0",
        ));
    }
    for (name, value) in [
        ("progress_deadline", progress_deadline),
        ("start_within", timing.start_within),
        ("soak", timing.soak),
    ] {
        check_duration(&format!("strategy.{name}"), value)?;
    }
    Ok(())
}

fn check_duration(field: &str, value: Duration) -> Result<(), Refusal> {
    if value > MAX_DURATION {
        return Err(Refusal::invalid(field, "must be at most 366 days"));
    }
    Ok(())
}

fn check_amount(field: &str, amount: Amount) -> Result<(), Refusal> {
    match amount {
        Amount::Percent(percent) if percent > 100 => Err(Refusal::invalid(
            field,
            format!("must be 0 to 100 percent; got {percent}"),
        )),
        _ => Ok(()),
    }
}

fn check_in_flight(field: &str, amount: Amount) -> Result<(), Refusal> {
    check_amount(field, amount)?;
    match amount {
        Amount::Count(0) | Amount::Percent(0) => Err(Refusal::invalid(
            field,
            "must be at least 1, or no machine would ever be assigned",
        )),
        _ => Ok(()),
    }
}

fn stages(
    strategy: &Strategy,
    max_in_flight: Amount,
    failure_budget: Amount,
) -> Result<Vec<StageRules>, Refusal> {
    let usual = [
        Cohort::Count(1),
        Cohort::Percent(10),
        Cohort::Percent(50),
        Cohort::Rest,
    ];
    let usual: Vec<_> = usual.into_iter().map(StageSpec::of).collect();
    let asked = if strategy.stages.is_empty() {
        &usual
    } else {
        &strategy.stages
    };
    if asked.len() > MAX_STAGES {
        let message = format!("at most {MAX_STAGES} stages; got {}", asked.len());
        return Err(Refusal::invalid("strategy.stages", message));
    }
    let mut names = BTreeSet::new();
    let mut percent = 0;
    let mut rules = Vec::with_capacity(asked.len());
    for (place, stage) in asked.iter().enumerate() {
        let path = format!("strategy.stages[{place}]");
        check_cohort(&path, &stage.cohort, &mut percent)?;
        let default = if place == 0 {
            Amount::Count(0)
        } else {
            failure_budget
        };
        let rule = fill_stage(&path, place, stage, max_in_flight, default)?;
        if !names.insert(rule.name.clone()) {
            let message = format!(
                "{:?} is the name of two stages; each needs one of its own",
                rule.name.as_str()
            );
            return Err(Refusal::invalid(format!("{path}.name"), message));
        }
        rules.push(rule);
    }
    Ok(rules)
}

fn check_cohort(path: &str, cohort: &Cohort, percent: &mut u32) -> Result<(), Refusal> {
    match cohort {
        Cohort::Count(0) => Err(Refusal::invalid(
            format!("{path}.count"),
            "must be at least 1",
        )),
        Cohort::Percent(share) if !(1..=100).contains(share) => Err(Refusal::invalid(
            format!("{path}.percent"),
            format!("must be 1 to 100; got {share}"),
        )),
        Cohort::Percent(share) if share <= percent => {
            let message = format!(
                "is a share of the whole fleet, stages before included: must be more than {percent}; got {share}"
            );
            Err(Refusal::invalid(format!("{path}.percent"), message))
        }
        Cohort::Percent(share) => {
            *percent = *share;
            Ok(())
        }
        Cohort::Selector(selector) if selector.0.is_empty() => {
            let message = "needs at least one label; use \"rest\" for all that are left";
            Err(Refusal::invalid(format!("{path}.selector"), message))
        }
        _ => Ok(()),
    }
}

fn fill_stage(
    path: &str,
    place: usize,
    stage: &StageSpec,
    max_in_flight: Amount,
    failure_budget: Amount,
) -> Result<StageRules, Refusal> {
    let max_in_flight = stage.max_in_flight.unwrap_or(max_in_flight);
    let failure_budget = stage.failure_budget.unwrap_or(failure_budget);
    let bake = stage.bake.unwrap_or_default();
    check_in_flight(&format!("{path}.max_in_flight"), max_in_flight)?;
    check_amount(&format!("{path}.failure_budget"), failure_budget)?;
    check_duration(&format!("{path}.bake"), bake)?;
    let number: Result<StageName, _> = (place + 1).to_string().parse();
    Ok(StageRules {
        name: stage
            .name
            .clone()
            .unwrap_or(number.expect("a number is a stage's name")),
        cohort: stage.cohort.clone(),
        approval: stage.approval.unwrap_or(Approval::Automatic),
        max_in_flight,
        failure_budget,
        bake,
        min_proven: stage.min_proven.unwrap_or(1),
    })
}
