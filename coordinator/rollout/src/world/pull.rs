use pinion_model::{AgentId, AgentPhase, RolloutId};
use serde::{Deserialize, Serialize};

use super::trim::Numbers;
use super::{Agent, Member, Prefetched, Presence, Rollout, Standing, World};
use crate::SickPolicy;

/// Where a member stands in the pass ahead of the stages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Pull {
    /// May be asked now.
    Ready,
    /// The same, once what is asked of it of the same workload has come to its end.
    Busy,
    /// Not asked; not seen since the coordinator began.
    Unknown,
    /// Asked, and no outcome yet.
    Asked,
    /// The same, and offline: gone round.
    AskedOffline,
    /// Taken back, and the agent has not said that it stopped.
    Withdrawing,
    /// The same, and offline: gone round.
    WithdrawingOffline,
    /// Gone round: offline, held, sick, gone or late. It pulls when its turn comes.
    Round,
    /// It has the image.
    Done,
    /// It could not, and nobody knows.
    Failed,
    /// It could not, and an operator went on knowing it; or it was sick before,
    /// and nobody is blamed for it.
    Acknowledged,
}

impl Pull {
    /// Asked, and what became of it is not known.
    pub(crate) const OUTSTANDING: [Self; 4] = [
        Self::Asked,
        Self::AskedOffline,
        Self::Withdrawing,
        Self::WithdrawingOffline,
    ];

    /// None: the rollout has no such pass.
    pub(crate) fn of(
        world: &World,
        rollout: &Rollout,
        id: &AgentId,
        member: &Member,
    ) -> Option<Self> {
        let pass = rollout.prefetch.as_ref()?;
        let agent = world.agents.get(id);
        let agent = agent.filter(|agent| agent.revoked.is_none());
        Some(match &member.prefetch {
            Some(pull) if pull.is_over() => Self::over(pull, member.sick),
            // What has ended does not follow the fleet any more.
            Some(pull) if rollout.phase.is_terminal() => Self::asked(pull, Presence::Online),
            Some(pull) => agent.map_or(Self::Round, |agent| Self::asked(pull, agent.presence)),
            None if rollout.phase.is_terminal() || pass.passed_at.is_some() => Self::Round,
            None => agent.map_or(Self::Round, |agent| {
                Self::pending(world, rollout, member, agent)
            }),
        })
    }

    fn over(pull: &Prefetched, sick: bool) -> Self {
        match (&pull.failure, pull.acknowledged || sick) {
            (None, _) => Self::Done,
            (Some(_), false) => Self::Failed,
            (Some(_), true) => Self::Acknowledged,
        }
    }

    fn asked(pull: &Prefetched, presence: Presence) -> Self {
        match (pull.withdrawing, presence) {
            (true, Presence::Offline) => Self::WithdrawingOffline,
            (true, _) => Self::Withdrawing,
            (false, Presence::Offline) => Self::AskedOffline,
            (false, _) => Self::Asked,
        }
    }

    fn pending(world: &World, rollout: &Rollout, member: &Member, agent: &Agent) -> Self {
        let skipped = member.sick && rollout.spec.sick == SickPolicy::Skip;
        let turned = member.late || member.standing() != Standing::Pending;
        if turned || skipped || world.is_held(agent, &rollout.workload) {
            return Self::Round;
        }
        let placement = agent.placements.get(&rollout.workload);
        let busy = placement.is_some_and(|placement| {
            placement.is_in_flight() || placement.phase == Some(AgentPhase::Soaking)
        });
        match agent.presence {
            Presence::Offline => Self::Round,
            Presence::Unknown => Self::Unknown,
            Presence::Online if busy => Self::Busy,
            Presence::Online => Self::Ready,
        }
    }
}

/// How far the pass ahead of the stages is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrefetchCounts {
    /// All members of the rollout.
    pub agents: u32,
    /// Not asked yet.
    pub pending: u32,
    /// Asked, and no outcome yet.
    pub in_flight: u32,
    /// They have the image.
    pub prefetched: u32,
    /// They could not.
    pub failed: u32,
    /// Gone round: they pull when their turn comes.
    pub skipped: u32,
}

impl World {
    /// How far the pass ahead of a rollout's stages is; none if it has none.
    #[must_use]
    pub fn prefetch_counts(&self, rollout: &RolloutId) -> Option<PrefetchCounts> {
        let known = self.rollouts.get(rollout)?;
        known.prefetch.as_ref()?;
        let trimmed = known.trimmed.as_ref().map(|trimmed| trimmed.prefetch);
        let count = |pulls: &[Pull]| {
            let tallies = self.index.tallies.get(rollout).into_iter().flatten();
            let pulls = tallies.flat_map(|tally| pulls.iter().map(|pull| tally.pulls(*pull)));
            u32::try_from(pulls.sum::<usize>()).unwrap_or(u32::MAX)
        };
        let counts = PrefetchCounts {
            agents: 0,
            pending: count(&[Pull::Ready, Pull::Busy, Pull::Unknown]),
            in_flight: count(&[Pull::Asked, Pull::Withdrawing]),
            prefetched: count(&[Pull::Done]),
            failed: count(&[Pull::Failed, Pull::Acknowledged]),
            skipped: count(&[Pull::Round, Pull::AskedOffline, Pull::WithdrawingOffline]),
        };
        let counts = PrefetchCounts {
            agents: counts.pending
                + counts.in_flight
                + counts.prefetched
                + counts.failed
                + counts.skipped,
            ..counts
        };
        Some(counts.with(trimmed.unwrap_or_default()))
    }
}
