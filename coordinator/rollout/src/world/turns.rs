//! Whose turn it is on a machine, of several workloads.

use std::collections::BTreeSet;

use pinion_model::{AgentId, AgentPhase, WorkloadName};

use super::catch_up::is_shut;
use super::{Agent, CatchUp, Member, Placement, Rollout, Standing, Way, World};
use crate::spec::stage_of_late;
use crate::{Purpose, SickPolicy};

/// What is to be finished on a machine for a workload that goes first.
#[derive(Debug, Clone, Copy)]
pub(crate) enum First<'a> {
    /// Its active rollout.
    Rollout(&'a Rollout),
    /// The machine's way to its stable digest, outside any rollout.
    CatchUp(&'a WorkloadName),
}

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

    /// What has yet to finish on a machine before a rollout comes to it.
    pub(crate) fn goes_first<'a>(
        &'a self,
        rollout: &'a Rollout,
        id: &AgentId,
    ) -> Option<First<'a>> {
        let mut first = rollout.spec.after.iter();
        first.find_map(|workload| {
            let active = self.active_rollout(workload);
            let active = active.filter(|first| self.is_to_finish(first, id));
            let catches_up = || {
                self.agents
                    .get(id)
                    .is_some_and(|agent| self.catches_up(workload, id, agent))
            };
            let catch_up = || catches_up().then_some(First::CatchUp(workload));
            active.map(First::Rollout).or_else(catch_up)
        })
    }

    /// Whether a machine has yet to run a workload's stable digest, proven and
    /// soaked, and goes there by itself. One that is away, or has failed, does not.
    pub(super) fn catches_up(&self, workload: &WorkloadName, id: &AgentId, agent: &Agent) -> bool {
        let placement = agent.placements.get(workload);
        let soaks = placement.is_some_and(|placement| {
            let purpose = placement.assignment.as_ref().map(|asked| &asked.purpose);
            placement.phase == Some(AgentPhase::Soaking) && purpose == Some(&Purpose::Stable)
        });
        let state = CatchUp::alone(self, workload, id, agent);
        soaks || state.is_some_and(|state| !matches!(state, CatchUp::Away | CatchUp::Stays))
    }

    /// Whether another workload that goes first is yet to catch up on the
    /// machine, as it would in a rollout. Workloads of which each was to go
    /// after the other wait for nobody.
    pub(super) fn catches_up_later(
        &self,
        workload: &WorkloadName,
        id: &AgentId,
        agent: &Agent,
    ) -> bool {
        let mut first = BTreeSet::new();
        let mut due = vec![workload];
        while let Some(next) = due.pop() {
            let proven = self.proven_of(next, id, agent).into_iter();
            let ahead = proven.flat_map(|(_, rollout)| &rollout.spec.after);
            let ahead = ahead.filter(|ahead| self.catches_up(ahead, id, agent));
            due.extend(ahead.filter(|ahead| first.insert(*ahead)));
        }
        !first.is_empty() && !first.contains(workload)
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
            Standing::Failed => !member.acknowledged && !member.is_excused(),
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
