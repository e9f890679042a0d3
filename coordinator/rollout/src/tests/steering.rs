//! What operators do to a rollout that is under way.

use pinion_model::{AgentPhase, RolloutPhase};

use super::bed::{Bed, agent, alice, count, digest, keep, percent, rest, steer, strategy};
use crate::commands::{self};
use crate::{Act, Amount, Change, Gate, Purpose, Refusal, StageSpec, Standing, Strategy};

fn two_stages() -> Strategy {
    strategy(vec![count(1), rest()])
}

fn assignments(changes: &[Change]) -> usize {
    let is_turn = |change: &&Change| match change {
        Change::Decision(decision) => {
            matches!(&decision.act, Act::Assigned { assignment, .. } if matches!(assignment.purpose, Purpose::Rollout { .. }))
        }
        Change::Observation(_) => false,
    };
    changes.iter().filter(is_turn).count()
}

#[test]
fn a_pause_withdraws_what_has_not_cut_over_and_assigns_nothing() {
    let mut bed = Bed::new(3);
    let id = bed.roll_out(2, strategy(vec![rest()]));
    bed.plan();
    bed.say("m1", AgentPhase::CuttingOver);
    bed.decide(|world, now| commands::pause(world, steer(&id), &alice(), now))
        .expect("paused");
    let changes = bed.plan().changes;
    assert_eq!(assignments(&changes), 0);
    assert_eq!(changes.len(), 2, "the two that have not cut over");
    assert_eq!(
        bed.counts(&id, 0).in_flight,
        3,
        "in flight until acknowledged"
    );
    assert_eq!(bed.word(&id, "m2"), Some("withdrawing"));
    bed.say("m2", AgentPhase::Withdrawn);
    assert_eq!(bed.word(&id, "m2"), Some("paused"));
    bed.say("m1", AgentPhase::Settled);
    assert_eq!(
        bed.rollout(&id).members[&agent("m1")].standing(),
        Standing::Settled,
        "what has cut over finishes"
    );
    assert!(bed.plan().changes.is_empty());

    bed.decide(|world, now| commands::resume(world, steer(&id), &alice(), now))
        .expect("resumed");
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::Completed);
}

#[test]
fn a_machine_that_cut_over_before_the_withdrawal_reached_it_counts_as_what_it_became() {
    let mut bed = Bed::new(1);
    let id = bed.roll_out(2, strategy(vec![rest()]));
    bed.plan();
    bed.step("m1");
    let unheard = bed.machines.get_mut(&agent("m1")).expect("m1").step();
    assert_eq!(unheard[0].phase, AgentPhase::CuttingOver);
    bed.decide(|world, now| commands::pause(world, steer(&id), &alice(), now))
        .expect("paused");
    assert_eq!(
        bed.plan().changes.len(),
        1,
        "a withdrawal, which comes too late"
    );
    bed.drive();
    assert_eq!(
        bed.rollout(&id).members[&agent("m1")].standing(),
        Standing::Settled
    );
    assert_eq!(*bed.running("m1"), digest(2));
}

#[test]
fn resuming_forgives_the_failures_that_are_known_and_no_others() {
    let mut bed = Bed::new(3);
    let id = bed.roll_out(
        2,
        strategy(vec![StageSpec {
            failure_budget: Some(Amount::Count(0).into()),
            max_in_flight: Some(Amount::Count(1)),
            min_proven: Some(0),
            ..rest()
        }]),
    );
    bed.plan();
    let first = bed.nth(&id, 0, 0);
    bed.say(&first, AgentPhase::RolledBack);
    bed.plan();
    assert_eq!(bed.phase(&id), RolloutPhase::Halted);
    bed.decide(|world, now| commands::resume(world, steer(&id), &alice(), now))
        .expect("resumed");
    bed.plan();
    assert_eq!(
        bed.phase(&id),
        RolloutPhase::Running,
        "the known one does not trip it again"
    );
    let second = bed.nth(&id, 0, 1);
    bed.say(&second, AgentPhase::RolledBack);
    bed.plan();
    assert_eq!(bed.phase(&id), RolloutPhase::Halted, "a new one does");
}

#[test]
fn a_pause_forgives_no_failure_and_refills_no_budget() {
    let mut bed = Bed::new(3);
    let rules = StageSpec {
        failure_budget: Some(Amount::Count(1).into()),
        max_in_flight: Some(Amount::Count(1)),
        ..rest()
    };
    let id = bed.roll_out(2, strategy(vec![rules]));
    bed.plan();
    let (first, second) = (bed.nth(&id, 0, 0), bed.nth(&id, 0, 1));
    bed.say(&first, AgentPhase::RolledBack);
    bed.plan();
    assert_eq!(bed.phase(&id), RolloutPhase::Running, "one may");
    bed.steer_with(commands::pause, &id);
    bed.drive();
    bed.steer_with(commands::resume, &id);
    bed.plan();
    assert_eq!(bed.phase(&id), RolloutPhase::Running);
    bed.say(&second, AgentPhase::RolledBack);
    bed.plan();
    assert_eq!(bed.phase(&id), RolloutPhase::Halted, "two may not");
    assert_eq!(bed.rollout(&id).halted_by, Some(Gate::FailureBudget));
}

