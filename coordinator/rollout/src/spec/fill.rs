use std::collections::BTreeMap;
use std::time::Duration;

use pinion_model::{LabelSelector, Role, StageName, Timestamp, check_labels};

use super::{
    Amount, Approval, Budget, Cohort, FailureGroup, Fault, Faults, PrefetchRules, Spec, StageRules,
    StageSpec, Strategy, Timing, check_all, cohorts, written,
};
use crate::Refusal;

/// Longest duration: 366 days.
const MAX_DURATION: Duration = Duration::from_secs(366 * 86_400);

impl Strategy {
    /// Everything that contradicts itself, with its path from `strategy` on;
    /// `now` is when its windows must still open.
    #[must_use]
    pub fn faults(&self, now: Timestamp) -> Vec<Fault> {
        match fill(self, LabelSelector::default(), now) {
            Err(Refusal::Invalid { faults }) => faults,
            _ => Vec::new(),
        }
    }
}

/// Fills in every default of a strategy, and checks that it makes sense.
///
/// # Errors
///
/// Every fault, each with its path in the strategy.
pub(crate) fn fill(
    strategy: &Strategy,
    agents: LabelSelector,
    now: Timestamp,
) -> Result<Spec, Refusal> {
    let mut faults = Faults::default();
    let spec = filled(strategy, agents, &mut faults);
    check_durations(strategy, &spec, &mut faults);
    check_limits(strategy, &mut faults);
    faults.extend(spec.calendar.check(now, "strategy"));
    for (place, stage) in spec.stages.iter().enumerate() {
        let path = format!("strategy.stages[{place}].checks");
        faults.extend(check_all(&stage.checks, &path));
    }
    faults.refuse()?;
    Ok(spec)
}

fn filled(strategy: &Strategy, agents: LabelSelector, faults: &mut Faults) -> Spec {
    let usual = Timing::default();
    let timing = Timing {
        start_within: strategy.start_within.unwrap_or(usual.start_within),
        healthy_deadline: strategy.healthy_deadline.unwrap_or(usual.healthy_deadline),
        min_healthy: strategy.min_healthy.unwrap_or(usual.min_healthy),
        soak: strategy.soak.unwrap_or(usual.soak),
        defer_within: strategy.defer_within.unwrap_or(usual.defer_within),
        in_use: strategy.in_use.unwrap_or(usual.in_use),
    };
    let failure_budget = strategy
        .failure_budget
        .unwrap_or_else(|| Amount::Percent(2).into());
    let max_in_flight = strategy.max_in_flight.unwrap_or(Amount::Percent(10));
    let usual = StageRules {
        name: numbered(0),
        cohort: Cohort::Rest,
        approval: Approval::Automatic,
        approver: Role::Operator,
        max_in_flight,
        failure_budget,
        budgets: strategy.budgets.clone(),
        soak: timing.soak,
        bake: Duration::ZERO,
        min_proven: 1,
        checks: Vec::new(),
    };
    Spec {
        strategy: strategy.name.clone(),
        version: strategy.version,
        agents,
        stages: stages(strategy, &usual, faults),
        spread_by: strategy.spread_by.clone(),
        prefetch: strategy.prefetch.map(|prefetch| PrefetchRules {
            max_in_flight: prefetch.max_in_flight.unwrap_or(Amount::Percent(10)),
            failure_budget: prefetch.failure_budget.unwrap_or(failure_budget),
        }),
        on_failure: strategy.on_failure.unwrap_or_default(),
        rollback_in_flight: strategy.rollback_in_flight.unwrap_or(Amount::Percent(100)),
        max_in_flight,
        max_unavailable: strategy.max_unavailable,
        count_baseline: strategy.count_baseline.unwrap_or_default(),
        strict: strategy.strict.unwrap_or_default(),
        failure_budget,
        budgets: strategy.budgets.clone(),
        progress_deadline: strategy
            .progress_deadline
            .unwrap_or(Duration::from_secs(600)),
        timing,
        offline: strategy.offline.unwrap_or_default(),
        offline_grace: strategy.offline_grace.unwrap_or_default(),
        sick: strategy.sick.unwrap_or_default(),
        quarantine_after: strategy.quarantine_after,
        supersede: strategy.supersede.unwrap_or_default(),
        after: strategy.after.clone(),
        calendar: strategy.calendar.clone(),
    }
}

fn stages(strategy: &Strategy, usual: &StageRules, faults: &mut Faults) -> Vec<StageRules> {
    let by_default: Vec<_> = [
        Cohort::Count(1),
        Cohort::Percent(10),
        Cohort::Percent(50),
        Cohort::Rest,
    ]
    .into_iter()
    .map(StageSpec::of)
    .collect();
    let asked = if strategy.stages.is_empty() {
        &by_default
    } else {
        &strategy.stages
    };
    cohorts::check(asked, faults);
    let rules = asked.iter().enumerate();
    rules
        .map(|(place, stage)| stage_of(place, stage, usual))
        .collect()
}

