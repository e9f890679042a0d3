//! Plans: that they come to an end, that what waits is explained, and that
//! the index of the World follows from its facts.

use pinion_model::{Revision, RolloutPhase, Timestamp};
use pinion_rollout::{Plan, Rollout, World, explain_all, waiting_for};

use super::{Held, holds};
use crate::sim::Sim;

/// Commits between two looks at the whole World.
const WHOLE_EVERY: u32 = 2_000;

impl Sim {
    /// A plan that was committed: planning again at once must find nothing to do.
    pub(crate) fn planned_to_the_end(&mut self, seen: Revision, at: Timestamp) -> Held {
        if self.store.truth.revision != seen.next() {
            // Something else was committed in between.
            return Ok(());
        }
        let again = (self.planner)(&self.store.truth.world, at);
        holds(
            "plan after apply at the same time is empty",
            again.changes.is_empty(),
            || format!("{:?}", again.changes),
        )
    }

    /// What a plan leaves: every rollout that is not terminal names what it waits for.
    pub(crate) fn after_plan(&mut self, coordinator: usize, planned: &Plan) -> Held {
        if !planned.changes.is_empty() {
            return Ok(());
        }
        every_rollout_says_what_it_waits_for(&self.coordinators[coordinator].view.world, self.now)
    }

    /// A coordinator that has followed holds the World that was committed.
    /// Now and then all of it is compared, with an index made from nothing.
    pub(crate) fn same_world(&mut self, coordinator: usize) -> Held {
        self.watch.since_rebuilt += 1;
        if self.watch.since_rebuilt < WHOLE_EVERY
            || self.coordinators[coordinator].view.revision != self.store.truth.revision
        {
            return Ok(());
        }
        self.watch.since_rebuilt = 0;
        let view = &self.coordinators[coordinator].view.world;
        holds(
            "a coordinator follows what was committed",
            *view == self.store.truth.world,
            || {
                format!(
                    "coordinator {coordinator} at revision {}",
                    self.store.truth.revision
                )
            },
        )?;
        self.the_index_follows_from_the_facts()
    }

    /// The kept index is what it would be if it were made from nothing.
    pub(crate) fn the_index_follows_from_the_facts(&self) -> Held {
        let kept = &self.store.truth.world;
        let facts = serde_json::to_string(kept).expect("a World is written");
        let rebuilt: World = serde_json::from_str(&facts).expect("a World is read back");
        holds(
            "the kept index equals the rebuilt one",
            rebuilt == *kept,
            || format!("at revision {}", self.store.truth.revision),
        )
    }
}

fn every_rollout_says_what_it_waits_for(world: &World, now: Timestamp) -> Held {
    for rollout in world.active_rollouts() {
        holds(
            "every rollout that is not terminal names a blocker or a wake-up time",
            waits(world, rollout, now),
            || format!("{} is {}", rollout.id, rollout.phase),
        )?;
    }
    Ok(())
}

/// Whether it has something of its own that it waits for: a person, its stages,
/// or machines on their way back.
fn waits(world: &World, rollout: &Rollout, now: Timestamp) -> bool {
    use RolloutPhase::{AwaitingApproval, Halted, Paused, Queued};
    match rollout.phase {
        Queued | AwaitingApproval | Paused | Halted => true,
        _ if rollout.rolled_back => {
            let reasons = explain_all(world, &rollout.id, now);
            let mut reasons = reasons.iter();
            reasons.any(|(_, reason)| ["rolling_back", "offline", "busy"].contains(&reason.word))
        }
        _ => {
            let mut stages = 0..rollout.stages.len();
            stages.any(|stage| !waiting_for(world, &rollout.id, stage, now).is_empty())
        }
    }
}
