//! Random events for a fleet, and how each happens.

use std::time::Duration;

use pinion_model::{AgentId, FailureKind, RolloutId};
use proptest::prelude::*;

use super::bed::{Bed, Command, agent, alice, digest, keep, revert, steer};
use super::rules::{judgement, kind, rules};

use crate::commands::{self, HoldAgent, QuarantineDigest, Refresh, RetryAgents, SetLabels};
use crate::{Change, Judgement, Observation, Refusal, Strategy as Rules};

pub(super) const MACHINES: usize = 8;

#[derive(Debug, Clone)]
pub(super) enum Event {
    Step(usize),
    StepAll,
    Offline(usize),
    Hello(usize),
    Pass(u64),
    Restart,
    RollOut(u8, Box<Rules>),
    Pause,
    Resume,
    Abort,
    Revert,
    AbortQueued,
    WorkOn(&'static str),
    RollBack,
    Approve,
    Override,
    Relabel(usize, bool),
    Retry,
    Hold(usize),
    Release(usize),
    Refresh(usize),
    Revoke(usize),
    Remove(usize),
    Enrol,
    Sicken(usize),
    Ail(usize, bool),
    Break(usize, FailureKind, bool),
    Repeat(usize),
    Spoil(usize, u8),
    Deny(usize, u8),
    Grant(usize),
    Quarantine(u8),
    Lift(u8),
    Measure(Judgement),
}

pub(super) fn event() -> impl Strategy<Value = Event> {
    let machine = || 1..=MACHINES;
    prop_oneof![
        8 => machine().prop_map(Event::Step),
        8 => Just(Event::StepAll),
        2 => machine().prop_map(Event::Offline),
        3 => machine().prop_map(Event::Hello),
        3 => (1..700_u64).prop_map(Event::Pass),
        1 => Just(Event::Restart),
        3 => (2..5_u8, rules()).prop_map(|(n, rules)| Event::RollOut(n, Box::new(rules))),
        1 => Just(Event::Pause),
        3 => Just(Event::Resume),
        1 => Just(Event::Abort),
        1 => Just(Event::Revert),
        1 => Just(Event::AbortQueued),
        2 => prop_oneof![Just("app"), Just("web")].prop_map(Event::WorkOn),
        1 => Just(Event::RollBack),
        3 => Just(Event::Approve),
        1 => Just(Event::Override),
        1 => (machine(), any::<bool>()).prop_map(|(machine, night)| Event::Relabel(machine, night)),
        1 => Just(Event::Retry),
        1 => machine().prop_map(Event::Hold),
        1 => machine().prop_map(Event::Release),
        1 => machine().prop_map(Event::Refresh),
        1 => machine().prop_map(Event::Revoke),
        1 => machine().prop_map(Event::Remove),
        1 => Just(Event::Enrol),
        1 => machine().prop_map(Event::Sicken),
        3 => (machine(), any::<bool>()).prop_map(|(machine, sick)| Event::Ail(machine, sick)),
        2 => (machine(), kind(), 0..4_u8)
            .prop_map(|(machine, kind, n)| Event::Break(machine, kind, n == 0)),
        2 => (0..400_usize).prop_map(Event::Repeat),
        1 => (machine(), 2..5_u8).prop_map(|(machine, n)| Event::Spoil(machine, n)),
        2 => (machine(), 2..5_u8).prop_map(|(machine, n)| Event::Deny(machine, n)),
        1 => machine().prop_map(Event::Grant),
        1 => (2..5_u8).prop_map(Event::Quarantine),
        2 => (2..5_u8).prop_map(Event::Lift),
        3 => judgement().prop_map(Event::Measure),
    ]
}

fn name(n: usize) -> String {
    format!("m{n}")
}

fn id(n: usize) -> AgentId {
    agent(&name(n))
}

/// A refusal is an answer, too.
fn tried<T>(_: Result<T, Refusal>) {}

impl Bed {
    fn newest(&self) -> Option<RolloutId> {
        self.world
            .workloads
            .get(&self.workload)?
            .rollouts
            .last()
            .cloned()
    }

