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
    /// It is held, and has not been sent back yet: that is done once the hold
    /// has ended, also where the roll-back has ended without it.
    Held,
    /// It could be sent back, but goes to its stable digest, outside any rollout.
    ToStable,
    /// It did not get back, nobody knows it, and the others may fare likewise.
    Stuck,
    /// It is back, or cannot be brought there.
    Back,
}

impl Rollout {
    /// An abort takes its machines back to what they ran before, which may be
    /// its own digest: that stays. A roll-back leaves no machine on it.
    pub(crate) fn stays_on(&self, member: &Member) -> bool {
        self.reverted && member.proven.as_ref() == Some(self.digest())
    }

    /// What took its machines back has ended; those that were held then may
    /// still have to follow.
    pub(crate) fn is_back(&self) -> bool {
        let ended = matches!(self.phase, RolloutPhase::RolledBack | RolloutPhase::Aborted);
        ended && self.rolled_back
    }
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

    /// Nothing is to be done now, and something may be later.
    pub(crate) const LATER: [Self; 2] = [Self::Held, Self::ToStable];

    /// None: there is nothing to take back.
    pub(crate) fn of(
        world: &World,
        rollout: &Rollout,
        id: &AgentId,
        member: &Member,
    ) -> Option<Self> {
        // One that was paused or halted on its way back stays so when it is superseded.
        let stopped = rollout.phase.is_terminal() && rollout.interrupted.is_some();
        let done = matches!(member.standing(), Standing::Settled | Standing::Staged);
        let needless = done && rollout.stays_on(member);
        if !rollout.rolled_back || stopped || needless || !member.was_changed() {
            return None;
        }
        let way = Self::of_changed(world, rollout, id, member);
        Some(way).filter(|way| *way != Self::Back || !rollout.is_back())
    }

    fn of_changed(world: &World, rollout: &Rollout, id: &AgentId, member: &Member) -> Self {
        let agent = world.agents.get(id);
        let Some(agent) = agent.filter(|agent| agent.revoked.is_none()) else {
            return Self::Back;
        };
        let held = world.is_held(agent, &rollout.workload);
        let way = match &member.restore {
            Some(restore) if restore.is_stuck(member.sick) => Self::Stuck,
            Some(restore) if restore.is_over() => Self::Back,
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
            None if held => Self::Held,
            None if agent.presence != Presence::Online => Self::Away,
            None if agent.busy_with(&rollout.workload).is_some() => Self::Busy,
            None if world.goes_to_stable(rollout, id) => Self::ToStable,
            None => Self::Todo,
        };
        let offline = agent.presence == Presence::Offline;
        if way == Self::Going && offline {
            Self::GoingOffline
        } else {
            way
        }
    }

    fn is_astray(world: &World, restore: &Restore, agent: &Agent) -> bool {
        let to = restore.digest.as_ref();
        let cut = restore.phase.is_some_and(AgentPhase::has_cut_over);
        !cut && agent.presence == Presence::Online
            && to.is_some_and(|digest| world.is_quarantined(digest))
    }
}
