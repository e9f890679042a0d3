use pinion_model::{AgentId, AgentPhase, WorkloadName};

use super::{Placement, Presence, World};
use crate::Purpose;

/// Where a machine is on its way to a workload's stable digest, outside any rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CatchUp {
    /// It should run another digest than it was asked to.
    Behind,
    /// It was asked to, and there is no outcome yet.
    InFlight,
}

impl CatchUp {
    /// None: nothing to catch up with, not now, or not without an operator.
    pub(crate) fn of(world: &World, workload: &WorkloadName, id: &AgentId) -> Option<Self> {
        let agent = world.agents.get(id)?;
        let nothing = Placement::default();
        let placement = agent.placements.get(workload).unwrap_or(&nothing);
        let purpose = placement
            .assignment
            .as_ref()
            .map(|assignment| &assignment.purpose);
        if placement.is_in_flight() || placement.phase == Some(AgentPhase::Soaking) {
            let counts = purpose == Some(&Purpose::Stable)
                && agent.revoked.is_none()
                && agent.presence != Presence::Offline
                && placement.phase != Some(AgentPhase::Soaking);
            return counts.then_some(Self::InFlight);
        }
        if !agent.is_assignable() || needs_a_person(placement) || is_kept(world, placement) {
            return None;
        }
        let stable = &world.stable_for(workload, id)?.digest;
        let failed = placement
            .tried
            .as_ref()
            .is_some_and(|tried| tried.digest == *stable);
        (placement.asked.as_ref() != Some(stable) && !failed).then_some(Self::Behind)
    }
}

/// Its old container did not come back, or what it restored is not adopted yet.
fn needs_a_person(placement: &Placement) -> bool {
    matches!(
        placement.phase,
        Some(AgentPhase::RollbackFailed | AgentPhase::RolledBack)
    )
}

/// Its assignment is an active rollout's, or what a rollout that ended
/// without being taken back has left there.
fn is_kept(world: &World, placement: &Placement) -> bool {
    let Some(assignment) = &placement.assignment else {
        return false;
    };
    let Some(rollout) = assignment.rollout().and_then(|id| world.rollouts.get(id)) else {
        return false;
    };
    if !rollout.phase.is_terminal() {
        return true;
    }
    let done = matches!(
        placement.phase,
        Some(AgentPhase::Settled | AgentPhase::Staged)
    );
    let stable = world
        .workloads
        .get(&rollout.workload)
        .and_then(|w| w.proven.last());
    done && !rollout.rolled_back
        && placement.asked.as_ref() == Some(rollout.digest())
        && stable.is_none_or(|stable| rollout.pin > stable.pin)
}
