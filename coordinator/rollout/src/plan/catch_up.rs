use std::collections::BTreeSet;

use pinion_model::{AgentId, Timestamp, WorkloadName};

use super::{assign, windows};
use crate::world::CatchUp;
use crate::{Amount, Change, World};

/// Share of the fleet that catches up at once, outside any rollout; at least one machine.
const AT_ONCE: Amount = Amount::Percent(10);

/// Asks newcomers and stragglers for their stable digest, some at a time, and
/// takes back what was asked in a window that is over, or was quarantined since.
pub(super) fn plan(world: &World, now: Timestamp) -> Vec<Change> {
    let withdrawn = withdraw(world, now);
    if !withdrawn.is_empty() {
        return withdrawn;
    }
    let limit = AT_ONCE.of(world.fleet_size()) as usize;
    let room = limit.saturating_sub(world.index.catching_up.len());
    // One workload at a time on a machine.
    let mut asked = BTreeSet::new();
    let behind = world.index.behind.iter();
    let behind = behind.filter(|(workload, agent)| !waits(world, workload, agent));
    let behind = behind.filter(|(_, agent)| asked.insert(agent)).take(room);
    let assigned = behind.filter_map(|(workload, agent)| {
        let generation = world.next_generation(agent);
        let assignment = assign::stable_assignment(world, agent, workload, generation, false)?;
        Some(assign::assigned(
            agent,
            assignment,
            "catching up with the stable digest".to_owned(),
            now,
        ))
    });
    assigned.collect()
}

/// Whether another workload that goes first has yet to catch up on the machine,
/// as it would in a rollout. Workloads of which each was to go after the other
/// wait for nobody.
fn waits(world: &World, workload: &WorkloadName, agent: &AgentId) -> bool {
    let mut first = BTreeSet::new();
    let mut due = vec![workload];
    while let Some(next) = due.pop() {
        let behind = firsts(world, next, agent).filter(|first| is_behind(world, first, agent));
        due.extend(behind.filter(|behind| first.insert(*behind)));
    }
    !first.is_empty() && !first.contains(workload)
}

/// The workloads that went first in the rollout that made its stable digest.
fn firsts<'a>(
    world: &'a World,
    workload: &WorkloadName,
    agent: &AgentId,
) -> impl Iterator<Item = &'a WorkloadName> {
    let known = world.agents.get(agent);
    let proven = known.and_then(|known| world.proven_of(workload, agent, known));
    proven
        .into_iter()
        .flat_map(|(_, rollout)| &rollout.spec.after)
}

fn is_behind(world: &World, workload: &WorkloadName, agent: &AgentId) -> bool {
    let known = world.agents.get(agent);
    let state = known.and_then(|known| CatchUp::of(world, workload, agent, known));
    matches!(
        state,
        Some(CatchUp::Behind | CatchUp::Shut | CatchUp::InFlight)
    )
}

/// Takes back what machines must not go on with, and have not cut over to.
fn withdraw(world: &World, now: Timestamp) -> Vec<Change> {
    let overstaying = world.index.overstaying.iter();
    let withdrawn = overstaying.filter_map(|(workload, agent)| {
        let asked = world.assignment(agent, workload)?.digest();
        let distrust = asked.and_then(|digest| world.quarantined(digest)?.sentence(digest));
        let shut = || windows::of_straggler(world, workload, agent, now);
        let reason = distrust.unwrap_or_else(shut);
        assign::withdraw(world, agent, workload, &reason, now)
    });
    withdrawn.collect()
}
