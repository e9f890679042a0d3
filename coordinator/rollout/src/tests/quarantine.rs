//! Digests that failed by themselves, and go to no more machines.

use pinion_model::{AgentPhase, FailureKind, RolloutPhase};

use super::bed::{Bed, agent, alice, count, digest, keep, rest, steer, strategy};
use crate::commands::{self, QuarantineDigest};
use crate::gates::Verdict;
use crate::gates::quarantine::{check, is_due};
use crate::{
    Act, Amount, Change, FailureAction, Gate, Purpose, Refusal, StageSpec, Strategy, summary,
    waiting_for,
};

pub(super) fn tolerant(stages: Vec<StageSpec>, after: u32) -> Strategy {
    let stages = stages.into_iter().map(|stage| StageSpec {
        failure_budget: Some(Amount::Percent(100).into()),
        min_proven: Some(0),
        ..stage
    });
    Strategy {
        quarantine_after: Some(after),
        ..strategy(stages.collect())
    }
}

/// That many machines on a stable digest 1.
pub(super) fn stable(machines: usize) -> Bed {
    let mut bed = Bed::new(machines);
    bed.roll_out(1, strategy(vec![rest()]));
    bed.drive();
    bed
}

pub(super) fn fail(bed: &mut Bed, name: &str, kind: FailureKind) {
    let id = agent(name);
    let assignment = bed
        .world
        .assignment(&id, &bed.workload)
        .expect("asked")
        .clone();
    let report = crate::Report {
        workload: bed.workload.clone(),
        generation: assignment.generation,
        attempt: assignment.attempt,
        phase: AgentPhase::RolledBack,
        waiting_for: "".into(),
        deferral: None,
        failure: Some(pinion_model::Failure::new(kind, "so it was")),
        containers: Vec::new(),
        running: Some(digest(1)),
    };
    bed.reported(&id, report);
}

pub(super) fn impose(bed: &mut Bed, n: u8) -> Result<bool, Refusal> {
    let request = QuarantineDigest {
        digest: digest(n),
        workload: bed.workload.clone(),
        reason: "it eats data".to_owned(),
    };
    bed.decide(|world, now| commands::quarantine(world, request.clone(), &alice(), now))
}

pub(super) fn lift(bed: &mut Bed, n: u8) -> Result<(), Refusal> {
    bed.decide(|world, now| {
        commands::lift_quarantine(world, &digest(n), "it was the weather", &alice(), now)
    })
}

/// How often a digest was assigned since that point of the history.
pub(super) fn issued(bed: &Bed, since: usize, n: u8) -> usize {
    let decisions = bed.history[since..]
        .iter()
        .filter_map(|change| match change {
            Change::Decision(decision) => Some(&decision.act),
            Change::Observation(_) => None,
        });
    let given = |act: &&Act| match act {
        Act::Assigned { assignment, .. } => {
            let ahead = assignment.prefetch.as_ref().map(|run| &run.digest);
            assignment.digest().or(ahead) == Some(&digest(n))
                && !matches!(assignment.purpose, Purpose::Adopt { .. })
        }
        _ => false,
    };
    decisions.filter(given).count()
}

#[test]
fn a_digest_that_failed_on_enough_machines_goes_to_no_more_of_them() {
    let mut bed = stable(6);
    for machine in bed.machines.values_mut() {
        machine.bad.insert(digest(2));
    }
    let rules = Strategy {
        max_in_flight: Some(Amount::Count(1)),
        ..tolerant(vec![rest()], 2)
    };
    let id = bed.roll_out(2, rules);
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::Halted);
    assert_eq!(bed.rollout(&id).halted_by, Some(Gate::Quarantine));
    assert_eq!(issued(&bed, 0, 2), 2);
    let known = bed.world.quarantined(&digest(2)).expect("quarantined");
    assert_eq!(known.failed_on.len(), 2);
    let why = bed.rollout(&id).stages[0]
        .order
        .iter()
        .filter_map(|name| bed.why(&id, name.as_str()))
        .find(|reason| reason.word == "quarantined")
        .expect("a machine that it keeps the digest from");
    assert_eq!(why.since, bed.now);
    assert!(
        why.detail.contains("failed on 2 machine(s)")
            && why
                .detail
                .contains(&format!("`pinion quarantine lift {}", digest(2))),
        "{}",
        why.detail
    );
}

