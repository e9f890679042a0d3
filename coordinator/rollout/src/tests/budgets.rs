//! Failure budgets: of one kind and of all, as numbers and shares, with and
//! without a sample.

use std::collections::BTreeMap;

use pinion_model::{AgentPhase, FailureKind, RolloutId, RolloutPhase};

use super::bed::{Bed, alice, count, rest, steer, strategy};
use super::gates::{ask, one, word};
use crate::gates::{Verdict, View, budget};
use crate::{Amount, Budget, FailureGroup, OfflinePolicy, StageSpec, Strategy, commands};

/// Many machines in one stage, all of them in flight.
fn stage(machines: usize, rules: StageSpec) -> (Bed, RolloutId) {
    let mut bed = Bed::new(machines);
    let id = bed.roll_out(2, one(rules));
    bed.plan();
    (bed, id)
}

fn budget_of(amount: Amount, min_sample: u32) -> Budget {
    Budget { amount, min_sample }
}

fn whole(amount: Amount, min_sample: u32) -> StageSpec {
    StageSpec {
        failure_budget: Some(budget_of(amount, min_sample)),
        ..rest()
    }
}

/// As many of a kind may fail as its budget says, and of all kinds all.
fn of_kind(group: FailureGroup, amount: Amount) -> StageSpec {
    StageSpec {
        budgets: BTreeMap::from([(group, amount.into())]),
        ..whole(Amount::Percent(100), 0)
    }
}

fn answer(bed: &Bed, id: &RolloutId) -> String {
    word(&ask(bed, id, 0, budget::check))
}

fn reason(bed: &Bed, id: &RolloutId) -> String {
    match ask(bed, id, 0, budget::check) {
        Verdict::Stop(stop) => stop.reason,
        other => panic!("it does not stop: {other:?}"),
    }
}

/// How many failures, one after the other, it takes to trip; none: it never does.
fn trips_at(machines: usize, rules: StageSpec, kind: FailureKind) -> Option<usize> {
    let (mut bed, id) = stage(machines, rules);
    (1..=machines).find(|n| {
        bed.fail(&format!("m{n}"), kind);
        answer(&bed, &id) != "pass"
    })
}

#[test]
fn a_budget_of_0_trips_at_the_first_failure_and_one_of_100_percent_never() {
    for (amount, first) in [
        (Amount::Count(0), Some(1)),
        (Amount::Percent(0), Some(1)),
        (Amount::Count(1), Some(2)),
        (Amount::Count(6), Some(7)),
        (Amount::Count(7), None),
        (Amount::Percent(1), Some(2)),
        (Amount::Percent(29), Some(4)),
        (Amount::Percent(99), None),
        (Amount::Percent(100), None),
    ] {
        let rules = whole(amount, 0);
        assert_eq!(trips_at(7, rules, FailureKind::Health), first, "{amount}");
        let rules = of_kind(FailureGroup::Health, amount);
        assert_eq!(
            trips_at(7, rules, FailureKind::Health),
            first,
            "{amount} of one kind"
        );
    }
}

#[test]
fn every_kind_of_failure_trips_the_budget_of_its_own_kind_and_no_other() {
    for group in FailureGroup::ALL {
        for kind in FailureKind::ALL {
            let expected = (FailureGroup::of(*kind) == group).then_some(1);
            let rules = of_kind(group, Amount::Count(0));
            assert_eq!(trips_at(2, rules, *kind), expected, "{group}, {kind}");
        }
    }
}

#[test]
fn failures_of_a_kind_with_a_budget_count_against_that_of_all_kinds_too() {
    let rules = StageSpec {
        budgets: BTreeMap::from([(FailureGroup::Pull, Amount::Count(5).into())]),
        ..whole(Amount::Count(1), 0)
    };
    let (mut bed, id) = stage(6, rules);
    bed.fail("m1", FailureKind::NotFound);
    bed.fail("m2", FailureKind::Health);
    assert!(
        reason(&bed, &id).contains("2 of 6 machine(s) failed and 1 may"),
        "{}",
        reason(&bed, &id)
    );
}

