//! What stands in the audit log, and what is remembered of rollouts.

use pinion_model::{AgentPhase, Failure, FailureKind};

use super::bed::{Bed, agent, alice, digest, keep, rest, steer, strategy};
use crate::{Approval, Change, Report, StageSpec};

#[test]
fn a_rollout_reads_as_a_story_in_the_audit_log() {
    let mut bed = Bed::new(1);
    let enrolled = bed.history.len();
    bed.machines.values_mut().for_each(|machine| {
        machine.bad.insert(digest(2));
    });
    bed.roll_out(2, strategy(vec![rest()]));
    bed.drive();
    let story: Vec<_> = bed.history[enrolled..]
        .iter()
        .filter_map(|change| match change {
            Change::Decision(decision) => Some(format!(
                "{} {} by {}: {}",
                decision.action(),
                decision.subject(),
                decision.actor,
                decision.detail()
            )),
            Change::Observation(_) => None,
        })
        .collect();
    insta::assert_snapshot!(story.join("\n"), @r"
    pin.promoted app by alice: pin 1 is sha256:0202020202020202020202020202020202020202020202020202020202020202
    rollout.started app-1-1 by alice: pin 1 (020202020202) to 1 machine(s) in 1 stage(s)
    stage.opened app-1-1 by system: stage 1
    agent.assigned m1 by system: app: 020202020202, generation 1, attempt 1
    agent.assigned m1 by system: app: 010101010101, generation 2, attempt 1: the machine rolled back by itself
    rollout.halted app-1-1 by system: failure_budget: stage 1: 1 of 1 machine(s) failed and 0 may: m1 (health: the container exited with code 1)
    ");
}

/// The log of `m1`'s failure in a rollout.
fn log(bed: &Bed, id: &pinion_model::RolloutId) -> String {
    let failure = bed.rollout(id).members[&agent("m1")].failure.as_ref();
    let failure = failure.expect("it failed");
    assert_eq!(failure.message, "sick", "the message stays");
    failure.log_tail.clone()
}

/// `m1` fails what it was asked at this generation, and shows its log.
fn fail(bed: &mut Bed, asked: &crate::Assignment) {
    let failure = Failure::new(FailureKind::Health, "sick").with_log("boom");
    let report = Report {
        workload: bed.workload.clone(),
        generation: asked.generation,
        attempt: asked.attempt,
        phase: AgentPhase::RolledBack,
        waiting_for: "".into(),
        deferral: None,
        failure: Some(failure),
        containers: Vec::new(),
        running: Some(digest(1)),
    };
    bed.reported(&agent("m1"), report);
}

#[test]
fn only_the_newest_rollout_keeps_what_its_containers_said() {
    let mut bed = Bed::new(1);
    let old = bed.roll_out(2, strategy(vec![rest()]));
    bed.plan();
    let asked = bed.world.desired(&agent("m1")).assignments.remove(0);
    fail(&mut bed, &asked);
    bed.plan();
    bed.decide(|world, now| keep(world, steer(&old), &alice(), now))
        .expect("aborted");
    bed.plan();
    assert_eq!(log(&bed, &old), "boom", "also once it is over");
    let new = bed.roll_out(3, strategy(vec![rest()]));
    assert_eq!(log(&bed, &old), "");
    bed.plan();
    let asked = bed.world.desired(&agent("m1")).assignments.remove(0);
    fail(&mut bed, &asked);
    assert_eq!(log(&bed, &new), "boom");
}

#[test]
fn what_comes_late_to_an_older_rollout_leaves_no_log_there() {
    let mut bed = Bed::new(1);
    let old = bed.roll_out(2, strategy(vec![rest()]));
    bed.plan();
    bed.say("m1", AgentPhase::CuttingOver);
    let asked = bed.world.desired(&agent("m1")).assignments.remove(0);
    let approved = StageSpec {
        approval: Some(Approval::Manual),
        ..rest()
    };
    bed.roll_out(3, strategy(vec![approved]));
    bed.plan();
    fail(&mut bed, &asked);
    assert_eq!(log(&bed, &old), "");
}
