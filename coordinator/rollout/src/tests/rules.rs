//! Random rules of a rollout, for the properties.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pinion_model::{FailureKind, Timestamp, WorkloadName};
use proptest::prelude::*;

use super::metric::http;
use crate::{
    Amount, Approval, Budget, Calendar, Check, Cohort, FailureAction, FailureGroup, Freeze,
    Judgement, OfflinePolicy, PrefetchSpec, SickPolicy, StageSpec, Strategy as Rules, Supersede,
    Window,
};

fn amount() -> impl Strategy<Value = Amount> {
    prop_oneof![
        (1..4_u32).prop_map(Amount::Count),
        (1..=100_u32).prop_map(Amount::Percent)
    ]
}

fn stage() -> impl Strategy<Value = StageSpec> {
    let cohort = prop_oneof![(1..4_u32).prop_map(Cohort::Count), Just(Cohort::Rest)];
    let approval = prop_oneof![3 => Just(Approval::Automatic), 1 => Just(Approval::Manual)];
    let budget = proptest::option::of(budget());
    let bake = prop_oneof![Just(0), Just(30_u64)];
    (
        cohort,
        approval,
        proptest::option::of(amount()),
        budget,
        bake,
        0..3_u32,
        checks(),
    )
        .prop_map(
            |(cohort, approval, max_in_flight, failure_budget, bake, min_proven, checks)| {
                StageSpec {
                    approval: Some(approval),
                    max_in_flight,
                    failure_budget,
                    bake: Some(Duration::from_secs(bake)),
                    min_proven: Some(min_proven),
                    checks,
                    ..StageSpec::of(cohort)
                }
            },
        )
}

pub(super) fn kind() -> impl Strategy<Value = FailureKind> {
    proptest::sample::select(FailureKind::ALL)
}

fn budget() -> impl Strategy<Value = Budget> {
    let amount = prop_oneof![
        (0..3_u32).prop_map(Amount::Count),
        prop_oneof![Just(0), Just(100), 1..100_u32].prop_map(Amount::Percent)
    ];
    let sample = prop_oneof![2 => Just(0), 1 => 1..5_u32];
    (amount, sample).prop_map(|(amount, min_sample)| Budget { amount, min_sample })
}

fn budgets() -> impl Strategy<Value = BTreeMap<FailureGroup, Budget>> {
    let group = proptest::sample::select(&FailureGroup::ALL[..]);
    proptest::collection::btree_map(group, budget(), 0..3)
}

/// What a strategy may say of limits and of machines that are sick.
fn limits() -> impl Strategy<Value = Rules> {
    let sick = prop_oneof![Just(SickPolicy::Include), Just(SickPolicy::Skip)];
    let spread_by = prop_oneof![Just(None), Just(Some("at".to_owned()))];
    (
        proptest::option::of(amount()),
        any::<bool>(),
        any::<bool>(),
        sick,
        spread_by,
        budgets(),
    )
        .prop_map(
            |(max_unavailable, count_baseline, strict, sick, spread_by, budgets)| Rules {
                max_unavailable,
                count_baseline: Some(count_baseline),
                strict: Some(strict),
                sick: Some(sick),
                spread_by,
                budgets,
                ..Rules::default()
            },
        )
}

pub(super) fn judgement() -> impl Strategy<Value = Judgement> {
    prop_oneof![
        4 => Just(Judgement::Success),
        1 => Just(Judgement::Inconclusive),
        1 => Just(Judgement::Failure),
    ]
}

fn checks() -> impl Strategy<Value = Vec<Check>> {
    let check = (1..3_u32, 0..2_u32, any::<bool>());
    let check = check.prop_map(|(samples, failure_limit, dry_run)| Check {
        samples,
        failure_limit,
        dry_run,
        ..http("smoke")
    });
    prop_oneof![3 => Just(Vec::new()), 1 => check.prop_map(|check| vec![check])]
}

/// Freezes of seconds for everybody, and minutes of the first hour of a day for
/// machines that are labelled so.
fn calendar() -> impl Strategy<Value = Calendar> {
    let freeze = (1_000..1_060_u64, 1..40_u64).prop_map(|(from, seconds)| Freeze {
        from: Timestamp(from * 1_000),
        until: Timestamp((from + seconds) * 1_000),
        reason: "holidays".into(),
        agents: pinion_model::LabelSelector::default(),
    });
    let window = (16..30_u8, 1..10_u64).prop_map(|(minute, minutes)| Window {
        agents: pinion_model::LabelSelector([("at".to_owned(), "night".to_owned())].into()),
        days: BTreeSet::new(),
        start: format!("00:{minute}").parse().expect("a time"),
        duration: Duration::from_secs(minutes * 60),
        time_zone: "UTC".parse().expect("a zone"),
    });
    let calendar = (
        proptest::collection::vec(window, 0..3),
        proptest::collection::vec(freeze, 0..3),
    );
    let calendar = calendar.prop_map(|(windows, freezes)| Calendar { windows, freezes });
    prop_oneof![Just(Calendar::default()), calendar]
}

fn prefetch() -> impl Strategy<Value = PrefetchSpec> {
    let budget = (0..3_u32, 0..4_u32).prop_map(|(n, min_sample)| Budget {
        amount: Amount::Count(n),
        min_sample,
    });
    (amount(), budget).prop_map(|(max_in_flight, failure_budget)| PrefetchSpec {
        max_in_flight: Some(max_in_flight),
        failure_budget: Some(failure_budget),
    })
}

pub(super) fn rules() -> impl Strategy<Value = Rules> {
    let action = prop_oneof![Just(FailureAction::Halt), Just(FailureAction::Rollback)];
    let offline = prop_oneof![
        Just(OfflinePolicy::Wait),
        Just(OfflinePolicy::Skip),
        Just(OfflinePolicy::Fail)
    ];
    let stages = proptest::collection::vec(stage(), 1..4);
    let ahead = (
        proptest::option::of(prefetch()),
        proptest::option::of(1..4_u32),
        proptest::option::of(amount()),
    );
    let rules = (stages, action, offline, calendar(), ahead, limits());
    let rules = rules.prop_map(|(stages, action, offline, calendar, ahead, limits)| Rules {
        stages,
        calendar,
        on_failure: Some(action),
        offline: Some(offline),
        prefetch: ahead.0,
        quarantine_after: ahead.1,
        rollback_in_flight: ahead.2,
        max_in_flight: Some(Amount::Percent(100)),
        ..limits
    });
    (rules, company()).prop_map(|(rules, (supersede, after))| Rules {
        supersede: Some(supersede),
        after,
        ..rules
    })
}

/// How a rollout goes with those of its own workload, and of the other.
fn company() -> impl Strategy<Value = (Supersede, BTreeSet<WorkloadName>)> {
    let supersede = prop_oneof![
        2 => Just(Supersede::Replace),
        1 => Just(Supersede::Queue),
        1 => Just(Supersede::Reject),
    ];
    let after = prop_oneof![3 => Just(None), 1 => Just(Some("app")), 1 => Just(Some("web"))];
    let after = after.prop_map(|name| {
        let name = name.map(|name| name.parse().expect("a workload"));
        name.into_iter().collect()
    });
    (supersede, after)
}
