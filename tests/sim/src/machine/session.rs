//! The agent's end of its session: one stream, taken up again when it breaks.

use std::sync::Arc;
use std::time::Duration;

use pinion_model::Generation;
use pinion_rollout::Report as Told;
use pinion_workload::{Desired, Report};

use super::Machine;
use crate::event::{Event, Hello, Said, Told as Message};
use crate::invariants::Held;
use crate::sim::Sim;

const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LONGEST_BACKOFF: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy)]
pub(crate) struct Session {
    /// The connection, if there is one.
    pub(crate) link: Option<usize>,
    /// Welcome has come.
    is_open: bool,
    /// The highest sequence that this session has sent.
    sent: u64,
    backoff: Duration,
    /// The coordinator does not know it, or does not want it.
    pub(crate) is_denied: bool,
}

impl Default for Session {
    fn default() -> Self {
        Self {
            link: None,
            is_open: false,
            sent: 0,
            backoff: FIRST_BACKOFF,
            is_denied: false,
        }
    }
}

impl Sim {
    /// An agent tries to begin a session.
    pub(crate) fn connect(&mut self, machine: usize, process: u64) {
        let known = &self.machines[machine];
        if known.process != process || !known.is_up() || known.session.link.is_some() {
            return;
        }
        let is_cut_off = known.is_cut_off;
        let Some(coordinator) = self.some_coordinator().filter(|_| !is_cut_off) else {
            return self.connect_later(machine);
        };
        let hello = self.machines[machine].hello(self.now);
        let link = self.new_link(machine, coordinator);
        self.machines[machine].session = Session {
            link: Some(link),
            is_open: false,
            sent: 0,
            ..self.machines[machine].session
        };
        self.send_up(link, Said::Hello(Box::new(hello)));
    }

    fn connect_later(&mut self, machine: usize) {
        if self.is_denied_for_good(machine) && self.now >= self.scenario.calm_at {
            // It would try for ever.
            return;
        }
        let session = &mut self.machines[machine].session;
        let delay = session.backoff.mul_f64(self.random.unit());
        session.backoff = (session.backoff * 2).min(LONGEST_BACKOFF);
        let process = self.machines[machine].process;
        self.put_in(delay, Event::Connect { machine, process });
    }

    /// It was sent away, and not because a coordinator had yet to hear of it.
    fn is_denied_for_good(&self, machine: usize) -> bool {
        let machine = &self.machines[machine];
        let agent = self.store.truth.world.agents.get(&machine.name);
        machine.session.is_denied && agent.is_none_or(|agent| agent.revoked.is_some())
    }

    /// The connection has gone, and the agent notices.
    pub(crate) fn broken(&mut self, link: usize) {
        let machine = self.links[link].machine;
        let known = &mut self.machines[machine];
        if known.session.link == Some(link) && known.is_up() {
            known.session.link = None;
            known.session.is_open = false;
            self.connect_later(machine);
        }
    }

    /// A message of the coordinator arrives.
    pub(crate) fn told(&mut self, link: usize, told: &Message) -> Held {
        let machine = self.links[link].machine;
        let known = &mut self.machines[machine];
        if known.session.link != Some(link) || !known.is_up() {
            return Ok(());
        }
        match told {
            Message::Welcome => {
                known.session.is_open = true;
                known.session.backoff = FIRST_BACKOFF;
                self.send_reports(machine);
                Ok(())
            }
            Message::ReportAck(sequence) => {
                known.reports.acknowledge(*sequence);
                Ok(())
            }
            Message::Desired(desired) => self.accept(machine, link, desired),
        }
    }

    /// Takes a desired state unless it is older than what is held; either way
    /// the answer is what is held then.
    fn accept(&mut self, machine: usize, link: usize, desired: &Arc<Desired>) -> Held {
        let known = &self.machines[machine];
        let (offered, held) = (desired.generation, known.journal.desired.generation);
        if offered >= held {
            if known.disk_is_full {
                self.cut(link);
                return Ok(());
            }
            self.before_accept(machine, desired)?;
            let journal = &mut self.machines[machine].journal;
            journal.desired = (**desired).clone().received(&journal.desired, self.now);
            self.say(|| format!("m{machine:<16} accepts generation {offered}"));
            self.turn_now(machine);
        } else {
            self.say(|| format!("m{machine:<16} refuses generation {offered}: it has {held}"));
        }
        self.send_up(link, Said::Acknowledged(offered.max(held)));
        Ok(())
    }

    /// Sends what this session has not sent yet.
    pub(crate) fn send_reports(&mut self, machine: usize) {
        let session = &self.machines[machine].session;
        let Some(link) = session.link.filter(|_| session.is_open) else {
            return;
        };
        let known = &self.machines[machine];
        for (sequence, report) in known.reports.after(known.session.sent) {
            let report = self.machines[machine].as_told(&report);
            self.machines[machine].session.sent = sequence;
            self.send_up(link, Said::Report(sequence, Box::new(report)));
        }
    }

    pub(crate) fn send_inventory(&mut self, machine: usize) {
        let known = &self.machines[machine];
        let Some(link) = known.session.link.filter(|_| known.session.is_open) else {
            return;
        };
        if let Some(inventory) = known.inventory_now(self.now) {
            self.send_up(link, Said::Inventory(inventory));
        }
    }
}

impl Machine {
    fn hello(&self, now: pinion_model::Timestamp) -> Hello {
        let records = self.journal.records.iter();
        let known = records.filter_map(|(workload, record)| record.report(workload, now));
        // What waits in the queue follows whole.
        let known = known.filter(|report| !self.reports.has(report));
        Hello {
            generation: self.journal.desired.generation,
            process: self.process,
            inventory: self.inventory_now(now),
            reports: known.map(|report| self.as_told(&report)).collect(),
        }
    }

    /// A report with what the containers run.
    fn as_told(&self, report: &Report) -> Told {
        let inventory = self.inventory.as_ref();
        let containers = inventory.and_then(|inventory| inventory.get(&report.workload));
        Told {
            workload: report.workload.clone(),
            generation: report.generation,
            attempt: report.attempt,
            phase: report.phase,
            waiting_for: report.waiting_for.as_str().into(),
            failure: report.failure.clone(),
            deferral: report.deferral.clone().map(Arc::new),
            containers: containers.cloned().unwrap_or_default(),
            running: report.running.clone(),
        }
    }

    /// The highest that it has accepted.
    pub(crate) fn generation(&self) -> Generation {
        self.journal.desired.generation
    }
}
