use pinion_model::{AgentId, Timestamp};

use crate::{Map, Set};

/// When something is due for which agent: at most one instant each.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Due {
    by_agent: Map<AgentId, Timestamp>,
    by_time: Set<(Timestamp, AgentId)>,
}

impl Due {
    /// Sets or clears an agent's instant.
    pub(crate) fn set(&mut self, agent: &AgentId, at: Option<Timestamp>) {
        if self.by_agent.get(agent).copied() == at {
            return;
        }
        if let Some(old) = self.by_agent.remove(agent) {
            self.by_time.remove(&(old, agent.clone()));
        }
        if let Some(at) = at {
            self.by_agent.insert(agent.clone(), at);
            self.by_time.insert((at, agent.clone()));
        }
    }

    /// Those that are due by `now`, earliest first.
    pub(crate) fn by(&self, now: Timestamp) -> impl Iterator<Item = &AgentId> {
        self.by_time
            .iter()
            .take_while(move |(at, _)| *at <= now)
            .map(|(_, agent)| agent)
    }

    /// The earliest instant.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.by_time.first().map(|(at, _)| *at)
    }
}
