//! What people do to rollouts and machines, at random, and who looks after them at the end.

use pinion_model::{
    Actor, AgentId, Digest, LabelSelector, Role, RolloutId, RolloutPhase, Timestamp, WorkloadName,
};
use pinion_rollout::commands::{
    self, Abort, AbortMode, Approve, HoldAgent, PlaceHold, Promote, QuarantineDigest, Refresh,
    RetryAgents, StartRollout, Steer,
};
use pinion_rollout::{Change, Outcome, Refusal, Strategy, Supersede, World, plan_hash};

use crate::event::Event;
use crate::scenario::REGIONS;
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
    Override(RolloutId),
    PlaceHold(PlaceHold),
    LiftHold(String),
    Quarantine(QuarantineDigest),
    Lift(Digest),
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
            Self::Override(id) => changes(commands::override_windows(world, steer(id), by, now)),
            Self::PlaceHold(hold) => changes(commands::place_hold(world, hold.clone(), by, now)),
            Self::LiftHold(id) => changes(commands::lift_hold(world, id, "it is well", by, now)),
            Self::Quarantine(digest) => {
                changes(commands::quarantine(world, digest.clone(), by, now))
            }
            Self::Lift(digest) => changes(commands::lift_quarantine(
                world,
                digest,
                "it is well",
                by,
                now,
            )),
        }
    }

    /// A new rollout that does not take the place of the one that is active.
    pub(crate) fn gives_way(&self, world: &World) -> bool {
        let (workload, strategy) = match self {
            Self::Promote(promote) => (&promote.workload, promote.auto.as_ref()),
            Self::Start(start) => (&start.workload, Some(&start.strategy)),
            _ => return false,
        };
        let rejects = strategy.is_some_and(|known| known.supersede == Some(Supersede::Reject));
        rejects
            && world
                .active_rollouts()
                .any(|known| known.workload == *workload)
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
            Self::Override(id) => format!("override the windows of {id}"),
            Self::PlaceHold(hold) => format!("hold {} of {:?}", hold.agents, hold.workload),
            Self::LiftHold(id) => format!("lift {id}"),
            Self::Quarantine(asked) => format!("quarantine {}", asked.digest.short()),
            Self::Lift(digest) => format!("lift the quarantine of {}", digest.short()),
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
            Some(asked) => asked.into_iter().for_each(|asked| self.ask(asked)),
            None => self.promote(line),
        }
    }

    /// Something with the newest rollout of a workload, or with a machine;
    /// none: a new one is due.
    fn act(&mut self, line: usize, name: &WorkloadName) -> Option<Vec<Asked>> {
        let (rollout, phase) = self.newest(name)?;
        if let Some(gone) = self.revoke_all(&rollout) {
            return Some(gone);
        }
        let draw = self.random.below(100);
        let asked = match draw {
            0..24 => return None,
            24..30 => Asked::Pause(rollout),
            30..46 => Asked::Resume(rollout),
            46..48 => Asked::Abort(rollout, AbortMode::Keep),
            48..50 => Asked::Abort(rollout, AbortMode::Revert),
            50..54 => Asked::RollBack(rollout),
            54..66 => Asked::Approve(rollout),
            66..72 => Asked::Retry(rollout),
            72..75 => Asked::Override(rollout),
            _ => return Some(vec![self.act_on_machines(line, draw)]),
        };
        let is_over = phase.is_terminal();
        (!is_over || self.random.chance(200)).then(|| vec![asked])
    }

    /// Something with machines, or with images.
    fn act_on_machines(&mut self, line: usize, draw: usize) -> Asked {
        match draw {
            75..80 => Asked::Hold(self.hold()),
            80..85 => Asked::Release(self.somebody_held()),
            85..88 => Asked::Refresh(self.somebody()),
            88..90 => Asked::Revoke(self.somebody()),
            90..92 => Asked::PlaceHold(self.fleet_hold(line)),
            92..93 => self.lift_a_hold(),
            93..94 => self.quarantine(line),
            94..96 => Asked::Lift(self.some_digest(line)),
            _ => self.start(line),
        }
    }

    /// Now and then: everybody of a rollout that is for few.
    fn revoke_all(&mut self, rollout: &RolloutId) -> Option<Vec<Asked>> {
        const FEW: usize = 2;
        let rollout = self.store.truth.world.rollouts.get(rollout)?;
        let members = (1..=FEW).contains(&rollout.members.len());
        let members = members.then(|| rollout.members.keys().cloned().collect::<Vec<_>>())?;
        let gone = members.into_iter().map(Asked::Revoke).collect();
        self.random.chance(150).then_some(gone)
    }

    fn fleet_hold(&mut self, line: usize) -> PlaceHold {
        let region = (*self.random.pick(&REGIONS)).to_owned();
        let labels = std::collections::BTreeMap::from([("region".to_owned(), region)]);
        let of_one = self.random.chance(500);
        PlaceHold {
            agents: LabelSelector(labels),
            workload: of_one.then(|| self.scenario.lines[line].name.clone()),
            reason: "care".to_owned(),
            expires_at: Some(self.now + self.random.seconds(30, 1200)),
        }
    }

    fn lift_a_hold(&mut self) -> Asked {
        let id = self.store.truth.world.holds.keys().next().cloned();
        Asked::LiftHold(id.unwrap_or_else(|| "hold-1".to_owned()))
    }

    fn quarantine(&mut self, line: usize) -> Asked {
        Asked::Quarantine(QuarantineDigest {
            digest: self.some_digest(line),
            workload: self.scenario.lines[line].name.clone(),
            reason: "distrust".to_owned(),
        })
    }

    fn some_digest(&mut self, line: usize) -> Digest {
        let builds = &self.scenario.lines[line].builds;
        self.random.pick(builds).digest.clone()
    }

    /// A new digest, most times with its rollout.
    pub(crate) fn promote(&mut self, line: usize) {
        let follows = self.random.chance(850);
        let auto = follows.then(|| self.strategy(line));
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
            strategy: self.strategy(line),
            agents: self.some_machines(),
            reason: String::new(),
        }))
    }

    /// All of them, or those of one rack.
    fn some_machines(&mut self) -> LabelSelector {
        let rack = crate::scenario::rack(self.random.below(self.machines.len()));
        let labels = std::collections::BTreeMap::from([("rack".to_owned(), rack)]);
        match self.random.chance(500) {
            true => LabelSelector(labels),
            false => LabelSelector::default(),
        }
    }

    /// Now and then it goes after the workloads before it.
    fn strategy(&mut self, line: usize) -> Strategy {
        let goes_after = self.random.chance(150);
        let before = self.scenario.lines[..line].iter().filter(|_| goes_after);
        let after = before.map(|line| line.name.clone()).collect();
        crate::strategies::strategy(&mut self.random, self.now, after)
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

    fn somebody_held(&mut self) -> AgentId {
        let agents = self.store.truth.world.agents.iter();
        let mut held = agents.filter(|(_, agent)| agent.hold.is_some());
        let held = held.next().map(|(id, _)| id.clone());
        held.unwrap_or_else(|| self.somebody())
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
        let world = &self.store.truth.world;
        let active = world.active_rollouts();
        let lifted = world
            .quarantine
            .keys()
            .filter(|digest| world.is_quarantined(digest));
        let lifted = lifted.map(|digest| Asked::Lift(digest.clone()));
        let asked = active.filter_map(|rollout| match rollout.phase {
            RolloutPhase::AwaitingApproval => Some(Asked::Approve(rollout.id.clone())),
            RolloutPhase::Paused | RolloutPhase::Halted => Some(Asked::Resume(rollout.id.clone())),
            _ => None,
        });
        lifted.chain(asked).collect()
    }
}
