//! A world, a clock and a fleet to try the engine on.

mod fleet;

use std::collections::BTreeMap;
use std::time::Duration;

use pinion_model::{
    Actor, AgentId, Digest, Labels, Role, RolloutId, RolloutPhase, StageName, Timestamp,
    WorkloadName,
};

use super::machine::Machine;
use crate::commands::{
    self, Abort, AbortMode, Approve, Claim, CreateToken, NewToken, Promote, Promoted, Redeem,
    StartRollout, Steer,
};
use crate::{
    Amount, Certificate, Change, Cohort, Counts, Observation, Outcome, Plan, Reason, Refusal,
    Rollout, StageSpec, Strategy, World, apply, explain, plan, plan_hash,
};

pub(super) struct Bed {
    pub(super) world: World,
    pub(super) now: Timestamp,
    pub(super) history: Vec<Change>,
    pub(super) machines: BTreeMap<AgentId, Machine>,
    pub(super) workload: WorkloadName,
}

/// What an operator does to a rollout as a whole.
pub(super) type Command =
    fn(&World, Steer, &Actor, Timestamp) -> Result<Outcome<RolloutId>, Refusal>;

pub(super) fn agent(name: &str) -> AgentId {
    name.parse().expect("an agent's name")
}

pub(super) fn digest(n: u8) -> Digest {
    format!("sha256:{}", format!("{n:02x}").repeat(32))
        .parse()
        .expect("a digest")
}

pub(super) fn alice() -> Actor {
    Actor::Operator {
        name: "alice".parse().expect("a name"),
        role: Role::Operator,
    }
}

pub(super) fn image() -> pinion_model::Image {
    pinion_model::Image {
        registry: "ghcr".parse().expect("a registry"),
        repository: "ghcr.io/molecule-ai/app".parse().expect("a repository"),
    }
}

pub(super) fn percent(percent: u32) -> StageSpec {
    StageSpec::of(Cohort::Percent(percent))
}

pub(super) fn count(count: u32) -> StageSpec {
    StageSpec::of(Cohort::Count(count))
}

pub(super) fn rest() -> StageSpec {
    StageSpec::of(Cohort::Rest)
}

/// Stages of these cohorts, everybody in flight at once.
pub(super) fn strategy(stages: Vec<StageSpec>) -> Strategy {
    Strategy {
        stages,
        max_in_flight: Some(Amount::Percent(100)),
        ..Strategy::default()
    }
}

pub(super) fn steer(rollout: &RolloutId) -> Steer {
    Steer {
        rollout: rollout.clone(),
        reason: "because".to_owned(),
    }
}

/// Aborts it, and keeps what is done.
pub(super) fn keep(
    world: &World,
    steer: Steer,
    by: &Actor,
    now: Timestamp,
) -> Result<Outcome<RolloutId>, Refusal> {
    abort(world, steer, AbortMode::Keep, by, now)
}

/// Aborts it, and takes back what is done.
pub(super) fn revert(
    world: &World,
    steer: Steer,
    by: &Actor,
    now: Timestamp,
) -> Result<Outcome<RolloutId>, Refusal> {
    abort(world, steer, AbortMode::Revert, by, now)
}

fn abort(
    world: &World,
    steer: Steer,
    mode: AbortMode,
    by: &Actor,
    now: Timestamp,
) -> Result<Outcome<RolloutId>, Refusal> {
    let abort = Abort {
        rollout: steer.rollout,
        mode,
        reason: steer.reason,
    };
    commands::abort(world, abort, by, now)
}

impl Bed {
    /// That many machines, `m1` and on, online; every one runs digest 1, unpinned.
    pub(super) fn new(machines: usize) -> Self {
        let mut bed = Self {
            world: World::default(),
            now: Timestamp(1_000_000),
            history: Vec::new(),
            machines: BTreeMap::new(),
            workload: "app".parse().expect("a workload"),
        };
        for n in 1..=machines {
            bed.enrol(&format!("m{n}"), true);
        }
        bed
    }

    pub(super) fn enrol(&mut self, name: &str, has_containers: bool) {
        self.enrol_with(name, has_containers, Labels::new());
    }

