//! What takes machines back can be paused, and stops by itself where one of
//! them does not get there.

use pinion_model::{AgentId, AgentPhase, Digest, FailureKind, RolloutId, RolloutPhase};

use super::bed::{Bed, Command, agent, alice, digest, keep, rest, revert, steer, strategy};
use super::stuck::fails_first;
use crate::{
    Act, Amount, Approval, Change, Purpose, StageSpec, Strategy, commands, explain, summary,
    waiting_for,
};

fn all() -> Strategy {
    strategy(vec![rest()])
}

/// Four machines on digest 1, then on 2, to be sent back one at a time; the
/// command that does so was not given yet.
pub(super) fn on_two() -> (Bed, RolloutId) {
    let mut bed = Bed::new(4);
    bed.roll_out(1, all());
    bed.drive();
    let one = StageSpec {
        bake: Some(std::time::Duration::from_secs(60)),
        ..rest()
    };
    let rules = Strategy {
        rollback_in_flight: Some(Amount::Count(1)),
        ..strategy(vec![one])
    };
    let id = bed.roll_out(2, rules);
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::Running, "it bakes");
    (bed, id)
}

/// To which machines a rollout sent what they ran before, since then.
pub(super) fn sent(bed: &Bed, since: usize) -> Vec<AgentId> {
    let sent = bed.history[since..]
        .iter()
        .filter_map(|change| match change {
            Change::Decision(decision) => match &decision.act {
                Act::Assigned {
                    agent, assignment, ..
                } if matches!(assignment.purpose, Purpose::Restore { .. }) => Some(agent.clone()),
                _ => None,
            },
            Change::Observation(_) => None,
        });
    sent.collect()
}

pub(super) fn on(bed: &Bed, wanted: &Digest) -> usize {
    let machines = bed.machines.values();
    let running = machines.filter_map(|machine| machine.running.get(&bed.workload));
    running.filter(|running| *running == wanted).count()
}

fn refused(bed: &mut Bed, command: Command, id: &RolloutId) -> String {
    let outcome = bed.decide(|world, now| command(world, steer(id), &alice(), now));
    outcome.expect_err("it is refused").to_string()
}

pub(super) fn retry(bed: &mut Bed, id: &RolloutId) -> Vec<AgentId> {
    let retry = commands::RetryAgents {
        rollout: id.clone(),
        agents: Vec::new(),
        reason: String::new(),
    };
    bed.decide(|world, now| commands::retry(world, retry.clone(), &alice(), now))
        .expect("retried")
}

/// The ways of taking machines back, what they are while they do, and at the end.
pub(super) const WAYS: [(Command, RolloutPhase, RolloutPhase); 2] = [
    (
        commands::roll_back,
        RolloutPhase::RollingBack,
        RolloutPhase::RolledBack,
    ),
    (revert, RolloutPhase::Aborting, RolloutPhase::Aborted),
];

#[test]
fn while_it_is_paused_nobody_is_sent_back_and_those_on_their_way_arrive() {
    for (command, going, over) in WAYS {
        let (mut bed, id) = on_two();
        bed.steer_with(command, &id);
        bed.plan();
        assert_eq!(bed.phase(&id), going);
        let reason = bed.rollout(&id).reason.clone();
        bed.steer_with(commands::pause, &id);
        bed.steer_with(commands::pause, &id);
        let since = bed.history.len();
        bed.drive();
        bed.pass(std::time::Duration::from_secs(86_400));
        bed.drive();
        assert_eq!(bed.plan().wake_at, None, "nothing is due by itself");
        assert_eq!(bed.phase(&id), RolloutPhase::Paused);
        assert_eq!(sent(&bed, since), []);
        assert_eq!((on(&bed, &digest(1)), on(&bed, &digest(2))), (1, 3));
        bed.steer_with(commands::resume, &id);
        assert_eq!((bed.phase(&id), &bed.rollout(&id).reason), (going, &reason));
        bed.drive();
        assert_eq!(bed.phase(&id), over);
        assert_eq!(sent(&bed, since).len(), 3);
        assert_eq!(on(&bed, &digest(1)), 4);
    }
}

#[test]
fn it_says_who_paused_it_what_each_machine_runs_and_what_goes_on() {
    let (mut bed, id) = on_two();
    bed.steer_with(commands::roll_back, &id);
    bed.plan();
    let gone = sent(&bed, 0);
    bed.steer_with(commands::pause, &id);
    bed.drive();
    let rest: Vec<_> = bed
        .machines
        .keys()
        .filter(|name| !gone.contains(name))
        .collect();
    for name in rest {
        let why = explain(&bed.world, &id, name, bed.now).expect("it is not back");
        assert_eq!(why.word, "paused");
        assert_eq!(
            why.detail,
            "it still runs 020202020202, and its way back is paused (paused by alice: because); `pinion rollout resume app-2-1` goes on"
        );
    }
    assert_eq!(
        explain(&bed.world, &id, &gone[0], bed.now),
        None,
        "it is back"
    );
    assert_eq!(
        summary(&bed.world, &id, bed.now),
        "app-2-1 is paused while its machines go back: paused by alice: because (0 machine(s) on their way, 0 offline, 3 not sent yet). `pinion rollout resume app-2-1` goes on; a rollout of another image takes its place"
    );
}