#[test]
fn nobody_is_told_to_resume_or_retry_what_is_quarantined() {
    let mut bed = stable(3);
    let rules = Strategy {
        max_in_flight: Some(Amount::Count(1)),
        ..tolerant(vec![rest()], 1)
    };
    let id = bed.roll_out(2, rules);
    bed.plan();
    let first = bed.nth(&id, 0, 0);
    fail(&mut bed, &first, FailureKind::Health);
    bed.plan();
    let said = |bed: &Bed| {
        let waits = waiting_for(&bed.world, &id, 0, bed.now).join("; ");
        let failed = bed.why(&id, &first).expect("it failed").detail;
        (summary(&bed.world, &id, bed.now), waits, failed)
    };
    let (text, waits, failed) = said(&bed);
    assert!(text.contains("it cannot be resumed"), "{text}");
    assert!(
        waits.starts_with("the quarantine of its image to be lifted, then"),
        "{waits}"
    );
    assert!(
        failed.ends_with("it is not asked again before that is lifted"),
        "{failed}"
    );
    lift(&mut bed, 2).expect("lifted");
    let (text, waits, failed) = said(&bed);
    assert!(text.contains(&format!("`pinion rollout resume {id}` goes on")));
    assert!(waits.starts_with(&format!("`pinion rollout resume {id}`")));
    assert!(failed.contains(&format!("`pinion rollout retry {id} --agent {first}`")));
}

#[test]
fn only_failures_of_the_image_itself_count() {
    use FailureKind::{
        Create, Credentials, Disk, Engine, Health, InUse, Internal, Network, NotFound, Offline,
        Platform, Policy, Registry, Start, Timeout,
    };
    for kind in [
        Credentials,
        NotFound,
        Network,
        Registry,
        Disk,
        Platform,
        Policy,
        Create,
        Start,
        Health,
        Timeout,
        InUse,
        Engine,
        Internal,
        Offline,
    ] {
        let mut bed = stable(2);
        let id = bed.roll_out(2, tolerant(vec![rest()], 1));
        bed.plan();
        fail(&mut bed, "m1", kind);
        let due = is_due(&bed.world, bed.rollout(&id));
        let own = matches!(kind, Create | Start | Health);
        assert_eq!(due, own.then_some(1), "{kind}");
        bed.plan();
        let stops = !matches!(check(&bed.world, bed.rollout(&id)), Verdict::Pass);
        assert_eq!(stops, own, "{kind}");
    }
}

#[test]
fn one_machine_counts_once_and_not_at_all_when_it_was_sick_before_or_healed() {
    let mut bed = stable(3);
    let sick = agent("m3");
    let workload = bed.workload.clone();
    let mut containers = bed.machines[&sick].containers(&workload);
    containers[0].health = crate::Health::Unhealthy;
    bed.observe(crate::Observation::Inventory {
        agent: sick,
        workloads: [(workload, containers)].into(),
        at: bed.now,
    });
    let id = bed.roll_out(2, tolerant(vec![rest()], 2));
    bed.plan();
    fail(&mut bed, "m3", FailureKind::Health);
    fail(&mut bed, "m1", FailureKind::Health);
    fail(&mut bed, "m1", FailureKind::Health);
    assert_eq!(bed.world.quarantine[&digest(2)].failed_on.len(), 1);
    let retry = commands::RetryAgents {
        rollout: id.clone(),
        agents: vec![agent("m1")],
        reason: String::new(),
    };
    bed.decide(|world, now| commands::retry(world, retry.clone(), &alice(), now))
        .expect("retried");
    bed.plan();
    bed.say("m1", AgentPhase::Settled);
    assert!(
        bed.world.quarantine[&digest(2)].failed_on.is_empty(),
        "it runs there now"
    );
}

