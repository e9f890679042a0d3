//! How many machines may be on their way at once: of a stage, of all stages
//! together, and where the strategy is strict.

use std::collections::BTreeMap;

use pinion_model::{AgentPhase, FailureKind, RolloutId, RolloutPhase};

use super::bed::{Bed, alice, count, rest, steer, strategy};
use super::gates::{ask, one, word};
use crate::gates::{View, room, strict, unavailable};
use crate::{Amount, Budget, FailureGroup, OfflinePolicy, StageSpec, Strategy, commands, summary};
use AgentPhase::{CuttingOver, RollbackFailed, RolledBack, Settled, Soaking, Staged};

fn at_once(amount: Amount) -> Strategy {
    Strategy {
        max_unavailable: Some(amount),
        ..one(may_fail(Amount::Percent(100)))
    }
}

fn may_fail(amount: Amount) -> StageSpec {
    StageSpec {
        failure_budget: Some(amount.into()),
        ..rest()
    }
}

fn strictly(stage: StageSpec) -> Strategy {
    Strategy {
        strict: Some(true),
        ..one(stage)
    }
}

fn view<'a>(bed: &'a Bed, id: &RolloutId, stage: usize) -> View<'a> {
    let mut views = View::all(&bed.world, bed.rollout(id), bed.now);
    views.nth(stage).expect("a stage")
}

/// A rollout to that many machines, of which the first have come that far.
fn came(machines: usize, rules: Strategy, phases: &[AgentPhase]) -> (Bed, RolloutId) {
    let mut bed = Bed::new(machines);
    let id = bed.roll_out(2, rules);
    bed.plan();
    for (n, phase) in phases.iter().enumerate() {
        let name = bed.nth(&id, 0, n);
        bed.say(&name, *phase);
        bed.plan();
    }
    (bed, id)
}

#[test]
fn max_unavailable_is_a_number_or_a_share_of_the_machines_of_all_stages() {
    let all = || vec![count(2), rest()];
    for (amount, stages, rounded) in [
        (Amount::Count(3), all(), 3),
        (Amount::Percent(1), all(), 1),
        (Amount::Percent(25), all(), 3),
        (Amount::Percent(100), all(), 10),
        (Amount::Percent(50), vec![count(1), count(3)], 2),
    ] {
        let mut bed = Bed::new(10);
        let id = bed.roll_out(
            2,
            Strategy {
                max_unavailable: Some(amount),
                ..strategy(stages)
            },
        );
        assert_eq!(bed.rollout(&id).max_unavailable, Some(rounded), "{amount}");
    }
}

#[test]
fn unavailable_are_those_in_flight_and_those_that_are_newly_sick() {
    for (phases, left) in [
        (vec![], Some(0)),
        (vec![Settled], Some(0)),
        (vec![Soaking, Settled], Some(0)),
        (vec![RolledBack], Some(0)),
        (vec![Settled, Staged, Settled, Settled], Some(1)),
        (vec![Settled, Staged, Settled, Settled, Settled], Some(2)),
    ] {
        let (bed, id) = came(5, at_once(Amount::Count(2)), &phases);
        assert_eq!(unavailable::room(view(&bed, &id, 0)), left, "{phases:?}");
    }
    let (bed, id) = came(5, one(rest()), &[]);
    assert_eq!(unavailable::room(view(&bed, &id, 0)), None, "no limit");
}

#[test]
fn a_machine_that_sickens_takes_the_place_of_one_in_flight() {
    let mut bed = Bed::new(5);
    let id = bed.roll_out(2, at_once(Amount::Count(2)));
    let last = bed.nth(&id, 0, 4);
    bed.seen(&last, &["healthy", "unhealthy"]);
    bed.plan();
    assert_eq!(bed.counts(&id, 0).in_flight, 1);
    let waiting = bed.nth(&id, 0, 2);
    assert_eq!(bed.word(&id, &waiting), Some("limit_unavailable"));
    let detail = bed.why(&id, &waiting).expect("it waits").detail;
    assert_eq!(
        detail,
        format!(
            "at most 2 of 5 machine(s) of its stages may be unavailable, and 2 are (1 in flight, 1 sick since it began); heal {last}"
        )
    );
    let summary = summary(&bed.world, &id, bed.now);
    assert!(summary.contains(&detail), "{summary}");
    bed.seen(&last, &["healthy", "starting"]);
    bed.plan();
    assert_eq!(bed.counts(&id, 0).in_flight, 2, "starting is not sick");
}

#[test]
fn a_machine_that_is_in_flight_and_sick_counts_once() {
    let mut bed = Bed::new(3);
    let id = bed.roll_out(2, at_once(Amount::Count(2)));
    bed.plan();
    let first = bed.nth(&id, 0, 0);
    bed.say(&first, CuttingOver);
    bed.seen(&first, &["stopped"]);
    let all = unavailable::Unavailable::of(view(&bed, &id, 0));
    assert_eq!((all.in_flight, all.sick, all.total()), (2, 0, 2));
}

