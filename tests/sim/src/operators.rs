//! What people do to rollouts and machines, at random, and who looks after them at the end.

use pinion_model::{
    Actor, AgentId, LabelSelector, Role, RolloutId, RolloutPhase, Timestamp, WorkloadName,
};
use pinion_rollout::commands::{
    self, Abort, AbortMode, Approve, HoldAgent, Promote, Refresh, RetryAgents, StartRollout, Steer,
};
use pinion_rollout::{Change, Outcome, Refusal, Strategy, World, plan_hash};

use crate::event::Event;
use crate::sim::Sim;
use crate::totals::Fault;

/// Something that a person asks for. It may be asked again, after a conflict.
#[derive(Debug, Clone)]
pub(crate) enum Asked {
    Promote(Box<Promote>),
    Start(Box<StartRollout>),
    Pause(RolloutId),
    Resume(RolloutId),
    Abort(RolloutId, AbortMode),
    RollBack(RolloutId),
    Approve(RolloutId),
    Retry(RolloutId),
    Hold(HoldAgent),
    Release(AgentId),
    Refresh(AgentId),
    Revoke(AgentId),
}

impl Asked {
    /// The changes that carry it out.
    pub(crate) fn decide(&self, world: &World, now: Timestamp) -> Result<Vec<Change>, Refusal> {
        let by = &alice();
        match self {
            Self::Promote(promote) => {
                changes(commands::promote(world, (**promote).clone(), by, now))
            }
            Self::Start(start) => {
                changes(commands::start_rollout(world, (**start).clone(), by, now))
            }
            Self::Pause(id) => changes(commands::pause(world, steer(id), by, now)),
            Self::Resume(id) => changes(commands::resume(world, steer(id), by, now)),
            Self::Abort(id, mode) => changes(commands::abort(world, abort(id, *mode), by, now)),
            Self::RollBack(id) => changes(commands::roll_back(world, steer(id), by, now)),
            Self::Approve(id) => changes(commands::approve(world, approve(world, id), by, now)),
            Self::Retry(id) => changes(commands::retry(world, retry(id), by, now)),
            Self::Hold(hold) => changes(commands::hold(world, hold.clone(), by, now)),
            Self::Release(id) => changes(commands::release(world, id.clone(), "", by, now)),
            Self::Refresh(id) => changes(commands::refresh(world, refresh(id), by, now)),
            Self::Revoke(id) => changes(commands::revoke_agent(world, id.clone(), "", by, now)),
        }
    }

    /// For the log.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Promote(promote) => {
                let rollout = if promote.auto.is_some() {
                    " and its rollout"
                } else {
                    ""
                };
                format!(
                    "promote {} of {}{rollout}",
                    promote.digest.short(),
                    promote.workload
                )
            }
            Self::Start(start) => {
                format!("start a rollout of {} {:?}", start.workload, start.strategy)
            }
            Self::Pause(id) => format!("pause {id}"),
            Self::Resume(id) => format!("resume {id}"),
            Self::Abort(id, AbortMode::Keep) => format!("abort {id}"),
            Self::Abort(id, AbortMode::Revert) => format!("abort {id} and revert it"),
            Self::RollBack(id) => format!("roll back {id}"),
            Self::Approve(id) => format!("approve {id}"),
            Self::Retry(id) => format!("retry {id}"),
            Self::Hold(hold) => format!("hold {}", hold.agent),
            Self::Release(id) => format!("release {id}"),
            Self::Refresh(id) => format!("refresh {id}"),
            Self::Revoke(id) => format!("revoke {id}"),
        }
    }
}

fn changes<T>(outcome: Result<Outcome<T>, Refusal>) -> Result<Vec<Change>, Refusal> {
    outcome.map(|outcome| outcome.changes)
}

pub(crate) fn alice() -> Actor {
    Actor::Operator {
        name: "alice".parse().expect("an operator's name"),
        role: Role::Operator,
    }
}

fn steer(rollout: &RolloutId) -> Steer {
    Steer {
        rollout: rollout.clone(),
        reason: "because".to_owned(),
    }
}

fn abort(rollout: &RolloutId, mode: AbortMode) -> Abort {
    Abort {
        rollout: rollout.clone(),
        mode,
        reason: "because".to_owned(),
    }
}

/// Exactly what is shown now.
fn approve(world: &World, rollout: &RolloutId) -> Approve {
    let open = world.rollouts.get(rollout).map(|known| known.open_stage);
    Approve {
        rollout: rollout.clone(),
        stage: None,
        plan: plan_hash(world, rollout, open.unwrap_or_default()),
        reason: String::new(),
    }
}

fn retry(rollout: &RolloutId) -> RetryAgents {
    RetryAgents {
        rollout: rollout.clone(),
        agents: Vec::new(),
        reason: String::new(),
    }
}

