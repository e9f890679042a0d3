//! What must never be: two of one place, running or about to be, and a name
//! that leads nowhere.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pinion_workload::names::RESTORES_LABEL;
use pinion_workload::recreate::REPLACES_LABEL;
use pinion_workload::{ContainerId, ContainerState, ORDER_LABEL, START_FIRST};
use tokio::time::Instant;

use super::machine::{Held, Machine};

/// How long each name that ran at first has not led to a container that runs,
/// while an agent was there to see to it.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// By name: since when.
    down: BTreeMap<String, Option<Instant>>,
    agent_since: Option<Instant>,
}

/// From the agent's return.
const DOWN_LIMIT: Duration = Duration::from_secs(10);

impl Machine {
    /// Notes what must never be.
    pub(super) fn watch(&mut self) {
        let places: BTreeSet<_> = self.containers.iter().map(|c| c.place).collect();
        for place in places {
            let mine: Vec<_> = self
                .containers
                .iter()
                .filter(|c| c.place == place)
                .collect();
            let running: Vec<_> = mine
                .iter()
                .filter(|c| c.state == ContainerState::Running)
                .map(|c| c.name.clone())
                .collect();
            let starting = |c: &&&Held| {
                c.has_started
                    && (c.policy == "always"
                        || (c.policy == "unless-stopped" && !c.stopped_by_hand))
            };
            let starting: Vec<_> = mine
                .iter()
                .filter(starting)
                .map(|c| c.name.clone())
                .collect();
            let is_start_first = mine.iter().all(|c| c.is_start_first());
            let mut serving = mine.iter().filter(|c| c.is_running()).peekable();
            let home = self.homes.get(&place).filter(|_| is_start_first);
            if let Some(home) = home.filter(|_| serving.peek().is_some())
                && !serving.any(|c| c.answers_to(home))
            {
                let violation = format!("{home} resolves to nothing that runs: {running:?}");
                self.violations.push(violation);
            }
            if running.len() > if is_start_first { 2 } else { 1 } {
                self.violations
                    .push(format!("two of one place run: {running:?}"));
            }
            if starting.len() > 1 {
                self.violations.push(format!(
                    "an engine's restart would start two of one place: {starting:?}"
                ));
            }
        }
    }

    /// What is replaced start-first is never without one that runs.
    pub(super) fn leaves_none(&mut self, id: &ContainerId) {
        let runs = |c: &&Held| c.is_running();
        let mut ours = self.containers.iter().filter(runs);
        let Some(stopped) = ours.find(|c| c.id == *id && c.is_start_first()) else {
            return;
        };
        let mut others = self.containers.iter().filter(runs);
        if !others.any(|c| c.place == stopped.place && c.id != *id) {
            let name = stopped.name.clone();
            self.violations
                .push(format!("nothing of its place runs when {name} stops"));
        }
    }

    /// Somebody has it in use for that long: what runs of what stood here at first.
    /// A `group` of which one was stopped already does not wait for that.
    pub(crate) fn in_use_for(&mut self, time: Duration, group: &[&str]) {
        let mut stood = self.containers.iter().filter(|c| !c.is_made());
        let is_of_it = |c: &Held| {
            let home = self.homes.get(&c.place);
            home.is_some_and(|home| group.contains(&home.as_str()))
        };
        if !stood.any(|c| is_of_it(c) && !c.is_running()) {
            self.in_use_until = Some(Instant::now() + time);
        }
    }

    /// Notes that one is stopped while it is in use.
    pub(super) fn leaves_alone(&mut self, id: &ContainerId) {
        let is_in_use = self.in_use_until.is_some_and(|end| Instant::now() < end);
        let runs = |c: &&Held| c.id == *id && c.is_running() && !c.is_made();
        let stopped = self.containers.iter().find(runs);
        if let Some(stopped) = stopped.filter(|_| is_in_use) {
            let name = stopped.name.clone();
            self.violations
                .push(format!("{name} is stopped while it is in use"));
        }
    }

    /// That name must lead to a container that runs, from now on.
    pub(super) fn must_run(&mut self, name: &str) {
        self.watched.down.insert(name.to_owned(), None);
    }

    /// From now on, all is the agent's to see to.
    pub(crate) fn agent_returns(&mut self) {
        self.agent_returns_at(Instant::now());
    }

    pub(super) fn agent_returns_at(&mut self, at: Instant) {
        self.watched.agent_since = Some(at);
    }

    /// Notes the names that led nowhere for too long. Those that are down at
    /// the end are counted up to now.
    pub(crate) fn watch_names(&mut self) {
        let now = Instant::now();
        for (name, down) in &mut self.watched.down {
            let runs = |c: &Held| c.name == *name && c.state == ContainerState::Running;
            let since = *down.get_or_insert(now);
            if self.containers.iter().any(runs) {
                *down = None;
            }
            let from = self.watched.agent_since.map_or(since, |at| at.max(since));
            let waited = now.saturating_duration_since(from);
            if waited > DOWN_LIMIT {
                let note = format!("{name} led to nothing that runs for {waited:?}");
                self.violations.push(note);
            }
        }
    }
}

impl Held {
    fn is_start_first(&self) -> bool {
        self.labels.get(ORDER_LABEL).map(String::as_str) == Some(START_FIRST)
    }

    pub(super) fn is_running(&self) -> bool {
        self.state == ContainerState::Running
    }

    /// By the agent, for a place.
    fn is_made(&self) -> bool {
        let labels = [REPLACES_LABEL, RESTORES_LABEL];
        labels.iter().any(|key| self.labels.contains_key(*key))
    }

    /// One that was made for a place has its name as an alias.
    fn answers_to(&self, home: &str) -> bool {
        self.name == home || self.is_made()
    }
}
