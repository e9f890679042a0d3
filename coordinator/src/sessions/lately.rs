//! What agents say happened on their machines lately.
//!
//! In memory alone: an agent keeps it on its disk and tells all of it again at
//! the begin of each session. Nothing is decided by it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use pinion_model::AgentId;
use pinion_proto::v1;

use super::limits::{self, cut};

/// Happenings of one machine that are kept.
const LIMIT: usize = 50;

/// By machine, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Lately(Mutex<BTreeMap<AgentId, VecDeque<v1::Happening>>>);

impl Lately {
    /// Takes what an agent says; answers how much of it happened while it was away.
    pub(super) fn hear(&self, agent: &AgentId, told: v1::Happenings) -> usize {
        let mut by_agent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let held = by_agent.entry(agent.clone()).or_default();
        let before = match told.whole {
            true => std::mem::take(held),
            false => VecDeque::new(),
        };
        let mut new_and_away = 0;
        for mut happening in told.happenings {
            happening.workload = cut(happening.workload, limits::NAME);
            happening.what = cut(happening.what, limits::SENTENCE);
            // What happens again takes the place of what is counted in it.
            held.retain(|h| happening.times <= 1 || !is_same(h, &happening));
            new_and_away += usize::from(happening.away && !before.contains(&happening));
            held.push_back(happening);
        }
        let surplus = held.len().saturating_sub(LIMIT);
        held.drain(..surplus);
        held.shrink_to_fit();
        new_and_away
    }

    /// What a machine said.
    pub(super) fn of(&self, agent: &AgentId) -> Vec<v1::Happening> {
        let by_agent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let held = by_agent.get(agent).into_iter().flatten();
        held.cloned().collect()
    }

    /// The machine is none of ours any more.
    pub(super) fn forget(&self, agent: &AgentId) {
        let mut by_agent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        by_agent.remove(agent);
    }
}

fn is_same(one: &v1::Happening, other: &v1::Happening) -> bool {
    (&one.workload, &one.what) == (&other.workload, &other.what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn happening(what: &str, times: u32, away: bool) -> v1::Happening {
        v1::Happening {
            what: what.to_owned(),
            times,
            away,
            ..Default::default()
        }
    }

    fn told(whole: bool, happenings: &[v1::Happening]) -> v1::Happenings {
        v1::Happenings {
            whole,
            happenings: happenings.to_vec(),
        }
    }

    #[test]
    fn all_of_it_replaces_what_was_known_and_what_comes_is_added_or_counted() {
        let (lately, agent) = (Lately::default(), "m1".parse().expect("a name"));
        let words = || {
            lately
                .of(&agent)
                .iter()
                .map(|h| (h.what.clone(), h.times))
                .collect::<Vec<_>>()
        };
        let begin = [happening("a", 1, false), happening("b", 1, true)];
        assert_eq!(lately.hear(&agent, told(true, &begin)), 1);
        assert_eq!(
            lately.hear(&agent, told(false, &[happening("a", 2, false)])),
            0
        );
        assert_eq!(words(), [("b".to_owned(), 1), ("a".to_owned(), 2)]);
        let again = [happening("b", 1, true), happening("c", 1, true)];
        assert_eq!(lately.hear(&agent, told(true, &again)), 1, "b was known");
        assert_eq!(words(), [("b".to_owned(), 1), ("c".to_owned(), 1)]);
        lately.forget(&agent);
        assert!(words().is_empty());
    }

    #[test]
    fn an_agent_that_talks_without_end_costs_fifty_lines() {
        let (lately, agent) = (Lately::default(), "m1".parse().expect("a name"));
        for n in 0..500 {
            let what = format!("{n}{}", "x".repeat(5_000));
            lately.hear(&agent, told(false, &[happening(&what, 1, false)]));
        }
        let held = lately.of(&agent);
        assert!(held.len() == LIMIT && held.iter().all(|h| h.what.len() <= limits::SENTENCE));
        assert!(held[LIMIT - 1].what.starts_with("499"));
    }
}
