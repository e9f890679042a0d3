//! What takes machines back: whom it reaches, to what, and when it is over.

use pinion_model::{AgentPhase, RolloutPhase};

use super::bed::{Bed, agent, alice, digest, rest, steer, strategy};
use crate::commands;
use crate::{FailureAction, Purpose, StageSpec, Strategy};

fn all() -> Strategy {
    strategy(vec![rest()])
}

#[test]
fn a_retry_does_not_forget_that_an_old_container_did_not_come_back() {
    let mut bed = Bed::new(1);
    bed.roll_out(1, all());
    bed.drive();
    let id = bed.roll_out(2, all());
    bed.plan();
    bed.say("m1", AgentPhase::RollbackFailed);
    bed.plan();
    bed.retry_all(&id);
    bed.decide(|world, now| commands::roll_back(world, steer(&id), &alice(), now))
        .expect("rolled back");
    bed.plan();
    assert_eq!(bed.phase(&id), RolloutPhase::RollingBack);
    let restore = bed.world.desired(&agent("m1")).assignments.remove(0);
    assert_eq!(restore.digest(), Some(&digest(1)));
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::RolledBack);
}

#[test]
fn a_second_attempt_that_touched_nothing_does_not_undo_what_the_first_left() {
    let mut bed = Bed::new(1);
    bed.roll_out(1, all());
    bed.drive();
    let id = bed.roll_out(2, all());
    bed.plan();
    bed.say("m1", AgentPhase::RollbackFailed);
    bed.plan();
    bed.retry_all(&id);
    bed.decide(|world, now| commands::resume(world, steer(&id), &alice(), now))
        .expect("resumed");
    bed.plan();
    bed.say("m1", AgentPhase::Refused);
    let changed = |bed: &Bed| bed.rollout(&id).members[&agent("m1")].was_changed();
    assert!(changed(&bed));
    bed.plan();
    bed.retry_all(&id);
    bed.decide(|world, now| commands::resume(world, steer(&id), &alice(), now))
        .expect("resumed");
    bed.plan();
    bed.say("m1", AgentPhase::RolledBack);
    assert!(!changed(&bed), "another digest runs there again");
}

#[test]
fn what_settles_late_after_a_retry_is_taken_back_too() {
    let mut bed = Bed::new(1);
    bed.roll_out(1, all());
    bed.drive();
    let id = bed.roll_out(2, all());
    bed.plan();
    bed.say("m1", AgentPhase::CuttingOver);
    bed.pass(std::time::Duration::from_secs(600));
    bed.plan();
    assert_eq!(bed.phase(&id), RolloutPhase::Halted);
    bed.retry_all(&id);
    bed.say("m1", AgentPhase::Settled);
    bed.decide(|world, now| commands::roll_back(world, steer(&id), &alice(), now))
        .expect("rolled back");
    bed.plan();
    assert_eq!(
        bed.phase(&id),
        RolloutPhase::RollingBack,
        "it runs the digest that is taken back"
    );
    let restore = bed.world.desired(&agent("m1")).assignments.remove(0);
    assert_eq!(restore.digest(), Some(&digest(1)));
}

/// Takes itself back at the first failure.
fn by_itself() -> Strategy {
    Strategy {
        on_failure: Some(FailureAction::Rollback),
        ..all()
    }
}

#[test]
fn a_roll_back_is_not_over_while_a_machine_still_goes_back_by_itself() {
    let mut bed = Bed::new(2);
    bed.roll_out(1, all());
    bed.drive();
    let id = bed.roll_out(2, by_itself());
    bed.plan();
    bed.say("m1", AgentPhase::RollingBack);
    bed.say("m2", AgentPhase::RolledBack);
    bed.plan();
    assert_eq!(bed.phase(&id), RolloutPhase::RollingBack);
    assert_eq!(bed.word(&id, "m1"), Some("rolling_back"));
    bed.pass(std::time::Duration::from_secs(3600));
    bed.plan();
    assert_eq!(
        bed.phase(&id),
        RolloutPhase::RollingBack,
        "it has not said how it went"
    );
    bed.say("m1", AgentPhase::RolledBack);
    bed.plan();
    assert_eq!(bed.phase(&id), RolloutPhase::RolledBack);
    let counts = bed.counts(&id, 0);
    assert_eq!((counts.in_flight, counts.failed), (0, 2));
}

#[test]
fn one_whose_own_way_back_failed_is_taken_back() {
    let mut bed = Bed::new(2);
    bed.roll_out(1, all());
    bed.drive();
    let id = bed.roll_out(2, by_itself());
    bed.plan();
    bed.say("m1", AgentPhase::RollingBack);
    bed.say("m2", AgentPhase::RolledBack);
    bed.plan();
    bed.say("m1", AgentPhase::RollbackFailed);
    bed.plan();
    let restore = bed.world.desired(&agent("m1")).assignments.remove(0);
    assert_eq!(
        restore.purpose,
        Purpose::Restore {
            rollout: id.clone()
        }
    );
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::RolledBack);
    assert_eq!(*bed.running("m1"), digest(1));
}

