//! One plan after one event.

use divan::{Bencher, black_box};
use pinion_benches::{Fleet, report, workload};
use pinion_model::AgentPhase;
use pinion_rollout::{Observation, plan};

const MACHINES: [usize; 3] = [1_000, 10_000, 100_000];

/// A fleet in the middle of its second stage, with nothing left to plan.
fn busy(machines: usize) -> Fleet {
    let mut fleet = Fleet::new(machines, 1);
    let rollout = fleet.roll_out(0, 1);
    fleet.plan();
    while fleet.world.rollouts[&rollout].open_stage == 0 {
        said(&mut fleet, AgentPhase::Settled);
        fleet.plan();
    }
    fleet
}

/// The first machine that is in flight reports.
fn said(fleet: &mut Fleet, phase: AgentPhase) {
    let name = workload(0);
    let mut in_flight = fleet.world.agents.iter().filter_map(|(agent, known)| {
        let placement = known.placements.get(&name)?;
        let assignment = placement.assignment.as_ref()?;
        placement.is_in_flight().then_some((agent, assignment))
    });
    let (agent, assignment) = in_flight.next().expect("some machine is in flight");
    let observation = Observation::Reported {
        agent: agent.clone(),
        report: report(0, assignment, phase),
        at: fleet.now,
    };
    fleet.observe(observation);
}

/// The event changes nothing that is to be done: the plan is empty.
#[divan::bench(args = MACHINES)]
fn after_progress(bencher: Bencher<'_, '_>, machines: usize) {
    let mut fleet = busy(machines);
    said(&mut fleet, AgentPhase::Pulling);
    assert!(plan(&fleet.world, fleet.now).changes.is_empty());
    bencher.bench_local(|| plan(black_box(&fleet.world), fleet.now));
}

/// A machine has settled: the next one of the stage is assigned.
#[divan::bench(args = MACHINES)]
fn after_one_settled(bencher: Bencher<'_, '_>, machines: usize) {
    let mut fleet = busy(machines);
    said(&mut fleet, AgentPhase::Soaking);
    assert_eq!(plan(&fleet.world, fleet.now).changes.len(), 1);
    bencher.bench_local(|| plan(black_box(&fleet.world), fleet.now));
}
