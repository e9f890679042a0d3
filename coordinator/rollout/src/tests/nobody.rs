//! A rollout of whose machines nobody is left: it stops, and does not finish.

use pinion_model::RolloutPhase;

use super::bed::{Bed, agent, alice, count, rest, steer, strategy};
use super::gates::{ask, word};
use crate::gates::nobody;
use crate::{Gate, OfflinePolicy, SickPolicy, StageSpec, Strategy, commands};

fn lax(stage: StageSpec) -> StageSpec {
    StageSpec {
        min_proven: Some(0),
        ..stage
    }
}

pub(super) fn go_round(bed: &mut Bed, name: &str, how: &str) {
    let id = agent(name);
    let hold = commands::HoldAgent {
        agent: id.clone(),
        reason: "mine".into(),
        expires_at: None,
    };
    match how {
        "held" => {
            bed.decide(|world, now| commands::hold(world, hold.clone(), &alice(), now))
                .expect("held");
        }
        "offline" => bed.offline(name),
        "removed" => {
            bed.decide(|world, now| commands::remove_agent(world, id.clone(), "", &alice(), now))
                .expect("removed");
        }
        _ => {
            bed.decide(|world, now| commands::revoke_agent(world, id.clone(), "", &alice(), now))
                .expect("revoked");
        }
    }
}

/// Two machines in two stages, the first of which proves nothing.
fn two(strategy_of: impl FnOnce(Strategy) -> Strategy) -> (Bed, pinion_model::RolloutId) {
    let mut bed = Bed::new(2);
    let stages = strategy(vec![lax(count(1)), lax(rest())]);
    let id = bed.roll_out(2, strategy_of(stages));
    (bed, id)
}

#[test]
fn a_rollout_whose_machines_are_all_gone_halts_and_says_who_they_were() {
    for (ways, said) in [
        (["held", "held"], "2 held"),
        (["removed", "revoked"], "2 revoked or removed"),
        (["offline", "held"], "1 held, 1 offline"),
    ] {
        let (mut bed, id) = two(|rules| Strategy {
            offline: Some(OfflinePolicy::Skip),
            ..rules
        });
        for (name, how) in ["m1", "m2"].into_iter().zip(ways) {
            go_round(&mut bed, name, how);
        }
        bed.drive();
        assert_eq!(bed.phase(&id), RolloutPhase::Halted, "{ways:?}");
        let rollout = bed.rollout(&id);
        assert_eq!(rollout.halted_by, Some(Gate::Nobody));
        let words = format!("nobody is left of 2 machine(s) that it was for: {said};");
        assert!(rollout.reason.contains(&words), "{}", rollout.reason);
    }
}

#[test]
fn machines_that_are_gone_round_because_they_were_sick_are_nobody() {
    let mut bed = Bed::new(1);
    bed.seen("m1", &["unhealthy"]);
    let rules = Strategy {
        sick: Some(SickPolicy::Skip),
        ..strategy(vec![lax(rest())])
    };
    let id = bed.roll_out(2, rules);
    bed.plan();
    assert_eq!(bed.rollout(&id).halted_by, Some(Gate::Nobody));
    assert!(bed.rollout(&id).reason.contains("1 sick before"));
}

#[test]
fn somebody_is_left_while_one_machine_of_any_stage_may_come_to_an_outcome() {
    for (how, policy, answer) in [
        ("held", OfflinePolicy::Wait, "pass"),
        ("offline", OfflinePolicy::Wait, "pass"),
        ("offline", OfflinePolicy::Skip, "pass"),
    ] {
        let (mut bed, id) = two(|rules| Strategy {
            offline: Some(policy),
            ..rules
        });
        let first = bed.nth(&id, 0, 0);
        go_round(&mut bed, &first, how);
        assert_eq!(word(&ask(&bed, &id, 0, nobody::check)), answer, "{how}");
    }
}

#[test]
fn a_stage_without_machines_amid_others_passes_and_notes_it() {
    let mut bed = Bed::new(2);
    let id = bed.roll_out(2, strategy(vec![count(2), count(1), rest()]));
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::Completed);
    for stage in [1, 2] {
        assert_eq!(bed.rollout(&id).stages[stage].note, "no machine is in it");
    }
}

#[test]
fn a_rollout_that_reached_somebody_completes_without_those_who_are_gone_since() {
    let mut bed = Bed::new(2);
    let id = bed.roll_out(2, strategy(vec![count(1), rest()]));
    bed.plan();
    let (first, second) = (bed.nth(&id, 0, 0), bed.nth(&id, 1, 0));
    bed.say(&first, pinion_model::AgentPhase::Settled);
    go_round(&mut bed, &second, "removed");
    bed.plan();
    assert_eq!(bed.phase(&id), RolloutPhase::Completed);
}

#[test]
fn a_rollout_for_nobody_ends_when_a_person_takes_it_as_it_is() {
    let (mut bed, id) = two(|rules| rules);
    for name in ["m1", "m2"] {
        go_round(&mut bed, name, "removed");
    }
    bed.plan();
    bed.decide(|world, now| commands::resume(world, steer(&id), &alice(), now))
        .expect("resumed");
    bed.plan();
    assert_eq!(bed.phase(&id), RolloutPhase::Completed);
    let note = &bed.rollout(&id).stages[0].note;
    assert!(note.contains("resumed although"), "{note}");
}

#[test]
fn a_promotion_on_auto_for_nobody_halts_once_and_ends_with_one_resume() {
    let mut bed = Bed::new(0);
    let id = bed.promote_auto(2, Strategy::default());
    bed.plan();
    assert_eq!(bed.rollout(&id).halted_by, Some(Gate::Nobody));
    bed.decide(|world, now| commands::resume(world, steer(&id), &alice(), now))
        .expect("resumed");
    bed.plan();
    assert_eq!(bed.phase(&id), RolloutPhase::Completed);
}