#[test]
fn one_that_goes_back_takes_no_command_that_would_send_it_forward_or_leave_it_half_way() {
    let (mut bed, id) = on_two();
    bed.steer_with(commands::roll_back, &id);
    bed.plan();
    for command in [keep, revert] {
        assert_eq!(
            refused(&mut bed, command, &id),
            "app-2-1 is rolling back, which cannot be aborted half-way; `pinion rollout pause app-2-1` sends no more machines back, or start a rollout that takes its place"
        );
    }
    bed.steer_with(commands::pause, &id);
    for command in [keep, revert] {
        assert_eq!(
            refused(&mut bed, command, &id),
            "app-2-1 is rolling back, which cannot be aborted half-way; it is paused, and `pinion rollout resume app-2-1` goes on, or start a rollout that takes its place"
        );
    }
    let again = refused(&mut bed, commands::roll_back, &id);
    assert!(again.contains("`pinion rollout resume app-2-1`"), "{again}");
    assert_eq!(retry(&mut bed, &id), [], "nobody failed on the way back");
}

#[test]
fn a_quarantined_image_is_no_reason_not_to_go_on_taking_it_back() {
    let (mut bed, id) = on_two();
    bed.steer_with(commands::roll_back, &id);
    bed.plan();
    bed.steer_with(commands::pause, &id);
    super::quarantine::impose(&mut bed, 2).expect("quarantined");
    bed.drive();
    let waits = waiting_for(&bed.world, &id, 0, bed.now).join(" ");
    assert!(!waits.contains("quarantine"), "{waits}");
    bed.steer_with(commands::resume, &id);
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::RolledBack);
    assert_eq!(on(&bed, &digest(1)), 4);
}

#[test]
fn a_rollout_that_takes_the_place_of_one_that_stands_on_its_way_back_finds_its_machines_there() {
    for command in [commands::pause as Command, |world, steer, _, _| {
        Ok(crate::Outcome::unchanged(
            world.rollouts[&steer.rollout].id.clone(),
        ))
    }] {
        let (mut bed, id) = on_two();
        fails_first(&mut bed, &id, FailureKind::Health, false);
        bed.steer_with(commands::roll_back, &id);
        bed.plan();
        bed.steer_with(command, &id);
        bed.drive();
        let since = bed.history.len();
        let approved = StageSpec {
            approval: Some(Approval::Manual),
            ..rest()
        };
        let fix = bed.roll_out(3, strategy(vec![approved]));
        bed.plan();
        assert_eq!(bed.phase(&id), RolloutPhase::Superseded);
        assert!(
            sent(&bed, since).is_empty(),
            "nobody goes where the others failed"
        );
        assert!(bed.world.index.draining.is_empty());
        let approval = bed.approval(&fix, None);
        bed.approve(&approval).expect("approved");
        bed.drive();
        assert_eq!(on(&bed, &digest(3)), 4);
    }
}

#[test]
fn one_that_is_superseded_while_it_takes_machines_back_stops_at_a_failure_too() {
    let (mut bed, id) = on_two();
    let first = fails_first(&mut bed, &id, FailureKind::Health, false);
    // Nobody but the newer rollout brings them anywhere.
    for n in [1, 2] {
        bed.world
            .workloads
            .get_mut(&bed.workload)
            .expect("it")
            .proven
            .retain(|it| it.pin.0 != n);
    }
    bed.world.rebuild_index();
    bed.steer_with(commands::roll_back, &id);
    bed.plan();
    let approved = StageSpec {
        approval: Some(Approval::Manual),
        ..rest()
    };
    bed.roll_out(3, strategy(vec![approved]));
    let since = bed.history.len();
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::Superseded);
    assert_eq!(sent(&bed, since), [], "after {first} nobody");
    let others = bed.machines.keys().filter(|name| **name != first);
    for name in others {
        let why = explain(&bed.world, &id, name, bed.now).expect("it is not back");
        assert_eq!(why.word, "halted");
        assert!(
            why.detail.contains("roll out a pin that should run"),
            "{}",
            why.detail
        );
    }
}

#[test]
fn a_machine_on_its_way_to_an_image_that_is_quarantined_meanwhile_turns_round_though_it_is_paused()
{
    let mut bed = Bed::new(1);
    for n in 1..=2 {
        bed.roll_out(n, all());
        bed.drive();
    }
    let id = bed.roll_out(3, all());
    bed.drive();
    bed.steer_with(commands::roll_back, &id);
    bed.plan();
    bed.say("m1", AgentPhase::Pulling);
    bed.steer_with(commands::pause, &id);
    super::quarantine::impose(&mut bed, 2).expect("quarantined");
    bed.plan();
    let asked = bed.world.desired(&agent("m1")).assignments.remove(0);
    assert_eq!(asked.digest(), Some(&digest(1)));
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::Paused);
    assert_eq!(*bed.running("m1"), digest(1));
}