#[test]
fn nothing_is_in_flight_in_what_was_rolled_back() {
    let mut bed = Bed::new(3);
    bed.roll_out(1, all());
    bed.drive();
    let id = bed.roll_out(2, all());
    bed.plan();
    bed.say("m1", AgentPhase::Verifying);
    bed.say("m2", AgentPhase::Soaking);
    bed.decide(|world, now| commands::roll_back(world, steer(&id), &alice(), now))
        .expect("rolled back");
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::RolledBack);
    let counts = bed.counts(&id, 0);
    assert_eq!(
        (counts.in_flight, counts.soaking, counts.skipped),
        (0, 0, 3)
    );
    assert_eq!(bed.rollout(&id).members[&agent("m1")].phase, None);
}

#[test]
fn what_had_nothing_to_go_back_to_keeps_its_own_outcome() {
    let mut bed = Bed::new(0);
    bed.enrol("m1", false);
    let id = bed.roll_out(2, all());
    bed.plan();
    bed.say("m1", AgentPhase::CuttingOver);
    let old = bed.world.desired(&agent("m1")).assignments.remove(0);
    bed.decide(|world, now| commands::roll_back(world, steer(&id), &alice(), now))
        .expect("rolled back");
    bed.plan();
    assert_eq!(bed.phase(&id), RolloutPhase::RollingBack);
    let report = crate::Report {
        workload: bed.workload.clone(),
        generation: old.generation,
        attempt: old.attempt,
        phase: AgentPhase::Settled,
        waiting_for: "".into(),
        deferral: None,
        failure: None,
        containers: Vec::new(),
        running: Some(digest(2)),
    };
    bed.reported(&agent("m1"), report);
    bed.plan();
    assert_eq!(bed.phase(&id), RolloutPhase::RolledBack);
    let counts = bed.counts(&id, 0);
    assert_eq!((counts.in_flight, counts.settled), (0, 1));
}

#[test]
fn a_newer_rollout_does_not_withdraw_what_takes_machines_back() {
    let mut bed = Bed::new(3);
    bed.roll_out(1, all());
    bed.drive();
    let bad = bed.roll_out(2, all());
    bed.plan();
    bed.decide(|world, now| commands::roll_back(world, steer(&bad), &alice(), now))
        .expect("rolled back");
    bed.plan();
    bed.roll_out(
        3,
        strategy(vec![StageSpec {
            approval: Some(crate::Approval::Manual),
            ..rest()
        }]),
    );
    bed.plan();
    for name in ["m1", "m2", "m3"] {
        let asked = bed.world.desired(&agent(name)).assignments.remove(0);
        assert_eq!(asked.digest(), Some(&digest(1)), "{name}");
    }
    bed.drive();
    assert!(bed.world.index.draining.is_empty());
}

#[test]
fn a_machine_that_is_held_in_flight_is_withdrawn_before_the_roll_back_is_over() {
    let mut bed = Bed::new(1);
    bed.roll_out(1, all());
    bed.drive();
    let id = bed.roll_out(2, all());
    bed.plan();
    let hold = commands::HoldAgent {
        agent: agent("m1"),
        reason: "mine".into(),
        expires_at: None,
    };
    bed.decide(|world, now| commands::hold(world, hold.clone(), &alice(), now))
        .expect("held");
    bed.decide(|world, now| commands::roll_back(world, steer(&id), &alice(), now))
        .expect("rolled back");
    bed.plan();
    assert_eq!(bed.phase(&id), RolloutPhase::RollingBack);
    assert!(bed.world.desired(&agent("m1")).assignments[0].run.is_none());
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::RolledBack);
    assert_eq!(bed.counts(&id, 0).in_flight, 0);
    assert_eq!(*bed.running("m1"), digest(1));
}

#[test]
fn a_roll_back_never_installs_what_was_itself_rolled_back() {
    let mut bed = Bed::new(1);
    let first = bed.roll_out(2, all());
    bed.plan();
    bed.decide(|world, now| commands::roll_back(world, steer(&first), &alice(), now))
        .expect("rolled back");
    bed.drive();
    bed.enrol("m2", false);
    let second = bed.roll_out(3, all());
    bed.plan();
    bed.say("m2", AgentPhase::CuttingOver);
    bed.decide(|world, now| commands::roll_back(world, steer(&second), &alice(), now))
        .expect("rolled back");
    bed.plan();
    assert_eq!(
        bed.world.desired(&agent("m2")).assignments[0].digest(),
        None,
        "nothing good was there before"
    );
    let current = bed.world.workloads[&bed.workload].current();
    assert_eq!(current.map(|pin| pin.number.0), Some(2), "no pin of it");
}

#[test]
fn a_roll_back_without_a_stable_pin_goes_to_the_last_that_was_not_taken_back() {
    let mut bed = Bed::new(1);
    bed.promote(5);
    let first = bed.roll_out(2, all());
    bed.plan();
    bed.decide(|world, now| commands::roll_back(world, steer(&first), &alice(), now))
        .expect("rolled back");
    bed.drive();
    bed.promote(2);
    let second = bed.roll_out(3, all());
    bed.decide(|world, now| commands::roll_back(world, steer(&second), &alice(), now))
        .expect("rolled back");
    let current = bed.world.workloads[&bed.workload].current();
    assert_eq!(current.map(|pin| &pin.digest), Some(&digest(5)));
}