#[test]
fn a_sample_is_waited_for_until_enough_machines_have_an_outcome() {
    use AgentPhase::{CuttingOver, RolledBack, Settled, Soaking, Staged};
    for (phases, judged) in [
        (vec![RolledBack, RolledBack], false),
        (vec![RolledBack, RolledBack, CuttingOver, Soaking], false),
        (vec![RolledBack, RolledBack, Settled, Staged], true),
        (vec![RolledBack; 4], true),
    ] {
        for rules in [
            whole(Amount::Count(1), 4),
            StageSpec {
                budgets: BTreeMap::from([(FailureGroup::Health, budget_of(Amount::Count(1), 4))]),
                ..whole(Amount::Percent(100), 0)
            },
        ] {
            let (mut bed, id) = stage(6, rules);
            for (n, phase) in phases.iter().enumerate() {
                bed.say(&format!("m{}", n + 1), *phase);
            }
            let expected = if judged { "failure_budget" } else { "pass" };
            assert_eq!(answer(&bed, &id), expected, "{phases:?}");
        }
    }
}

#[test]
fn a_sample_larger_than_the_stage_is_judged_once_all_have_an_outcome() {
    let (mut bed, id) = stage(3, whole(Amount::Count(0), 100));
    bed.fail("m1", FailureKind::Health);
    bed.say("m2", AgentPhase::Settled);
    assert_eq!(answer(&bed, &id), "pass");
    bed.say("m3", AgentPhase::Soaking);
    assert_eq!(answer(&bed, &id), "pass", "a soak may still fail");
    bed.say("m3", AgentPhase::Settled);
    assert_eq!(answer(&bed, &id), "failure_budget");
}

#[test]
fn a_sample_is_not_waited_for_on_machines_that_are_gone_round() {
    let mut bed = Bed::new(3);
    bed.offline("m3");
    let rules = Strategy {
        offline: Some(OfflinePolicy::Skip),
        ..one(whole(Amount::Count(0), 3))
    };
    let id = bed.roll_out(2, rules);
    bed.plan();
    bed.fail("m1", FailureKind::Health);
    assert_eq!(answer(&bed, &id), "pass");
    bed.say("m2", AgentPhase::Settled);
    assert_eq!(answer(&bed, &id), "failure_budget", "no more is to come");
}

#[test]
fn a_sample_is_not_waited_for_on_machines_that_went_before_they_had_begun() {
    let rules = Strategy {
        offline: Some(OfflinePolicy::Skip),
        ..one(whole(Amount::Count(0), 3))
    };
    let mut bed = Bed::new(3);
    let id = bed.roll_out(2, rules);
    bed.plan();
    bed.offline("m3");
    bed.plan();
    bed.fail("m1", FailureKind::Health);
    assert_eq!(answer(&bed, &id), "pass");
    bed.say("m2", AgentPhase::Settled);
    bed.plan();
    assert_eq!(bed.phase(&id), RolloutPhase::Halted);
    assert!(reason(&bed, &id).contains("(2 have an outcome)"));
}

#[test]
fn machines_that_are_yet_to_be_assigned_are_waited_for_as_a_sample() {
    let rules = StageSpec {
        max_in_flight: Some(Amount::Count(1)),
        ..whole(Amount::Count(0), 2)
    };
    let (mut bed, id) = stage(2, rules);
    let first = bed.nth(&id, 0, 0);
    bed.fail(&first, FailureKind::Health);
    assert_eq!(answer(&bed, &id), "pass");
    bed.plan();
    let second = bed.nth(&id, 0, 1);
    bed.say(&second, AgentPhase::Settled);
    assert_eq!(answer(&bed, &id), "failure_budget");
}

