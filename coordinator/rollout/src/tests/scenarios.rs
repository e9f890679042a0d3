//! Whole rollouts, as an operator would watch them.

use std::time::Duration;

use pinion_model::RolloutPhase;

use super::bed::{Bed, count, digest, percent, rest, strategy};
use crate::{Observation, StageSpec, Standing, Strategy, summary};

/// The demo's: 1, half, all.
fn demo() -> Strategy {
    strategy(vec![count(1), percent(50), rest()])
}

#[test]
fn the_demo_goes_to_v2_and_v3_stops_itself_on_the_one_machine_that_it_reached() {
    let mut bed = Bed::new(4);
    let first = bed.roll_out(1, demo());
    bed.drive();
    assert_eq!(bed.phase(&first), RolloutPhase::Completed);
    let second = bed.roll_out(2, demo());
    bed.drive();
    assert_eq!(
        bed.phase(&second),
        RolloutPhase::Completed,
        "{}",
        summary(&bed.world, &second, bed.now)
    );
    let v2 = ["m1", "m2", "m3", "m4"];
    assert!(v2.iter().all(|name| *bed.running(name) == digest(2)));
    assert_eq!(
        bed.world.stable(&bed.workload).map(|pin| pin.number.0),
        Some(2)
    );

    for machine in bed.machines.values_mut() {
        machine.bad.insert(digest(3));
    }
    let third = bed.roll_out(3, demo());
    bed.drive();
    let canary = bed.nth(&third, 0, 0);
    assert_eq!(bed.phase(&third), RolloutPhase::Halted);
    assert!(
        bed.rollout(&third).reason.contains(&canary),
        "{}",
        bed.rollout(&third).reason
    );
    assert!(v2.iter().all(|name| *bed.running(name) == digest(2)));
    assert_eq!(bed.word(&third, &canary), Some("failed"));
    for other in v2.iter().filter(|name| **name != canary) {
        assert_eq!(bed.word(&third, other), Some("halted"));
        assert!(
            !bed.rollout(&third).members[&super::bed::agent(other)].was_changed(),
            "never touched"
        );
    }
    let touched = bed.world.desired(&super::bed::agent(&canary)).assignments;
    assert_eq!(
        touched[0].digest(),
        Some(&digest(2)),
        "what it restored is what is desired"
    );
    assert_eq!(
        bed.world.stable(&bed.workload).map(|pin| pin.number.0),
        Some(2)
    );
}

#[test]
fn stages_open_one_after_the_other_and_each_waits_for_its_soak() {
    let mut bed = Bed::new(4);
    let id = bed.roll_out(2, demo());
    bed.plan();
    let canary = bed.nth(&id, 0, 0);
    for _ in 0..4 {
        bed.step(&canary);
        bed.plan();
    }
    assert_eq!(bed.counts(&id, 0).soaking, 1);
    assert_eq!(
        bed.counts(&id, 1).in_flight,
        0,
        "a soaking stage has not passed"
    );
    assert_eq!(bed.word(&id, &canary), Some("soaking"));
    let next = bed.nth(&id, 1, 0);
    assert_eq!(bed.word(&id, &next), Some("stage_not_open"));
    bed.step(&canary);
    bed.plan();
    assert_eq!(bed.counts(&id, 0).settled, 1);
    assert_eq!(bed.word(&id, &canary), None);
    assert_eq!(bed.word(&id, &next), Some("in_flight"));
}

#[test]
fn a_percent_is_cumulative_and_counts_the_canary() {
    let mut bed = Bed::new(10);
    let id = bed.roll_out(2, Strategy::default());
    let sizes: Vec<_> = bed
        .rollout(&id)
        .stages
        .iter()
        .map(|stage| stage.order.len())
        .collect();
    assert_eq!(sizes, [1, 0, 4, 5], "1 machine is 10 % already");
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::Completed);
    assert_eq!(bed.rollout(&id).stages[1].note, "no machine is in it");
}

