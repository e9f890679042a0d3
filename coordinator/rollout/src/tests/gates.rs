//! Each gate on its own: a stage in some state, and what the gate answers.

use std::time::Duration;

use pinion_model::{AgentPhase, RolloutId};

use super::bed::{Bed, rest, strategy};
use crate::gates::{Verdict, View, approval, bake, budget, in_flight, presence, progress};
use crate::{Amount, Approval, Gate, OfflinePolicy, StageSpec, Strategy};
use AgentPhase::{
    CuttingOver, Refused, RollbackFailed, RolledBack, Settled, Soaking, Staged, Withdrawn,
};

/// As many machines as there are phases, all in one stage, each in its phase.
pub(super) fn stage(rules: Strategy, phases: &[AgentPhase]) -> (Bed, RolloutId) {
    let mut bed = Bed::new(phases.len());
    let id = bed.roll_out(2, rules);
    bed.plan();
    for (n, phase) in phases.iter().enumerate() {
        bed.say(&format!("m{}", n + 1), *phase);
    }
    (bed, id)
}

pub(super) fn ask(
    bed: &Bed,
    id: &RolloutId,
    stage: usize,
    gate: fn(View<'_>) -> Verdict,
) -> Verdict {
    let mut views = View::all(&bed.world, bed.rollout(id), bed.now);
    gate(views.nth(stage).expect("a stage"))
}

/// `pass`, `wait`, `fail <n>` or the gate that stops.
pub(super) fn word(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Pass => "pass".into(),
        Verdict::Wait(_) => "wait".into(),
        Verdict::Fail(failed) => format!("fail {}", failed.len()),
        Verdict::Stop(stop) => stop.gate.word().into(),
    }
}

pub(super) fn one(stage: StageSpec) -> Strategy {
    strategy(vec![stage])
}

#[test]
fn budget_counts_failures_that_nobody_has_acknowledged() {
    for (allowed, phases, answer) in [
        (Amount::Count(0), vec![Settled, Settled], "pass"),
        (
            Amount::Count(0),
            vec![Settled, RolledBack],
            "failure_budget",
        ),
        (Amount::Count(0), vec![Settled, Refused], "failure_budget"),
        (Amount::Count(1), vec![Settled, RolledBack], "pass"),
        (
            Amount::Count(1),
            vec![RolledBack, Refused, Settled],
            "failure_budget",
        ),
        (Amount::Percent(100), vec![RolledBack, RolledBack], "pass"),
        (Amount::Percent(0), vec![Withdrawn, Staged], "pass"),
        (
            Amount::Percent(100),
            vec![RollbackFailed, Settled],
            "rollback_failed",
        ),
    ] {
        let (bed, id) = stage(
            one(StageSpec {
                failure_budget: Some(allowed.into()),
                ..rest()
            }),
            &phases,
        );
        assert_eq!(
            word(&ask(&bed, &id, 0, budget::check)),
            answer,
            "{allowed} {phases:?}"
        );
    }
}

#[test]
fn budget_names_the_machines_and_why() {
    let (bed, id) = stage(one(rest()), &[RolledBack; 7]);
    let Verdict::Stop(stop) = ask(&bed, &id, 0, budget::check) else {
        panic!("it stops")
    };
    assert_eq!(stop.gate, Gate::FailureBudget);
    assert!(
        stop.reason.contains("7 of 7 machine(s) failed and 0 may")
            && stop.reason.ends_with("and 2 more"),
        "{}",
        stop.reason
    );
    assert!(stop.reason.contains("(health: sick)"), "{}", stop.reason);
}

#[test]
fn in_flight_leaves_room_up_to_the_limit_and_soaking_is_outside() {
    for (limit, phases, room) in [
        (Amount::Count(2), vec![], 0),
        (Amount::Count(3), vec![Soaking, CuttingOver], 1),
        (Amount::Count(2), vec![Settled, Staged], 2),
        (Amount::Percent(50), vec![RolledBack], 1),
    ] {
        let mut bed = Bed::new(5);
        let rules = StageSpec {
            max_in_flight: Some(limit),
            failure_budget: Some(Amount::Percent(100).into()),
            ..rest()
        };
        let id = bed.roll_out(2, one(rules));
        bed.plan();
        for (n, phase) in phases.iter().enumerate() {
            let name = bed.nth(&id, 0, n);
            bed.say(&name, *phase);
        }
        let view = View::all(&bed.world, bed.rollout(&id), bed.now)
            .next()
            .expect("a stage");
        assert_eq!(in_flight::room(view), room, "{limit} {phases:?}");
    }
}

#[test]
fn in_flight_waits_until_every_machine_is_done() {
    for (phases, answer) in [
        (vec![Settled, Staged], "pass"),
        (vec![Settled, Soaking], "wait"),
        (vec![Settled, CuttingOver], "wait"),
        (vec![Settled, RolledBack], "pass"),
        (vec![Settled, Withdrawn], "wait"),
    ] {
        let (bed, id) = stage(one(rest()), &phases);
        assert_eq!(
            word(&ask(&bed, &id, 0, in_flight::check)),
            answer,
            "{phases:?}"
        );
    }
}

