use pinion_model::AgentId;

use super::{Agent, Member, Presence, Rollout, Standing, World};
use crate::{OfflinePolicy, SickPolicy};

/// What planning needs to know of a member: where it stands, and whether it can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    /// Pending, and may be assigned now.
    Ready,
    /// Pending; not seen since the coordinator began.
    Unknown,
    /// Pending, and offline.
    Offline,
    /// Pending, and held: the machine, its labels or its workload.
    Held,
    /// Pending, and gone round: it was sick before.
    Sick,
    /// Pending, and may not be touched at this time.
    Shut,
    /// Pending, and a workload that goes first is yet to reach it.
    After,
    /// Pending, and another workload is in flight there.
    Busy,
    /// Revoked or removed before there was an outcome.
    Gone,
    /// In flight, not cut over, not withdrawn.
    Asked,
    /// The same, and may not be touched any more.
    AskedShut,
    /// The same, and offline.
    AskedOffline,
    /// In flight, withdrawn, and the agent has not said what became of it.
    Withdrawing,
    /// The same, and offline.
    WithdrawingOffline,
    /// In flight, past the point of withdrawal.
    CutOver,
    /// The same, and offline.
    CutOverOffline,
    /// Proven, soaking.
    Soaking,
    /// Proven and soaked.
    Settled,
    /// Pulled and tagged only.
    Staged,
    /// Failed, and nobody knows.
    Failed,
    /// Failed, and an operator went on knowing it.
    Acknowledged,
    /// Failed, and was sick before, or was in use and is gone round: it is not
    /// blamed on the rollout.
    Excused,
    /// The rollout ended without it.
    Passed,
}

impl Class {
    /// Asked, and a withdrawal still reaches it.
    pub(crate) const WITHDRAWABLE: [Self; 3] = [Self::Asked, Self::AskedShut, Self::AskedOffline];

    pub(crate) const IN_FLIGHT: [Self; 7] = [
        Self::Asked,
        Self::AskedShut,
        Self::AskedOffline,
        Self::Withdrawing,
        Self::WithdrawingOffline,
        Self::CutOver,
        Self::CutOverOffline,
    ];

    /// What becomes of the rollout changes nothing any more.
    pub(super) const DONE: [Self; 5] = [
        Self::Settled,
        Self::Staged,
        Self::Acknowledged,
        Self::Excused,
        Self::Passed,
    ];

    /// The class of a member of a rollout.
    pub(crate) fn of(world: &World, rollout: &Rollout, id: &AgentId, member: &Member) -> Self {
        let agent = world.agents.get(id);
        let agent = agent.filter(|agent| agent.revoked.is_none());
        match member.standing() {
            Standing::Settled => Self::Settled,
            Standing::Staged => Self::Staged,
            Standing::Failed if member.is_excused() => Self::Excused,
            Standing::Failed if member.acknowledged => Self::Acknowledged,
            Standing::Failed => Self::Failed,
            Standing::Pending if rollout.phase.is_terminal() => Self::Passed,
            Standing::Pending => Self::pending(world, rollout, id, member, agent),
            // What has ended does not follow the fleet any more.
            Standing::InFlight if rollout.phase.is_terminal() => {
                Self::in_flight(rollout, member, None)
            }
            Standing::Soaking if rollout.phase.is_terminal() => Self::Soaking,
            _ if agent.is_none() => Self::Gone,
            Standing::Soaking => Self::Soaking,
            Standing::InFlight => Self::in_flight(rollout, member, agent),
        }
    }

    fn pending(
        world: &World,
        rollout: &Rollout,
        id: &AgentId,
        member: &Member,
        agent: Option<&Agent>,
    ) -> Self {
        let skips_sick = rollout.spec.sick == SickPolicy::Skip;
        // Going round it takes no window; to be blamed, it must have had its turn.
        let fails = rollout.spec.offline == OfflinePolicy::Fail;
        match agent {
            None => Self::Gone,
            Some(agent) if world.is_held(agent, &rollout.workload) => Self::Held,
            Some(_) if member.sick && skips_sick => Self::Sick,
            Some(agent) if agent.presence == Presence::Offline && !fails => Self::Offline,
            Some(agent) if rollout.is_shut(&agent.labels) => Self::Shut,
            Some(agent) => match agent.presence {
                Presence::Online if world.goes_first(rollout, id).is_some() => Self::After,
                Presence::Online if agent.busy_with(&rollout.workload).is_some() => Self::Busy,
                Presence::Online => Self::Ready,
                Presence::Offline => Self::Offline,
                Presence::Unknown => Self::Unknown,
            },
        }
    }

    fn in_flight(rollout: &Rollout, member: &Member, agent: Option<&Agent>) -> Self {
        let offline = agent.is_some_and(|agent| agent.presence == Presence::Offline);
        // A way back waits for no window.
        let goes_on = member.restore.is_none();
        let overstays = agent.is_some_and(|agent| goes_on && rollout.is_shut(&agent.labels));
        match (member.has_cut_over(), member.withdrawing, offline) {
            (true, _, false) => Self::CutOver,
            (true, _, true) => Self::CutOverOffline,
            (false, true, false) => Self::Withdrawing,
            (false, true, true) => Self::WithdrawingOffline,
            (false, false, false) if overstays => Self::AskedShut,
            (false, false, false) => Self::Asked,
            (false, false, true) => Self::AskedOffline,
        }
    }
}
