//! Machines that put off their cut-over because they are in use.

use std::sync::Arc;
use std::time::Duration;

use pinion_model::{
    AgentPhase, Deferral, Failure, FailureKind, Holder, HolderKind, InUse, RolloutId, RolloutPhase,
    Timestamp,
};

use super::bed::{Bed, agent, rest};
use super::gates::one;
use crate::{Report, Strategy};

const HOUR: Duration = Duration::from_secs(3600);

fn with(policy: InUse) -> Strategy {
    Strategy {
        in_use: Some(policy),
        ..one(rest())
    }
}

fn deferral(forced: bool) -> Deferral {
    let lock = Holder::new(HolderKind::Lock, "backup", "nightly dump", None);
    Deferral {
        since: Timestamp(1),
        until: Timestamp(2),
        then: InUse::Fail,
        holders: vec![lock],
        forced,
    }
}

/// What the machine says about its assignment while it is, or was, in use.
fn says(bed: &mut Bed, name: &str, phase: AgentPhase, forced: bool) {
    let id = agent(name);
    let deferral = deferral(forced);
    let assignment = bed.world.agents[&id].placements[&bed.workload]
        .assignment
        .clone()
        .expect("an assignment");
    let is_in_use = Failure::new(
        FailureKind::InUse,
        "the machine was in use for longer than 1h",
    );
    let report = Report {
        workload: bed.workload.clone(),
        generation: assignment.generation,
        attempt: assignment.attempt,
        phase,
        waiting_for: deferral.to_string().into(),
        failure: phase.is_failure().then_some(is_in_use),
        deferral: (!phase.is_failure()).then(|| Arc::new(deferral)),
        containers: Vec::new(),
        running: assignment.digest().cloned().filter(|_| !phase.is_failure()),
    };
    bed.reported(&id, report);
}

/// Two machines in flight, of which the first is in use.
fn one_of_two(policy: InUse) -> (Bed, RolloutId) {
    let mut bed = Bed::new(2);
    let id = bed.roll_out(2, with(policy));
    bed.plan();
    says(&mut bed, "m1", AgentPhase::Waiting, false);
    bed.plan();
    (bed, id)
}

#[test]
fn explain_tells_who_holds_it_why_and_until_when() {
    let (bed, id) = one_of_two(InUse::Fail);
    let why = bed.why(&id, "m1").expect("it waits");
    assert_eq!(why.word, "in_use");
    for words in ["backup", "nightly dump", "1970-01-01T00:00:00.002Z"] {
        assert!(why.detail.contains(words), "{}", why.detail);
    }
    let placement = &bed.world.agents[&agent("m1")].placements[&bed.workload];
    assert_eq!(placement.deferral.as_deref(), Some(&deferral(false)));
    assert_eq!(bed.word(&id, "m2"), Some("in_flight"));
}

#[test]
fn a_machine_in_use_is_no_lack_of_progress_before_its_own_deadline() {
    let (mut bed, id) = one_of_two(InUse::Fail);
    bed.say("m2", AgentPhase::Settled);
    bed.pass(HOUR + Duration::from_millis(599_999));
    bed.plan();
    assert_eq!(bed.phase(&id), RolloutPhase::Running);
    bed.pass(Duration::from_millis(1));
    bed.plan();
    let member = &bed.rollout(&id).members[&agent("m1")];
    let kind = member.failure.as_ref().map(|failure| failure.kind);
    assert_eq!(
        kind,
        Some(FailureKind::Timeout),
        "it never said what became of it"
    );
}

#[test]
fn whoever_is_not_in_use_is_late_as_ever_beside_one_that_is() {
    let (mut bed, id) = one_of_two(InUse::Fail);
    bed.pass(Duration::from_secs(600));
    bed.plan();
    let failed = |name| bed.rollout(&id).members[&agent(name)].failure.is_some();
    assert_eq!((failed("m1"), failed("m2")), (false, true));
}