#[test]
fn unavailable_machines_of_every_stage_count() {
    let mut bed = Bed::new(6);
    let rules = Strategy {
        max_unavailable: Some(Amount::Count(2)),
        ..strategy(vec![count(2), rest()])
    };
    let id = bed.roll_out(2, rules);
    bed.plan();
    for place in 0..2 {
        let name = bed.nth(&id, 0, place);
        bed.say(&name, Settled);
    }
    bed.plan();
    assert_eq!(bed.counts(&id, 1).in_flight, 2);
    let early = bed.nth(&id, 0, 0);
    bed.seen(&early, &["unhealthy"]);
    let second = bed.nth(&id, 1, 0);
    bed.say(&second, Settled);
    bed.plan();
    assert_eq!(
        bed.counts(&id, 1).in_flight,
        1,
        "one of the stage before is sick"
    );
    let waiting = bed.nth(&id, 1, 3);
    assert_eq!(bed.word(&id, &waiting), Some("limit_unavailable"));
}

#[test]
fn an_old_container_that_did_not_come_back_is_unavailable_until_it_is_seen_again() {
    let (mut bed, id) = came(4, at_once(Amount::Count(2)), &[RollbackFailed]);
    assert_eq!(bed.phase(&id), RolloutPhase::Halted);
    let lost = bed.nth(&id, 0, 0);
    let second = bed.nth(&id, 0, 1);
    bed.say(&second, AgentPhase::Withdrawn);
    bed.decide(|world, now| commands::resume(world, steer(&id), &alice(), now))
        .expect("resumed");
    bed.plan();
    assert_eq!(bed.counts(&id, 0).in_flight, 1);
    bed.pass(std::time::Duration::from_secs(1));
    bed.seen(&lost, &[]);
    bed.plan();
    assert_eq!(bed.counts(&id, 0).in_flight, 1, "nothing runs there");
    bed.seen(&lost, &["healthy"]);
    bed.plan();
    assert_eq!(bed.counts(&id, 0).in_flight, 2);
}

#[test]
fn machines_that_were_sick_before_count_only_where_the_baseline_counts() {
    for (count_baseline, in_flight) in [(None, 2), (Some(false), 2), (Some(true), 1)] {
        let mut bed = Bed::new(5);
        bed.seen("m5", &["unhealthy"]);
        let id = bed.roll_out(
            2,
            Strategy {
                count_baseline,
                sick: Some(crate::SickPolicy::Skip),
                ..at_once(Amount::Count(2))
            },
        );
        bed.plan();
        assert_eq!(
            bed.counts(&id, 0).in_flight,
            in_flight,
            "{count_baseline:?}"
        );
        let waiting = bed.nth(&id, 0, 3);
        assert_eq!(bed.word(&id, &waiting), Some("limit_unavailable"));
        let detail = bed.why(&id, &waiting).expect("it waits").detail;
        assert_eq!(
            detail.contains("1 sick before); heal m5"),
            in_flight == 1,
            "{detail}"
        );
        bed.seen("m5", &["healthy"]);
        bed.plan();
        assert_eq!(bed.counts(&id, 0).in_flight, 2, "healed");
    }
}

#[test]
fn machines_that_went_offline_before_they_began_do_not_count_where_the_rollout_goes_round_them() {
    for (offline, in_flight) in [(OfflinePolicy::Wait, 1), (OfflinePolicy::Skip, 2)] {
        let mut bed = Bed::new(4);
        let rules = Strategy {
            offline: Some(offline),
            ..at_once(Amount::Count(2))
        };
        let id = bed.roll_out(2, rules);
        bed.plan();
        let gone = bed.nth(&id, 0, 0);
        bed.offline(&gone);
        bed.plan();
        let all = unavailable::Unavailable::of(view(&bed, &id, 0));
        assert_eq!(all.in_flight, 2, "{offline:?}");
        let online = bed.counts(&id, 0).in_flight - 1;
        assert_eq!(online, in_flight, "{offline:?}");
    }
}

#[test]
fn strictness_lets_no_more_go_than_may_still_fail_and_one() {
    for (budget, phases, left) in [
        (Amount::Count(0), vec![], Some(0)),
        (Amount::Count(0), vec![Soaking], Some(0)),
        (Amount::Count(0), vec![Settled], Some(0)),
        (Amount::Count(2), vec![], Some(0)),
        (Amount::Count(2), vec![RolledBack], Some(0)),
        (Amount::Percent(100), vec![], None),
    ] {
        let (bed, id) = came(8, strictly(may_fail(budget)), &phases);
        assert_eq!(
            strict::room(view(&bed, &id, 0)),
            left,
            "{budget} {phases:?}"
        );
        let counts = bed.counts(&id, 0);
        let allowed = budget.of(8);
        let on_its_way = counts.in_flight + counts.soaking + counts.failed;
        let expected = if left.is_none() { 8 } else { allowed + 1 };
        assert_eq!(on_its_way, expected, "{budget} {phases:?}");
    }
    let (bed, id) = came(8, one(may_fail(Amount::Count(0))), &[]);
    assert_eq!(strict::room(view(&bed, &id, 0)), None, "not strict");
}

