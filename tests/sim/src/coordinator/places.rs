//! Who is connected, and what each must be told next.

use std::sync::Arc;
use std::time::Duration;

use pinion_model::{Generation, SessionEpoch};
use pinion_rollout::Observation;

use super::wire::on_the_wire;
use super::{Coordinator, Owed, Place};
use crate::event::{Event, Hello, Told};
use crate::sim::Sim;

impl Coordinator {
    pub(super) fn has_place(&self, machine: usize, link: usize) -> bool {
        self.places
            .get(&machine)
            .is_some_and(|place| place.link == link)
    }
}

impl Sim {
    /// A session begins: it takes the agent's place, and what was said is made durable.
    pub(super) fn greet(&mut self, link: usize, hello: &Hello) {
        let (machine, coordinator) = (self.links[link].machine, self.links[link].coordinator);
        let agent = self.machines[machine].name.clone();
        let known = &mut self.coordinators[coordinator];
        if !known.is_open {
            let again = crate::event::Said::Hello(Box::new(hello.clone()));
            self.put_in(Duration::from_millis(100), Event::Up(link, again));
            return;
        }
        let stored = known
            .view
            .world
            .agents
            .get(&agent)
            .filter(|agent| agent.revoked.is_none());
        let Some(stored) = stored.map(|agent| agent.epoch) else {
            self.machines[machine].session.is_denied = true;
            return self.cut(link);
        };
        self.machines[machine].session.is_denied = false;
        let before = known.places.get(&machine).map(|place| place.epoch);
        let epoch = stored.max(before.unwrap_or_default()).next();
        let place = Place {
            link,
            epoch,
            told: Generation::default(),
            waiting: None,
            unacknowledged: None,
            floor: hello.generation,
        };
        let old = known.places.insert(machine, place);
        self.links[link].epoch = Some(epoch);
        if let Some(old) = old {
            self.cut(old.link);
        }
        self.say(|| format!("coordinator {coordinator:<5} m{machine} says hello with generation {} (epoch {epoch})", hello.generation));
        let at = self.now;
        let mut observations = vec![Observation::Hello {
            agent: agent.clone(),
            epoch,
            generation: hello.generation,
            process_id: format!("p{machine}-{}", hello.process),
            facts: std::collections::BTreeMap::new(),
            versions: pinion_rollout::Versions::default(),
            at,
        }];
        observations.extend(hello.inventory.clone());
        let reports = hello.reports.iter().cloned();
        observations.extend(reports.map(|report| Observation::Reported {
            agent: agent.clone(),
            report,
            at,
        }));
        self.heard(coordinator, observations, Some(Owed::Welcome { link }));
    }

    pub(super) fn welcome(&mut self, coordinator: usize, link: usize) {
        let machine = self.links[link].machine;
        if self.coordinators[coordinator].has_place(machine, link) {
            self.send_down(link, Told::Welcome);
            self.tell(coordinator, machine);
        }
    }

    /// Tells agents what has changed for them.
    pub(crate) fn publish(&mut self, coordinator: usize) {
        let known = &mut self.coordinators[coordinator];
        known.publish_is_due = false;
        if !known.is_alive {
            return;
        }
        let changed = std::mem::take(&mut known.changed);
        for machine in changed {
            let known = &self.coordinators[coordinator];
            let Some(place) = known.places.get(&machine) else {
                continue;
            };
            match known.view.world.agents.get(&self.machines[machine].name) {
                Some(agent) if agent.revoked.is_none() => {
                    if agent.generation != place.told {
                        self.tell(coordinator, machine);
                    }
                }
                _ => self.cut(place.link),
            }
        }
    }

    /// Takes the present desired state as what an agent is to be told.
    fn tell(&mut self, coordinator: usize, machine: usize) {
        let known = &mut self.coordinators[coordinator];
        let desired = known.view.world.desired(&self.machines[machine].name);
        let Some(place) = known.places.get_mut(&machine) else {
            return;
        };
        place.told = desired.generation;
        place.waiting = Some(Arc::new(on_the_wire(&desired, &self.scenario)));
        self.send_waiting(coordinator, machine);
    }

    /// At most one desired state is on its way to an agent.
    fn send_waiting(&mut self, coordinator: usize, machine: usize) {
        let known = &mut self.coordinators[coordinator];
        let Some(place) = known.places.get_mut(&machine) else {
            return;
        };
        if place.unacknowledged.is_some() {
            return;
        }
        let Some(desired) = place
            .waiting
            .take()
            .filter(|desired| desired.generation >= place.floor)
        else {
            return;
        };
        place.floor = desired.generation;
        place.unacknowledged = Some(desired.generation);
        let link = place.link;
        self.send_down(link, Told::Desired(desired));
    }

    pub(super) fn acknowledged(
        &mut self,
        coordinator: usize,
        machine: usize,
        generation: Generation,
    ) {
        let Some(place) = self.coordinators[coordinator].places.get_mut(&machine) else {
            return;
        };
        place.unacknowledged.take_if(|sent| *sent <= generation);
        self.send_waiting(coordinator, machine);
    }

    /// A session was gone or silent for too long: if it is still the agent's, it is offline.
    pub(crate) fn gone(&mut self, coordinator: usize, machine: usize, epoch: SessionEpoch) {
        let known = &mut self.coordinators[coordinator];
        let is_last = known
            .places
            .get(&machine)
            .is_some_and(|place| place.epoch == epoch);
        if !known.is_alive || !is_last {
            return;
        }
        known.places.remove(&machine);
        self.say(|| format!("coordinator {coordinator:<5} m{machine} is offline"));
        let offline = Observation::Offline {
            agent: self.machines[machine].name.clone(),
            epoch,
            at: self.now,
        };
        self.heard(coordinator, vec![offline], None);
    }
}