fn stage_of(place: usize, stage: &StageSpec, usual: &StageRules) -> StageRules {
    let first = Budget::from(Amount::Count(0));
    let failure_budget = if place == 0 {
        first
    } else {
        usual.failure_budget
    };
    let mut budgets = usual.budgets.clone();
    budgets.extend(&stage.budgets);
    StageRules {
        name: stage.name.clone().unwrap_or_else(|| numbered(place)),
        cohort: stage.cohort.clone(),
        approval: stage.approval.unwrap_or(usual.approval),
        approver: stage.approver.unwrap_or(usual.approver),
        max_in_flight: stage.max_in_flight.unwrap_or(usual.max_in_flight),
        failure_budget: stage.failure_budget.unwrap_or(failure_budget),
        budgets,
        soak: stage.soak.unwrap_or(usual.soak),
        bake: stage.bake.unwrap_or(usual.bake),
        min_proven: stage.min_proven.unwrap_or(usual.min_proven),
        checks: stage.checks.clone(),
    }
}

fn numbered(place: usize) -> StageName {
    let number = (place + 1).to_string().parse();
    number.expect("a number is a stage's name")
}

/// `min_healthy` < `healthy_deadline` < `progress_deadline`, and nothing for ever.
fn check_durations(strategy: &Strategy, spec: &Spec, faults: &mut Faults) {
    let timing = &spec.timing;
    let ordered = [
        ("min_healthy", timing.min_healthy),
        ("healthy_deadline", timing.healthy_deadline),
        ("progress_deadline", spec.progress_deadline),
    ];
    for [(name, less), (other, more)] in ordered.array_windows() {
        faults.demand(less < more, &format!("strategy.{name}"), || {
            let (less, more) = (written(*less), written(*more));
            format!("must be less than {other} ({more}); got {less}")
        });
    }
    faults.demand(
        !timing.start_within.is_zero(),
        "strategy.start_within",
        || "must be more than 0".to_owned(),
    );
    let stages = strategy.stages.iter().enumerate();
    let stages = stages.flat_map(|(place, stage)| {
        let path = format!("strategy.stages[{place}]");
        [
            (format!("{path}.soak"), stage.soak),
            (format!("{path}.bake"), stage.bake),
        ]
    });
    let all = [
        ("strategy.progress_deadline", strategy.progress_deadline),
        ("strategy.start_within", strategy.start_within),
        ("strategy.soak", strategy.soak),
        ("strategy.defer_within", strategy.defer_within),
        ("strategy.offline_grace", strategy.offline_grace),
    ];
    let all = all.map(|(field, value)| (field.to_owned(), value));
    for (field, value) in all.into_iter().chain(stages) {
        let value = value.unwrap_or_default();
        faults.demand(value <= MAX_DURATION, &field, || {
            format!("must be at most 366 days; got {}", written(value))
        });
    }
}

/// Only what was asked for: a default fits, and what a stage has from its
/// strategy is that one's fault.
fn check_limits(strategy: &Strategy, faults: &mut Faults) {
    check_rules(
        "strategy",
        strategy.max_in_flight,
        strategy.failure_budget,
        &strategy.budgets,
        faults,
    );
    for (place, stage) in strategy.stages.iter().enumerate() {
        let approver = stage.approver.unwrap_or(Role::Operator);
        faults.demand(
            approver >= Role::Operator,
            &format!("strategy.stages[{place}].approver"),
            || format!("must be operator or admin, who alone may approve; got {approver}"),
        );
        check_rules(
            &format!("strategy.stages[{place}]"),
            stage.max_in_flight,
            stage.failure_budget,
            &stage.budgets,
            faults,
        );
    }
    if let Some(prefetch) = strategy.prefetch {
        check_rules(
            "strategy.prefetch",
            prefetch.max_in_flight,
            prefetch.failure_budget,
            &BTreeMap::new(),
            faults,
        );
    }
    for (name, limit) in [
        ("rollback_in_flight", strategy.rollback_in_flight),
        ("max_unavailable", strategy.max_unavailable),
    ] {
        check_at_least_one(&format!("strategy.{name}"), limit, faults);
    }
    faults.demand(
        strategy.quarantine_after != Some(0),
        "strategy.quarantine_after",
        || "must be at least 1 machine".to_owned(),
    );
    if let Some(key) = &strategy.spread_by {
        let labels = BTreeMap::from([(key.clone(), String::new())]);
        if let Err(error) = check_labels(&labels) {
            faults.add("strategy.spread_by", error.to_string());
        }
    }
}

fn check_rules(
    path: &str,
    max_in_flight: Option<Amount>,
    failure_budget: Option<Budget>,
    budgets: &BTreeMap<FailureGroup, Budget>,
    faults: &mut Faults,
) {
    check_at_least_one(&format!("{path}.max_in_flight"), max_in_flight, faults);
    if let Some(budget) = failure_budget {
        check_amount(&format!("{path}.failure_budget"), budget.amount, faults);
    }
    for (group, budget) in budgets {
        check_amount(&format!("{path}.budgets.{group}"), budget.amount, faults);
    }
}

fn check_amount(field: &str, amount: Amount, faults: &mut Faults) {
    if let Amount::Percent(percent) = amount {
        faults.demand(percent <= 100, field, || {
            format!("must be 0 to 100 percent; got {percent}")
        });
    }
}

fn check_at_least_one(field: &str, amount: Option<Amount>, faults: &mut Faults) {
    let Some(amount) = amount else { return };
    check_amount(field, amount, faults);
    let none = matches!(amount, Amount::Count(0) | Amount::Percent(0));
    faults.demand(!none, field, || {
        "must be at least 1, or no machine would ever be assigned".to_owned()
    });
}
