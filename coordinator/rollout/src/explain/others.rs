use pinion_model::{AgentId, AgentPhase, Timestamp, WorkloadName};

use super::agent::Found;
use super::shut::shut;
use crate::spec::stage_of_late;
use crate::world::{Class, First};
use crate::{Agent, Rollout, World};

/// For a machine that waits for what another workload does there.
pub(super) fn others(
    world: &World,
    rollout: &Rollout,
    id: &AgentId,
    class: Class,
    now: Timestamp,
) -> Option<Found> {
    match class {
        Class::Busy => busy(world.agents.get(id)?, &rollout.workload),
        Class::After => after(world, rollout, id, now),
        _ => None,
    }
}

/// Another workload is in flight there.
pub(super) fn busy(agent: &Agent, workload: &WorkloadName) -> Option<Found> {
    let (other, placement) = agent.busy_with(workload)?;
    let phase = placement.phase.map_or("not reported yet", AgentPhase::word);
    let by = placement.assignment.as_ref();
    let by = by.and_then(|assignment| assignment.rollout());
    let by = by.map_or_else(String::new, |rollout| format!(", {rollout}"));
    let detail = format!(
        "{other} is in flight there since {} ({phase}{by}); one workload at a time: it is next when that one has an outcome",
        placement.since
    );
    Some(("busy", detail, placement.since))
}

/// A workload that goes first has yet to finish there, or to begin.
fn after(world: &World, rollout: &Rollout, id: &AgentId, now: Timestamp) -> Option<Found> {
    let agent = world.agents.get(id)?;
    match world.goes_first(rollout, id)? {
        First::Rollout(first) => after_rollout(first, id, agent),
        First::CatchUp(first) => Some(after_catch_up(world, first, id, agent, now)),
    }
}

fn after_rollout(first: &Rollout, id: &AgentId, agent: &Agent) -> Option<Found> {
    let (stage, since) = match first.members.get(id) {
        Some(member) => (member.stage as usize, member.since),
        None => (stage_of_late(first, id, &agent.labels)?, agent.enrolled_at),
    };
    let stage = first.stages.get(stage)?;
    let detail = format!(
        "{} goes first, and {} ({}) has yet to finish there, in stage {}; `pinion rollout explain {} --agent {id}` says why",
        first.workload, first.id, first.phase, stage.rules.name, first.id
    );
    Some(("after", detail, since))
}

fn after_catch_up(
    world: &World,
    first: &WorkloadName,
    id: &AgentId,
    agent: &Agent,
    now: Timestamp,
) -> Found {
    let placement = agent.placements.get(first);
    let since = placement.map_or(agent.enrolled_at, |placement| placement.since);
    let proven = world.proven_for(first, id);
    let shut = proven.and_then(|(_, proven)| shut(proven, &proven.openings, &agent.labels, now));
    let when = match shut {
        Some(shut) => shut.advice(),
        None => "it is asked for as soon as it may be".to_owned(),
    };
    let detail = format!(
        "{first} goes first, and has yet to run its stable digest there: {when}; `pinion agent show {id}` says how far it is"
    );
    ("after", detail, since)
}
