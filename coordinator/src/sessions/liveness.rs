use std::sync::Arc;

use pinion_model::{AgentId, SessionEpoch};
use pinion_rollout::{Observation, Presence};
use tokio::time::Instant;

use super::seat::Ending;
use super::{Places, SessionSettings, Sessions};

impl Sessions {
    /// Gives the Offline edges until it is dropped: for agents that were
    /// silent too long, for those whose stream went and that did not come back
    /// within a heartbeat, and for those that never came after the start.
    pub async fn watch_liveness(self: Arc<Self>) {
        let began = Instant::now();
        let mut awaited = self.expected();
        let mut owed = Vec::new();
        let mut turns = tokio::time::interval(self.settings.heartbeat_period / 4);
        loop {
            turns.tick().await;
            owed.extend(self.places().gone(Instant::now(), &self.settings));
            if began.elapsed() >= self.settings.start_grace {
                owed.extend(self.never_came(std::mem::take(&mut awaited)));
            }
            if !owed.is_empty() && self.give_edges(&owed).await {
                owed.clear();
            }
        }
    }

    /// Who was not offline when the coordinator began.
    fn expected(&self) -> Vec<AgentId> {
        self.ledger.read(|world| {
            let expected = world.agents.iter();
            let expected = expected.filter(|(_, agent)| agent.presence != Presence::Offline);
            expected.map(|(name, _)| name.clone()).collect()
        })
    }

    fn never_came(&self, awaited: Vec<AgentId>) -> Vec<(AgentId, SessionEpoch)> {
        let places = self.places();
        let absent = awaited
            .into_iter()
            .filter(|agent| !places.by_agent.contains_key(agent));
        let epoch = |agent: AgentId| {
            let epoch = self
                .ledger
                .read(|world| world.agents.get(&agent).map(|known| known.epoch));
            epoch.map(|epoch| (agent, epoch))
        };
        absent.filter_map(epoch).collect()
    }

    /// False if they are not durable. Giving one again, or after the agent
    /// came back, changes nothing: its epoch tells.
    async fn give_edges(&self, offline: &[(AgentId, SessionEpoch)]) -> bool {
        let at = self.ledger.clock();
        let edge = |(agent, epoch): &(AgentId, SessionEpoch)| Observation::Offline {
            agent: agent.clone(),
            epoch: *epoch,
            at,
        };
        match self
            .intake
            .observe(offline.iter().map(edge).collect())
            .await
        {
            Ok(()) => {
                for (agent, _) in offline {
                    tracing::info!(%agent, "agent is offline");
                }
                true
            }
            Err(error) => {
                tracing::error!(%error, "agents are offline, and the store could not be told");
                false
            }
        }
    }
}

impl Places {
    /// Takes out whose session is over.
    fn gone(&mut self, now: Instant, settings: &SessionSettings) -> Vec<(AgentId, SessionEpoch)> {
        if self.draining {
            // They were sent away, and will come to whoever is next.
            return Vec::new();
        }
        let gone = self.by_agent.extract_if(.., |_, place| match place.left {
            Some(left) => now.duration_since(left) >= settings.heartbeat_period,
            None => now.duration_since(place.seen) > settings.silence(),
        });
        let ended = gone.map(|(agent, place)| {
            place.end(Ending::Silent);
            (agent, place.epoch)
        });
        ended.collect()
    }
}
