//! What containers do by themselves: health checks decide, processes exit,
//! power goes and comes back.

use std::time::Duration;

use pinion_model::Timestamp;
use pinion_workload::{ContainerState, Health, HealthTiming};

use super::{Engine, Held};
use crate::scenario::Behaviour;

/// Restarts until an engine's pauses are so long that nothing happens any more.
const RESTART_LIMIT: u32 = 6;

impl Engine {
    /// The earliest instant at which something changes by itself.
    pub(crate) fn next_change(&self) -> Option<Timestamp> {
        self.held.iter().filter_map(|held| held.changes_at).min()
    }

    /// Whether something changed that was due by now.
    pub(crate) fn pass_time(&mut self, now: Timestamp) -> bool {
        let due = |held: &Held| held.changes_at.is_some_and(|at| at <= now);
        let mut changed = false;
        for index in 0..self.held.len() {
            while due(&self.held[index]) {
                self.change(index);
                changed = true;
            }
        }
        changed
    }

    fn change(&mut self, index: usize) {
        let Some(at) = self.held[index].changes_at.take() else {
            return;
        };
        match self.containers[index].state {
            ContainerState::Restarting => self.run(index, at),
            ContainerState::Running => self.age(index, at),
            _ => {}
        }
    }

    /// Its health check decides, or it exits.
    fn age(&mut self, index: usize, at: Timestamp) {
        match (self.held[index].behaviour, self.containers[index].health) {
            (Behaviour::Exits(_), _) => self.exit(index, at),
            (Behaviour::Sickens(after), Health::Starting) => {
                let started = self.containers[index].started_at.unwrap_or(at);
                self.set_health(index, Health::Healthy, at);
                self.held[index].changes_at = Some((started + after).max(at));
            }
            (Behaviour::Sickens(_), Health::Healthy) => {
                self.set_health(index, Health::Unhealthy, at)
            }
            _ => self.set_health(index, Health::Healthy, at),
        }
    }

    fn set_health(&mut self, index: usize, health: Health, at: Timestamp) {
        self.containers[index].health = health;
        self.judge(index, at);
    }

    /// Keeps the time for which a container is good.
    fn judge(&mut self, index: usize, now: Timestamp) {
        let container = &self.containers[index];
        let good = container.state == ContainerState::Running
            && matches!(container.health, Health::None | Health::Healthy);
        let held = &mut self.held[index];
        if good {
            held.good_since.get_or_insert(now);
        } else if let Some(since) = held.good_since.take() {
            held.longest = held.longest.max(now.since(since));
        }
    }

    fn exit(&mut self, index: usize, at: Timestamp) {
        let container = &mut self.containers[index];
        container.exit_code = 3;
        let again =
            container.restart_policy == "always" || container.restart_policy == "unless-stopped";
        if again && container.restart_count < RESTART_LIMIT {
            container.state = ContainerState::Restarting;
            let pause = Duration::from_millis(100) * 2_u32.pow(container.restart_count);
            container.restart_count += 1;
            self.held[index].changes_at = Some(at + pause);
        } else {
            container.state = ContainerState::Exited;
        }
        self.judge(index, at);
    }

    pub(super) fn run(&mut self, index: usize, at: Timestamp) {
        let behaviour = self.held[index].behaviour;
        let container = &mut self.containers[index];
        container.state = ContainerState::Running;
        container.started_at = Some(at);
        let checked = !matches!(behaviour, Behaviour::Runs | Behaviour::Exits(_));
        container.health = if checked {
            Health::Starting
        } else {
            Health::None
        };
        container.health_timing = checked.then_some(HealthTiming {
            interval: Duration::from_secs(1),
            timeout: Duration::from_secs(1),
            start_period: Duration::ZERO,
            start_interval: Duration::from_secs(5),
            retries: 3,
        });
        let held = &mut self.held[index];
        if !self.ran.contains(&held.digest) {
            self.ran.insert(held.digest.clone());
        }
        held.has_started = true;
        held.changes_at = match behaviour {
            Behaviour::Healthy(after) | Behaviour::Exits(after) => Some(at + after),
            Behaviour::Sickens(_) => Some(at + Duration::from_secs(1)),
            _ => None,
        };
        // Another start is a break, however short.
        if let Some(since) = held.good_since.take() {
            held.longest = held.longest.max(at.since(since));
        }
        self.judge(index, at);
    }

    pub(super) fn halt(&mut self, index: usize, code: i64, now: Timestamp) {
        let container = &mut self.containers[index];
        if container.is_up() {
            container.state = ContainerState::Exited;
            container.exit_code = code;
        }
        self.held[index].changes_at = None;
        self.judge(index, now);
    }

    /// The machine loses its power.
    pub(crate) fn lose_power(&mut self, now: Timestamp) {
        for index in 0..self.containers.len() {
            self.halt(index, 137, now);
        }
    }

    /// It has power again: the engine starts what it should.
    pub(crate) fn boot(&mut self, now: Timestamp) {
        for index in 0..self.containers.len() {
            let starts = self.held[index].behaviour != Behaviour::DoesNotStart;
            if starts && self.held[index].comes_back(&self.containers[index]) {
                self.containers[index].restart_count = 0;
                self.run(index, now);
            }
        }
    }

    /// A file of a container that is well is lost: it runs on, and does not start again.
    pub(crate) fn ruin(&mut self, draw: usize) -> bool {
        let well = |index: &usize| {
            self.containers[*index].state == ContainerState::Running
                && matches!(
                    self.held[*index].behaviour,
                    Behaviour::Runs | Behaviour::Healthy(_)
                )
        };
        let able: Vec<_> = (0..self.containers.len()).filter(well).collect();
        let ruined = able.get(draw % able.len().max(1)).copied();
        if let Some(index) = ruined {
            self.held[index].behaviour = Behaviour::DoesNotStart;
        }
        ruined.is_some()
    }

    /// A container that is well is not, for no reason that its build has, and
    /// comes back by itself.
    pub(crate) fn sicken(&mut self, draw: usize, lasts: Duration, now: Timestamp) -> bool {
        let well = |index: &usize| {
            self.containers[*index].state == ContainerState::Running
                && self.containers[*index].health == Health::Healthy
                && matches!(self.held[*index].behaviour, Behaviour::Healthy(_))
        };
        let able: Vec<_> = (0..self.containers.len()).filter(well).collect();
        let Some(index) = able.get(draw % able.len().max(1)).copied() else {
            return false;
        };
        self.set_health(index, Health::Unhealthy, now);
        self.held[index].changes_at = Some(now + lasts);
        true
    }
}
