use std::collections::BTreeMap;
use std::time::Duration;

use super::measure::{self, Found};
use super::plans::Plans;
use pinion_model::{
    AgentId, AgentPhase, Digest, Generation, StrategyName, Timestamp, WorkloadName,
};
use pinion_rollout::{
    Assignment, Change, Decision, Health, Observation, ObservedContainer, Outcome, Presence,
    Purpose, Refusal, Report, Strategy, World, apply, due_probes, plan,
};

/// Monday, 2 March 2026, 08:00 UTC.
const START: Timestamp = Timestamp(1_772_438_400_000);

/// A world, its clock, and the machines as they really are.
pub(super) struct Bench {
    pub(super) world: World,
    pub(super) now: Timestamp,
    pub(super) machines: BTreeMap<AgentId, Machine>,
    pub(super) strategies: BTreeMap<StrategyName, Strategy>,
    pub(super) found: Found,
    pub(super) plans: Plans,
    said: Vec<String>,
    quiet: bool,
}

/// What a machine would say of itself.
#[derive(Default)]
pub(super) struct Machine {
    pub(super) running: BTreeMap<WorkloadName, Digest>,
    /// Its containers run, and are not healthy.
    pub(super) sick: bool,
    /// The highest that it has accepted.
    pub(super) generation: Generation,
}

impl Bench {
    pub(super) fn new() -> Self {
        Self {
            world: World::default(),
            now: START,
            machines: BTreeMap::new(),
            strategies: BTreeMap::new(),
            found: Found::default(),
            plans: Plans::default(),
            said: Vec::new(),
            quiet: false,
        }
    }

    /// The workload that is meant when none is named.
    pub(super) fn workload() -> WorkloadName {
        "app".parse().expect("a name")
    }

    pub(super) fn say(&mut self, line: impl Into<String>) {
        if !self.quiet {
            self.said.push(line.into());
        }
    }

    /// All that was said since it was asked for last.
    pub(super) fn answers(&mut self) -> Vec<String> {
        let said = std::mem::take(&mut self.said);
        said.iter()
            .map(|line| {
                self.plans
                    .name(&readable(line))
                    .replace("plan plan-", "plan-")
            })
            .collect()
    }

    /// Does something of which only the outcome is worth telling.
    pub(super) fn quietly<T>(&mut self, act: impl FnOnce(&mut Self) -> T) -> T {
        self.quiet = true;
        let done = act(self);
        self.quiet = false;
        done
    }

    /// Carries a command out and plans; a refusal is an answer too.
    pub(super) fn decide<T>(
        &mut self,
        command: impl FnOnce(&World, Timestamp) -> Result<Outcome<T>, Refusal>,
    ) -> Option<T> {
        match command(&self.world, self.now) {
            Ok(outcome) => {
                if outcome.changes.is_empty() {
                    self.say("nothing changes");
                }
                self.commit(outcome.changes);
                self.plan();
                Some(outcome.value)
            }
            Err(refusal) => {
                for line in refused(&refusal) {
                    self.say(line);
                }
                None
            }
        }
    }

    pub(super) fn observe(&mut self, observation: Observation) {
        self.commit(vec![observation.into()]);
    }

    fn commit(&mut self, changes: Vec<Change>) {
        for change in changes {
            let written = serde_json::to_string(&change).expect("a change is written");
            let read: Change = serde_json::from_str(&written).expect("a change is read back");
            apply(&mut self.world, &read);
            if let Change::Decision(decision) = read {
                self.say(line(&decision));
            }
        }
    }

    /// Asks the planner until it has nothing to do; machines that are asked to
    /// run what they have restored adopt it, and samples that are due are taken.
    /// Answers when the coordinator would wake by itself.
    pub(super) fn plan(&mut self) -> Option<Timestamp> {
        loop {
            let planned = plan(&self.world, self.now);
            self.commit(planned.changes);
            let again = plan(&self.world, self.now);
            assert_eq!(again.changes, [], "planning again at the same instant");
            assert_eq!(again.wake_at, planned.wake_at);
            if !self.deliver() && !measure::sample(self) {
                let probes = due_probes(&self.world, self.now).next;
                return [planned.wake_at, probes].into_iter().flatten().min();
            }
        }
    }

    /// Machines that are online take their desired state, and adopt at once
    /// what they have restored by themselves. True if one did.
    fn deliver(&mut self) -> bool {
        let mut adopted = Vec::new();
        let online = |id: &AgentId| self.is_online(id);
        let online: Vec<_> = self
            .machines
            .keys()
            .filter(|id| online(id))
            .cloned()
            .collect();
        for id in online {
            let desired = self.world.desired(&id);
            if let Some(machine) = self.machines.get_mut(&id) {
                machine.generation = machine.generation.max(desired.generation);
            }
            let adopts = desired.assignments.into_iter().filter(|assignment| {
                let adopts = matches!(assignment.purpose, Purpose::Adopt { .. });
                adopts && self.is_new(&id, assignment)
            });
            adopted.extend(adopts.map(|assignment| (id.clone(), assignment)));
        }
        for (id, assignment) in &adopted {
            self.reported(id, settled(assignment));
        }
        !adopted.is_empty()
    }