#[test]
fn a_budget_that_was_exceeded_during_a_pause_halts_the_rollout_when_it_is_resumed() {
    let mut bed = Bed::new(2);
    let rules = StageSpec {
        failure_budget: Some(Amount::Count(0).into()),
        ..rest()
    };
    let id = bed.roll_out(2, strategy(vec![rules]));
    bed.plan();
    let first = bed.nth(&id, 0, 0);
    bed.say(&first, AgentPhase::CuttingOver);
    bed.steer_with(commands::pause, &id);
    bed.say(&first, AgentPhase::RolledBack);
    bed.plan();
    assert_eq!(bed.phase(&id), RolloutPhase::Paused);
    bed.steer_with(commands::resume, &id);
    bed.plan();
    assert_eq!(bed.rollout(&id).halted_by, Some(Gate::FailureBudget));
}

#[test]
fn a_resume_restarts_the_clock_of_every_stage_that_was_opened() {
    let mut bed = Bed::new(3);
    let id = bed.roll_out(2, strategy(vec![count(1), count(1), rest()]));
    bed.plan();
    bed.say(&bed.nth(&id, 0, 0), AgentPhase::Settled);
    bed.plan();
    let last = bed.rollout(&id).stages[2].progressed_at;
    bed.steer_with(commands::pause, &id);
    bed.pass(std::time::Duration::from_secs(60));
    bed.steer_with(commands::resume, &id);
    let clocks = bed.rollout(&id).stages.iter();
    let clocks: Vec<_> = clocks.map(|stage| stage.progressed_at).collect();
    assert_eq!(clocks, [bed.now, bed.now, last], "the last is not open");
}

#[test]
fn an_abort_keeps_what_is_done_and_waits_for_what_is_in_flight() {
    let mut bed = Bed::new(4);
    let first = bed.roll_out(1, strategy(vec![rest()]));
    bed.drive();
    assert_eq!(bed.phase(&first), RolloutPhase::Completed);
    let id = bed.roll_out(2, strategy(vec![count(1), percent(50), rest()]));
    bed.plan();
    let canary = bed.nth(&id, 0, 0);
    while bed.counts(&id, 0).settled == 0 {
        bed.step(&canary);
    }
    bed.plan();
    bed.say(&bed.nth(&id, 1, 0), AgentPhase::CuttingOver);
    bed.decide(|world, now| keep(world, steer(&id), &alice(), now))
        .expect("aborted");
    bed.plan();
    assert_eq!(
        bed.phase(&id),
        RolloutPhase::Aborting,
        "one is cutting over"
    );
    bed.say(&bed.nth(&id, 1, 0), AgentPhase::Settled);
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::Aborted);
    assert_eq!(*bed.running(&canary), digest(2), "what is done stays done");
    assert_eq!(
        bed.world.stable(&bed.workload).map(|pin| pin.number.0),
        Some(1)
    );
    assert_eq!(
        bed.world.workloads[&bed.workload]
            .current()
            .map(|pin| pin.number.0),
        Some(2)
    );
}

#[test]
fn a_newer_rollout_takes_the_place_of_the_older_and_says_what_became_of_it() {
    let mut bed = Bed::new(4);
    let old = bed.roll_out(2, two_stages());
    bed.plan();
    let canary = bed.nth(&old, 0, 0);
    bed.step(&canary);
    let new = bed.roll_out(3, two_stages());
    assert_eq!(bed.phase(&old), RolloutPhase::Superseded);
    assert_eq!(bed.rollout(&old).superseded_by, Some(new.clone()));
    assert!(
        bed.rollout(&old).reason.contains("1 in flight"),
        "{}",
        bed.rollout(&old).reason
    );
    bed.drive();
    assert_eq!(bed.phase(&new), RolloutPhase::Completed);
    assert!(
        bed.machines
            .values()
            .all(|machine| machine.running[&bed.workload] == digest(3))
    );
    assert_eq!(bed.counts(&old, 0).in_flight, 0, "withdrawn or taken over");
}