#[test]
fn at_the_end_fail_counts_and_skip_goes_round() {
    for (policy, phase, excused) in [
        (InUse::Fail, RolloutPhase::Halted, 0),
        (InUse::Force, RolloutPhase::Halted, 0),
        (InUse::Skip, RolloutPhase::Completed, 1),
    ] {
        let (mut bed, id) = one_of_two(policy);
        bed.say("m2", AgentPhase::Settled);
        says(&mut bed, "m1", AgentPhase::Refused, false);
        bed.plan();
        assert_eq!(bed.phase(&id), phase, "{policy}");
        let counts = bed.counts(&id, 0);
        assert_eq!((counts.failed, counts.excused), (1, excused), "{policy}");
        let why = bed.why(&id, "m1").expect("it did not get it");
        assert_eq!(why.word, "failed");
        let goes_round = why.detail.contains("goes round machines that are in use");
        assert_eq!(goes_round, policy == InUse::Skip, "{}", why.detail);
    }
}

#[test]
fn another_failure_of_a_machine_counts_whatever_is_said_about_those_in_use() {
    let (mut bed, id) = one_of_two(InUse::Skip);
    bed.say("m2", AgentPhase::Settled);
    bed.fail("m1", FailureKind::Health);
    bed.plan();
    assert_eq!(bed.phase(&id), RolloutPhase::Halted);
}

#[test]
fn a_machine_that_alone_would_have_to_prove_it_and_is_gone_round_proves_nothing() {
    let mut bed = Bed::new(1);
    let id = bed.roll_out(2, with(InUse::Skip));
    bed.plan();
    says(&mut bed, "m1", AgentPhase::Refused, false);
    bed.plan();
    assert_eq!(bed.phase(&id), RolloutPhase::Halted, "it is inconclusive");
}

#[test]
fn one_that_was_forced_is_told_so_for_as_long_as_it_runs() {
    let (mut bed, id) = one_of_two(InUse::Force);
    bed.say("m2", AgentPhase::Settled);
    says(&mut bed, "m1", AgentPhase::CuttingOver, true);
    assert_eq!(bed.word(&id, "m1"), Some("in_flight"));
    says(&mut bed, "m1", AgentPhase::Settled, true);
    bed.plan();
    assert_eq!(bed.phase(&id), RolloutPhase::Completed);
    let placement = &bed.world.agents[&agent("m1")].placements[&bed.workload];
    assert!(
        placement
            .deferral
            .as_ref()
            .is_some_and(|deferral| deferral.forced)
    );
    bed.roll_out(3, with(InUse::Force));
    bed.plan();
    let placement = &bed.world.agents[&agent("m1")].placements[&bed.workload];
    assert_eq!(placement.deferral, None, "another assignment");
}

#[test]
fn one_that_is_locked_right_before_the_stop_is_back_at_the_gate_for_everybody() {
    let (mut bed, id) = one_of_two(InUse::Fail);
    bed.say("m1", AgentPhase::CuttingOver);
    assert_eq!(bed.word(&id, "m1"), Some("in_flight"));
    says(&mut bed, "m1", AgentPhase::Waiting, false);
    assert_eq!(bed.word(&id, "m1"), Some("in_use"));
    assert!(!bed.rollout(&id).members[&agent("m1")].has_cut_over());
    // What is proven is not taken back by a word that comes late.
    bed.say("m1", AgentPhase::Verifying);
    says(&mut bed, "m1", AgentPhase::Waiting, false);
    assert_eq!(bed.word(&id, "m1"), Some("in_flight"));
}

#[test]
fn one_that_is_in_use_on_its_way_back_says_who_holds_it() {
    let (mut bed, id) = one_of_two(InUse::Fail);
    bed.say("m1", AgentPhase::Settled);
    bed.steer_with(crate::commands::roll_back, &id);
    bed.plan();
    says(&mut bed, "m1", AgentPhase::Waiting, false);
    let why = bed.why(&id, "m1").expect("it is on its way");
    assert_eq!(why.word, "rolling_back");
    for words in ["backup", "nightly dump"] {
        assert!(why.detail.contains(words), "{}", why.detail);
    }
}
