use pinion_model::{LabelSelector, Timestamp, WorkloadName};
use serde::{Deserialize, Serialize};

use super::{Agent, Attribution, Presence, World};

/// Rollouts go round machines with these labels, for one workload or for all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FleetHold {
    /// Which machines; empty: every one, those that join later too.
    pub agents: LabelSelector,
    /// For which workload. None: for all.
    pub workload: Option<WorkloadName>,
    /// Who, when and why.
    pub by: Attribution,
    /// It ends by itself then. None: until it is lifted.
    pub expires_at: Option<Timestamp>,
}

impl FleetHold {
    /// Whether it keeps a workload from this machine.
    #[must_use]
    pub fn keeps(&self, agent: &Agent, workload: &WorkloadName) -> bool {
        self.workload.as_ref().is_none_or(|only| only == workload)
            && self.agents.matches(&agent.labels)
    }
}

impl World {
    /// The hold of a selector or a workload that keeps this workload from a
    /// machine, by its id.
    #[must_use]
    pub fn fleet_hold(&self, agent: &Agent, workload: &WorkloadName) -> Option<(&str, &FleetHold)> {
        let mut holds = self.holds.iter();
        let hold = holds.find(|(_, hold)| hold.keeps(agent, workload));
        hold.map(|(id, hold)| (id.as_str(), hold))
    }

    /// Whether rollouts of a workload go round a machine: it is held, or its
    /// labels or the workload are, or two machines use its identity.
    #[must_use]
    pub fn is_held(&self, agent: &Agent, workload: &WorkloadName) -> bool {
        agent.is_held() || self.fleet_hold(agent, workload).is_some()
    }

    /// Whether something new of a workload may be assigned to a machine now.
    #[must_use]
    pub fn is_assignable(&self, agent: &Agent, workload: &WorkloadName) -> bool {
        agent.presence == Presence::Online
            && agent.revoked.is_none()
            && !self.is_held(agent, workload)
    }
}
