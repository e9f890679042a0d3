use pinion_model::{AgentId, AgentPhase, WorkloadName};

use super::{Agent, Placement, Presence, Rollout, World};
use crate::{Purpose, SickPolicy};

/// Where a machine is on its way to a workload's stable digest, outside any rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CatchUp {
    /// It should run another digest than it was asked to.
    Behind,
    /// The same, but it may not be touched at this time.
    Shut,
    /// The same, but a workload that goes first is yet to catch up there.
    After,
    /// It was asked to, and there is no outcome yet.
    InFlight,
    /// The same, but it has not cut over, and may not be touched any more or
    /// the digest was quarantined since.
    Overstaying,
    /// It was asked to, has not cut over, and is away.
    Away,
    /// It should run another digest, but goes on with one that was
    /// quarantined since, until a rollout takes another to it.
    Stays,
}

impl CatchUp {
    /// Whether it waits for a window: to be asked, or to go on.
    pub(super) fn follows(self) -> bool {
        !matches!(self, Self::Away | Self::Stays)
    }
}

impl CatchUp {
    /// None: nothing to catch up with, not now, or not without an operator.
    pub(crate) fn of(
        world: &World,
        workload: &WorkloadName,
        id: &AgentId,
        agent: &Agent,
    ) -> Option<Self> {
        let alone = Self::alone(world, workload, id, agent);
        let after = alone == Some(Self::Behind) && world.catches_up_later(workload, id, agent);
        if after { Some(Self::After) } else { alone }
    }

    /// The same without a look at other workloads that go first.
    pub(super) fn alone(
        world: &World,
        workload: &WorkloadName,
        id: &AgentId,
        agent: &Agent,
    ) -> Option<Self> {
        let nothing = Placement::default();
        let placement = agent.placements.get(workload).unwrap_or(&nothing);
        let purpose = placement
            .assignment
            .as_ref()
            .map(|assignment| &assignment.purpose);
        if placement.is_in_flight() || placement.phase == Some(AgentPhase::Soaking) {
            let goes = purpose == Some(&Purpose::Stable)
                && agent.revoked.is_none()
                && placement.phase != Some(AgentPhase::Soaking);
            let cut = placement.phase.is_some_and(AgentPhase::has_cut_over);
            let waits = goes && !cut;
            // Also from one that is away: it must not find it when it comes back.
            if waits && is_distrusted(world, placement) {
                return Some(Self::Overstaying);
            }
            if !goes || agent.presence == Presence::Offline {
                return waits.then_some(Self::Away);
            }
            let overstays = waits && is_shut(world, workload, id, agent);
            return Some(if overstays {
                Self::Overstaying
            } else {
                Self::InFlight
            });
        }
        if !world.is_assignable(agent, workload)
            || agent.busy_with(workload).is_some()
            || needs_a_person(placement)
            || placement.is_pulling_ahead()
            || is_taken(world, placement)
        {
            return None;
        }
        let (pin, rollout) = world.proven_of(workload, id, agent)?;
        if rollout.spec.sick == SickPolicy::Skip && placement.is_sick() {
            return None;
        }
        let stable = &pin.digest;
        let failed = placement
            .tried
            .as_ref()
            .is_some_and(|tried| tried.digest == *stable);
        let asked = placement.asked.as_ref() == Some(stable) && !is_left_over(world, placement);
        let behind = !asked && !failed && !world.is_kept(rollout, placement, id, agent);
        behind.then(|| {
            if stays(world, placement) {
                Self::Stays
            } else if is_shut(world, workload, id, agent) {
                Self::Shut
            } else {
                Self::Behind
            }
        })
    }
}

/// The windows of the rollout that proved the digest count for it, too.
pub(super) fn is_shut(world: &World, workload: &WorkloadName, id: &AgentId, agent: &Agent) -> bool {
    let proven = world.proven_of(workload, id, agent);
    proven.is_some_and(|(_, rollout)| rollout.is_shut(&agent.labels))
}

/// What it was asked for was quarantined since.
fn is_distrusted(world: &World, placement: &Placement) -> bool {
    let asked = placement.asked.as_ref();
    asked.is_some_and(|digest| world.is_quarantined(digest))
}

/// Its old container did not come back, or what it restored is not adopted yet.
fn needs_a_person(placement: &Placement) -> bool {
    matches!(
        placement.phase,
        Some(AgentPhase::RollbackFailed | AgentPhase::RolledBack)
    )
}

/// It was told last to pull ahead for a rollout that is over: it is told again
/// what stands, so that it knows what to start from.
fn is_left_over(world: &World, placement: &Placement) -> bool {
    let ahead = placement.ahead.as_ref();
    let rollout = ahead.and_then(|ahead| ahead.assignment.rollout());
    let rollout = rollout.and_then(|id| world.rollouts.get(id));
    rollout.is_some_and(|rollout| rollout.phase.is_terminal())
}

/// It runs a digest that was quarantined since: no more machines get it, and
/// taking it from those that have it is for a rollout.
fn stays(world: &World, placement: &Placement) -> bool {
    let assignment = placement.assignment.as_ref();
    let rollout = assignment.and_then(|assignment| world.rollouts.get(assignment.rollout()?));
    let asked = placement.asked.as_ref();
    let taken_back = |rollout: &Rollout| rollout.rolled_back && asked == Some(rollout.digest());
    placement.phase == Some(AgentPhase::Settled)
        && asked.is_some_and(|digest| world.is_quarantined(digest))
        && !rollout.is_some_and(taken_back)
}

/// Its assignment is an active rollout's.
fn is_taken(world: &World, placement: &Placement) -> bool {
    let assignment = placement.assignment.as_ref();
    let rollout = assignment.and_then(|assignment| world.rollouts.get(assignment.rollout()?));
    rollout.is_some_and(|rollout| !rollout.phase.is_terminal())
}
