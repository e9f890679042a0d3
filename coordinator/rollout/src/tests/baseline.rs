//! Machines that were sick before the rollout: they neither block it nor are
//! blamed on it.

use std::time::Duration;

use pinion_model::{AgentPhase, FailureKind, RolloutId, RolloutPhase};

use super::bed::{Bed, alice, count, rest, strategy};
use super::gates::one;
use crate::{Amount, Gate, SickPolicy, StageSpec, Standing, Strategy, commands, summary};

/// Of that many machines the last was sick before; one stage, nothing may fail.
fn with_sick(machines: usize, policy: SickPolicy) -> (Bed, RolloutId, String) {
    let mut bed = Bed::new(machines);
    let sick = format!("m{machines}");
    bed.seen(&sick, &["unhealthy"]);
    let rules = Strategy {
        sick: Some(policy),
        ..one(StageSpec {
            failure_budget: Some(Amount::Count(0).into()),
            ..rest()
        })
    };
    let id = bed.roll_out(2, rules);
    bed.plan();
    (bed, id, sick)
}

fn others_settle(bed: &mut Bed, id: &RolloutId, sick: &str) {
    let order = bed.rollout(id).stages[0].order.clone();
    for name in order.iter().filter(|name| name.as_str() != sick) {
        bed.say(name.as_str(), AgentPhase::Settled);
    }
    bed.plan();
}

#[test]
fn a_machine_is_sick_if_one_of_its_containers_is_and_unknown_is_not_sick() {
    for (health, sick) in [
        (vec!["healthy"], false),
        (vec!["none"], false),
        (vec!["starting"], false),
        (vec![""], false),
        (vec![], false),
        (vec!["unhealthy"], true),
        (vec!["stopped"], true),
        (vec!["healthy", "starting", "unhealthy"], true),
        (vec!["healthy", "stopped"], true),
    ] {
        let mut bed = Bed::new(1);
        bed.seen("m1", &health);
        let id = bed.roll_out(2, one(rest()));
        let member = &bed.rollout(&id).members[&super::bed::agent("m1")];
        assert_eq!(member.sick, sick, "{health:?}");
    }
}

#[test]
fn the_failure_of_a_machine_that_was_sick_before_is_blamed_on_nobody() {
    for (phase, what) in [
        (AgentPhase::RolledBack, "its old container is back"),
        (AgentPhase::Refused, "nothing was touched"),
    ] {
        let (mut bed, id, sick) = with_sick(3, SickPolicy::Include);
        bed.say(&sick, phase);
        bed.plan();
        assert_eq!(bed.phase(&id), RolloutPhase::Running, "{phase:?}");
        let counts = bed.counts(&id, 0);
        assert_eq!((counts.failed, counts.excused), (1, 1));
        let why = bed.why(&id, &sick).expect("it failed");
        assert_eq!(why.word, "failed");
        assert_eq!(
            why.detail,
            format!(
                "health: sick; {what}; the machine was sick before the rollout began, so this counts against no failure budget; `pinion rollout retry {id} --agent {sick}` tries once more"
            )
        );
        others_settle(&mut bed, &id, &sick);
        assert_eq!(bed.phase(&id), RolloutPhase::Completed);
        let note = &bed.rollout(&id).stages[0].note;
        assert!(note.contains("1 failed (1 of them sick before)"), "{note}");
    }
}

#[test]
fn an_old_container_that_did_not_come_back_halts_the_rollout_though_its_machine_was_sick_before() {
    let (mut bed, id, sick) = with_sick(3, SickPolicy::Include);
    others_settle(&mut bed, &id, &sick);
    bed.say(&sick, AgentPhase::RollbackFailed);
    bed.plan();
    assert_eq!(bed.phase(&id), RolloutPhase::Halted);
    assert_eq!(bed.rollout(&id).halted_by, Some(Gate::RollbackFailed));
    let counts = bed.counts(&id, 0);
    assert_eq!((counts.failed, counts.excused), (1, 1), "no budget is used");
    let why = |bed: &Bed| {
        bed.why(&id, &sick)
            .map(|why| why.detail)
            .unwrap_or_default()
    };
    assert_eq!(
        why(&bed),
        format!(
            "health: sick; its old container did not come back: look at the machine first; the machine was sick before the rollout began, but a lost container halts it all the same; `pinion rollout retry {id} --agent {sick}` tries once more"
        )
    );
    bed.steer_with(commands::resume, &id);
    bed.plan();
    assert_eq!(bed.phase(&id), RolloutPhase::Completed, "it is known now");
    assert_eq!(
        why(&bed),
        format!(
            "health: sick; its old container did not come back: look at the machine first; the machine was sick before the rollout began; `pinion agent refresh {sick}` tries the stable digest once more"
        )
    );
}

#[test]
fn a_deadline_that_a_machine_misses_which_was_sick_before_is_blamed_on_nobody() {
    let (mut bed, id, sick) = with_sick(2, SickPolicy::Include);
    others_settle(&mut bed, &id, &sick);
    assert_eq!(bed.phase(&id), RolloutPhase::Running);
    bed.pass(Duration::from_secs(600));
    bed.plan();
    let member = &bed.rollout(&id).members[&super::bed::agent(&sick)];
    assert_eq!(
        member.failure.as_ref().map(|failure| failure.kind),
        Some(FailureKind::Timeout)
    );
    assert_eq!(bed.phase(&id), RolloutPhase::Completed);
}

