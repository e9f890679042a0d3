//! The pass ahead of the stages: what it waits for and for how long, and what
//! stops it.

use std::collections::BTreeMap;
use std::time::Duration;

use pinion_model::{AgentPhase, FailureKind, RolloutId, RolloutPhase};

use super::bed::{Bed, agent, alice, digest, keep, rest, strategy};
use super::prefetch::{begun, cannot_pull, counts, pass, with};
use crate::commands;
use crate::gates::Verdict;
use crate::gates::prefetch::{Pass, budget, due, progress, wait};
use crate::{Amount, Budget, Gate, PrefetchSpec, StageSpec, Strategy};

/// As many machines as phases, each asked, each in its phase.
fn pulling(rules: PrefetchSpec, phases: &[AgentPhase]) -> (Bed, RolloutId) {
    let (mut bed, id) = begun(phases.len(), with(rules));
    bed.plan();
    for (n, phase) in phases.iter().enumerate() {
        if *phase != AgentPhase::Pending {
            bed.pull(&format!("m{}", n + 1), *phase);
        }
    }
    (bed, id)
}

fn ask(bed: &Bed, id: &RolloutId, gate: fn(Pass<'_>) -> Verdict) -> &'static str {
    let pass = Pass::of(&bed.world, bed.rollout(id), bed.now).expect("a pass");
    match gate(pass) {
        Verdict::Pass => "pass",
        Verdict::Wait(_) => "wait",
        Verdict::Fail(_) => "fail",
        Verdict::Stop(stop) => stop.gate.word(),
    }
}

#[test]
fn the_budget_of_the_pass_is_exact_and_waits_for_its_sample() {
    use AgentPhase::{Pending, Prefetched, Refused};
    let whole = Amount::Percent(100);
    for (allowed, min_sample, phases, answer) in [
        (Amount::Count(0), 0, vec![Prefetched, Pending], "pass"),
        (Amount::Count(0), 0, vec![Refused, Pending], "prefetch"),
        (Amount::Count(1), 0, vec![Refused, Pending], "pass"),
        (Amount::Count(1), 0, vec![Refused, Refused], "prefetch"),
        (Amount::Percent(0), 0, vec![Refused, Prefetched], "prefetch"),
        (Amount::Percent(50), 0, vec![Refused, Prefetched], "pass"),
        (whole, 0, vec![Refused, Refused, Refused], "pass"),
        (Amount::Count(0), 2, vec![Refused, Pending, Pending], "pass"),
        (
            Amount::Count(0),
            2,
            vec![Refused, Prefetched, Pending],
            "prefetch",
        ),
        (Amount::Count(0), 9, vec![Refused, Prefetched], "prefetch"),
    ] {
        let rules = PrefetchSpec {
            max_in_flight: Some(whole),
            failure_budget: Some(Budget {
                amount: allowed,
                min_sample,
            }),
        };
        let (bed, id) = pulling(rules, &phases);
        assert_eq!(
            ask(&bed, &id, budget),
            answer,
            "{allowed} {min_sample} {phases:?}"
        );
    }
}

#[test]
fn the_pass_waits_for_those_that_pull_and_gives_up_on_them_at_the_deadline() {
    use AgentPhase::{Pending, Prefetched, Prefetching, Refused};
    let day = Duration::from_secs(86_400);
    for (phases, later, waits, late) in [
        (vec![Prefetched, Refused], Duration::ZERO, "pass", "pass"),
        (vec![Prefetched, Pending], Duration::ZERO, "wait", "pass"),
        (
            vec![Prefetched, Prefetching],
            Duration::ZERO,
            "wait",
            "pass",
        ),
        (vec![Prefetched, Prefetching], day, "wait", "fail"),
        (vec![Prefetched, Refused], day, "pass", "pass"),
    ] {
        let (mut bed, id) = pulling(pass(9, 9), &phases);
        bed.pass(later);
        assert_eq!(ask(&bed, &id, wait), waits, "{phases:?} {later:?}");
        assert_eq!(ask(&bed, &id, progress), late, "{phases:?} {later:?}");
    }
}

#[test]
fn a_pull_that_makes_no_progress_fails_and_is_withdrawn() {
    let (mut bed, id) = pulling(
        pass(2, 0),
        &[AgentPhase::Prefetched, AgentPhase::Prefetching],
    );
    let planned = bed.plan();
    let deadline = bed.rollout(&id).spec.progress_deadline;
    assert_eq!(planned.wake_at, Some(bed.now + deadline));
    bed.pass(deadline);
    bed.plan();
    assert_eq!(bed.rollout(&id).halted_by, Some(Gate::Prefetch));
    let told = bed.world.desired(&agent("m2")).assignments.remove(0);
    assert!(told.prefetch.is_none());
    bed.pull("m2", AgentPhase::Withdrawn);
    assert_eq!(
        counts(&bed, &id).failed,
        1,
        "a deadline that had passed stays a failure"
    );
}

#[test]
fn a_coordinator_that_starts_gives_those_that_pull_their_time_anew() {
    let (mut bed, id) = pulling(
        pass(2, 0),
        &[AgentPhase::Prefetched, AgentPhase::Prefetching],
    );
    let deadline = bed.rollout(&id).spec.progress_deadline;
    bed.pass(deadline);
    bed.observe(crate::Observation::Started { at: bed.now });
    bed.plan();
    assert_eq!(
        bed.phase(&id),
        RolloutPhase::Running,
        "nobody could have heard of it"
    );
    let ahead = Pass::of(&bed.world, bed.rollout(&id), bed.now).expect("a pass");
    assert_eq!(due(ahead), None, "nobody's time is running");
    for name in ["m1", "m2"] {
        bed.hello(name);
    }
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::Completed);
}

#[test]
fn a_restored_backup_stamps_what_was_asked_ahead_anew() {
    let (mut bed, id) = begun(1, with(pass(1, 0)));
    bed.plan();
    bed.machines.get_mut(&agent("m1")).expect("m1").generation = pinion_model::Generation(900);
    bed.hello("m1");
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::Completed);
    assert_eq!(counts(&bed, &id).prefetched, 1);
}