    pub(super) fn enrol_with(&mut self, name: &str, has_containers: bool, labels: Labels) {
        let id = agent(name);
        let mut machine = Machine::default();
        if has_containers {
            machine.running.insert(self.workload.clone(), digest(1));
        }
        let token = CreateToken {
            id: format!("t-{name}-{}", self.history.len()),
            secret_hash: format!("hash-{name}-{}", self.history.len()),
            kind: NewToken::Enrollment {
                agent: Some(id.clone()),
                labels,
                max_uses: 1,
            },
            expires_at: Some(self.now + Duration::from_secs(3600)),
        };
        let secret_hash = token.secret_hash.clone();
        self.decide(|world, now| commands::create_token(world, token.clone(), &alice(), now))
            .expect("a token");
        let claim = Claim {
            secret_hash,
            key: format!("key-{name}"),
            wanted: None,
        };
        let redeem = Redeem {
            claim,
            agent: id.clone(),
            certificate: certificate(name),
            encoded: "pem".to_owned(),
        };
        self.decide(|world, now| commands::redeem(world, redeem.clone(), now))
            .expect("an identity");
        self.machines.insert(id.clone(), machine);
        self.hello(name);
    }

    pub(super) fn commit(&mut self, changes: Vec<Change>) {
        for change in changes {
            let written = serde_json::to_string(&change).expect("a change is written");
            let read: Change = serde_json::from_str(&written).expect("a change is read back");
            assert_eq!(read, change);
            apply(&mut self.world, &read);
            self.history.push(change);
        }
    }

    pub(super) fn decide<T>(
        &mut self,
        command: impl Fn(&World, Timestamp) -> Result<Outcome<T>, Refusal>,
    ) -> Result<T, Refusal> {
        let outcome = command(&self.world, self.now)?;
        self.commit(outcome.changes);
        Ok(outcome.value)
    }

    pub(super) fn observe(&mut self, observation: Observation) {
        self.commit(vec![observation.into()]);
    }

    /// Plans and commits; planning again at once must find nothing to do.
    pub(super) fn plan(&mut self) -> Plan {
        let planned = plan(&self.world, self.now);
        self.commit(planned.changes.clone());
        let again = plan(&self.world, self.now);
        assert_eq!(
            again.changes,
            Vec::new(),
            "planning again at the same instant"
        );
        assert_eq!(again.wake_at, planned.wake_at);
        planned
    }

    pub(super) fn pass(&mut self, duration: Duration) {
        self.now = self.now + duration;
    }

    /// Plans and lets every machine work until nothing moves any more.
    pub(super) fn drive(&mut self) {
        for _ in 0..10_000 {
            let planned = !self.plan().changes.is_empty();
            let names: Vec<_> = self.machines.keys().map(ToString::to_string).collect();
            let worked = names.iter().filter(|name| self.step(name)).count();
            if !planned && worked == 0 {
                return;
            }
        }
        panic!("the fleet never comes to rest");
    }

    /// Gives a machine these labels, beside those that it has.
    pub(super) fn relabel(&mut self, name: &str, labels: Labels) {
        let request = commands::SetLabels {
            agent: agent(name),
            labels,
        };
        self.decide(|world, now| commands::set_labels(world, request.clone(), &alice(), now))
            .expect("labels");
    }

    pub(super) fn promote(&mut self, n: u8) {
        self.try_promote(n).expect("a pin");
    }

    pub(super) fn try_promote(&mut self, n: u8) -> Result<Promoted, Refusal> {
        self.promote_as(n, None)
    }

    /// Promotes a digest of a workload with `rollout = "auto"`.
    pub(super) fn push(&mut self, n: u8, strategy: Strategy) -> Promoted {
        self.promote_as(n, Some(strategy)).expect("a pin")
    }

    fn promote_as(&mut self, n: u8, auto: Option<Strategy>) -> Result<Promoted, Refusal> {
        let request = Promote {
            workload: self.workload.clone(),
            digest: digest(n),
            source_sha: None,
            notes: String::new(),
            images: vec![image()],
            local_tag: "current".to_owned(),
            auto,
        };
        self.decide(|world, now| commands::promote(world, request.clone(), &alice(), now))
    }

