use pinion_model::{AgentId, RolloutId};

use super::{Class, World};
use crate::spec::stage_of_late;

impl World {
    /// Looks again whether a machine is to join a rollout's open stage.
    pub(super) fn refresh_late(&mut self, id: &RolloutId, name: &AgentId) {
        let stage = self.late_in(id, name);
        if stage.is_none() && self.index.late.get(id).is_none() {
            return;
        }
        let late = self.index.late.or_default(id);
        for agents in late.values_mut() {
            agents.remove(name);
        }
        if let Some(stage) = stage {
            late.entry(stage).or_default().insert(name.clone());
        }
        late.retain(|_, agents| !agents.is_empty());
        if late.is_empty() {
            self.index.late.remove(id);
        }
    }

    /// The stage that a machine belongs to which is to join the open one:
    /// because its own has passed without it, or was frozen before it came.
    fn late_in(&self, id: &RolloutId, name: &AgentId) -> Option<usize> {
        let rollout = self.rollouts.get(id)?;
        if rollout.phase.is_terminal() || rollout.rolled_back {
            return None;
        }
        if let Some(member) = rollout.members.get(name) {
            let stage = member.stage as usize;
            let ready = || Class::of(self, rollout, name, member) == Class::Ready;
            return (stage < rollout.open_stage && ready()).then_some(stage);
        }
        let agent = self.agents.get(name)?;
        let comes = self.is_assignable(agent, &rollout.workload);
        stage_of_late(rollout, name, &agent.labels).filter(|_| comes)
    }

    /// A member's place is empty from now on.
    pub(super) fn leave(&mut self, rollout: &RolloutId, stage: u32, place: u32) {
        let tallies = self.index.tallies.get_mut(rollout);
        if let Some(tally) = tallies.and_then(|tallies| tallies.get_mut(stage as usize)) {
            tally.clear(place);
        }
    }
}