#[test]
fn a_revoked_machine_does_not_hold_the_pass() {
    let (mut bed, id) = begun(2, with(pass(2, 0)));
    bed.plan();
    let gone = bed.nth(&id, 1, 0);
    bed.decide(|world, now| commands::revoke_agent(world, agent(&gone), "", &alice(), now))
        .expect("revoked");
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::Completed);
    assert_eq!(counts(&bed, &id).skipped, 1);
}

#[test]
fn the_summary_and_the_first_stage_say_that_the_pass_is_waited_for() {
    let (mut bed, id) = begun(3, with(pass(2, 0)));
    bed.plan();
    let waits = crate::waiting_for(&bed.world, &id, 0, bed.now);
    assert_eq!(
        waits,
        [
            "the image on the machines (prefetch): 0 of 3 have it, 1 to be asked, 2 pulling (at most 2 at once)"
        ]
    );
    let summary = crate::summary(&bed.world, &id, bed.now);
    assert!(
        summary.contains("prefetch (before 2 stage(s))"),
        "{summary}"
    );
}

#[test]
fn a_strategy_without_it_has_no_pass() {
    let (mut bed, id) = begun(1, strategy(vec![StageSpec::of(crate::Cohort::Rest)]));
    bed.drive();
    assert_eq!(bed.world.prefetch_counts(&id), None);
    assert_eq!(bed.phase(&id), RolloutPhase::Completed);
    let asked: BTreeMap<_, _> = bed.world.agents[&agent("m1")]
        .placements
        .iter()
        .map(|(name, placement)| (name.clone(), placement.ahead.clone()))
        .collect();
    assert!(asked.values().all(Option::is_none));
}

#[test]
fn what_is_over_leaves_nobody_told_only_to_pull() {
    let (mut bed, id) = begun(2, with(pass(2, 0)));
    bed.plan();
    for _ in 0..2 {
        bed.step("m1");
        bed.step("m2");
    }
    let told = |bed: &Bed| bed.world.desired(&agent("m1")).assignments.remove(0);
    bed.steer_with(keep, &id);
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::Aborted);
    let now = told(&bed);
    assert!(now.digest() == Some(&digest(1)) && now.prefetch.is_none());
    assert_eq!(
        bed.machines[&agent("m1")].pulls,
        1,
        "only what was prefetched"
    );
}

#[test]
fn a_machine_that_was_sick_before_is_not_blamed_for_its_pull() {
    for (broken, phase) in [
        ("m1", RolloutPhase::Completed),
        ("m2", RolloutPhase::Halted),
    ] {
        let mut bed = Bed::new(3);
        bed.roll_out(1, strategy(vec![rest()]));
        bed.drive();
        bed.seen("m1", &["unhealthy"]);
        let rules = Strategy {
            prefetch: Some(pass(3, 0)),
            ..strategy(vec![rest()])
        };
        let id = bed.roll_out(2, rules);
        cannot_pull(&mut bed, broken, FailureKind::Disk);
        bed.drive();
        assert_eq!(bed.phase(&id), phase, "{broken}");
        assert_eq!(counts(&bed, &id).failed, 1, "it is counted all the same");
    }
}

#[test]
fn a_resume_knows_the_failed_pull_of_a_machine_that_is_done_with() {
    let mut bed = Bed::new(2);
    bed.roll_out(1, strategy(vec![rest()]));
    bed.drive();
    let rules = Strategy {
        prefetch: Some(pass(2, 1)),
        ..strategy(vec![rest()])
    };
    let id = bed.roll_out(2, rules);
    bed.plan();
    bed.pull("m1", AgentPhase::Refused);
    bed.pull("m2", AgentPhase::Prefetched);
    bed.plan();
    bed.fail("m1", FailureKind::Health);
    bed.plan();
    assert_eq!(bed.phase(&id), RolloutPhase::Halted);

    bed.steer_with(commands::resume, &id);

    let pull = &bed.rollout(&id).members[&agent("m1")].prefetch;
    assert!(pull.as_ref().expect("it was asked to").acknowledged);
    let mut rebuilt = bed.world.clone();
    rebuilt.rebuild_index();
    assert_eq!(rebuilt.index, bed.world.index);
}
