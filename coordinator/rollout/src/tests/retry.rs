//! Machines that failed are asked once more.

use pinion_model::{AgentPhase, RolloutPhase};

use super::bed::{Bed, agent, alice, digest, rest, steer, strategy};
use crate::commands::{self, RetryAgents};
use crate::{Amount, Approval, Gate, Refusal, StageSpec};

#[test]
fn a_retry_asks_for_another_attempt_and_opens_the_stage_again() {
    let mut bed = Bed::new(2);
    let lax = StageSpec {
        failure_budget: Some(Amount::Count(1).into()),
        ..rest()
    };
    let approved = StageSpec {
        approval: Some(Approval::Manual),
        ..rest()
    };
    let id = bed.roll_out(
        2,
        strategy(vec![
            StageSpec {
                cohort: crate::Cohort::Count(2),
                ..lax
            },
            approved,
        ]),
    );
    bed.machines
        .get_mut(&agent("m1"))
        .expect("m1")
        .bad
        .insert(digest(2));
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::AwaitingApproval);
    assert_eq!(bed.word(&id, "m1"), Some("failed"));
    bed.machines.get_mut(&agent("m1")).expect("m1").bad.clear();
    let retry = RetryAgents {
        rollout: id.clone(),
        agents: Vec::new(),
        reason: "fixed".into(),
    };
    let retried = bed
        .decide(|world, now| commands::retry(world, retry.clone(), &alice(), now))
        .expect("retried");
    assert_eq!(retried, [agent("m1")]);
    bed.drive();
    assert_eq!(bed.counts(&id, 0).settled, 2);
    let app = bed.workload.clone();
    assert_eq!(
        bed.machines[&agent("m1")]
            .attempt(&app)
            .map(|attempt| attempt.0),
        Some(2)
    );
    let settled = RetryAgents {
        agents: vec![agent("m2")],
        ..retry
    };
    let refused = bed.decide(|world, now| commands::retry(world, settled.clone(), &alice(), now));
    assert!(
        matches!(refused, Err(Refusal::Precondition { .. })),
        "m2 has not failed"
    );
}

/// A machine that failed, in a stage that nobody else can prove.
fn failed_alone() -> (Bed, pinion_model::RolloutId) {
    let mut bed = Bed::new(1);
    bed.roll_out(1, strategy(vec![rest()]));
    bed.drive();
    let id = bed.roll_out(2, strategy(vec![rest()]));
    bed.plan();
    bed.say("m1", AgentPhase::RolledBack);
    bed.plan();
    assert_eq!(bed.rollout(&id).halted_by, Some(Gate::FailureBudget));
    (bed, id)
}

#[test]
fn retry_and_resume_work_in_either_order() {
    for resume_first in [false, true] {
        let (mut bed, id) = failed_alone();
        let retry = commands::RetryAgents {
            rollout: id.clone(),
            agents: Vec::new(),
            reason: String::new(),
        };
        for resumes in [resume_first, !resume_first] {
            if resumes {
                bed.decide(|world, now| commands::resume(world, steer(&id), &alice(), now))
                    .expect("resumed");
            } else {
                bed.decide(|world, now| commands::retry(world, retry.clone(), &alice(), now))
                    .expect("retried");
            }
            bed.plan();
        }
        assert_eq!(bed.phase(&id), RolloutPhase::Running, "{resume_first}");
        bed.drive();
        assert_eq!(bed.phase(&id), RolloutPhase::Completed, "{resume_first}");
        assert!(!bed.rollout(&id).stages[0].accepted_unproven);
    }
}

#[test]
fn what_was_halted_as_inconclusive_is_not_accepted_by_resuming_a_retry() {
    let mut bed = Bed::new(1);
    let rules = StageSpec {
        failure_budget: Some(Amount::Percent(100).into()),
        ..rest()
    };
    let id = bed.roll_out(2, strategy(vec![rules]));
    bed.plan();
    bed.say("m1", AgentPhase::RolledBack);
    bed.plan();
    assert_eq!(bed.rollout(&id).halted_by, Some(Gate::MinProven));
    bed.retry_all(&id);
    bed.plan();
    assert_eq!(bed.phase(&id), RolloutPhase::Halted, "until it is resumed");
    bed.decide(|world, now| commands::resume(world, steer(&id), &alice(), now))
        .expect("resumed");
    bed.plan();
    bed.say("m1", AgentPhase::RolledBack);
    bed.plan();
    assert_eq!(
        bed.rollout(&id).halted_by,
        Some(Gate::MinProven),
        "nothing is proven yet"
    );
}
