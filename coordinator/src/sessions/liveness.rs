use std::sync::Arc;

use pinion_model::{AgentId, SessionEpoch};
use pinion_rollout::Observation;
use tokio::time::Instant;

use super::seat::Ending;
use super::{Places, SessionSettings, Sessions};

impl Sessions {
    /// Gives the Offline edges until it is dropped: for agents that were
    /// silent too long, and for those whose stream went and that did not come
    /// back within a heartbeat. Those that never come after a start are the
    /// planner's to call offline.
    pub async fn watch_liveness(self: Arc<Self>) {
        let mut owed = Vec::new();
        let mut turns = tokio::time::interval(self.settings.heartbeat_period / 4);
        loop {
            turns.tick().await;
            owed.extend(self.places().gone(Instant::now(), &self.settings));
            if !owed.is_empty() && self.give_edges(&owed).await {
                owed.clear();
            }
        }
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
