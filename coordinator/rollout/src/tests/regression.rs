//! A success that is taken back: within the soak by the agent, and until the
//! stage has passed by what is seen of the machine.

use std::time::Duration;

use pinion_model::{AgentPhase, FailureKind, RolloutId, RolloutPhase};

use super::bed::{Bed, agent, alice, count, digest, rest, steer, strategy};
use super::gates::{ask, one, word};
use crate::gates::{Verdict, budget, min_proven, regression};
use crate::{Amount, FailureAction, Gate, StageSpec, Standing, Strategy, commands};

/// Two machines in a stage that bakes, both settled; one may fail.
fn baking(budget: Amount) -> (Bed, RolloutId) {
    let mut bed = Bed::new(2);
    let rules = StageSpec {
        bake: Some(Duration::from_secs(60)),
        failure_budget: Some(budget.into()),
        min_proven: Some(2),
        ..rest()
    };
    let id = bed.roll_out(2, one(rules));
    bed.plan();
    for name in ["m1", "m2"] {
        bed.say(name, AgentPhase::Settled);
    }
    bed.plan();
    (bed, id)
}

#[test]
fn a_regression_within_the_soak_takes_the_success_back_and_reopens_the_gate() {
    let mut bed = Bed::new(2);
    let rules = StageSpec {
        failure_budget: Some(Amount::Count(1).into()),
        ..count(1)
    };
    let id = bed.roll_out(2, strategy(vec![rules, rest()]));
    bed.plan();
    let canary = bed.nth(&id, 0, 0);
    bed.say(&canary, AgentPhase::Soaking);
    bed.plan();
    assert_eq!(bed.counts(&id, 0).soaking, 1);
    bed.fail(&canary, FailureKind::Health);
    assert_eq!(
        bed.rollout(&id).members[&agent(&canary)].standing(),
        Standing::Failed
    );
    assert_eq!(word(&ask(&bed, &id, 0, min_proven::check)), "min_proven");
    bed.plan();
    assert_eq!(bed.phase(&id), RolloutPhase::Halted, "nothing is proven");
    assert_eq!(bed.counts(&id, 1).in_flight, 0);
}

#[test]
fn a_settled_machine_fails_if_it_is_seen_sick_before_its_stage_has_passed() {
    for (health, answer) in [
        (vec!["healthy"], "pass"),
        (vec!["starting"], "pass"),
        (vec!["none"], "pass"),
        (vec![], "pass"),
        (vec!["unhealthy"], "fail 1"),
        (vec!["healthy", "stopped"], "fail 1"),
    ] {
        let (mut bed, id) = baking(Amount::Count(1));
        bed.seen("m1", &health);
        assert_eq!(
            word(&ask(&bed, &id, 0, regression::check)),
            answer,
            "{health:?}"
        );
    }
}

#[test]
fn a_regression_while_the_stage_bakes_counts_against_the_budget_and_the_proof() {
    let (mut bed, id) = baking(Amount::Count(0));
    bed.seen("m1", &["healthy", "unhealthy"]);
    let Verdict::Fail(failed) = ask(&bed, &id, 0, regression::check) else {
        panic!("it fails")
    };
    let (who, failure) = &failed[0];
    assert_eq!((who.as_str(), failure.kind), ("m1", FailureKind::Health));
    assert_eq!(
        failure.message,
        "it had settled, and before stage 1 had passed container app-1 became unhealthy; look at its log, then retry it"
    );
    bed.plan();
    assert_eq!(bed.phase(&id), RolloutPhase::Halted);
    assert_eq!(word(&ask(&bed, &id, 0, budget::check)), "failure_budget");
    assert_eq!(word(&ask(&bed, &id, 0, min_proven::check)), "min_proven");
    let counts = bed.counts(&id, 0);
    assert_eq!((counts.settled, counts.failed), (1, 1));
    assert_eq!(bed.word(&id, "m1"), Some("failed"));
}

#[test]
fn a_container_that_stopped_is_told_from_one_that_became_unhealthy() {
    let (mut bed, id) = baking(Amount::Count(0));
    bed.seen("m2", &["stopped"]);
    bed.plan();
    let reason = &bed.rollout(&id).reason;
    assert!(
        reason.contains("m2") && reason.contains("container app-1 stopped"),
        "{reason}"
    );
}