#[test]
fn the_count_goes_on_over_the_rollouts_of_a_digest_and_never_beyond_what_is_enough() {
    let mut bed = stable(5);
    let rules = || Strategy {
        max_in_flight: Some(Amount::Count(5)),
        ..tolerant(vec![count(2), rest()], 3)
    };
    let first = bed.roll_out(2, rules());
    bed.plan();
    let (a, b) = (bed.nth(&first, 0, 0), bed.nth(&first, 0, 1));
    fail(&mut bed, &a, FailureKind::Health);
    fail(&mut bed, &b, FailureKind::Start);
    bed.decide(|world, now| keep(world, steer(&first), &alice(), now))
        .expect("aborted");
    bed.plan();
    assert!(!bed.world.is_quarantined(&digest(2)));
    for machine in bed.machines.values_mut() {
        machine.bad.insert(digest(2));
    }
    let second = bed.start(tolerant(vec![rest()], 3));
    bed.drive();
    assert_eq!(bed.rollout(&second).halted_by, Some(Gate::Quarantine));
    assert_eq!(bed.world.quarantine[&digest(2)].failed_on.len(), 3);
}

#[test]
fn it_follows_the_failure_action_and_the_way_back_is_straight() {
    let mut bed = stable(3);
    let rules = Strategy {
        on_failure: Some(FailureAction::Rollback),
        ..tolerant(vec![rest()], 1)
    };
    let id = bed.roll_out(2, rules);
    bed.plan();
    bed.say("m1", AgentPhase::Settled);
    fail(&mut bed, "m2", FailureKind::Health);
    bed.plan();
    assert_eq!(bed.phase(&id), RolloutPhase::RollingBack);
    let back = bed.world.desired(&agent("m1")).assignments.remove(0);
    assert_eq!(back.digest(), Some(&digest(1)));
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::RolledBack);
    assert_eq!(
        bed.world.workloads[&bed.workload]
            .current()
            .map(|pin| &pin.digest),
        Some(&digest(1))
    );
}

#[test]
fn newcomers_get_the_stable_digest_before_a_quarantined_one_and_nobody_is_moved_off_it() {
    let mut bed = stable(2);
    bed.roll_out(2, strategy(vec![rest()]));
    bed.drive();
    impose(&mut bed, 2).expect("by hand");
    let since = bed.history.len();
    assert_eq!(
        bed.world.stable(&bed.workload).map(|pin| &pin.digest),
        Some(&digest(1))
    );
    bed.enrol("m3", true);
    bed.drive();
    assert_eq!(*bed.running("m3"), digest(1));
    assert_eq!(
        (bed.running("m1"), bed.running("m2")),
        (&digest(2), &digest(2))
    );
    let refresh = commands::Refresh {
        agents: vec![agent("m1"), agent("m3")],
        workloads: Vec::new(),
        reason: String::new(),
    };
    bed.decide(|world, now| commands::refresh(world, refresh.clone(), &alice(), now))
        .expect("asked");
    bed.drive();
    assert_eq!(issued(&bed, since, 2), 0, "by no way");
    assert_eq!(*bed.running("m1"), digest(1), "an operator asked for it");
}

#[test]
fn a_machine_is_never_taken_back_to_a_quarantined_digest() {
    let mut bed = stable(2);
    bed.roll_out(2, strategy(vec![rest()]));
    bed.drive();
    let id = bed.roll_out(3, strategy(vec![rest()]));
    bed.drive();
    impose(&mut bed, 2).expect("by hand");
    let since = bed.history.len();
    bed.decide(|world, now| commands::roll_back(world, steer(&id), &alice(), now))
        .expect("rolled back");
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::RolledBack);
    assert_eq!(
        (bed.running("m1"), bed.running("m2")),
        (&digest(1), &digest(1))
    );
    assert_eq!(issued(&bed, since, 2), 0);
}
