//! What the machines of a bed do and say.

use std::collections::BTreeMap;

use pinion_model::{AgentId, AgentPhase, FailureKind, SessionEpoch};

use super::{Bed, agent, digest};
use crate::tests::machine::{container, with_health};
use crate::{Observation, Report, Versions};

impl Bed {
    pub(in crate::tests) fn hello(&mut self, name: &str) {
        let id = agent(name);
        let Some(known) = self.world.agents.get(&id) else {
            return;
        };
        let machine = &self.machines[&id];
        let (epoch, generation, reports) =
            (known.epoch.next(), machine.generation, machine.reports());
        self.observe(Observation::Hello {
            agent: id.clone(),
            epoch,
            generation,
            process_id: format!("process-{name}"),
            facts: BTreeMap::new(),
            versions: Versions::default(),
            at: self.now,
        });
        self.tell_inventory(name);
        for report in reports {
            self.reported(&id, report);
        }
    }

    /// What a machine runs is seen.
    pub(in crate::tests) fn tell_inventory(&mut self, name: &str) {
        let id = agent(name);
        let machine = &self.machines[&id];
        let names = machine.running.keys();
        let workloads = names.map(|name| (name.clone(), machine.containers(name)));
        self.observe(Observation::Inventory {
            workloads: workloads.collect(),
            agent: id,
            at: self.now,
        });
    }

    /// A machine's container, and as many more as there are words, are seen in
    /// these states of health.
    pub(in crate::tests) fn seen(&mut self, name: &str, health: &[&str]) {
        let id = agent(name);
        let running = self.machines[&id].running.get(&self.workload);
        let one = container(&self.workload, running.unwrap_or(&digest(0)));
        let containers = health.iter().map(|word| with_health(one.clone(), word));
        let workloads = BTreeMap::from([(self.workload.clone(), containers.collect())]);
        self.observe(Observation::Inventory {
            agent: id,
            workloads,
            at: self.now,
        });
    }

    pub(in crate::tests) fn offline(&mut self, name: &str) {
        let id = agent(name);
        let epoch = self
            .world
            .agents
            .get(&id)
            .map_or(SessionEpoch(0), |agent| agent.epoch);
        self.observe(Observation::Offline {
            agent: id,
            epoch,
            at: self.now,
        });
    }

    pub(in crate::tests) fn is_online(&self, id: &AgentId) -> bool {
        self.world
            .agents
            .get(id)
            .is_some_and(|a| a.presence == crate::Presence::Online && a.revoked.is_none())
    }

    pub(in crate::tests) fn reported(&mut self, id: &AgentId, report: Report) {
        self.observe(Observation::Reported {
            agent: id.clone(),
            report,
            at: self.now,
        });
    }

    /// A machine takes its desired state and goes one phase on.
    pub(in crate::tests) fn step(&mut self, name: &str) -> bool {
        let id = agent(name);
        if !self.is_online(&id) {
            return false;
        }
        let desired = self.world.desired(&id);
        let machine = self.machines.get_mut(&id).expect("a machine of the bed");
        let mut reports = machine.accept(&desired);
        reports.extend(machine.step());
        let said = !reports.is_empty();
        for report in reports {
            self.reported(&id, report);
        }
        said
    }

    /// A report about what the machine was asked to pull ahead, by hand.
    pub(in crate::tests) fn pull(&mut self, name: &str, phase: AgentPhase) {
        let id = agent(name);
        let placement = &self.world.agents[&id].placements[&self.workload];
        let ahead = placement.ahead.as_ref().expect("asked ahead");
        let report = Report {
            workload: self.workload.clone(),
            generation: ahead.assignment.generation,
            attempt: ahead.assignment.attempt,
            phase,
            waiting_for: "".into(),
            deferral: None,
            failure: phase
                .is_failure()
                .then(|| pinion_model::Failure::new(FailureKind::Credentials, "denied")),
            containers: Vec::new(),
            running: None,
        };
        self.reported(&id, report);
    }

    /// A report about the machine's present assignment, by hand.
    pub(in crate::tests) fn say(&mut self, name: &str, phase: AgentPhase) {
        self.say_of(name, phase, FailureKind::Health);
    }

    /// The machine's assignment failed in this way, and its old container is back.
    pub(in crate::tests) fn fail(&mut self, name: &str, kind: FailureKind) {
        self.say_of(name, AgentPhase::RolledBack, kind);
    }

    fn say_of(&mut self, name: &str, phase: AgentPhase, kind: FailureKind) {
        let id = agent(name);
        let assignment = self
            .world
            .assignment(&id, &self.workload)
            .expect("an assignment")
            .clone();
        let failure = phase
            .is_failure()
            .then(|| pinion_model::Failure::new(kind, "sick"));
        let running = if phase.is_failure() {
            Some(digest(1))
        } else {
            assignment.digest().cloned()
        };
        let report = Report {
            workload: self.workload.clone(),
            generation: assignment.generation,
            attempt: assignment.attempt,
            phase,
            waiting_for: "".into(),
            deferral: None,
            failure,
            containers: Vec::new(),
            running,
        };
        self.reported(&id, report);
    }
}
