use std::sync::Arc;

use pinion_model::AgentId;

use super::decisions::by;
use super::prefetch;
use crate::world::{Hold, Touched};
use crate::{Act, Agent, Decision, World};

/// Machines that are labelled, held, revoked and removed.
pub(super) fn apply(world: &mut World, decision: &Decision, touched: &mut Touched) {
    match &decision.act {
        Act::LabelsSet { agent, labels } => edit(world, agent, touched, |agent| {
            agent.labels = Arc::new(labels.clone());
        }),
        Act::AgentHeld {
            agent,
            reason,
            expires_at,
        } => edit(world, agent, touched, |agent| {
            agent.hold = Some(Hold {
                by: by(decision, reason),
                expires_at: *expires_at,
            });
        }),
        Act::AgentReleased { agent, .. } => edit(world, agent, touched, |agent| {
            agent.hold = None;
            agent.identity_conflict = None;
            Arc::make_mut(&mut agent.processes).ended.clear();
        }),
        Act::HoldExpired { agent } => edit(world, agent, touched, |agent| agent.hold = None),
        Act::AgentRevoked { agent, reason } => {
            let_go(world, agent, touched);
            edit(world, agent, touched, |agent| {
                agent.revoked = Some(by(decision, reason))
            });
        }
        Act::AgentRemoved { agent, .. } => {
            let_go(world, agent, touched);
            world.agents.remove(agent);
        }
        _ => {}
    }
}

fn edit(world: &mut World, id: &AgentId, touched: &mut Touched, edit: impl FnOnce(&mut Agent)) {
    if let Some(agent) = world.agents.get_mut(id) {
        edit(agent);
        touched.agents.insert(id.clone());
    }
}

/// What was asked of a machine ends with its identity: no outcome will come,
/// and one that is enrolled under its name is another.
fn let_go(world: &mut World, id: &AgentId, touched: &mut Touched) {
    let Some(agent) = world.agents.get(id) else {
        return;
    };
    let placements: Vec<_> = agent.placements.values().cloned().collect();
    for placement in placements {
        if let Some(ahead) = &placement.ahead {
            prefetch::forget(world, id, ahead, touched);
        }
        let assignment = placement.assignment.as_ref();
        let rollout = assignment.and_then(|assignment| assignment.rollout());
        let Some(rollout) = rollout.and_then(|rollout| world.rollouts.get_mut(rollout)) else {
            continue;
        };
        touched.members.insert((rollout.id.clone(), id.clone()));
        if let Some(member) = rollout.members.get_mut(id) {
            member.taken_over = true;
            member.withdrawing = false;
        }
    }
    touched.agents.insert(id.clone());
}
