//! Fencing: a stale planner, a duplicate report, a report for an older rollout
//! or from an older session changes nothing.

use pinion_model::{AgentPhase, Attempt, Generation, RolloutPhase, SessionEpoch};

use super::bed::{Bed, agent, alice, digest, keep, rest, steer, strategy};
use crate::commands;
use crate::{
    Act, Change, Decision, Observation, Presence, Purpose, Report, Strategy, World, apply, plan,
};

fn all() -> Strategy {
    strategy(vec![rest()])
}

/// What the machine would say of what it is asked now.
fn report(bed: &Bed, name: &str, phase: AgentPhase) -> Report {
    let asked = bed.world.assignment(&agent(name), &bed.workload);
    let asked = asked.expect("something is asked of it");
    Report {
        workload: bed.workload.clone(),
        generation: asked.generation,
        attempt: asked.attempt,
        phase,
        waiting_for: "".into(),
        deferral: None,
        failure: None,
        containers: Vec::new(),
        running: asked.digest().cloned(),
    }
}

fn after(world: &World, changes: &[Change]) -> World {
    let mut world = world.clone();
    changes.iter().for_each(|change| apply(&mut world, change));
    world
}

fn turns(changes: &[Change]) -> usize {
    let is_turn = |change: &&Change| match change {
        Change::Decision(decision) => matches!(
            &decision.act,
            Act::Assigned { assignment, .. }
                if matches!(assignment.purpose, Purpose::Rollout { .. })
        ),
        Change::Observation(_) => false,
    };
    changes.iter().filter(is_turn).count()
}

#[test]
fn a_report_that_comes_twice_changes_nothing_the_second_time() {
    for phase in [
        AgentPhase::Pulling,
        AgentPhase::CuttingOver,
        AgentPhase::Soaking,
        AgentPhase::Settled,
        AgentPhase::RolledBack,
        AgentPhase::Staged,
        AgentPhase::Refused,
    ] {
        let mut bed = Bed::new(1);
        bed.roll_out(2, all());
        bed.plan();
        let said = report(&bed, "m1", phase);
        bed.reported(&agent("m1"), said.clone());
        let before = bed.world.clone();
        bed.reported(&agent("m1"), said);
        assert!(bed.world == before, "{phase}");
    }
}

#[test]
fn a_report_that_is_overtaken_by_a_later_phase_changes_nothing() {
    let mut bed = Bed::new(1);
    bed.roll_out(2, all());
    bed.plan();
    let late = report(&bed, "m1", AgentPhase::Pulling);
    bed.say("m1", AgentPhase::Soaking);
    let before = bed.world.clone();
    bed.reported(&agent("m1"), late);
    assert!(bed.world == before);
}

#[test]
fn a_report_for_an_older_rollout_changes_nothing() {
    let mut bed = Bed::new(1);
    let old = bed.roll_out(2, all());
    bed.plan();
    let late = report(&bed, "m1", AgentPhase::Settled);
    let new = bed.roll_out(3, all());
    bed.plan();
    let before = bed.world.clone();
    bed.reported(&agent("m1"), late);
    assert!(bed.world == before);
    assert_eq!(bed.phase(&old), RolloutPhase::Superseded);
    assert_eq!(bed.counts(&new, 0).settled, 0, "it has proved nothing");
}

#[test]
fn a_report_for_another_generation_or_attempt_changes_nothing() {
    let mut bed = Bed::new(1);
    bed.roll_out(2, all());
    bed.plan();
    let said = report(&bed, "m1", AgentPhase::Settled);
    let before = bed.world.clone();
    for stale in [
        Report {
            generation: Generation(said.generation.0 - 1),
            ..said.clone()
        },
        Report {
            generation: said.generation.next(),
            ..said.clone()
        },
        Report {
            attempt: Attempt(said.attempt.0 + 1),
            ..said.clone()
        },
        Report {
            workload: "web".parse().expect("a workload"),
            ..said.clone()
        },
    ] {
        bed.reported(&agent("m1"), stale);
        assert!(bed.world == before);
    }
    bed.reported(&agent("nobody"), said);
    assert!(bed.world == before);
}

#[test]
fn the_end_of_an_older_session_changes_nothing() {
    let mut bed = Bed::new(1);
    let old = bed.world.agents[&agent("m1")].epoch;
    bed.hello("m1");
    let before = bed.world.clone();
    bed.observe(Observation::Offline {
        agent: agent("m1"),
        epoch: old,
        at: bed.now,
    });
    bed.observe(Observation::Online {
        agent: agent("m1"),
        epoch: SessionEpoch(0),
        at: bed.now,
    });
    assert!(bed.world == before);
    assert_eq!(bed.world.agents[&agent("m1")].presence, Presence::Online);
}

#[test]
fn what_a_stale_planner_asks_for_once_more_changes_nothing() {
    let mut bed = Bed::new(2);
    bed.roll_out(2, all());
    let stale = plan(&bed.world, bed.now).changes;
    assert_eq!(turns(&stale), 2);
    bed.plan();
    bed.say("m1", AgentPhase::CuttingOver);
    bed.say("m2", AgentPhase::Settled);
    let assigned: Vec<_> = stale
        .into_iter()
        .filter(|change| turns(std::slice::from_ref(change)) == 1)
        .collect();
    assert!(
        after(&bed.world, &assigned) == bed.world,
        "machines are not sent back to the start"
    );
}

#[test]
fn what_a_stale_planner_asks_for_in_place_of_something_newer_changes_nothing() {
    let mut bed = Bed::new(1);
    bed.roll_out(2, all());
    let stale = plan(&bed.world, bed.now).changes;
    bed.roll_out(3, all());
    bed.plan();
    let assigned: Vec<_> = stale
        .into_iter()
        .filter(|change| turns(std::slice::from_ref(change)) == 1)
        .collect();
    assert!(after(&bed.world, &assigned) == bed.world);
    let asked = bed.world.desired(&agent("m1")).assignments.remove(0);
    assert_eq!(asked.digest(), Some(&digest(3)));
}

#[test]
fn a_planner_that_lost_the_race_plans_anew_and_asks_for_nothing_that_was_stopped() {
    for stop in [commands::pause, keep] {
        let mut bed = Bed::new(2);
        let id = bed.roll_out(2, all());
        assert_eq!(turns(&plan(&bed.world, bed.now).changes), 2);
        bed.decide(|world, now| stop(world, steer(&id), &alice(), now))
            .expect("stopped");
        assert_eq!(turns(&plan(&bed.world, bed.now).changes), 0);
    }
}

#[test]
fn a_change_about_what_is_not_there_any_more_changes_nothing() {
    let mut bed = Bed::new(1);
    let id = bed.roll_out(2, all());
    bed.plan();
    let planned = bed.history.clone();
    let mut empty = World::default();
    let about = planned.iter().filter(|change| match change {
        Change::Decision(Decision { act, .. }) => {
            !matches!(act, Act::PinPromoted { .. } | Act::RolloutStarted { .. })
                && !matches!(act, Act::TokenCreated { .. } | Act::AgentEnrolled { .. })
        }
        Change::Observation(_) => true,
    });
    about.for_each(|change| apply(&mut empty, change));
    assert!(
        empty == World::default(),
        "nothing comes from nothing: {id}"
    );
}
