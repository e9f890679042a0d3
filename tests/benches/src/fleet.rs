//! A world with machines in it, and what they say.

use std::collections::BTreeMap;
use std::time::Duration;

use pinion_model::{
    Actor, AgentId, AgentPhase, Digest, Generation, Image, LabelSelector, Labels, RolloutId,
    SessionEpoch, Timestamp, WorkloadName,
};
use pinion_rollout::commands::{Promote, StartRollout, promote, start_rollout};
use pinion_rollout::{
    Act, Assignment, Certificate, Change, Cohort, Decision, Health, Observation, ObservedContainer,
    Outcome, Refusal, Report, StageSpec, Strategy, Use, Versions, World, apply, plan,
};

/// What a machine says of an assignment, one after the other.
pub(crate) const PHASES: [AgentPhase; 6] = [
    AgentPhase::Pulling,
    AgentPhase::Creating,
    AgentPhase::CuttingOver,
    AgentPhase::Verifying,
    AgentPhase::Soaking,
    AgentPhase::Settled,
];

/// A world and its clock.
#[derive(Debug, Clone)]
pub struct Fleet {
    /// All that is known.
    pub world: World,
    /// The time there.
    pub now: Timestamp,
}

/// The name of the nth workload.
#[must_use]
pub fn workload(n: usize) -> WorkloadName {
    parsed(&format!("workload-{n}"))
}

fn digest(n: usize) -> Digest {
    parsed(&format!("sha256:{n:064x}"))
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect("the benches write what can be read")
}

impl Fleet {
    /// That many machines, online; each runs a container of each workload.
    #[must_use]
    pub fn new(machines: usize, workloads: usize) -> Self {
        let mut fleet = Self {
            world: World::default(),
            now: Timestamp(1_700_000_000_000),
        };
        for n in 0..machines {
            fleet.enrol(n, workloads);
        }
        fleet
    }

    fn enrol(&mut self, n: usize, workloads: usize) {
        let agent: AgentId = parsed(&format!("machine-{n:06}.eu-west.example"));
        let certificate = Certificate {
            fingerprint: format!("{n:064x}"),
            serial: format!("{n:032x}"),
            not_after: Timestamp(u64::MAX),
        };
        let labels = Labels::from([("region".to_owned(), format!("region-{}", n % 7))]);
        let act = Act::AgentEnrolled {
            agent: agent.clone(),
            token: "token".to_owned(),
            key: format!("{n:064x}"),
            labels,
            certificate,
            answer: Use {
                agent: agent.clone(),
                certificate: String::new(),
                not_after: Timestamp(u64::MAX),
                at: self.now,
            },
        };
        self.apply(&Decision::system(self.now, act).into());
        self.observe(hello(&agent, n, self.now));
        let containers = (0..workloads).map(|w| (workload(w), vec![container(n, w, digest(0))]));
        let inventory = Observation::Inventory {
            agent,
            workloads: containers.collect(),
            at: self.now,
        };
        self.observe(inventory);
    }

    fn apply(&mut self, change: &Change) {
        apply(&mut self.world, change);
    }

    /// Takes in what a machine said.
    pub fn observe(&mut self, observation: Observation) {
        self.apply(&observation.into());
    }

    pub(crate) fn pass(&mut self, duration: Duration) {
        self.now = self.now + duration;
    }

    /// Carries out what a command decided.
    fn decide<T>(&mut self, decided: Result<Outcome<T>, Refusal>) -> T {
        let outcome = decided.expect("the benches ask for what can be");
        for change in &outcome.changes {
            self.apply(change);
        }
        outcome.value
    }

    /// Plans and commits; what was planned.
    pub fn plan(&mut self) -> Vec<Change> {
        let changes = plan(&self.world, self.now).changes;
        for change in &changes {
            self.apply(change);
        }
        changes
    }

    /// Pins a digest, and begins to take it to everybody in four stages.
    pub fn roll_out(&mut self, w: usize, n: usize) -> RolloutId {
        let image = Image {
            registry: parsed("ghcr"),
            repository: parsed(&format!("ghcr.io/example/image-{w}")),
        };
        let request = Promote {
            workload: workload(w),
            digest: digest(n),
            source_sha: None,
            notes: String::new(),
            images: vec![image],
            local_tag: "current".to_owned(),
            auto: None,
        };
        let decided = promote(&self.world, request, &Actor::System, self.now);
        self.decide(decided);
        let request = StartRollout {
            workload: workload(w),
            pin: None,
            strategy: four_stages(),
            agents: LabelSelector::default(),
            reason: String::new(),
        };
        let decided = start_rollout(&self.world, request, &Actor::System, self.now);
        self.decide(decided).id
    }
}

/// 1, 10 %, 50 % and the rest; a tenth of a stage at once.
fn four_stages() -> Strategy {
    let cohorts = [
        Cohort::Count(1),
        Cohort::Percent(10),
        Cohort::Percent(50),
        Cohort::Rest,
    ];
    Strategy {
        stages: cohorts.into_iter().map(StageSpec::of).collect(),
        ..Strategy::default()
    }
}

fn hello(agent: &AgentId, n: usize, at: Timestamp) -> Observation {
    let facts = [
        ("arch", "x86_64".to_owned()),
        ("hostname", agent.to_string()),
        ("kernel", "6.12.41".to_owned()),
        ("os", "Debian GNU/Linux 13 (trixie)".to_owned()),
    ];
    Observation::Hello {
        agent: agent.clone(),
        epoch: SessionEpoch(1),
        generation: Generation(0),
        process_id: format!("{n:032x}"),
        facts: BTreeMap::from(facts.map(|(key, value)| (key.to_owned(), value))),
        versions: Versions {
            agent: "0.1.0".into(),
            engine: "29.1.3".into(),
        },
        at,
    }
}

fn container(n: usize, w: usize, digest: Digest) -> ObservedContainer {
    ObservedContainer {
        name: format!("workload-{w}-1").into(),
        id: format!("{:064x}", n * 100 + w).into(),
        digest: Some(digest),
        running: true,
        health: Health::Healthy,
    }
}

/// What a machine says of its assignment, with texts of its own, as they come off the wire.
#[must_use]
pub fn report(n: usize, assignment: &Assignment, phase: AgentPhase) -> Report {
    let digest = || assignment.digest().map(|digest| parsed(digest.as_str()));
    let containers = match phase {
        AgentPhase::Verifying | AgentPhase::Soaking | AgentPhase::Settled => {
            digest().map(|digest| container(n, 0, digest))
        }
        _ => None,
    };
    Report {
        workload: parsed(assignment.workload.as_str()),
        generation: assignment.generation,
        attempt: assignment.attempt,
        phase,
        waiting_for: "".into(),
        deferral: None,
        failure: None,
        containers: containers.into_iter().collect(),
        running: if phase == AgentPhase::Settled {
            digest()
        } else {
            None
        },
    }
}