    pub(super) fn steered(&mut self, command: Command) {
        if let Some(id) = self.newest() {
            tried(self.decide(|world, now| command(world, steer(&id), &alice(), now)));
        }
    }

    pub(super) fn happen(&mut self, event: &Event) {
        match event {
            Event::Step(n) => self.work(*n..=*n),
            Event::StepAll => self.work(1..=MACHINES),
            Event::Offline(n) => self.offline(&name(*n)),
            Event::Hello(n) => self.hello(&name(*n)),
            Event::Pass(seconds) => self.pass(Duration::from_secs(*seconds)),
            Event::Restart => self.observe(Observation::Started { at: self.now }),
            Event::Sicken(n) => self.sicken(&id(*n)),
            Event::Ail(n, sick) => self.ail(*n, *sick),
            Event::Break(n, kind, lossy) => self.damage(&id(*n), *kind, *lossy),
            Event::Repeat(nth) => self.repeat(*nth),
            Event::Spoil(n, bad) => self.spoil(&id(*n), *bad),
            Event::Deny(n, bad) => self.deny(&id(*n), *bad),
            Event::Grant(n) => self.grant(&id(*n)),
            Event::Enrol => self.enrol_one(),
            Event::WorkOn(workload) => self.work_on(workload),
            Event::Measure(outcome) => self.measure(*outcome),
            _ => self.operate(event),
        }
    }

    fn work(&mut self, machines: std::ops::RangeInclusive<usize>) {
        for n in machines {
            self.step(&name(n));
        }
    }

    fn operate(&mut self, event: &Event) {
        match event {
            Event::RollOut(n, rules) => self.try_roll_out(*n, rules),
            Event::Pause => self.steered(commands::pause),
            Event::Resume => self.steered(commands::resume),
            Event::Abort => self.steered(keep),
            Event::Revert => self.steered(revert),
            Event::AbortQueued => self.abort_queued(),
            Event::RollBack => self.steered(commands::roll_back),
            Event::Approve => self.approve_newest(),
            Event::Override => self.steered(commands::override_windows),
            Event::Relabel(n, night) => self.name_night(&id(*n), *night),
            Event::Retry => self.retry(),
            Event::Quarantine(n) => self.quarantine(*n),
            Event::Lift(n) => self.lift(*n),
            Event::Hold(n) => self.hold(&id(*n)),
            Event::Release(n) => self.release(*n),
            Event::Refresh(n) => self.refresh(&id(*n)),
            Event::Revoke(n) => {
                tried(
                    self.decide(|world, now| {
                        commands::revoke_agent(world, id(*n), "", &alice(), now)
                    }),
                );
            }
            Event::Remove(n) => {
                tried(
                    self.decide(|world, now| {
                        commands::remove_agent(world, id(*n), "", &alice(), now)
                    }),
                );
            }
            _ => unreachable!("happens without an operator"),
        }
    }

    fn quarantine(&mut self, n: u8) {
        let request = QuarantineDigest {
            digest: digest(n),
            workload: self.workload.clone(),
            reason: "distrust".to_owned(),
        };
        tried(
            self.decide(|world, now| commands::quarantine(world, request.clone(), &alice(), now)),
        );
    }

    pub(super) fn lift(&mut self, n: u8) {
        tried(self.decide(|world, now| {
            commands::lift_quarantine(world, &digest(n), "trust", &alice(), now)
        }));
    }

    fn deny(&mut self, id: &AgentId, bad: u8) {
        if let Some(machine) = self.machines.get_mut(id) {
            let denied = FailureKind::Credentials;
            machine.out_of_reach.insert(digest(bad), denied);
        }
    }

    fn grant(&mut self, id: &AgentId) {
        if let Some(machine) = self.machines.get_mut(id) {
            machine.out_of_reach.clear();
        }
    }

    fn abort_queued(&mut self) {
        if let Some(queued) = self.world.queued_rollout(&self.workload) {
            let queued = steer(&queued.id);
            tried(self.decide(|world, now| keep(world, queued.clone(), &alice(), now)));
        }
    }