fn refresh(agent: &AgentId) -> Refresh {
    Refresh {
        agents: vec![agent.clone()],
        workloads: Vec::new(),
        reason: String::new(),
    }
}

impl Sim {
    /// An operator acts, and will again.
    pub(crate) fn operate(&mut self) {
        if self.now >= self.scenario.calm_at {
            return;
        }
        let again = self.random.until_next(self.scenario.act_every);
        self.put_in(again, Event::Operate);
        let line = self.random.below(self.scenario.lines.len());
        let name = self.scenario.lines[line].name.clone();
        match self.act(line, &name) {
            Some(asked) => self.ask(asked),
            None => self.promote(line),
        }
    }

    /// Something with the newest rollout of a workload, or with a machine;
    /// none: a new one is due.
    fn act(&mut self, line: usize, name: &WorkloadName) -> Option<Asked> {
        let (rollout, phase) = self.newest(name)?;
        let draw = self.random.below(100);
        let asked = match draw {
            0..24 => return None,
            24..30 => Asked::Pause(rollout),
            30..46 => Asked::Resume(rollout),
            46..48 => Asked::Abort(rollout, AbortMode::Keep),
            48..50 => Asked::Abort(rollout, AbortMode::Revert),
            50..54 => Asked::RollBack(rollout),
            54..68 => Asked::Approve(rollout),
            68..76 => Asked::Retry(rollout),
            76..83 => Asked::Hold(self.hold()),
            83..89 => Asked::Release(self.somebody()),
            89..94 => Asked::Refresh(self.somebody()),
            94..98 => self.start(line),
            _ => Asked::Revoke(self.somebody()),
        };
        let is_over = phase.is_terminal() && draw < 76;
        (!is_over || self.random.chance(200)).then_some(asked)
    }

    /// A new digest, most times with its rollout.
    pub(crate) fn promote(&mut self, line: usize) {
        let follows = self.random.chance(850);
        let auto = follows.then(|| self.strategy());
        let builds = self.scenario.lines[line].builds.len();
        let build = 1 + self.random.below(builds - 1);
        let line = &self.scenario.lines[line];
        let promote = Promote {
            workload: line.name.clone(),
            digest: line.builds[build].digest.clone(),
            source_sha: None,
            notes: String::new(),
            images: line.images.clone(),
            local_tag: line.entry.local_tag.clone(),
            auto,
        };
        self.ask(Asked::Promote(Box::new(promote)));
    }

    fn start(&mut self, line: usize) -> Asked {
        Asked::Start(Box::new(StartRollout {
            workload: self.scenario.lines[line].name.clone(),
            pin: None,
            strategy: self.strategy(),
            agents: LabelSelector::default(),
            reason: String::new(),
        }))
    }

    fn strategy(&mut self) -> Strategy {
        crate::strategies::strategy(&mut self.random)
    }

    fn hold(&mut self) -> HoldAgent {
        let expires = self.random.chance(700);
        let expires_at = expires.then(|| self.now + self.random.seconds(30, 1200));
        HoldAgent {
            agent: self.somebody(),
            reason: "care".to_owned(),
            expires_at,
        }
    }

    fn somebody(&mut self) -> AgentId {
        let machine = self.random.below(self.machines.len());
        self.machines[machine].name.clone()
    }

    fn newest(&self, workload: &WorkloadName) -> Option<(RolloutId, RolloutPhase)> {
        let world = &self.store.truth.world;
        let id = world.workloads.get(workload)?.rollouts.last()?;
        Some((id.clone(), world.rollouts.get(id)?.phase))
    }

    /// Puts a request to a coordinator that is there; a person without one gives up.
    fn ask(&mut self, asked: Asked) {
        self.totals.count(Fault::Operator);
        let Some(coordinator) = self.some_coordinator() else {
            return;
        };
        self.say(|| {
            format!(
                "operator          asks coordinator {coordinator} to {}",
                asked.words()
            )
        });
        self.request(coordinator, asked);
    }

    /// Somebody looks after what waits for a person, for a while.
    pub(crate) fn care(&mut self, time: u32) {
        const TIMES: u32 = 12;
        if !self.scenario.is_cared_for || time >= TIMES {
            return;
        }
        for asked in self.wanted() {
            self.ask(asked);
        }
        self.put_in(std::time::Duration::from_secs(900), Event::Care(time + 1));
    }

    fn wanted(&self) -> Vec<Asked> {
        let active = self.store.truth.world.active_rollouts();
        let asked = active.filter_map(|rollout| match rollout.phase {
            RolloutPhase::AwaitingApproval => Some(Asked::Approve(rollout.id.clone())),
            RolloutPhase::Paused | RolloutPhase::Halted => Some(Asked::Resume(rollout.id.clone())),
            _ => None,
        });
        asked.collect()
    }
}