#[test]
fn a_machine_that_was_revoked_is_in_flight_nowhere_not_even_in_what_is_over() {
    let mut bed = Bed::new(4);
    let old = bed.roll_out(
        4,
        strategy(vec![StageSpec {
            max_in_flight: Some(Amount::Count(3)),
            ..rest()
        }]),
    );
    bed.plan();
    let name = bed.nth(&old, 0, 0);
    bed.decide(|world, now| commands::revoke_agent(world, agent(&name), "lost", &alice(), now))
        .expect("revoked");
    assert_eq!(bed.word(&old, &name), Some("revoked"));
    bed.roll_out(2, two_stages());
    bed.plan();
    assert!(bed.counts(&old, 0).in_flight <= 3);
    assert!(!bed.rollout(&old).members[&agent(&name)].was_changed());
}

#[test]
fn the_same_digest_is_not_rolled_out_twice_at_once_but_may_be_again_later() {
    let mut bed = Bed::new(1);
    let first = bed.roll_out(2, two_stages());
    let request = commands::StartRollout {
        workload: bed.workload.clone(),
        pin: None,
        strategy: two_stages(),
        agents: pinion_model::LabelSelector::default(),
        reason: String::new(),
    };
    let refused =
        bed.decide(|world, now| commands::start_rollout(world, request.clone(), &alice(), now));
    assert!(
        refused
            .expect_err("under way")
            .to_string()
            .contains(first.as_str())
    );
    bed.drive();
    let second = bed.start(two_stages());
    assert_eq!((first.as_str(), second.as_str()), ("app-1-1", "app-1-2"));
}

#[test]
fn what_cannot_be_done_in_a_phase_is_refused_with_what_can() {
    let mut bed = Bed::new(1);
    let id = bed.roll_out(2, two_stages());
    let running = bed.decide(|world, now| commands::resume(world, steer(&id), &alice(), now));
    assert!(matches!(running, Err(Refusal::Precondition { .. })));
    bed.drive();
    for command in [commands::pause, commands::resume, keep] {
        let over = bed
            .decide(|world, now| command(world, steer(&id), &alice(), now))
            .expect_err("over");
        assert!(over.to_string().contains("completed"), "{over}");
    }
    let unknown = steer(&"app-9-9".parse().expect("an id"));
    let refused = bed.decide(|world, now| commands::pause(world, unknown.clone(), &alice(), now));
    assert!(matches!(refused, Err(Refusal::NotFound { .. })));
}

#[test]
fn an_abort_names_the_machines_that_it_waits_for() {
    let mut bed = Bed::new(3);
    let id = bed.roll_out(2, strategy(vec![rest()]));
    bed.plan();
    bed.say("m1", AgentPhase::Soaking);
    bed.say("m2", AgentPhase::CuttingOver);
    bed.say("m3", AgentPhase::Settled);
    bed.offline("m2");
    bed.decide(|world, now| keep(world, steer(&id), &alice(), now))
        .expect("aborted");
    bed.plan();
    let waits = crate::waiting_for(&bed.world, &id, 0, bed.now);
    assert_eq!(
        waits,
        ["machines of stage 1 to finish: m2 (cutting over, offline), m1 (soaking)"]
    );
    let summary = crate::summary(&bed.world, &id, bed.now);
    assert!(summary.contains(&waits[0]), "{summary}");
    bed.hello("m2");
    bed.say("m2", AgentPhase::Settled);
    bed.say("m1", AgentPhase::Settled);
    bed.plan();
    assert_eq!(bed.phase(&id), RolloutPhase::Aborted);
    assert!(crate::waiting_for(&bed.world, &id, 0, bed.now).is_empty());
}

#[test]
fn what_could_not_be_tidied_up_stays_visible_and_is_no_failure() {
    let mut bed = Bed::new(1);
    let id = bed.roll_out(2, strategy(vec![rest()]));
    bed.plan();
    let assignment = bed
        .world
        .assignment(&agent("m1"), &bed.workload)
        .expect("asked")
        .clone();
    let report = crate::Report {
        workload: bed.workload.clone(),
        generation: assignment.generation,
        attempt: assignment.attempt,
        phase: AgentPhase::Settled,
        waiting_for: "".into(),
        deferral: None,
        failure: Some(pinion_model::Failure::new(
            pinion_model::FailureKind::Engine,
            "could not move the tag app:current",
        )),
        containers: vec![super::machine::container(&bed.workload, &digest(2))],
        running: Some(digest(2)),
    };
    bed.reported(&agent("m1"), report);
    bed.plan();
    assert_eq!(bed.phase(&id), RolloutPhase::Completed);
    assert_eq!(bed.counts(&id, 0).failed, 0);
    let why = bed.why(&id, "m1").expect("a reason");
    assert_eq!(why.word, "settled_with_failure");
    assert!(why.detail.contains("app:current"), "{}", why.detail);
    bed.roll_out(3, strategy(vec![rest()]));
    bed.drive();
    assert_eq!(bed.word(&id, "m1"), None, "it is about another digest now");
}