    /// Promotes a digest whose rollout follows by itself.
    pub(super) fn promote_auto(&mut self, n: u8, strategy: Strategy) -> RolloutId {
        self.push(n, strategy).rollout.expect("its rollout")
    }

    pub(super) fn start(&mut self, strategy: Strategy) -> RolloutId {
        let request = StartRollout {
            workload: self.workload.clone(),
            pin: None,
            strategy,
            agents: pinion_model::LabelSelector::default(),
            reason: String::new(),
        };
        self.decide(|world, now| commands::start_rollout(world, request.clone(), &alice(), now))
            .expect("a rollout")
            .id
    }

    /// What follows is about this workload; those machines that have none of
    /// it yet run digest 1 of it.
    pub(super) fn work_on(&mut self, workload: &str) {
        self.workload = workload.parse().expect("a workload");
        for machine in self.machines.values_mut() {
            let running = machine.running.entry(self.workload.clone());
            running.or_insert_with(|| digest(1));
        }
        let names: Vec<_> = self.machines.keys().map(ToString::to_string).collect();
        for name in names {
            if self.is_online(&agent(&name)) {
                self.hello(&name);
            }
        }
    }

    /// Promotes a digest and starts its rollout.
    pub(super) fn roll_out(&mut self, n: u8, strategy: Strategy) -> RolloutId {
        self.promote(n);
        self.start(strategy)
    }

    /// An approval of a stage as it is shown now: of the named one, else of
    /// the one that waits.
    pub(super) fn approval(&self, id: &RolloutId, stage: Option<&str>) -> Approve {
        let rollout = self.rollout(id);
        let stage: Option<StageName> = stage.map(|name| name.parse().expect("a stage's name"));
        let named = stage.as_ref().and_then(|name| rollout.stage(name));
        let place = named.map_or(rollout.open_stage, |(place, _)| place);
        Approve {
            rollout: id.clone(),
            stage,
            plan: plan_hash(&self.world, id, place),
            reason: "looks good".to_owned(),
        }
    }

    pub(super) fn approve(&mut self, approve: &Approve) -> Result<RolloutId, Refusal> {
        self.decide(|world, now| commands::approve(world, approve.clone(), &alice(), now))
    }

    pub(super) fn rollout(&self, id: &RolloutId) -> &Rollout {
        &self.world.rollouts[id]
    }

    /// What no command can change, to see who notices.
    pub(super) fn alter(&mut self, id: &RolloutId, alter: impl FnOnce(&mut Rollout)) {
        alter(self.world.rollouts.get_mut(id).expect("a rollout"));
    }

    pub(super) fn steer_with(&mut self, command: Command, id: &RolloutId) {
        self.decide(|world, now| command(world, steer(id), &alice(), now))
            .expect("it is done");
    }

    /// Every machine that failed is to try again.
    pub(super) fn retry_all(&mut self, id: &RolloutId) {
        let retry = commands::RetryAgents {
            rollout: id.clone(),
            agents: Vec::new(),
            reason: String::new(),
        };
        self.decide(|world, now| commands::retry(world, retry.clone(), &alice(), now))
            .expect("retried");
    }

    pub(super) fn phase(&self, id: &RolloutId) -> RolloutPhase {
        self.rollout(id).phase
    }

    pub(super) fn counts(&self, id: &RolloutId, stage: usize) -> Counts {
        self.world.counts(id, stage)
    }

    pub(super) fn running(&self, name: &str) -> &Digest {
        &self.machines[&agent(name)].running[&self.workload]
    }

    pub(super) fn why(&self, rollout: &RolloutId, name: &str) -> Option<Reason> {
        explain(&self.world, rollout, &agent(name), self.now)
    }

    pub(super) fn word(&self, rollout: &RolloutId, name: &str) -> Option<&'static str> {
        self.why(rollout, name).map(|reason| reason.word)
    }

    /// The machine of a place in the rollout's order.
    pub(super) fn nth(&self, rollout: &RolloutId, stage: usize, place: usize) -> String {
        self.rollout(rollout).stages[stage].order[place].to_string()
    }
}

pub(super) fn certificate(name: &str) -> Certificate {
    Certificate {
        fingerprint: format!("print-{name}"),
        serial: "01".to_owned(),
        not_after: Timestamp(u64::MAX),
    }
}
