//! Taking a rollout back.

use pinion_model::{Actor, AgentPhase, RolloutPhase};

use super::bed::{Bed, agent, alice, count, digest, keep, rest, steer, strategy};
use crate::commands;
use crate::{Amount, FailureAction, Gate, Presence, Purpose, StageSpec, Strategy};

pub(super) fn all() -> Strategy {
    strategy(vec![rest()])
}

/// Three machines on a stable digest 1, and the same on digest 2.
pub(super) fn on_two() -> (Bed, pinion_model::RolloutId) {
    let mut bed = Bed::new(3);
    bed.roll_out(1, all());
    bed.drive();
    let id = bed.roll_out(2, all());
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::Completed);
    (bed, id)
}

#[test]
fn a_completed_rollout_is_taken_back_everywhere_and_the_history_says_so() {
    let (mut bed, id) = on_two();
    bed.decide(|world, now| commands::roll_back(world, steer(&id), &alice(), now))
        .expect("rolled back");
    assert_eq!(
        bed.world.stable(&bed.workload).map(|pin| pin.number.0),
        Some(1),
        "at once"
    );
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::RolledBack);
    assert!(
        bed.machines
            .values()
            .all(|machine| machine.running[&bed.workload] == digest(1))
    );
    let pins = &bed.world.workloads[&bed.workload].pins;
    let last = pins.last().expect("a pin");
    assert_eq!(
        (last.number.0, &last.digest, &last.promoted_by),
        (3, &digest(1), &Actor::System)
    );
    assert!(
        last.notes.contains("roll-back of app-2-1"),
        "{}",
        last.notes
    );
}

#[test]
fn a_failure_over_budget_takes_back_by_itself_where_the_strategy_says_so() {
    let mut bed = Bed::new(3);
    bed.roll_out(1, all());
    bed.drive();
    let rules = Strategy {
        on_failure: Some(FailureAction::Rollback),
        ..strategy(vec![StageSpec {
            max_in_flight: Some(Amount::Count(1)),
            ..rest()
        }])
    };
    let id = bed.roll_out(2, rules);
    let last = bed.nth(&id, 0, 2);
    bed.machines
        .get_mut(&agent(&last))
        .expect("a machine")
        .bad
        .insert(digest(2));
    bed.drive();
    assert_eq!(
        bed.phase(&id),
        RolloutPhase::RolledBack,
        "{}",
        bed.rollout(&id).reason
    );
    assert!(
        bed.rollout(&id).reason.contains(&last),
        "{}",
        bed.rollout(&id).reason
    );
    assert!(
        bed.machines
            .values()
            .all(|machine| machine.running[&bed.workload] == digest(1))
    );
    assert_eq!(
        bed.world.workloads[&bed.workload]
            .current()
            .map(|pin| &pin.digest),
        Some(&digest(1))
    );
}

#[test]
fn a_roll_back_goes_to_all_at_once_without_soak_and_waits_for_who_is_offline() {
    let (mut bed, id) = on_two();
    bed.offline("m2");
    bed.decide(|world, now| commands::roll_back(world, steer(&id), &alice(), now))
        .expect("rolled back");
    bed.plan();
    let desired = bed.world.desired(&agent("m1")).assignments.remove(0);
    assert_eq!(
        desired.purpose,
        Purpose::Restore {
            rollout: id.clone()
        }
    );
    assert_eq!(desired.digest(), Some(&digest(1)));
    assert!(desired.timing.soak.is_zero());
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::RollingBack);
    assert_eq!(bed.word(&id, "m2"), Some("offline"));
    assert_eq!(bed.word(&id, "m1"), None);
    bed.hello("m2");
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::RolledBack);
    assert_eq!(*bed.running("m2"), digest(1));
}

#[test]
fn a_roll_back_never_rolls_back() {
    let (mut bed, id) = on_two();
    bed.machines
        .get_mut(&agent("m1"))
        .expect("m1")
        .bad
        .insert(digest(1));
    bed.decide(|world, now| commands::roll_back(world, steer(&id), &alice(), now))
        .expect("rolled back");
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::Halted, "a person looks");
    bed.steer_with(commands::resume, &id);
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::RolledBack);
    assert!(
        bed.rollout(&id).reason.contains("did not get back: m1"),
        "{}",
        bed.rollout(&id).reason
    );
    let again = bed.decide(|world, now| commands::roll_back(world, steer(&id), &alice(), now));
    assert!(again.is_err(), "it is over");
}

