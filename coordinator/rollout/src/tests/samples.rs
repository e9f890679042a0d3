//! Which samples of a check count, and when they begin anew.

use std::time::Duration;

use pinion_model::{RolloutId, RolloutPhase, Timestamp};

use super::bed::{Bed, agent, alice, digest, rest, steer, strategy};
use super::metric::{INTERVAL, TIMEOUT, checked, http};
use crate::{
    Amount, Check, DueProbe, Gate, Judgement, Observation, ObservedContainer, OfflinePolicy,
    StageSpec, Strategy, commands, due_probes,
};
use Judgement::{Failure, Success};

/// Passes after so many successes in a row.
fn smoke(samples: u32) -> Check {
    Check {
        samples,
        ..http("smoke")
    }
}

#[test]
fn a_rollout_that_was_stopped_takes_no_samples_and_begins_anew_when_it_goes_on() {
    let (mut bed, id) = Bed::waiting(checked(vec![smoke(2)]));
    let asked_before = bed.due().remove(0);
    bed.measured(&[Success, Failure]);
    assert_eq!(bed.halted_by(&id), Some(Gate::Metric));
    assert_eq!(bed.due(), []);
    let resumed = |bed: &mut Bed| {
        bed.decide(|world, now| commands::resume(world, steer(&id), &alice(), now))
            .expect("it goes on");
    };
    resumed(&mut bed);
    assert_eq!(bed.plan().changes, [], "the failure is known");
    assert_eq!(bed.rollout(&id).stages[0].checks.runs, []);
    bed.measure(Success);
    bed.pass(INTERVAL);
    bed.decide(|world, now| commands::pause(world, steer(&id), &alice(), now))
        .expect("it stops");
    assert_eq!(bed.due(), []);
    bed.sampled(&asked_before, bed.now, Success);
    let taken = bed.rollout(&id).stages[0].checks.runs[0].samples;
    assert_eq!(taken, 1, "what comes while it is paused does not count");
    bed.pass(TIMEOUT);
    resumed(&mut bed);
    bed.measured(&[Success]);
    assert_eq!(
        bed.rollout(&id).open_stage,
        0,
        "one of two, counted from the resume"
    );
    bed.measured(&[Failure]);
    assert_eq!(
        bed.halted_by(&id),
        Some(Gate::Metric),
        "a new failure stops it again"
    );
}

#[test]
fn a_sample_that_came_late_twice_or_for_something_else_changes_nothing() {
    let (mut bed, id) = Bed::waiting(checked(vec![smoke(3)]));
    let due = bed.due().remove(0);
    let before = bed.rollout(&id).stages[0].progressed_at;
    bed.pass(INTERVAL);
    let strange = [
        DueProbe {
            check: "other".parse().expect("a name"),
            ..due.clone()
        },
        DueProbe {
            stage: "2".parse().expect("a name"),
            ..due.clone()
        },
        DueProbe {
            rollout: "app-9-9".parse().expect("an id"),
            ..due.clone()
        },
    ];
    for due in &strange {
        bed.sampled(due, bed.now, Failure);
    }
    bed.sampled(&due, Timestamp(before.0 - 1), Failure);
    assert_eq!(bed.rollout(&id).stages[0].checks.runs, []);
    bed.sampled(&due, bed.now, Success);
    bed.sampled(&due, bed.now, Success);
    bed.sampled(&due, before, Failure);
    let run = bed.rollout(&id).stages[0].checks.runs[0].clone();
    assert_eq!((run.samples, run.successes, run.failures), (1, 1, 0));
    bed.measured(&[Failure]);
    bed.measured(&[Failure]);
    bed.sampled(&due, bed.now, Success);
    assert_eq!(
        bed.rollout(&id).stages[0].checks.runs[0].samples,
        2,
        "it had ended"
    );
}

#[test]
fn samples_outlive_the_coordinator_and_the_time_without_one_does_not_count() {
    let check = Check {
        samples: 2,
        failure_limit: 1,
        ..http("smoke")
    };
    let (mut bed, id) = Bed::waiting(checked(vec![check]));
    bed.measured(&[Failure]);
    bed.pass(Duration::from_secs(86_400));
    bed.observe(Observation::Started { at: bed.now });
    for name in ["m1", "m2"] {
        bed.hello(name);
    }
    bed.drive();
    assert_eq!(
        bed.phase(&id),
        RolloutPhase::Running,
        "{}",
        bed.rollout(&id).reason
    );
    bed.measured(&[Failure]);
    assert_eq!(bed.halted_by(&id), Some(Gate::Metric), "the second of two");
}

#[test]
fn the_time_without_a_coordinator_is_left_out_once_however_often_one_begins() {
    let (mut bed, id) = Bed::waiting(checked(vec![http("health")]));
    bed.measured(&[Failure]);
    let began = |bed: &Bed| bed.rollout(&id).stages[0].checks.runs[0].first_at;
    let before = began(&bed);
    for away in [1000, 20, 0, 5] {
        bed.pass(Duration::from_secs(away));
        bed.observe(Observation::Started { at: bed.now });
    }
    let away = Duration::from_secs(1025) + INTERVAL;
    assert_eq!(began(&bed), before + away, "from the last sample until now");
    bed.measured(&[Failure]);
    bed.observe(Observation::Started { at: bed.now });
    assert_eq!(began(&bed), before + away + INTERVAL);
}