#[test]
fn the_reason_names_the_kind_the_share_the_sample_and_up_to_five_machines() {
    let rules = StageSpec {
        budgets: BTreeMap::from([(FailureGroup::Credentials, budget_of(Amount::Percent(20), 6))]),
        ..whole(Amount::Percent(100), 0)
    };
    let (mut bed, id) = stage(10, rules);
    bed.fail("m9", FailureKind::Health);
    for n in 1..=6 {
        bed.fail(&format!("m{n}"), FailureKind::Credentials);
    }
    let reason = reason(&bed, &id);
    let begin = "stage 1: 6 of 10 machine(s) failed by credentials (7 have an outcome) and 2 may (20 % of 10): ";
    assert!(reason.starts_with(begin), "{reason}");
    assert!(reason.ends_with("; and 1 more"), "{reason}");
    assert_eq!(reason.matches("(credentials: sick)").count(), 5, "{reason}");
    assert!(!reason.contains("m9"), "{reason}");
}

#[test]
fn five_machines_are_named_without_a_rest() {
    let (mut bed, id) = stage(5, whole(Amount::Count(0), 0));
    for n in 1..=5 {
        bed.fail(&format!("m{n}"), FailureKind::Health);
    }
    let reason = reason(&bed, &id);
    assert_eq!(reason.matches("(health: sick)").count(), 5, "{reason}");
    assert!(!reason.contains("more"), "{reason}");
}

#[test]
fn acknowledged_failures_of_a_kind_do_not_trip_again_and_new_ones_do() {
    let (mut bed, id) = stage(4, of_kind(FailureGroup::Pull, Amount::Count(0)));
    bed.fail("m1", FailureKind::NotFound);
    bed.plan();
    assert_eq!(bed.phase(&id), RolloutPhase::Halted);
    bed.decide(|world, now| commands::resume(world, steer(&id), &alice(), now))
        .expect("resumed");
    bed.plan();
    assert_eq!(bed.phase(&id), RolloutPhase::Running);
    bed.say("m2", AgentPhase::Settled);
    bed.plan();
    assert_eq!(bed.phase(&id), RolloutPhase::Running);
    bed.fail("m3", FailureKind::Disk);
    bed.plan();
    assert_eq!(bed.phase(&id), RolloutPhase::Halted);
    let reason = &bed.rollout(&id).reason;
    assert!(
        reason.contains("1 of 4 machine(s) failed by pull"),
        "{reason}"
    );
    assert!(reason.contains("m3") && !reason.contains("m1"), "{reason}");
}

#[test]
fn a_stage_has_the_strategys_budgets_and_may_replace_each() {
    let group = FailureGroup::Timeout;
    let rules = Strategy {
        budgets: BTreeMap::from([
            (group, Amount::Percent(50).into()),
            (FailureGroup::Pull, Amount::Count(4).into()),
        ]),
        ..strategy(vec![
            count(4),
            StageSpec {
                budgets: BTreeMap::from([(group, Amount::Count(0).into())]),
                ..rest()
            },
        ])
    };
    let mut bed = Bed::new(8);
    let id = bed.roll_out(2, rules);
    let budgets = |stage: usize| bed.rollout(&id).stages[stage].budgets.clone();
    assert_eq!(
        budgets(0),
        BTreeMap::from([(group, 2), (FailureGroup::Pull, 4)])
    );
    assert_eq!(
        budgets(1),
        BTreeMap::from([(group, 0), (FailureGroup::Pull, 4)])
    );
}

#[test]
fn a_budget_that_is_used_up_before_its_sample_is_there_is_told() {
    let (mut bed, id) = stage(5, whole(Amount::Count(1), 4));
    let told = |bed: &Bed| {
        let mut views = View::all(&bed.world, bed.rollout(&id), bed.now);
        budget::unjudged(views.next().expect("a stage"))
    };
    for (n, judged) in [
        (1, None),
        (2, Some("2 of 5")),
        (3, Some("3 of 5")),
        (4, None),
    ] {
        bed.fail(&format!("m{n}"), FailureKind::Health);
        let told = told(&bed);
        assert_eq!(told.is_some(), judged.is_some(), "{n}: {told:?}");
        let Some((told, judged)) = told.zip(judged) else {
            continue;
        };
        assert!(told.contains(judged), "{told}");
        assert!(told.ends_with("judged once 4 have an outcome"), "{told}");
    }
    assert_eq!(answer(&bed, &id), "failure_budget");
}
