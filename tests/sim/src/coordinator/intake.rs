//! What sessions hear, committed in batches and then applied in order.

use std::time::Duration;

use pinion_coordinator::store::Changes;
use pinion_rollout::{Act, Change, Decision, Observation};

use super::{Owed, Request};
use crate::event::{Event, Said, Told};
use crate::invariants::Held;
use crate::machine::number_of;
use crate::sim::Sim;

impl Sim {
    /// A coordinator begins: it loads the World and notes its start.
    pub(crate) fn start_coordinator(&mut self) {
        let number = self.coordinators.len();
        let view = self.store.load();
        self.coordinators.push(super::Coordinator {
            is_alive: true,
            view,
            ..super::Coordinator::default()
        });
        self.say(|| format!("coordinator {number:<5} starts"));
        let at = self.now;
        self.heard(number, vec![Observation::Started { at }], None);
    }

    /// Keeps what was heard until the next commit.
    pub(super) fn heard(
        &mut self,
        coordinator: usize,
        observations: Vec<Observation>,
        owed: Option<Owed>,
    ) {
        let known = &mut self.coordinators[coordinator];
        known.inbox.extend(observations);
        known.to_owe.extend(owed);
        if !std::mem::replace(&mut known.intake_is_due, true) {
            let patience = self.random.millis(1, 40);
            self.put_in(patience, Event::Intake(coordinator));
        }
    }

    /// A message of an agent arrives.
    pub(crate) fn said(&mut self, link: usize, said: &Said) {
        let (machine, coordinator) = (self.links[link].machine, self.links[link].coordinator);
        if !self.coordinators[coordinator].is_alive {
            return self.cut(link);
        }
        if let Said::Hello(hello) = said {
            return self.greet(link, hello);
        }
        if !self.coordinators[coordinator].has_place(machine, link) {
            // The session was superseded: its stream has ended.
            return self.cut(link);
        }
        let (agent, at) = (self.machines[machine].name.clone(), self.now);
        match said {
            Said::Hello(_) => {}
            Said::Inventory(inventory) => {
                self.heard(coordinator, vec![stamped(inventory, at)], None)
            }
            Said::Report(sequence, report) => {
                let owed = Owed::Ack {
                    link,
                    sequence: *sequence,
                };
                let report = Observation::Reported {
                    agent,
                    report: (**report).clone(),
                    at,
                };
                self.heard(coordinator, vec![report], Some(owed));
            }
            Said::Acknowledged(generation) => self.acknowledged(coordinator, machine, *generation),
        }
    }

    /// Commits what was heard.
    pub(crate) fn intake(&mut self, coordinator: usize) -> Held {
        let known = &mut self.coordinators[coordinator];
        known.intake_is_due = false;
        if !known.is_alive {
            return Ok(());
        }
        let observations = std::mem::take(&mut known.inbox);
        let owed = std::mem::take(&mut known.to_owe);
        let changes: Vec<_> = observations.into_iter().map(Change::Observation).collect();
        self.commit(None, &changes)?;
        let revision = self.store.truth.revision;
        let owed = owed.into_iter().map(|owed| (revision, owed));
        self.coordinators[coordinator].owed.extend(owed);
        Ok(())
    }

    /// Everybody who is alive hears of a commit, some later than others.
    pub(crate) fn follow_all(&mut self) {
        for coordinator in 0..self.coordinators.len() {
            let known = &mut self.coordinators[coordinator];
            if known.is_alive && !std::mem::replace(&mut known.follow_is_due, true) {
                let is_slow = self.now < self.scenario.calm_at && self.random.chance(10);
                let delay = if is_slow {
                    self.random.millis(100, 3_000)
                } else {
                    Duration::ZERO
                };
                self.put_in(delay, Event::Follow(coordinator));
            }
        }
    }

    /// Applies what was committed, answers what is owed, and plans anew. What
    /// is being decided is committed first: it stands on the World as it was.
    pub(crate) fn follow(&mut self, coordinator: usize) -> Held {
        let known = &mut self.coordinators[coordinator];
        known.follow_is_due = false;
        if !known.is_alive {
            return Ok(());
        }
        if known.is_deciding() {
            known.follow_is_due = true;
            self.put_in(Duration::from_millis(1), Event::Follow(coordinator));
            return Ok(());
        }
        match self.store.changes_since(known.view.revision) {
            Changes::Commits(commits) => {
                for commit in &commits {
                    known.view.apply(commit);
                    known
                        .changed
                        .extend(commit.changes.iter().filter_map(told_to));
                }
            }
            Changes::Compacted => {
                known.view = self.store.load();
                known.changed.extend(known.places.keys().copied());
            }
        }
        self.same_world(coordinator)?;
        self.coordinators[coordinator].is_open = true;
        self.answer(coordinator);
        self.request_of(coordinator, Request::Plan);
        Ok(())
    }

    /// What is durable and applied is acknowledged.
    fn answer(&mut self, coordinator: usize) {
        let known = &mut self.coordinators[coordinator];
        let revision = known.view.revision;
        let (due, later) = std::mem::take(&mut known.owed)
            .into_iter()
            .partition(|(at, _)| *at <= revision);
        known.owed = later;
        let due: Vec<(_, Owed)> = due;
        for (_, owed) in due {
            match owed {
                Owed::Welcome { link } => self.welcome(coordinator, link),
                Owed::Ack { link, sequence } => self.send_down(link, Told::ReportAck(sequence)),
            }
        }
    }
}

/// The agent that a change may concern what it is told.
fn told_to(change: &Change) -> Option<usize> {
    let Change::Decision(Decision { act, .. }) = change else {
        return None;
    };
    match act {
        Act::Assigned { agent, .. }
        | Act::GenerationRaised { agent, .. }
        | Act::AgentRevoked { agent, .. }
        | Act::AgentRemoved { agent, .. } => Some(number_of(agent)),
        _ => None,
    }
}

/// The coordinator stamps the time.
fn stamped(inventory: &Observation, now: pinion_model::Timestamp) -> Observation {
    let mut stamped = inventory.clone();
    if let Observation::Inventory { at, .. } = &mut stamped {
        *at = now;
    }
    stamped
}
