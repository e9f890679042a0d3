//! What an abort left on machines stays there until something newer is stable.

use pinion_model::{AgentPhase, RolloutId, RolloutPhase};

use super::bed::{Bed, agent, count, digest, keep, rest, revert, strategy};
use crate::{StageSpec, Strategy, commands};

fn all() -> Strategy {
    strategy(vec![rest()])
}

fn everywhere(bed: &mut Bed, n: u8) -> RolloutId {
    let id = bed.roll_out(n, all());
    bed.drive();
    id
}

/// Three machines on digest 1, stable; digest 2 was left on the first when its
/// rollout was aborted.
fn left_by_an_abort() -> (Bed, String) {
    let mut bed = Bed::new(3);
    everywhere(&mut bed, 1);
    let canary = StageSpec {
        soak: Some(std::time::Duration::ZERO),
        ..count(1)
    };
    let id = bed.roll_out(2, strategy(vec![canary, rest()]));
    bed.plan();
    let first = bed.nth(&id, 0, 0);
    for _ in 0..6 {
        bed.step(&first);
    }
    bed.steer_with(keep, &id);
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::Aborted);
    assert_eq!(*bed.running(&first), digest(2));
    (bed, first)
}

#[test]
fn what_an_abort_left_stays_where_a_newer_rollout_reached_it_and_was_taken_back() {
    for command in [revert, commands::roll_back] {
        let (mut bed, first) = left_by_an_abort();
        let newer = bed.roll_out(3, all());
        bed.plan();
        for n in 1..=3 {
            for _ in 0..6 {
                bed.step(&format!("m{n}"));
            }
            assert_eq!(*bed.running(&format!("m{n}")), digest(3));
        }
        bed.steer_with(command, &newer);
        bed.drive();
        assert!(bed.phase(&newer).is_terminal());
        for n in 1..=3 {
            let name = format!("m{n}");
            let had = if name == first { 2 } else { 1 };
            assert_eq!(
                *bed.running(&name),
                digest(had),
                "{name} runs what it did before"
            );
        }
        let stable = bed.world.stable(&bed.workload);
        assert_eq!(stable.map(|pin| pin.number.0), Some(1));
        everywhere(&mut bed, 4);
        assert_eq!(
            *bed.running(&first),
            digest(4),
            "until something newer is stable"
        );
    }
}

#[test]
fn what_an_abort_left_stays_where_a_newer_rollout_was_withdrawn_or_failed_and_ended() {
    use AgentPhase::{Pulling, Refused, RolledBack};
    for phase in [Pulling, Refused, RolledBack] {
        let (mut bed, first) = left_by_an_abort();
        let newer = bed.roll_out(3, all());
        bed.plan();
        let id = agent(&first);
        let machine = bed.machines.get_mut(&id).expect("the first");
        match phase {
            Refused => {
                let kind = pinion_model::FailureKind::NotFound;
                machine.out_of_reach.insert(digest(3), kind);
            }
            RolledBack => {
                machine.bad.insert(digest(3));
            }
            _ => {}
        }
        let reached = |bed: &Bed| bed.rollout(&newer).members[&id].phase == Some(phase);
        while !reached(&bed) {
            assert!(bed.step(&first), "{phase:?}");
        }
        bed.steer_with(keep, &newer);
        bed.drive();
        assert_eq!(bed.phase(&newer), RolloutPhase::Aborted);
        assert_eq!(*bed.running(&first), digest(2), "{phase:?}");
    }
}

#[test]
fn what_an_abort_left_goes_with_its_own_roll_back() {
    let (mut bed, first) = left_by_an_abort();
    let id = bed.world.workloads[&bed.workload].rollouts.last().cloned();
    bed.steer_with(commands::roll_back, &id.expect("the aborted one"));
    bed.drive();
    assert_eq!(*bed.running(&first), digest(1));
}

#[test]
fn what_an_abort_left_stays_where_another_rollout_of_it_is_reverted() {
    let (mut bed, first) = left_by_an_abort();
    let again = bed.start(all());
    bed.plan();
    for n in 1..=3 {
        for _ in 0..6 {
            bed.step(&format!("m{n}"));
        }
    }
    bed.steer_with(revert, &again);
    bed.drive();
    assert_eq!(bed.phase(&again), RolloutPhase::Aborted);
    for n in 1..=3 {
        let name = format!("m{n}");
        let had = if name == first { 2 } else { 1 };
        assert_eq!(*bed.running(&name), digest(had), "{name}");
    }
}
