use pinion_model::{AgentPhase, Generation, RolloutPhase};

use crate::{Agent, Member, Rollout};

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
pub(super) fn over(rollout: &Rollout, member: &Member) -> String {
    let reached = match (member.generation, member.taken_over) {
        (Generation(0), _) => "before its turn",
        (_, true) => "while it was in flight",
        (_, false) => "after what it was asked had been withdrawn",
    };
    match (&rollout.superseded_by, rollout.phase) {
        (Some(newer), _) => format!("the rollout was superseded by {newer} {reached}"),
        (None, RolloutPhase::Completed) => {
            "the rollout is completed and went without it; it gets the stable digest when it can be reached".to_owned()
        }
        (None, phase) => format!("the rollout is {phase}; it ended {reached}"),
    }
}