#[test]
fn what_was_not_changed_is_not_taken_back() {
    let mut bed = Bed::new(3);
    let id = bed.roll_out(2, strategy(vec![count(1), rest()]));
    bed.plan();
    let canary = bed.nth(&id, 0, 0);
    bed.decide(|world, now| commands::roll_back(world, steer(&id), &alice(), now))
        .expect("rolled back");
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::RolledBack);
    let asked = bed
        .world
        .agents
        .iter()
        .filter(|(_, agent)| agent.placements[&bed.workload].assignment.is_some());
    let asked: Vec<_> = asked.map(|(id, _)| id.to_string()).collect();
    assert_eq!(asked, [canary]);
}

#[test]
fn an_old_container_that_did_not_come_back_halts_whatever_the_budget_says() {
    let mut bed = Bed::new(3);
    let rules = Strategy {
        on_failure: Some(FailureAction::Rollback),
        ..strategy(vec![StageSpec {
            failure_budget: Some(Amount::Percent(100).into()),
            ..rest()
        }])
    };
    let id = bed.roll_out(2, rules);
    bed.plan();
    bed.say("m1", AgentPhase::RollbackFailed);
    bed.plan();
    assert_eq!(bed.phase(&id), RolloutPhase::Halted);
    assert_eq!(bed.rollout(&id).halted_by, Some(Gate::RollbackFailed));
}

#[test]
fn a_regression_in_the_soak_takes_the_success_back() {
    let mut bed = Bed::new(1);
    let id = bed.roll_out(2, all());
    bed.plan();
    bed.say("m1", AgentPhase::Soaking);
    assert_eq!(bed.counts(&id, 0).soaking, 1);
    bed.say("m1", AgentPhase::RolledBack);
    bed.plan();
    assert_eq!(
        (bed.counts(&id, 0).failed, bed.phase(&id)),
        (1, RolloutPhase::Halted)
    );
}

#[test]
fn a_newer_rollout_goes_on_with_taking_back_what_it_does_not_reach_yet() {
    let (mut bed, bad) = on_two();
    bed.offline("m1");
    bed.decide(|world, now| commands::roll_back(world, steer(&bad), &alice(), now))
        .expect("rolled back");
    bed.plan();
    let fix = bed.roll_out(
        3,
        strategy(vec![
            count(1),
            StageSpec {
                approval: Some(crate::Approval::Manual),
                ..rest()
            },
        ]),
    );
    bed.drive();
    assert_eq!(bed.phase(&bad), RolloutPhase::Superseded);
    assert_eq!(bed.phase(&fix), RolloutPhase::AwaitingApproval);
    bed.hello("m1");
    bed.drive();
    assert_eq!(bed.world.agents[&agent("m1")].presence, Presence::Online);
    let fixed = bed.nth(&fix, 0, 0);
    for name in ["m1", "m2", "m3"] {
        let wanted = if name == fixed { digest(3) } else { digest(1) };
        assert_eq!(*bed.running(name), wanted, "{name}");
    }
}

#[test]
fn a_newer_rollout_takes_over_what_is_on_its_way_back() {
    let (mut bed, bad) = on_two();
    bed.offline("m1");
    bed.decide(|world, now| commands::roll_back(world, steer(&bad), &alice(), now))
        .expect("rolled back");
    bed.roll_out(3, all());
    bed.drive();
    bed.hello("m1");
    bed.drive();
    assert_eq!(*bed.running("m1"), digest(3));
    assert!(
        bed.world.index.draining.is_empty(),
        "nothing of the older is left to do"
    );
}

#[test]
fn a_machine_is_never_taken_back_to_the_digest_that_is_taken_back() {
    let (mut bed, _) = on_two();
    let again = bed.start(all());
    bed.drive();
    bed.decide(|world, now| commands::roll_back(world, steer(&again), &alice(), now))
        .expect("rolled back");
    bed.plan();
    let restore = bed.world.desired(&agent("m1")).assignments.remove(0);
    assert_eq!(restore.digest(), Some(&digest(1)));
    bed.drive();
    assert_eq!(bed.phase(&again), RolloutPhase::RolledBack);
    for name in ["m1", "m2", "m3"] {
        assert_eq!(*bed.running(name), digest(1), "{name}");
    }
}

#[test]
fn a_machine_whose_old_container_did_not_come_back_is_left_to_a_person() {
    let mut bed = Bed::new(1);
    bed.roll_out(1, all());
    bed.drive();
    let id = bed.roll_out(2, all());
    bed.plan();
    bed.say("m1", AgentPhase::RollbackFailed);
    bed.plan();
    let generation = bed.world.agents[&agent("m1")].generation;
    bed.decide(|world, now| keep(world, steer(&id), &alice(), now))
        .expect("aborted");
    bed.plan();
    assert_eq!(bed.phase(&id), RolloutPhase::Aborted);
    assert_eq!(bed.world.agents[&agent("m1")].generation, generation);
}
