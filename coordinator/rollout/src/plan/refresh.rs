use std::collections::BTreeSet;

use pinion_model::{AgentId, Timestamp, WorkloadName};

use super::assign;
use crate::{Change, World};

/// Asks machines that an operator wants refreshed for their stable digests,
/// one workload at a time on each.
pub(super) fn plan(world: &World, now: Timestamp) -> Vec<Change> {
    let mut asked = BTreeSet::new();
    let wanted = world.index.refreshes.iter();
    let wanted = wanted.filter(|(agent, _)| asked.insert(agent));
    wanted
        .filter_map(|(agent, workload)| refresh(world, agent, workload, now))
        .collect()
}

fn refresh(world: &World, id: &AgentId, workload: &WorkloadName, now: Timestamp) -> Option<Change> {
    let placement = world.agents.get(id)?.placements.get(workload)?;
    let by = placement.refresh.as_ref()?;
    let generation = world.next_generation(id);
    let assignment = assign::stable_assignment(world, id, workload, generation, true)?;
    let reason = match by.reason.as_str() {
        "" => format!("refresh by {}", by.actor),
        reason => format!("refresh by {}: {reason}", by.actor),
    };
    Some(assign::assigned(id, assignment, reason, now))
}