#[test]
fn machines_that_run_the_workload_go_first() {
    let mut bed = Bed::new(0);
    for n in 1..=9 {
        bed.enrol(&format!("m{n}"), n == 7);
    }
    let id = bed.roll_out(2, demo());
    assert_eq!(bed.nth(&id, 0, 0), "m7");
}

#[test]
fn a_stage_that_nobody_can_prove_is_inconclusive_until_a_person_takes_it() {
    let mut bed = Bed::new(1);
    bed.enrol("empty-1", false);
    bed.enrol("empty-2", false);
    let id = bed.roll_out(2, strategy(vec![count(1), rest()]));
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::Halted);
    assert!(
        bed.rollout(&id).reason.contains("inconclusive"),
        "{}",
        bed.rollout(&id).reason
    );
    assert_eq!(bed.word(&id, "empty-1"), Some("staged"));
    bed.decide(|world, now| {
        crate::commands::resume(world, super::bed::steer(&id), &super::bed::alice(), now)
    })
    .expect("resumed");
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::Completed);
}

#[test]
fn a_rollout_for_nobody_halts_and_says_so() {
    let mut bed = Bed::new(0);
    bed.promote(1);
    let refused = bed.decide(|world, now| {
        let request = crate::commands::StartRollout {
            workload: "app".parse().expect("a name"),
            pin: None,
            strategy: Strategy::default(),
            agents: pinion_model::LabelSelector::default(),
            reason: String::new(),
        };
        crate::commands::start_rollout(world, request, &super::bed::alice(), now)
    });
    assert!(
        refused
            .expect_err("nobody is there")
            .to_string()
            .contains("no machine is enrolled")
    );
}

#[test]
fn a_bake_is_waited_for_after_the_last_machine_has_settled() {
    let mut bed = Bed::new(2);
    let bake = StageSpec {
        bake: Some(Duration::from_secs(60)),
        ..count(1)
    };
    let id = bed.roll_out(2, strategy(vec![bake, rest()]));
    bed.drive();
    assert_eq!(bed.counts(&id, 0).settled, 1);
    assert_eq!(bed.counts(&id, 1).in_flight, 0);
    let planned = bed.plan();
    assert_eq!(planned.wake_at, Some(bed.now + Duration::from_secs(60)));
    assert!(
        summary(&bed.world, &id, bed.now).contains("bake"),
        "{}",
        summary(&bed.world, &id, bed.now)
    );
    bed.pass(Duration::from_secs(60));
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::Completed);
}

#[test]
fn a_machine_that_settles_on_another_digest_has_failed() {
    let mut bed = Bed::new(1);
    let id = bed.roll_out(2, demo());
    bed.plan();
    let agent = super::bed::agent("m1");
    let assignment = bed.world.desired(&agent).assignments.remove(0);
    bed.reported(
        &agent,
        crate::Report {
            workload: bed.workload.clone(),
            generation: assignment.generation,
            attempt: assignment.attempt,
            phase: pinion_model::AgentPhase::Settled,
            waiting_for: "".into(),
            deferral: None,
            failure: None,
            containers: Vec::new(),
            running: Some(digest(9)),
        },
    );
    assert_eq!(
        bed.rollout(&id).members[&agent].standing(),
        Standing::Failed
    );
    bed.plan();
    assert_eq!(bed.phase(&id), RolloutPhase::Halted);
}

#[test]
fn a_container_that_runs_something_else_after_it_settled_has_drifted() {
    let mut bed = Bed::new(1);
    let id = bed.roll_out(2, demo());
    bed.drive();
    assert_eq!(bed.word(&id, "m1"), None);
    let agent = super::bed::agent("m1");
    let other = super::machine::container(&bed.workload, &digest(7));
    let workloads = std::collections::BTreeMap::from([(bed.workload.clone(), vec![other])]);
    bed.observe(Observation::Inventory {
        agent: agent.clone(),
        workloads,
        at: bed.now,
    });
    assert!(bed.world.agents[&agent].placements[&bed.workload].drifted);
    assert_eq!(bed.word(&id, "m1"), Some("drifted"));
    assert!(bed.plan().changes.is_empty(), "correcting it is a rollout");
}