    fn is_new(&self, id: &AgentId, assignment: &Assignment) -> bool {
        let agent = self.world.agents.get(id);
        let placement = agent.and_then(|agent| agent.placements.get(&assignment.workload));
        placement.is_some_and(|placement| placement.phase.is_none())
    }

    pub(super) fn reported(&mut self, id: &AgentId, report: Report) {
        self.observe(Observation::Reported {
            agent: id.clone(),
            report,
            at: self.now,
        });
    }

    /// Lets time pass, and tells what time it is then.
    pub(super) fn pass(&mut self, duration: Duration) {
        self.wait(duration);
        if !self.said.contains(&self.clock()) {
            self.say(self.clock());
        }
    }

    /// The second that lies between one event and the next.
    pub(super) fn tick(&mut self) {
        self.wait(Duration::from_secs(1));
    }

    /// Lets time pass, stopping wherever the planner wanted to be woken.
    fn wait(&mut self, duration: Duration) {
        let end = self.now + duration;
        let mut wake_at = self.plan();
        while self.now < end {
            self.now = wake_at
                .filter(|at| *at > self.now && *at < end)
                .unwrap_or(end);
            let before = self.said.len();
            wake_at = self.plan();
            if self.said.len() > before {
                self.said.insert(before, self.clock());
            }
        }
    }

    fn clock(&self) -> String {
        format!("it is {}", self.now)
    }

    pub(super) fn is_online(&self, id: &AgentId) -> bool {
        let agent = self.world.agents.get(id);
        agent.is_some_and(|agent| agent.presence == Presence::Online && agent.revoked.is_none())
    }

    /// What a machine's containers are.
    pub(super) fn containers(
        &self,
        id: &AgentId,
    ) -> BTreeMap<WorkloadName, Vec<ObservedContainer>> {
        let machine = self.machines.get(id);
        let sick = machine.is_some_and(|machine| machine.sick);
        let running = machine
            .map(|machine| &machine.running)
            .into_iter()
            .flatten();
        let containers = running.map(|(workload, digest)| {
            let container = ObservedContainer {
                name: format!("{workload}-1").into(),
                id: "c0ffee".into(),
                digest: Some(digest.clone()),
                running: true,
                health: match sick {
                    true => Health::Unhealthy,
                    false => Health::Healthy,
                },
            };
            (workload.clone(), vec![container])
        });
        containers.collect()
    }
}

/// A refusal, fault by fault.
pub(super) fn refused(refusal: &Refusal) -> Vec<String> {
    match refusal {
        Refusal::Invalid { faults } => faults
            .iter()
            .map(|fault| format!("refused: {fault}"))
            .collect(),
        other => vec![format!("refused: {other}")],
    }
}

fn settled(assignment: &Assignment) -> Report {
    Report {
        workload: assignment.workload.clone(),
        generation: assignment.generation,
        attempt: assignment.attempt,
        phase: AgentPhase::Settled,
        waiting_for: "".into(),
        deferral: None,
        failure: None,
        containers: Vec::new(),
        running: assignment.digest().cloned(),
    }
}

/// The digest of the image that a script calls `v<n>`.
pub(super) fn digest(version: &str) -> Option<Digest> {
    let number: u8 = version.strip_prefix('v')?.parse().ok()?;
    let digest = format!("sha256:{}", format!("{number:02}").repeat(32));
    (1..=99).contains(&number).then_some(())?;
    digest.parse().ok()
}

/// A decision as it stands in the audit log.
fn line(decision: &Decision) -> String {
    let by = match &decision.actor {
        pinion_model::Actor::System => String::new(),
        actor => format!(" by {actor}"),
    };
    let detail = match decision.detail() {
        detail if detail.is_empty() => detail,
        detail => format!(": {detail}"),
    };
    format!("{} {}{by}{detail}", decision.action(), decision.subject())
}

/// Images by the names that the script gave them; instants in whole seconds.
fn readable(line: &str) -> String {
    let mut line = line.replace(".000Z", "Z");
    for number in 1..=99 {
        let name = format!("v{number}");
        let Some(digest) = digest(&name) else {
            continue;
        };
        line = line.replace(&digest.to_string(), &name);
        line = line.replace(digest.short(), &name);
    }
    line
}