#[test]
fn a_machine_that_regressed_is_taken_back_with_the_rollout() {
    let mut bed = Bed::new(2);
    let rules = Strategy {
        on_failure: Some(FailureAction::Rollback),
        ..one(StageSpec {
            bake: Some(Duration::from_secs(60)),
            failure_budget: Some(Amount::Count(0).into()),
            ..rest()
        })
    };
    let id = bed.roll_out(2, rules);
    bed.drive();
    assert_eq!(bed.counts(&id, 0).settled, 2);
    bed.seen("m1", &["unhealthy"]);
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::RolledBack);
    for name in ["m1", "m2"] {
        assert_eq!(*bed.running(name), digest(1));
    }
}

#[test]
fn a_machine_that_sickens_once_its_stage_has_passed_is_left_to_the_next_rollout() {
    let mut bed = Bed::new(2);
    let id = bed.roll_out(2, strategy(vec![count(1), rest()]));
    bed.plan();
    let canary = bed.nth(&id, 0, 0);
    bed.say(&canary, AgentPhase::Settled);
    bed.plan();
    assert!(bed.rollout(&id).stages[0].passed_at.is_some());
    bed.seen(&canary, &["unhealthy"]);
    assert_eq!(word(&ask(&bed, &id, 0, regression::check)), "pass");
    bed.plan();
    assert_eq!(bed.counts(&id, 0).settled, 1);
    assert_eq!(bed.phase(&id), RolloutPhase::Running);
}

#[test]
fn a_machine_that_was_sick_before_and_settled_is_not_asked_for_more_than_it_had() {
    let mut bed = Bed::new(2);
    bed.seen("m1", &["healthy", "stopped"]);
    let rules = StageSpec {
        bake: Some(Duration::from_secs(60)),
        ..rest()
    };
    let id = bed.roll_out(2, one(rules));
    bed.plan();
    for name in ["m1", "m2"] {
        bed.say(name, AgentPhase::Settled);
    }
    bed.seen("m1", &["healthy", "stopped"]);
    assert_eq!(word(&ask(&bed, &id, 0, regression::check)), "pass");
}

#[test]
fn an_acknowledged_regression_does_not_stop_the_stage_again() {
    let (mut bed, id) = baking(Amount::Count(0));
    bed.seen("m1", &["unhealthy"]);
    bed.plan();
    assert_eq!(bed.phase(&id), RolloutPhase::Halted);
    bed.decide(|world, now| commands::resume(world, steer(&id), &alice(), now))
        .expect("resumed");
    bed.plan();
    assert_eq!(bed.phase(&id), RolloutPhase::Halted, "two must prove it");
    assert!(bed.rollout(&id).reason.contains("inconclusive"));
    bed.decide(|world, now| commands::resume(world, steer(&id), &alice(), now))
        .expect("resumed");
    bed.pass(Duration::from_secs(60));
    bed.plan();
    assert_eq!(bed.phase(&id), RolloutPhase::Completed);
}

#[test]
fn a_regression_after_the_soak_counts_for_quarantine_as_one_that_an_agent_reports() {
    let mut bed = Bed::new(3);
    bed.seen("m3", &["stopped"]);
    let rules = Strategy {
        quarantine_after: Some(2),
        ..one(StageSpec {
            bake: Some(Duration::from_secs(60)),
            failure_budget: Some(Amount::Percent(100).into()),
            ..rest()
        })
    };
    let id = bed.roll_out(2, rules);
    bed.plan();
    for name in ["m1", "m2", "m3"] {
        bed.say(name, AgentPhase::Settled);
    }
    bed.plan();
    bed.seen("m1", &["unhealthy"]);
    bed.seen("m3", &["stopped"]);
    bed.plan();
    let failed_on = |bed: &Bed| {
        let known = &bed.world.quarantine[&digest(2)];
        known.failed_on.iter().cloned().collect::<Vec<_>>()
    };
    assert_eq!(failed_on(&bed), [agent("m1")], "m3 was so before");
    assert_eq!(bed.phase(&id), RolloutPhase::Running);
    bed.seen("m2", &["stopped"]);
    bed.plan();
    assert_eq!(failed_on(&bed), [agent("m1"), agent("m2")]);
    assert!(bed.world.is_quarantined(&digest(2)));
    assert_eq!(bed.rollout(&id).halted_by, Some(Gate::Quarantine));
}
