use pinion_model::{AgentId, WorkloadName};

use super::agent::Found;
use crate::{Agent, World};

/// Why rollouts of a workload go round a machine; none if they do not.
pub(crate) fn held(
    world: &World,
    id: &AgentId,
    agent: &Agent,
    workload: &WorkloadName,
) -> Option<Found> {
    if let Some(at) = agent.identity_conflict {
        return Some((
            "identity_conflict",
            "two machines use its identity; remove it and enrol both anew".to_owned(),
            at,
        ));
    }
    if let Some(hold) = &agent.hold {
        let end = hold
            .expires_at
            .map_or_else(|| "until released".to_owned(), |end| format!("until {end}"));
        let detail = format!(
            "held by {} {end}: {}; `pinion agent release {id}` ends it",
            hold.by.actor, hold.by.reason
        );
        return Some(("held", detail, hold.by.at));
    }
    let (fleet_hold, hold) = world.fleet_hold(agent, workload)?;
    let end = hold
        .expires_at
        .map_or_else(|| "until lifted".to_owned(), |end| format!("until {end}"));
    let whom = match (&hold.workload, hold.agents.0.is_empty()) {
        (Some(workload), true) => format!("workload {workload} is"),
        (None, true) => "the whole fleet is".to_owned(),
        (_, false) => format!("machines with {} are", hold.agents),
    };
    let detail = format!(
        "{whom} held by {} {end}: {}; `pinion hold lift {fleet_hold}` ends it",
        hold.by.actor, hold.by.reason
    );
    Some(("held", detail, hold.by.at))
}