    fn try_roll_out(&mut self, n: u8, rules: &Rules) {
        tried(self.try_promote(n));
        let request = commands::StartRollout {
            workload: self.workload.clone(),
            pin: None,
            strategy: rules.clone(),
            agents: pinion_model::LabelSelector::default(),
            reason: String::new(),
        };
        tried(
            self.decide(|world, now| {
                commands::start_rollout(world, request.clone(), &alice(), now)
            }),
        );
    }

    fn retry(&mut self) {
        if let Some(rollout) = self.newest() {
            let retry = RetryAgents {
                rollout,
                agents: Vec::new(),
                reason: String::new(),
            };
            tried(self.decide(|world, now| commands::retry(world, retry.clone(), &alice(), now)));
        }
    }

    fn hold(&mut self, agent: &AgentId) {
        let expires_at = Some(self.now + Duration::from_secs(300));
        let hold = HoldAgent {
            agent: agent.clone(),
            reason: "care".into(),
            expires_at,
        };
        tried(self.decide(|world, now| commands::hold(world, hold.clone(), &alice(), now)));
    }

    pub(super) fn release(&mut self, n: usize) {
        tried(self.decide(|world, now| commands::release(world, id(n), "", &alice(), now)));
    }

    /// Some follow the window of the random strategies, and some do not.
    fn name_night(&mut self, agent: &AgentId, night: bool) {
        let at = if night { "night" } else { "" };
        let labels = SetLabels {
            agent: agent.clone(),
            labels: [("at".to_owned(), at.to_owned())].into(),
        };
        tried(self.decide(|world, now| commands::set_labels(world, labels.clone(), &alice(), now)));
    }

    fn refresh(&mut self, agent: &AgentId) {
        let refresh = Refresh {
            agents: vec![agent.clone()],
            workloads: Vec::new(),
            reason: String::new(),
        };
        tried(self.decide(|world, now| commands::refresh(world, refresh.clone(), &alice(), now)));
    }

    fn enrol_one(&mut self) {
        let free = (1..=MACHINES).find(|n| !self.world.agents.contains_key(&id(*n)));
        if let Some(n) = free {
            self.enrol(&name(n), true);
        }
    }

    fn sicken(&mut self, id: &AgentId) {
        let workload = self.workload.clone();
        let report = self
            .machines
            .get_mut(id)
            .and_then(|machine| machine.regress(&workload));
        if let Some(report) = report.filter(|_| self.is_online(id)) {
            self.reported(id, report);
        }
    }

    /// A machine's containers sicken or heal by themselves, and are seen so
    /// unless it is offline.
    fn ail(&mut self, n: usize, sick: bool) {
        let agent = id(n);
        if let Some(machine) = self.machines.get_mut(&agent) {
            machine.sick = sick;
        }
        if self.is_online(&agent) {
            self.tell_inventory(&name(n));
        }
    }

    pub(super) fn repair(&mut self, n: usize) {
        if let Some(machine) = self.machines.get_mut(&id(n)) {
            machine.repair();
        }
    }

    /// From now on what fails there fails in this way, and takes the old
    /// container with it.
    fn damage(&mut self, id: &AgentId, kind: FailureKind, lossy: bool) {
        if let Some(machine) = self.machines.get_mut(id) {
            (machine.kind, machine.lossy) = (Some(kind), lossy);
        }
    }

    /// An old report comes once more.
    fn repeat(&mut self, nth: usize) {
        let reports = self.history.iter();
        let reports = reports
            .filter(|change| matches!(change, Change::Observation(Observation::Reported { .. })));
        let old = reports.clone().nth(nth % reports.count().max(1)).cloned();
        self.commit(old.into_iter().collect());
    }

    fn spoil(&mut self, id: &AgentId, bad: u8) {
        if let Some(machine) = self.machines.get_mut(id) {
            machine.bad.insert(digest(bad));
        }
    }

    pub(super) fn approve_newest(&mut self) {
        if let Some(rollout) = self.newest() {
            let approval = self.approval(&rollout, None);
            tried(self.approve(&approval));
        }
    }
}