#[test]
fn when_a_machine_of_the_stage_moves_the_samples_begin_anew() {
    let mut bed = Bed::new(2);
    let only = StageSpec {
        checks: vec![smoke(2)],
        failure_budget: Some(Amount::Count(1).into()),
        ..rest()
    };
    bed.machines
        .get_mut(&agent("m1"))
        .expect("it is there")
        .bad
        .insert(digest(2));
    let id = bed.roll_out(2, strategy(vec![only]));
    bed.drive();
    bed.measured(&[Success]);
    assert_eq!(bed.rollout(&id).stages[0].checks.runs.len(), 1);
    let asked_before = bed.now;
    let due = bed.due().remove(0);
    bed.pass(INTERVAL);
    bed.machines
        .get_mut(&agent("m1"))
        .expect("it is there")
        .bad
        .clear();
    let retry = commands::RetryAgents {
        rollout: id.clone(),
        agents: vec![agent("m1")],
        reason: String::new(),
    };
    bed.decide(|world, now| commands::retry(world, retry.clone(), &alice(), now))
        .expect("one more attempt");
    bed.drive();
    bed.sampled(&due, asked_before, Success);
    assert_eq!(bed.rollout(&id).stages[0].checks.runs, []);
    bed.measured(&[Success]);
    assert_eq!(bed.rollout(&id).open_stage, 0, "one of two");
    bed.measured(&[Success]);
    assert_eq!(bed.phase(&id), RolloutPhase::Completed);
}

/// Only `m1` is there; its stage has one success of three.
fn one_of_three() -> (Bed, RolloutId) {
    let only = StageSpec {
        checks: vec![smoke(3)],
        bake: Some(INTERVAL),
        ..rest()
    };
    let rules = Strategy {
        offline: Some(OfflinePolicy::Skip),
        ..strategy(vec![only])
    };
    let mut bed = Bed::new(2);
    bed.offline("m2");
    let id = bed.roll_out(2, rules);
    bed.drive();
    bed.pass(INTERVAL);
    bed.measured(&[Success]);
    assert_eq!(bed.rollout(&id).stages[0].checks.runs[0].successes, 1);
    (bed, id)
}

#[test]
fn a_machine_that_comes_back_to_its_stage_is_measured_too() {
    let (mut bed, id) = one_of_three();
    bed.hello("m2");
    bed.drive();
    assert_eq!(*bed.running("m2"), digest(2));
    assert_eq!(bed.rollout(&id).stages[0].checks.runs, []);
}

#[test]
fn a_machine_that_joins_late_holds_neither_bake_nor_checks_up() {
    let (mut bed, id) = one_of_three();
    bed.enrol("m3", true);
    bed.drive();
    assert_eq!(*bed.running("m3"), digest(2));
    assert!(bed.rollout(&id).members[&agent("m3")].late);
    bed.measured(&[Success, Success]);
    assert_eq!(bed.phase(&id), RolloutPhase::Completed);
}

#[test]
fn when_a_success_is_taken_back_the_samples_begin_anew() {
    let mut bed = Bed::new(2);
    let only = StageSpec {
        checks: vec![smoke(2)],
        failure_budget: Some(Amount::Count(1).into()),
        ..rest()
    };
    let id = bed.roll_out(2, strategy(vec![only]));
    bed.drive();
    bed.measured(&[Success]);
    let stopped = ObservedContainer {
        running: false,
        ..bed.machines[&agent("m1")].containers(&bed.workload)[0].clone()
    };
    bed.observe(Observation::Inventory {
        agent: agent("m1"),
        workloads: [(bed.workload.clone(), vec![stopped])].into(),
        at: bed.now,
    });
    bed.drive();
    assert_eq!(bed.rollout(&id).stages[0].checks.runs, []);
    bed.measured(&[Success]);
    assert_eq!(bed.rollout(&id).open_stage, 0, "one of two");
    bed.measured(&[Success]);
    assert_eq!(bed.phase(&id), RolloutPhase::Completed);
}

#[test]
fn where_the_clock_has_stepped_back_nothing_is_asked_before_a_sample_would_count() {
    let (mut bed, id) = Bed::waiting(checked(vec![smoke(1)]));
    bed.steer_with(commands::pause, &id);
    bed.pass(TIMEOUT);
    bed.steer_with(commands::resume, &id);
    let since = bed.now;
    bed.now = Timestamp(since.0 - 1);
    let probes = due_probes(&bed.world, bed.now);
    assert_eq!((probes.due, probes.next), (vec![], Some(since)));
    bed.now = since;
    bed.measured(&[Success]);
    assert_eq!(bed.phase(&id), RolloutPhase::Completed);
}
