use pinion_model::{AgentId, AgentPhase, Digest};

use super::{Agent, Placement, Rollout, World};

impl Placement {
    /// The digest that its containers run, as far as is known.
    fn runs(&self) -> Option<&Digest> {
        match self.phase {
            Some(AgentPhase::Settled | AgentPhase::Staged) => self.asked.as_ref(),
            _ => self.proven.as_ref(),
        }
    }
}

impl World {
    /// Whether what a machine runs was left there by a rollout that ended
    /// without being taken back, and that began after the one which made the
    /// machine's stable digest: it stays until something newer is stable
    /// there, also where a still newer rollout had reached the machine and was
    /// taken back, or withdrew what it had asked. An abort that reverts has
    /// left machines what they had, also where that was its own digest.
    pub(super) fn is_kept(
        &self,
        stable: &Rollout,
        placement: &Placement,
        id: &AgentId,
        agent: &Agent,
    ) -> bool {
        let workload = self.workloads.get(&stable.workload);
        let (Some(runs), Some(workload)) = (placement.runs(), workload) else {
            return false;
        };
        let newest_first = workload.rollouts.iter().rev();
        let newer = newest_first.take_while(|known| **known != stable.id);
        let newer = newer.filter_map(|known| self.rollouts.get(known));
        let mut brought = newer.filter(|newer| newer.digest() == runs && !newer.reverted);
        let last = brought.find(|newer| newer.is_for(id, agent));
        last.is_some_and(|last| !last.rolled_back)
    }
}