#[test]
fn presence_follows_the_strategy_and_counts_only_who_is_pending() {
    for (policy, answer) in [
        (OfflinePolicy::Wait, "wait"),
        (OfflinePolicy::Skip, "pass"),
        (OfflinePolicy::Fail, "fail 1"),
    ] {
        let mut bed = Bed::new(2);
        bed.offline("m2");
        let id = bed.roll_out(
            2,
            Strategy {
                offline: Some(policy),
                ..one(rest())
            },
        );
        assert_eq!(
            word(&ask(&bed, &id, 0, presence::check)),
            answer,
            "{policy:?}"
        );
        bed.observe(crate::Observation::Started { at: bed.now });
        assert_eq!(
            word(&ask(&bed, &id, 0, presence::check)),
            "wait",
            "unknown is not offline"
        );
    }
    let (mut bed, id) = stage(
        Strategy {
            offline: Some(OfflinePolicy::Fail),
            ..one(rest())
        },
        &[CuttingOver],
    );
    bed.offline("m1");
    assert_eq!(
        word(&ask(&bed, &id, 0, presence::check)),
        "pass",
        "it is in flight"
    );
}

#[test]
fn progress_waits_for_its_deadline_and_then_fails_what_is_in_flight() {
    let (mut bed, id) = stage(one(rest()), &[CuttingOver, Soaking]);
    bed.pass(Duration::from_millis(599_999));
    assert_eq!(word(&ask(&bed, &id, 0, progress::check)), "wait");
    bed.pass(Duration::from_millis(1));
    assert_eq!(
        word(&ask(&bed, &id, 0, progress::check)),
        "fail 1",
        "a soak is no lack of progress"
    );
    let (mut bed, id) = stage(one(rest()), &[Soaking]);
    bed.pass(Duration::from_secs(86_400));
    assert_eq!(word(&ask(&bed, &id, 0, progress::check)), "pass");
}

#[test]
fn progress_leaves_out_offline_machines_unless_they_are_to_fail() {
    for (policy, answer) in [
        (OfflinePolicy::Wait, "pass"),
        (OfflinePolicy::Skip, "fail 1"),
        (OfflinePolicy::Fail, "fail 1"),
    ] {
        let (mut bed, id) = stage(
            Strategy {
                offline: Some(policy),
                ..one(rest())
            },
            &[CuttingOver],
        );
        bed.offline("m1");
        bed.pass(Duration::from_secs(600));
        assert_eq!(
            word(&ask(&bed, &id, 0, progress::check)),
            answer,
            "{policy:?}"
        );
    }
}

#[test]
fn bake_begins_when_the_last_machine_has_settled() {
    let rules = one(StageSpec {
        bake: Some(Duration::from_secs(60)),
        ..rest()
    });
    let (mut bed, id) = stage(rules, &[Settled]);
    let Verdict::Wait(wait) = ask(&bed, &id, 0, bake::check) else {
        panic!("it bakes")
    };
    assert_eq!(wait.until, Some(bed.now + Duration::from_secs(60)));
    bed.pass(Duration::from_millis(59_999));
    assert_eq!(word(&ask(&bed, &id, 0, bake::check)), "wait");
    bed.pass(Duration::from_millis(1));
    assert_eq!(word(&ask(&bed, &id, 0, bake::check)), "pass");
    let (bed, id) = stage(one(rest()), &[CuttingOver]);
    assert_eq!(
        word(&ask(&bed, &id, 0, bake::check)),
        "pass",
        "nothing has settled yet"
    );
}

#[test]
fn approval_is_asked_of_a_person_only_where_the_stage_says_so() {
    for (approval, approved, answer) in [
        (Approval::Automatic, false, "pass"),
        (Approval::Manual, false, "wait"),
        (Approval::Manual, true, "pass"),
    ] {
        let mut bed = Bed::new(1);
        let id = bed.roll_out(
            2,
            one(StageSpec {
                approval: Some(approval),
                ..rest()
            }),
        );
        if approved {
            let approval = bed.approval(&id, None);
            bed.approve(&approval).expect("approved");
        }
        assert_eq!(word(&ask(&bed, &id, 0, approval::check)), answer);
    }
}

/// What a gate waits for, or why it stops.
pub(super) fn said(verdict: Verdict) -> String {
    match verdict {
        Verdict::Wait(wait) => wait.detail,
        Verdict::Stop(stop) => stop.reason,
        other => panic!("it says nothing: {other:?}"),
    }
}

#[test]
fn in_flight_says_how_many_stand_where_and_how_many_of_them_are_offline() {
    for (policy, asked, told) in [
        (
            OfflinePolicy::Wait,
            false,
            "machines of stage 1: 3 in flight (2 of them offline), 1 soaking (at most 4 in flight)",
        ),
        (
            OfflinePolicy::Skip,
            false,
            "machines of stage 1: 2 in flight (1 of them offline), 1 soaking (at most 4 in flight)",
        ),
        (
            OfflinePolicy::Skip,
            true,
            "machines of stage 1: 3 in flight (2 of them offline), 1 soaking (at most 4 in flight)",
        ),
    ] {
        let rules = Strategy {
            offline: Some(policy),
            ..one(rest())
        };
        let mut bed = Bed::new(4);
        let id = bed.roll_out(2, rules);
        bed.plan();
        bed.say("m1", Soaking);
        bed.say("m2", CuttingOver);
        bed.say("m3", CuttingOver);
        bed.offline("m3");
        bed.offline("m4");
        if !asked {
            bed.plan();
        }
        assert_eq!(
            said(ask(&bed, &id, 0, in_flight::check)),
            told,
            "{policy:?}"
        );
    }
}
