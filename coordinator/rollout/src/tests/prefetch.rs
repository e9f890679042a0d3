//! The pass ahead of the stages: machines pull, and no container is touched.

use pinion_model::{AgentPhase, FailureKind, RolloutId, RolloutPhase};

use super::bed::{Bed, agent, alice, count, digest, keep, rest, steer, strategy};
use crate::commands;
use crate::{
    Act, Amount, Change, FailureAction, Gate, OfflinePolicy, PrefetchCounts, PrefetchSpec, Purpose,
    Strategy,
};

pub(super) fn pass(max_in_flight: u32, failure_budget: u32) -> PrefetchSpec {
    PrefetchSpec {
        max_in_flight: Some(Amount::Count(max_in_flight)),
        failure_budget: Some(Amount::Count(failure_budget).into()),
    }
}

pub(super) fn with(prefetch: PrefetchSpec) -> Strategy {
    Strategy {
        prefetch: Some(prefetch),
        ..strategy(vec![count(1), rest()])
    }
}

/// That many machines on digest 1, and a rollout of digest 2 that prefetches.
pub(super) fn begun(machines: usize, rules: Strategy) -> (Bed, RolloutId) {
    let mut bed = Bed::new(machines);
    bed.roll_out(1, strategy(vec![rest()]));
    bed.drive();
    let id = bed.roll_out(2, rules);
    (bed, id)
}

pub(super) fn cannot_pull(bed: &mut Bed, name: &str, kind: FailureKind) {
    let machine = bed.machines.get_mut(&agent(name)).expect("a machine");
    machine.out_of_reach.insert(digest(2), kind);
}

pub(super) fn counts(bed: &Bed, id: &RolloutId) -> PrefetchCounts {
    bed.world.prefetch_counts(id).expect("a pass")
}

/// Who was asked to run something of a rollout.
pub(super) fn turns(bed: &Bed, id: &RolloutId) -> usize {
    let decisions = bed.history.iter().filter_map(|change| match change {
        Change::Decision(decision) => Some(&decision.act),
        Change::Observation(_) => None,
    });
    let turn = |act: &&Act| matches!(act, Act::Assigned { assignment, .. } if matches!(&assignment.purpose, Purpose::Rollout { rollout, .. } if rollout == id));
    decisions.filter(turn).count()
}

#[test]
fn every_machine_pulls_before_any_stage_opens_and_then_cuts_over_without_the_registry() {
    let (mut bed, id) = begun(4, with(pass(2, 0)));
    bed.plan();
    let told = bed.world.desired(&agent(&bed.nth(&id, 0, 0))).assignments;
    assert!(
        told[0].run.is_none()
            && told[0].prefetch.as_ref().map(|run| &run.digest) == Some(&digest(2)),
        "{told:?}"
    );
    assert_eq!(
        (counts(&bed, &id).in_flight, counts(&bed, &id).pending),
        (2, 2)
    );
    while bed
        .rollout(&id)
        .prefetch
        .as_ref()
        .is_some_and(|pass| pass.passed_at.is_none())
    {
        assert_eq!(
            turns(&bed, &id),
            0,
            "nothing is touched before the pass is over"
        );
        assert!(counts(&bed, &id).in_flight <= 2, "its own limit");
        assert!(bed.rollout(&id).stages[0].opened_at.is_none());
        for name in ["m1", "m2", "m3", "m4"] {
            bed.step(name);
        }
        bed.plan();
    }
    assert_eq!(counts(&bed, &id).prefetched, 4);
    let note = &bed.rollout(&id).prefetch.as_ref().expect("a pass").note;
    assert_eq!(note, "4 of 4 machine(s) have the image");
    let before: usize = bed.machines.values().map(|machine| machine.pulls).sum();
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::Completed);
    let after: usize = bed.machines.values().map(|machine| machine.pulls).sum();
    assert_eq!(after, before, "the image was there");
}

#[test]
fn a_registry_that_refuses_a_machine_stops_the_rollout_before_any_container_is_touched() {
    for on_failure in [FailureAction::Halt, FailureAction::Rollback] {
        let rules = Strategy {
            on_failure: Some(on_failure),
            ..with(pass(3, 0))
        };
        let (mut bed, id) = begun(3, rules);
        cannot_pull(&mut bed, "m2", FailureKind::Credentials);
        bed.drive();
        assert_eq!(bed.phase(&id), RolloutPhase::Halted, "{on_failure:?}");
        let rollout = bed.rollout(&id);
        assert_eq!(rollout.halted_by, Some(Gate::Prefetch));
        assert!(
            rollout
                .reason
                .contains("1 of 3 machine(s) could not get the image and 0 may: m2 (credentials:"),
            "{}",
            rollout.reason
        );
        assert_eq!(turns(&bed, &id), 0);
        assert!(
            ["m1", "m2", "m3"]
                .iter()
                .all(|name| *bed.running(name) == digest(1))
        );
        assert_eq!(bed.word(&id, "m2"), Some("prefetch_failed"));
        assert_eq!(bed.word(&id, "m1"), Some("halted"));
    }
}

