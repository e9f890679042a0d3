//! Abort: what is done is kept or reverted, and a machine in flight finishes
//! or goes back, never half.

use pinion_model::{AgentPhase, RolloutId, RolloutPhase};

use super::bed::{Bed, agent, alice, count, digest, keep, rest, revert, steer, strategy};
use crate::commands;
use crate::{Act, Change, Decision, Purpose, Refusal, Strategy, summary, waiting_for};

fn all() -> Strategy {
    strategy(vec![rest()])
}

/// Four machines on digest 1, stable; digest 2 has settled on the first, the
/// second cuts over, the third only pulls, and the last has not been reached.
fn under_way() -> (Bed, RolloutId) {
    let mut bed = Bed::new(4);
    bed.roll_out(1, all());
    bed.drive();
    let id = bed.roll_out(2, strategy(vec![count(3), rest()]));
    bed.plan();
    let names: Vec<_> = (0..3).map(|place| bed.nth(&id, 0, place)).collect();
    for (name, steps) in names.iter().zip([5, 2, 1]) {
        for _ in 0..steps {
            bed.step(name);
        }
    }
    bed.plan();
    let phase = |name: &String| bed.rollout(&id).members[&agent(name)].phase;
    let phases: Vec<_> = names.iter().map(phase).collect();
    let expected = [
        AgentPhase::Settled,
        AgentPhase::CuttingOver,
        AgentPhase::Pulling,
    ];
    assert_eq!(phases, expected.map(Some));
    (bed, id)
}

/// The digests of the machines in the order of the rollout's stages.
fn running(bed: &Bed, id: &RolloutId) -> Vec<pinion_model::Digest> {
    let stages = bed.rollout(id).stages.iter();
    let order = stages.flat_map(|stage| stage.order.iter());
    order
        .map(|name| bed.running(name.as_str()).clone())
        .collect()
}

fn stable(bed: &Bed) -> Option<u64> {
    let stable = bed.world.stable(&bed.workload);
    stable.map(|pin| pin.number.0)
}

#[test]
fn keep_leaves_what_is_done_and_finishes_what_has_cut_over() {
    let (mut bed, id) = under_way();
    bed.steer_with(keep, &id);
    bed.plan();
    assert_eq!(bed.phase(&id), RolloutPhase::Aborting);
    let waits = waiting_for(&bed.world, &id, 0, bed.now).join(" ");
    assert!(waits.contains("cutting over"), "{waits}");
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::Aborted);
    let expected = [digest(2), digest(2), digest(1), digest(1)];
    assert_eq!(running(&bed, &id), expected);
    assert_eq!(stable(&bed), Some(1));
}

#[test]
fn revert_takes_every_machine_back_to_what_it_ran_before() {
    let (mut bed, id) = under_way();
    bed.steer_with(revert, &id);
    bed.plan();
    assert_eq!(bed.phase(&id), RolloutPhase::Aborting);
    let first = bed.nth(&id, 0, 0);
    assert_eq!(bed.word(&id, &first), Some("rolling_back"));
    let untouched = bed.nth(&id, 1, 0);
    assert_eq!(bed.word(&id, &untouched), Some("aborting"));
    let text = summary(&bed.world, &id, bed.now);
    assert!(
        text.contains("aborting") && text.contains("on their way"),
        "{text}"
    );
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::Aborted);
    assert_eq!(running(&bed, &id), vec![digest(1); 4]);
    assert!(bed.rollout(&id).rolled_back);
}

#[test]
fn the_pins_stay_what_they_were_when_an_abort_reverts() {
    let (mut bed, id) = under_way();
    let before = bed.world.workloads[&bed.workload].clone();
    bed.steer_with(revert, &id);
    bed.drive();
    let after = &bed.world.workloads[&bed.workload];
    assert_eq!((&after.pins, &after.proven), (&before.pins, &before.proven));
    assert_eq!(after.current().map(|pin| pin.number.0), Some(2));
}

#[test]
fn a_machine_in_flight_is_never_left_half_way() {
    for command in [keep, revert] {
        for steps in 0..6 {
            let mut bed = Bed::new(1);
            bed.roll_out(1, all());
            bed.drive();
            let id = bed.roll_out(2, all());
            bed.plan();
            for _ in 0..steps {
                bed.step("m1");
            }
            // What it does next is not heard before the abort.
            bed.machines.get_mut(&agent("m1")).expect("m1").step();
            bed.steer_with(command, &id);
            bed.drive();
            bed.hello("m1");
            bed.drive();
            assert!(bed.phase(&id).is_terminal(), "after {steps} steps");
            let placement = &bed.world.agents[&agent("m1")].placements[&bed.workload];
            assert!(!placement.is_in_flight());
            let desired = bed.world.desired(&agent("m1")).assignments.remove(0);
            if let Some(wanted) = desired.digest() {
                assert_eq!(bed.running("m1"), wanted, "after {steps} steps");
            }
        }
    }
}

#[test]
fn one_that_keeps_can_still_be_told_to_revert_but_not_the_other_way() {
    let (mut bed, id) = under_way();
    bed.steer_with(keep, &id);
    bed.plan();
    bed.steer_with(keep, &id);
    bed.steer_with(revert, &id);
    bed.plan();
    bed.steer_with(revert, &id);
    let refused = bed.decide(|world, now| keep(world, steer(&id), &alice(), now));
    match refused {
        Err(Refusal::Precondition { message }) => {
            assert!(message.contains("reverting"), "{message}");
        }
        other => panic!("{other:?}"),
    }
    bed.drive();
    assert_eq!(running(&bed, &id), vec![digest(1); 4]);
}

