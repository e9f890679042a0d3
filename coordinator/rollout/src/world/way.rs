use pinion_model::{AgentId, AgentPhase, RolloutPhase};

use super::{Agent, Member, Presence, Restore, Rollout, Standing, World};

/// A member's way back, while its rollout is taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Way {
    /// To be assigned its baseline now.
    Todo,
    /// The same, once it is online.
    Away,
    /// The same, once no other workload is in flight there.
    Busy,
    /// Assigned, or what it does first goes on; no outcome yet.
    Going,
    /// The same, but where it goes was quarantined since, and it has not cut
    /// over yet: to be assigned anew at once.
    Astray,
    /// It goes, and is offline.
    GoingOffline,
    /// It is back, or will be seen to later because it is held.
    Back,
}

impl Way {
    /// Not over yet.
    pub(crate) const OUTSTANDING: [Self; 6] = [
        Self::Todo,
        Self::Away,
        Self::Busy,
        Self::Going,
        Self::Astray,
        Self::GoingOffline,
    ];

    /// None: there is nothing to take back.
    pub(crate) fn of(
        world: &World,
        rollout: &Rollout,
        id: &AgentId,
        member: &Member,
    ) -> Option<Self> {
        let over = matches!(
            rollout.phase,
            RolloutPhase::RolledBack | RolloutPhase::Aborted
        );
        if !rollout.rolled_back || over || !member.was_changed() {
            return None;
        }
        let agent = world.agents.get(id);
        let Some(agent) = agent.filter(|agent| agent.revoked.is_none()) else {
            return Some(Self::Back);
        };
        let held = world.is_held(agent, &rollout.workload);
        let way = match &member.restore {
            Some(restore) if restore.phase.is_some_and(AgentPhase::is_terminal) => Self::Back,
            Some(restore) if restore.failure.is_some() => Self::Back,
            Some(restore)
                if restore.digest.is_none() && member.standing() != Standing::InFlight =>
            {
                Self::Back
            }
            Some(restore) if Self::is_astray(world, restore, agent) => Self::Astray,
            Some(_) => Self::Going,
            // Its own outcome comes first; it may make all else needless.
            None if member.rolls_back() => Self::Going,
            None if held && member.standing() == Standing::InFlight => Self::Going,
            None if held && !rollout.phase.is_terminal() => Self::Back,
            None if held => Self::Away,
            None if agent.presence != Presence::Online => Self::Away,
            None if agent.busy_with(&rollout.workload).is_some() => Self::Busy,
            None => Self::Todo,
        };
        let offline = agent.presence == Presence::Offline;
        Some(if way == Self::Going && offline {
            Self::GoingOffline
        } else {
            way
        })
    }

    fn is_astray(world: &World, restore: &Restore, agent: &Agent) -> bool {
        let to = restore.digest.as_ref();
        let cut = restore.phase.is_some_and(AgentPhase::has_cut_over);
        !cut && agent.presence == Presence::Online
            && to.is_some_and(|digest| world.is_quarantined(digest))
    }
}
