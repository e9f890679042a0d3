use pinion_model::{AgentId, Timestamp, WorkloadName};

use super::assign;
use crate::explain::shut;
use crate::gates::View;
use crate::world::Class;
use crate::{Act, Change, Decision, Rollout, World};

/// Windows that have opened or shut, and freezes that have begun or ended,
/// since this was last committed: what is open follows from what is stored,
/// so that every coordinator and every replay sees the same.
pub(super) fn plan(world: &World, now: Timestamp) -> Vec<Change> {
    let due = world.index.calendars.due.by(now);
    let moved = due.filter_map(|id| {
        let openings = world.rollouts.get(id)?.spec.calendar.state(now);
        let act = Act::WindowsMoved {
            rollout: id.clone(),
            openings,
        };
        Some(Decision::system(now, act).into())
    });
    moved.collect()
}

/// Takes back what machines of a stage were asked that may not be touched any
/// more and have not cut over.
pub(super) fn withdraw(view: View<'_>) -> Vec<Change> {
    let (world, rollout, now) = (view.world, view.rollout, view.now);
    let members = view.members(Class::AskedShut);
    let withdrawn = members.filter_map(|(agent, _)| {
        let reason = why(world, rollout, agent, now);
        assign::withdraw(world, agent, &rollout.workload, &reason, now)
    });
    withdrawn.collect()
}

/// Why a machine that goes to its stable digest, outside any rollout, may not
/// be touched any more.
pub(super) fn of_straggler(
    world: &World,
    workload: &WorkloadName,
    agent: &AgentId,
    now: Timestamp,
) -> String {
    let proven = world.proven_for(workload, agent);
    let reason = proven.map(|(_, rollout)| why(world, rollout, agent, now));
    reason.unwrap_or_default()
}

fn why(world: &World, rollout: &Rollout, agent: &AgentId, now: Timestamp) -> String {
    let agent = world.agents.get(agent);
    let shut = agent.and_then(|agent| shut(rollout, &rollout.openings, &agent.labels, now));
    shut.map(|shut| shut.detail).unwrap_or_default()
}
