//! Watching the fleet: what was said already, and what is new since.

use std::collections::BTreeMap;

use pinion_model::{AgentId, LabelSelector};
use pinion_proto::v1;

use super::Context;
use super::convert::agents::agent;
use super::watch::Look;

/// Agents in one message, so that a large fleet comes in parts.
const PART: usize = 200;

/// What a watch has said already.
pub(super) struct Told {
    labels: LabelSelector,
    agents: BTreeMap<AgentId, v1::Agent>,
    begun: bool,
}

impl Told {
    pub(super) fn new(labels: LabelSelector) -> Self {
        Self {
            labels,
            agents: BTreeMap::new(),
            begun: false,
        }
    }

    /// What is new, at most [`PART`] agents of it.
    pub(super) fn look(&mut self, context: &Context) -> Look<v1::WatchAgentsResponse> {
        let mut news = v1::WatchAgentsResponse::default();
        context.ledger.read(|world| {
            let gone = |name: &&AgentId| {
                world
                    .agents
                    .get(*name)
                    .is_none_or(|found| !self.labels.matches(&found.labels))
            };
            let gone: Vec<_> = self.agents.keys().filter(gone).cloned().collect();
            for name in gone {
                self.agents.remove(&name);
                news.removed.push(name.to_string());
            }
            for (name, found) in &world.agents {
                if news.agents.len() == PART {
                    break;
                }
                if self.labels.matches(&found.labels) {
                    let now = agent(name, found);
                    if self.agents.get(name) != Some(&now) {
                        news.agents.push(now.clone());
                        self.agents.insert(name.clone(), now);
                    }
                }
            }
        });
        let first = !std::mem::replace(&mut self.begun, true);
        match news.agents.len() {
            PART => Look::More(news),
            0 if news.removed.is_empty() && !first => Look::Same,
            _ => Look::Say(news),
        }
    }
}