#[test]
fn a_roll_back_is_not_aborted_half_way() {
    for command in [keep, revert] {
        let (mut bed, id) = under_way();
        bed.steer_with(commands::roll_back, &id);
        bed.plan();
        let refused = bed.decide(|world, now| command(world, steer(&id), &alice(), now));
        match refused {
            Err(Refusal::Precondition { message }) => {
                assert!(message.contains("rolling back"), "{message}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_is_reverted_is_not_rolled_back_once_more() {
    let (mut bed, id) = under_way();
    bed.steer_with(revert, &id);
    bed.plan();
    for phase in [RolloutPhase::Aborting, RolloutPhase::Aborted] {
        assert_eq!(bed.phase(&id), phase);
        let refused =
            bed.decide(|world, now| commands::roll_back(world, steer(&id), &alice(), now));
        match refused {
            Err(Refusal::Precondition { message }) => {
                assert!(message.contains("go back already"), "{message}");
            }
            other => panic!("{other:?}"),
        }
        bed.drive();
    }
}

#[test]
fn a_machine_that_is_away_is_taken_back_when_it_returns() {
    let mut bed = Bed::new(2);
    bed.roll_out(1, all());
    bed.drive();
    let id = bed.roll_out(2, strategy(vec![count(1), rest()]));
    bed.plan();
    let first = bed.nth(&id, 0, 0);
    for _ in 0..4 {
        bed.step(&first);
    }
    bed.offline(&first);
    bed.steer_with(revert, &id);
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::Aborting, "it waits for it");
    assert_eq!(bed.word(&id, &first), Some("offline"));
    bed.hello(&first);
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::Aborted);
    assert_eq!(*bed.running(&first), digest(1));
}

#[test]
fn an_abort_says_who_why_and_what_becomes_of_the_machines() {
    let (mut bed, id) = under_way();
    bed.steer_with(revert, &id);
    let said = bed.history.iter().rev().find_map(|change| match change {
        Change::Decision(decision) if decision.action() == "rollout.aborted" => {
            Some(decision.detail())
        }
        _ => None,
    });
    assert_eq!(said.as_deref(), Some("every machine goes back: because"));
    assert_eq!(bed.rollout(&id).reason, "aborted by alice: because");
    let restores = bed.plan().changes;
    let restores = restores.iter().filter(|change| match change {
        Change::Decision(decision) => matches!(
            &decision.act,
            crate::Act::Assigned { assignment, .. }
                if matches!(assignment.purpose, Purpose::Restore { .. })
        ),
        Change::Observation(_) => false,
    });
    assert_eq!(restores.count(), 3);
}

#[test]
fn a_machine_that_ran_the_digest_before_keeps_it_when_the_rollout_of_it_is_reverted() {
    let mut bed = Bed::new(2);
    for digest in [1, 2] {
        bed.roll_out(digest, all());
        bed.drive();
    }
    let again = bed.start(strategy(vec![count(1), rest()]));
    bed.plan();
    let first = bed.nth(&again, 0, 0);
    bed.say(&first, AgentPhase::Settled);
    bed.steer_with(revert, &again);
    let since = bed.history.len();
    bed.drive();
    assert_eq!(bed.phase(&again), RolloutPhase::Aborted);
    assert_eq!(running(&bed, &again), vec![digest(2); 2]);
    let asked = bed.history[since..].iter().filter(|change| {
        matches!(change, Change::Decision(decision) if matches!(decision.act, Act::Assigned { .. }))
    });
    assert_eq!(asked.count(), 0, "nothing moves, there or back");
}

/// Two machines that run digest 2, which is stable there and before digest 1
/// was; both cut over to it once more.
fn cutting_over_again() -> (Bed, RolloutId) {
    let mut bed = Bed::new(2);
    for digest in [1, 2] {
        bed.roll_out(digest, all());
        bed.drive();
    }
    let again = bed.start(all());
    bed.plan();
    for name in ["m1", "m2"] {
        bed.say(name, AgentPhase::CuttingOver);
    }
    (bed, again)
}

/// How often machines were asked since then for what was there before digest 2.
fn asked_for_the_first(bed: &Bed, since: usize) -> usize {
    let first = digest(1);
    let asked = bed.history[since..].iter().filter(|change| match change {
        Change::Decision(Decision {
            act: Act::Assigned { assignment, .. },
            ..
        }) => assignment.digest() == Some(&first),
        _ => false,
    });
    asked.count()
}

#[test]
fn a_reverting_abort_waits_for_machines_that_cut_over_to_what_they_ran_before() {
    let (mut bed, again) = cutting_over_again();
    let since = bed.history.len();
    bed.steer_with(revert, &again);
    bed.plan();
    assert_eq!(bed.phase(&again), RolloutPhase::Aborting);
    assert_eq!(bed.word(&again, "m1"), Some("rolling_back"));
    bed.say("m1", AgentPhase::Settled);
    bed.plan();
    assert_eq!(bed.phase(&again), RolloutPhase::Aborting, "m2 is half-way");
    bed.drive();
    assert_eq!(bed.phase(&again), RolloutPhase::Aborted);
    assert_eq!(running(&bed, &again), vec![digest(2); 2]);
    assert_eq!(asked_for_the_first(&bed, since), 0);
}

#[test]
fn a_machine_keeps_what_it_ran_before_also_where_a_newer_rollout_takes_the_place_of_the_abort() {
    let (mut bed, again) = cutting_over_again();
    let since = bed.history.len();
    bed.say("m1", AgentPhase::Settled);
    bed.steer_with(revert, &again);
    bed.plan();
    let newer = bed.roll_out(3, strategy(vec![count(1), rest()]));
    bed.plan();
    assert_eq!(bed.phase(&again), RolloutPhase::Superseded);
    assert_eq!(asked_for_the_first(&bed, since), 0);
    bed.drive();
    assert_eq!(bed.phase(&newer), RolloutPhase::Completed);
}
