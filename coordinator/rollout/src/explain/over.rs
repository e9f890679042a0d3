use pinion_model::{AgentId, AgentPhase, Generation, RolloutPhase};

use super::held::held;
use crate::{Agent, Member, Placement, Presence, Rollout, SickPolicy, World};

/// Whether a machine that a rollout has ended without runs its digest since,
/// proven: it has caught up.
pub(super) fn caught_up(rollout: &Rollout, agent: Option<&Agent>) -> bool {
    let placement = agent.and_then(|agent| agent.placements.get(&rollout.workload));
    rollout.phase.is_terminal()
        && placement.is_some_and(|placement| {
            placement.phase == Some(AgentPhase::Settled)
                && placement.failure.is_none()
                && placement.proven.as_ref() == Some(rollout.digest())
        })
}

/// What became of a machine that a rollout has ended without.
pub(super) fn over(world: &World, rollout: &Rollout, id: &AgentId, member: &Member) -> String {
    let reached = match (member.generation, member.taken_over) {
        (Generation(0), _) => "before its turn",
        (_, true) => "while it was in flight",
        (_, false) => "after what it was asked had been withdrawn",
    };
    match (&rollout.superseded_by, rollout.phase) {
        (Some(newer), _) => format!("the rollout was superseded by {newer} {reached}"),
        (None, RolloutPhase::Completed) => format!(
            "the rollout is completed and went without it; {}",
            catches_up(world, rollout, id)
        ),
        (None, phase) => format!("the rollout is {phase}; it ended {reached}"),
    }
}

/// When a machine that was gone round gets the digest.
fn catches_up(world: &World, rollout: &Rollout, id: &AgentId) -> String {
    let agent = world.agents.get(id);
    let held = agent.and_then(|agent| held(world, id, agent, &rollout.workload));
    let placement = agent.and_then(|agent| agent.placements.get(&rollout.workload));
    let sick = placement.is_some_and(Placement::is_sick);
    if held.is_none() && sick && rollout.spec.sick == SickPolicy::Skip {
        return "its containers are sick; it gets the stable digest once they are healthy"
            .to_owned();
    }
    match (held, agent.map(|agent| agent.presence)) {
        (Some((_, why, _)), _) => format!("it gets the stable digest after its hold: {why}"),
        (None, Some(Presence::Online)) => {
            "it gets the stable digest when its turn comes, a tenth of the fleet at a time"
                .to_owned()
        }
        (None, _) => "it gets the stable digest when it is online again".to_owned(),
    }
}