#[test]
fn resuming_goes_on_with_the_known_failures_and_trips_on_a_new_one() {
    let (mut bed, id) = begun(3, with(pass(1, 0)));
    for name in ["m1", "m2", "m3"] {
        cannot_pull(&mut bed, name, FailureKind::NotFound);
    }
    let resume = |bed: &mut Bed| {
        bed.decide(|world, now| commands::resume(world, steer(&id), &alice(), now))
            .expect("resumed");
        bed.drive();
        counts(bed, &id).failed
    };
    bed.drive();
    assert_eq!(
        (counts(&bed, &id).failed, bed.phase(&id)),
        (1, RolloutPhase::Halted)
    );
    assert_eq!(resume(&mut bed), 2);
    assert_eq!(
        (resume(&mut bed), bed.phase(&id)),
        (3, RolloutPhase::Halted)
    );
    for machine in bed.machines.values_mut() {
        machine.out_of_reach.clear();
    }
    resume(&mut bed);
    assert_eq!(
        bed.phase(&id),
        RolloutPhase::Completed,
        "a machine that could not pull ahead gets its turn all the same"
    );
    let note = &bed.rollout(&id).prefetch.as_ref().expect("a pass").note;
    assert_eq!(note, "0 of 3 machine(s) have the image, 3 could not get it");
}

#[test]
fn a_machine_that_could_not_pull_is_asked_again_by_retry() {
    let (mut bed, id) = begun(2, with(pass(2, 0)));
    cannot_pull(&mut bed, "m1", FailureKind::Disk);
    bed.drive();
    bed.machines
        .get_mut(&agent("m1"))
        .expect("m1")
        .out_of_reach
        .clear();
    let retry = commands::RetryAgents {
        rollout: id.clone(),
        agents: vec![agent("m1")],
        reason: String::new(),
    };
    bed.decide(|world, now| commands::retry(world, retry.clone(), &alice(), now))
        .expect("asked again");
    bed.decide(|world, now| commands::resume(world, steer(&id), &alice(), now))
        .expect("resumed");
    bed.drive();
    assert_eq!(counts(&bed, &id).prefetched, 2);
    assert_eq!(bed.phase(&id), RolloutPhase::Completed);
}

#[test]
fn offline_held_and_late_machines_are_gone_round_and_pull_when_their_turn_comes() {
    let rules = Strategy {
        offline: Some(OfflinePolicy::Wait),
        ..with(pass(4, 0))
    };
    let (mut bed, id) = begun(4, rules);
    bed.offline("m1");
    let hold = commands::HoldAgent {
        agent: agent("m2"),
        reason: "care".into(),
        expires_at: None,
    };
    bed.decide(|world, now| commands::hold(world, hold.clone(), &alice(), now))
        .expect("held");
    bed.plan();
    assert_eq!(bed.word(&id, "m1"), Some("offline"));
    assert_eq!(counts(&bed, &id).skipped, 2);
    bed.offline("m3");
    bed.drive();
    let pass = bed.rollout(&id).prefetch.as_ref().expect("a pass");
    assert_eq!(pass.note, "1 of 4 machine(s) have the image, 3 gone round");
    for name in ["m1", "m3"] {
        bed.hello(name);
    }
    bed.decide(|world, now| commands::release(world, agent("m2"), "", &alice(), now))
        .expect("released");
    bed.drive();
    assert_eq!(
        bed.phase(&id),
        RolloutPhase::Completed,
        "{:?}",
        bed.why(&id, "m1")
    );
}

#[test]
fn what_ran_and_was_asked_before_stays_as_it_was() {
    let (mut bed, id) = begun(2, with(pass(2, 0)));
    let before = bed.world.agents[&agent("m1")].placements[&bed.workload].clone();
    bed.plan();
    for phase in [
        AgentPhase::Prefetching,
        AgentPhase::Waiting,
        AgentPhase::Prefetched,
    ] {
        bed.pull("m1", phase);
        let now = &bed.world.agents[&agent("m1")].placements[&bed.workload];
        assert_eq!(
            (
                &now.assignment,
                &now.asked,
                &now.phase,
                &now.proven,
                &now.running,
                now.drifted
            ),
            (
                &before.assignment,
                &before.asked,
                &before.phase,
                &before.proven,
                &before.running,
                false
            )
        );
        assert!(
            bed.world.index.behind.iter().next().is_none(),
            "nobody is behind"
        );
        bed.plan();
    }
    assert_eq!(bed.word(&id, "m1"), Some("prefetch_not_passed"));
    assert_eq!(bed.word(&id, "m2"), Some("prefetching"));
}

