use pinion_model::{AgentId, WorkloadName};

use super::catch_up::is_shut;
use super::{Agent, Member, Placement, Rollout, Standing, Way, World};
use crate::SickPolicy;
use crate::spec::stage_of_late;

impl Agent {
    /// Another workload that is in flight on the machine: what it has to do
    /// with this one waits until there is an outcome, so that no two cut over
    /// at a time.
    #[must_use]
    pub fn busy_with(&self, workload: &WorkloadName) -> Option<(&WorkloadName, &Placement)> {
        let mut others = self.placements.iter();
        others.find(|(name, placement)| *name != workload && placement.is_in_flight())
    }
}

impl World {
    /// Whether an operator wants a workload refreshed on a machine, and it can be now.
    pub(crate) fn is_to_refresh(
        &self,
        id: &AgentId,
        agent: &Agent,
        workload: &WorkloadName,
    ) -> bool {
        let placement = agent.placements.get(workload);
        placement.is_some_and(|placement| placement.refresh.is_some())
            && self.is_assignable(agent, workload)
            && agent.busy_with(workload).is_none()
            && self.proven_of(workload, id, agent).is_some()
            && !is_shut(self, workload, id, agent)
    }

    /// The rollout of a workload that goes first, and that has yet to finish
    /// on this machine.
    pub(crate) fn goes_first(&self, rollout: &Rollout, id: &AgentId) -> Option<&Rollout> {
        let first = rollout.spec.after.iter();
        let mut first = first.filter_map(|workload| self.active_rollout(workload));
        first.find(|first| self.is_to_finish(first, id))
    }

    /// Whether an active rollout has something left to do on a machine, or has
    /// failed there and nobody knows. One that it goes round is none of those.
    fn is_to_finish(&self, rollout: &Rollout, id: &AgentId) -> bool {
        let Some(member) = rollout.members.get(id) else {
            return self.would_join(rollout, id);
        };
        let back = Way::of(self, rollout, id, member);
        if back.is_some_and(|way| Way::OUTSTANDING.contains(&way)) {
            return true;
        }
        match member.standing() {
            Standing::Settled | Standing::Staged => false,
            Standing::Failed => !member.acknowledged && !member.sick,
            Standing::InFlight | Standing::Soaking => true,
            Standing::Pending => self.comes_to(rollout, id, member),
        }
    }

    /// Whether a machine that came after its start has yet to join it.
    fn would_join(&self, rollout: &Rollout, id: &AgentId) -> bool {
        let joins = |agent: &Agent| stage_of_late(rollout, id, &agent.labels).is_some();
        !rollout.rolled_back && self.not_gone_round(rollout, id).is_some_and(joins)
    }

    fn comes_to(&self, rollout: &Rollout, id: &AgentId, member: &Member) -> bool {
        let skipped = member.sick && rollout.spec.sick == SickPolicy::Skip;
        !skipped && self.not_gone_round(rollout, id).is_some()
    }

    /// A machine that is neither revoked nor held.
    fn not_gone_round(&self, rollout: &Rollout, id: &AgentId) -> Option<&Agent> {
        let agent = self.agents.get(id);
        agent.filter(|agent| agent.revoked.is_none() && !self.is_held(agent, &rollout.workload))
    }
}