#[test]
fn a_machine_that_was_sick_before_and_settles_has_proved_the_digest() {
    let mut bed = Bed::new(1);
    bed.seen("m1", &["unhealthy"]);
    let id = bed.roll_out(2, one(rest()));
    bed.plan();
    bed.say("m1", AgentPhase::Settled);
    bed.plan();
    assert_eq!(bed.phase(&id), RolloutPhase::Completed);
    assert_eq!(bed.counts(&id, 0).settled, 1);
}

#[test]
fn machines_that_were_sick_before_prove_nothing_by_failing() {
    let (mut bed, id, sick) = with_sick(1, SickPolicy::Include);
    bed.fail(&sick, FailureKind::Health);
    bed.plan();
    assert_eq!(bed.phase(&id), RolloutPhase::Halted);
    let reason = &bed.rollout(&id).reason;
    assert!(
        reason.contains("0 of 1 machine(s) proved the digest (0 only staged it, 0 failed, 1 failed that were sick before, 0 skipped)"),
        "{reason}"
    );
}

#[test]
fn a_stage_of_machines_that_were_sick_before_passes_once_the_digest_is_proven() {
    let mut bed = Bed::new(3);
    for name in ["m1", "m2"] {
        bed.seen(name, &["unhealthy"]);
    }
    let rules = strategy(vec![
        count(1),
        StageSpec {
            min_proven: Some(2),
            ..rest()
        },
    ]);
    let id = bed.roll_out(2, rules);
    bed.plan();
    assert_eq!(bed.nth(&id, 0, 0), "m3", "who is well goes first");
    bed.say("m3", AgentPhase::Settled);
    bed.plan();
    for name in ["m1", "m2"] {
        bed.fail(name, FailureKind::Start);
    }
    bed.plan();
    assert_eq!(bed.phase(&id), RolloutPhase::Completed);
}

#[test]
fn failures_of_machines_that_were_sick_before_do_not_raise_the_proof_that_is_needed() {
    let mut bed = Bed::new(3);
    bed.seen("m3", &["unhealthy"]);
    let rules = StageSpec {
        min_proven: Some(3),
        ..rest()
    };
    let id = bed.roll_out(2, one(rules));
    bed.plan();
    bed.fail("m3", FailureKind::Start);
    others_settle(&mut bed, &id, "m3");
    assert_eq!(
        bed.phase(&id),
        RolloutPhase::Completed,
        "both that were able have proved it"
    );
}

#[test]
fn a_strategy_may_go_round_machines_that_were_sick_before() {
    let (mut bed, id, sick) = with_sick(3, SickPolicy::Skip);
    let agent = super::bed::agent(&sick);
    assert_eq!(
        bed.rollout(&id).members[&agent].standing(),
        Standing::Pending
    );
    assert_eq!(bed.counts(&id, 0).skipped, 1);
    assert_eq!(bed.word(&id, &sick), Some("sick_before"));
    others_settle(&mut bed, &id, &sick);
    assert_eq!(bed.phase(&id), RolloutPhase::Completed);
    let note = &bed.rollout(&id).stages[0].note;
    assert!(note.contains("1 skipped (1 of them sick before)"), "{note}");
}

#[test]
fn a_machine_that_sickens_after_the_rollout_began_is_not_gone_round_and_not_excused() {
    let mut bed = Bed::new(2);
    let rules = Strategy {
        sick: Some(SickPolicy::Skip),
        ..one(StageSpec {
            failure_budget: Some(Amount::Count(0).into()),
            ..rest()
        })
    };
    let id = bed.roll_out(2, rules);
    bed.seen("m2", &["unhealthy"]);
    bed.plan();
    assert_eq!(bed.counts(&id, 0).in_flight, 2);
    bed.fail("m2", FailureKind::Health);
    bed.plan();
    assert_eq!(bed.phase(&id), RolloutPhase::Halted);
    assert_eq!(bed.counts(&id, 0).excused, 0);
}

#[test]
fn who_was_sick_before_is_listed_before_anything_runs() {
    let mut bed = Bed::new(3);
    bed.promote(2);
    bed.seen("m2", &["stopped"]);
    for policy in [SickPolicy::Include, SickPolicy::Skip] {
        let request = commands::StartRollout {
            workload: bed.workload.clone(),
            pin: None,
            strategy: Strategy {
                sick: Some(policy),
                ..one(rest())
            },
            agents: pinion_model::LabelSelector::default(),
            reason: String::new(),
        };
        let planned =
            commands::plan_rollout(&bed.world, &request, bed.now).expect("it can be planned");
        let agents = &planned.stages[0].agents;
        let sick: Vec<_> = agents.iter().filter(|agent| agent.sick).collect();
        assert_eq!(sick.len(), 1);
        assert_eq!(sick[0].agent.as_str(), "m2");
        let skips = policy == SickPolicy::Skip;
        assert_eq!(!sick[0].blocker.is_empty(), skips, "{}", sick[0].blocker);
        let listed = planned
            .blockers
            .iter()
            .any(|line| line.contains("1 of 3 machine(s) are sick") && line.contains("m2"));
        assert!(listed, "{:?}", planned.blockers);
    }
}

#[test]
fn a_failed_machine_that_was_sick_before_may_be_retried() {
    let (mut bed, id, sick) = with_sick(2, SickPolicy::Include);
    bed.fail(&sick, FailureKind::Health);
    let retry = commands::RetryAgents {
        rollout: id.clone(),
        agents: Vec::new(),
        reason: String::new(),
    };
    let asked = bed
        .decide(|world, now| commands::retry(world, retry.clone(), &alice(), now))
        .expect("asked again");
    assert_eq!(asked, [super::bed::agent(&sick)]);
    bed.plan();
    assert_eq!(bed.counts(&id, 0).in_flight, 2);
    assert!(!summary(&bed.world, &id, bed.now).is_empty());
}
