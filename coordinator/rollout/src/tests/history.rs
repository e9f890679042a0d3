//! What stands in the audit log.

use super::bed::{Bed, digest, rest, strategy};
use crate::Change;

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