#[test]
fn strictness_looks_at_every_kinds_budget_but_that_of_offline_machines() {
    for (group, in_flight) in [
        (FailureGroup::Health, 2),
        (FailureGroup::Policy, 2),
        (FailureGroup::Offline, 5),
    ] {
        let rules = StageSpec {
            budgets: BTreeMap::from([(group, Amount::Count(1).into())]),
            ..may_fail(Amount::Count(4))
        };
        let (bed, id) = came(8, strictly(rules), &[]);
        assert_eq!(bed.counts(&id, 0).in_flight, in_flight, "{group}");
    }
}

#[test]
fn strictness_explains_itself() {
    let rules = StageSpec {
        budgets: BTreeMap::from([(FailureGroup::Health, Amount::Count(1).into())]),
        ..may_fail(Amount::Count(4))
    };
    let (bed, id) = came(8, strictly(rules), &[RolledBack]);
    let waiting = bed.nth(&id, 0, 5);
    let why = bed.why(&id, &waiting).expect("it waits");
    assert_eq!(why.word, "limit_strict");
    assert_eq!(
        why.detail,
        "stage 1 is strict: 1 may fail by health, so no more than 2 may be in flight, soaking or failed; 1 are in flight or soaking, 1 failed"
    );
    assert!(summary(&bed.world, &id, bed.now).contains(&why.detail));
}

#[test]
fn strict_failures_are_judged_without_waiting_for_a_sample_that_cannot_come() {
    let rules = StageSpec {
        failure_budget: Some(Budget {
            amount: Amount::Count(1),
            min_sample: 6,
        }),
        ..rest()
    };
    let (mut bed, id) = came(8, strictly(rules), &[RolledBack]);
    assert_eq!(bed.phase(&id), RolloutPhase::Running);
    assert_eq!(bed.counts(&id, 0).in_flight, 1);
    let second = bed.nth(&id, 0, 1);
    bed.fail(&second, FailureKind::Health);
    bed.plan();
    assert_eq!(bed.phase(&id), RolloutPhase::Halted);
    assert_eq!(bed.counts(&id, 0).failed, 2, "the budget and one");
}

#[test]
fn acknowledged_failures_make_room_again_where_it_is_strict() {
    let (mut bed, id) = came(4, strictly(may_fail(Amount::Count(0))), &[RolledBack]);
    assert_eq!(bed.phase(&id), RolloutPhase::Halted);
    bed.decide(|world, now| commands::resume(world, steer(&id), &alice(), now))
        .expect("resumed");
    bed.plan();
    assert_eq!(bed.counts(&id, 0).in_flight, 1);
}

#[test]
fn the_least_room_counts_and_names_itself() {
    let limits = |in_flight: u32, unavailable: u32, budget: u32| Strategy {
        max_unavailable: Some(Amount::Count(unavailable)),
        ..strictly(StageSpec {
            max_in_flight: Some(Amount::Count(in_flight)),
            ..may_fail(Amount::Count(budget))
        })
    };
    for (rules, taken, bound) in [
        (limits(1, 2, 2), 1, "limit_in_flight"),
        (limits(3, 2, 2), 2, "limit_unavailable"),
        (limits(3, 3, 1), 2, "limit_strict"),
        (limits(2, 2, 1), 2, "limit_in_flight"),
    ] {
        let (bed, id) = came(6, rules, &[]);
        assert_eq!(bed.counts(&id, 0).in_flight, taken);
        let (now, other) = (view(&bed, &id, 0), bed.nth(&id, 0, 5));
        assert_eq!((room::room(now), room::bound(now).word()), (0, bound));
        assert_eq!(bed.word(&id, &other), Some(bound));
        let waits = word(&ask(&bed, &id, 0, room::check));
        let own = bound == "limit_in_flight";
        assert_eq!(waits, if own { "pass" } else { "wait" }, "{bound}");
    }
}

#[test]
fn a_limit_holds_nothing_where_no_machine_is_ready() {
    let (bed, id) = came(2, at_once(Amount::Count(2)), &[]);
    assert_eq!(unavailable::room(view(&bed, &id, 0)), Some(0));
    assert_eq!(word(&ask(&bed, &id, 0, room::check)), "pass");
}

#[test]
fn a_limit_that_leaves_room_holds_nothing() {
    let mut bed = Bed::new(6);
    let id = bed.roll_out(2, at_once(Amount::Count(2)));
    let now = view(&bed, &id, 0);
    assert_eq!(
        (room::room(now), room::bound(now).word()),
        (2, "limit_unavailable")
    );
    assert_eq!(word(&ask(&bed, &id, 0, room::check)), "pass");
}

#[test]
fn a_share_of_unavailable_machines_is_told_with_its_number() {
    let (bed, id) = came(6, at_once(Amount::Percent(25)), &[]);
    let waiting = bed.nth(&id, 0, 5);
    assert_eq!(
        bed.why(&id, &waiting).expect("it waits").detail,
        "at most 2 (25 %) of 6 machine(s) of its stages may be unavailable, and 2 are (2 in flight)"
    );
}