#[test]
fn pausing_withdraws_what_is_being_pulled_and_resuming_asks_again() {
    let (mut bed, id) = begun(2, with(pass(2, 0)));
    bed.plan();
    bed.pull("m1", AgentPhase::Prefetched);
    bed.pull("m2", AgentPhase::Prefetching);
    bed.decide(|world, now| commands::pause(world, steer(&id), &alice(), now))
        .expect("paused");
    bed.plan();
    let told = bed.world.desired(&agent("m2")).assignments.remove(0);
    assert!(told.run.is_none() && told.prefetch.is_none(), "{told:?}");
    assert_eq!(bed.word(&id, "m2"), Some("paused"));
    bed.pull("m2", AgentPhase::Withdrawn);
    bed.decide(|world, now| commands::resume(world, steer(&id), &alice(), now))
        .expect("resumed");
    bed.plan();
    assert_eq!(
        (counts(&bed, &id).prefetched, counts(&bed, &id).in_flight),
        (1, 1)
    );
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::Completed);
}

#[test]
fn an_abort_and_a_newer_rollout_withdraw_what_is_being_pulled_and_do_not_wait_for_it() {
    let (mut bed, id) = begun(2, with(pass(2, 0)));
    bed.plan();
    bed.decide(|world, now| keep(world, steer(&id), &alice(), now))
        .expect("aborted");
    bed.plan();
    assert_eq!(bed.phase(&id), RolloutPhase::Aborted);
    let told = bed.world.desired(&agent("m1")).assignments.remove(0);
    assert!(told.run.is_none() && told.prefetch.is_none(), "{told:?}");
    let second = bed.roll_out(3, with(pass(2, 0)));
    bed.plan();
    let third = bed.roll_out(4, strategy(vec![rest()]));
    bed.drive();
    assert_eq!(bed.phase(&second), RolloutPhase::Superseded);
    assert_eq!(bed.phase(&third), RolloutPhase::Completed);
    assert!(bed.world.index.draining.iter().next().is_none());
}

#[test]
fn a_roll_back_goes_straight_past_it() {
    let (mut bed, id) = begun(2, with(pass(2, 0)));
    bed.plan();
    bed.decide(|world, now| commands::roll_back(world, steer(&id), &alice(), now))
        .expect("rolled back");
    bed.plan();
    assert_eq!(
        bed.phase(&id),
        RolloutPhase::RolledBack,
        "nothing was changed"
    );
    let told = bed.world.desired(&agent("m1")).assignments.remove(0);
    assert!(told.prefetch.is_none());
    bed.drive();
    assert_eq!(*bed.running("m1"), digest(1));
}

#[test]
fn what_was_asked_before_ends_first_but_is_not_waited_for_for_ever() {
    let mut bed = Bed::new(2);
    let first = bed.roll_out(2, strategy(vec![rest()]));
    bed.plan();
    bed.say("m1", AgentPhase::CuttingOver);
    bed.say("m2", AgentPhase::Withdrawn);
    let id = bed.roll_out(3, with(pass(2, 0)));
    bed.plan();
    assert_eq!(bed.phase(&first), RolloutPhase::Superseded);
    assert_eq!(
        (counts(&bed, &id).pending, counts(&bed, &id).in_flight),
        (1, 1)
    );
    bed.pull("m2", AgentPhase::Prefetched);
    let planned = bed.plan();
    let deadline = bed.rollout(&id).spec.progress_deadline;
    assert_eq!(planned.wake_at, Some(bed.now + deadline));
    let begun = |bed: &Bed| bed.rollout(&id).stages[0].opened_at.is_some();
    assert!(!begun(&bed), "its image is waited for");
    bed.pass(deadline);
    bed.plan();
    assert!(begun(&bed));
    let pass = bed.rollout(&id).prefetch.as_ref().expect("a pass");
    assert_eq!(pass.note, "1 of 2 machine(s) have the image, 1 gone round");
}

#[test]
fn a_late_withdrawal_a_repeated_report_and_one_of_an_older_generation_change_nothing() {
    let (mut bed, id) = begun(1, with(pass(1, 0)));
    bed.plan();
    bed.pull("m1", AgentPhase::Prefetched);
    let before = bed.world.clone();
    bed.pull("m1", AgentPhase::Prefetching);
    bed.pull("m1", AgentPhase::Refused);
    assert!(bed.world == before, "it was over");
    bed.plan();
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::Completed);
}
