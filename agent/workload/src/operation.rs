use std::collections::BTreeSet;
use std::time::Duration;

use pinion_model::{
    AgentPhase, Deferral, Digest, Failure, Generation, ImageRef, Timestamp, WorkloadName,
};
use serde::{Deserialize, Serialize};

use crate::compose;
use crate::gate::Gate;
use crate::order;
use crate::{Assignment, Container, ContainerId, ContainerState, CreateSpec, Health, OpId, Report};

/// One assignment being carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// Its id, in the names and labels of its containers.
    pub id: OpId,
    /// What is carried out, as it was when it began.
    pub assignment: Assignment,
    /// When that was accepted.
    pub accepted_at: Timestamp,
    /// How far it is.
    pub stage: Stage,
    /// When that stage began.
    pub since: Timestamp,
    /// The image chosen among those of the assignment.
    pub image: Option<ImageRef>,
    /// The containers that are replaced, in order.
    pub units: Vec<Unit>,
    /// Why it goes back or is given up, or what could not be tidied up.
    pub failure: Option<Failure>,
    /// Why it waits, or why it does not where it was asked to; else empty.
    pub waiting_for: String,
    /// Calls that failed in a row.
    pub tries: u32,
    /// The call that was done last: due again at once, it changed nothing.
    #[serde(default)]
    pub last_done: Option<String>,
    /// Not before this instant.
    pub retry_at: Option<Timestamp>,
    /// Which image of the assignment is pulled next.
    pub candidate: usize,
    /// What the candidates before it answered in this round.
    pub pull_failures: Vec<Failure>,
    /// What is known of room that is lacking.
    #[serde(default)]
    pub shortage: Shortage,
    /// Calls that failed so often that they are left out.
    pub skipped: BTreeSet<String>,
    /// The machine was asked to do it over: only its end is reported.
    pub quiet: bool,
    /// Containers that already run the digest, as they were when they became healthy.
    pub adopted: Option<Streak>,
    /// What was found in the way of its cut-over.
    #[serde(default)]
    pub gate: Gate,
    /// It goes back without having touched an old container.
    #[serde(default)]
    pub untouched: bool,
}

impl Operation {
    /// An operation that just began.
    #[must_use]
    pub fn new(assignment: &Assignment, accepted_at: Timestamp, run: u32, now: Timestamp) -> Self {
        Self {
            id: OpId::new(assignment.generation, assignment.attempt, run),
            assignment: assignment.clone(),
            accepted_at,
            stage: Stage::Preflight,
            since: now,
            image: None,
            units: Vec::new(),
            failure: None,
            waiting_for: String::new(),
            tries: 0,
            last_done: None,
            retry_at: None,
            candidate: 0,
            pull_failures: Vec::new(),
            shortage: Shortage::default(),
            skipped: BTreeSet::new(),
            quiet: run > 0,
            adopted: None,
            gate: Gate::default(),
            untouched: false,
        }
    }

    /// The same at the beginning of another stage.
    #[must_use]
    pub fn at(mut self, stage: Stage, now: Timestamp) -> Self {
        self.stage = stage;
        self.since = now;
        self.tries = 0;
        self.last_done = None;
        self.retry_at = None;
        self.waiting_for = String::new();
        self
    }

    /// The phase that people see.
    #[must_use]
    pub fn phase(&self) -> AgentPhase {
        match self.stage {
            _ if !self.stage.has_cut_over() && !self.waiting_for.is_empty() => AgentPhase::Waiting,
            Stage::Preflight => AgentPhase::Pending,
            Stage::Prefetch => AgentPhase::Prefetching,
            Stage::Prepare => AgentPhase::Pulling,
            Stage::Create | Stage::Abandon { .. } => AgentPhase::Creating,
            Stage::Cut => self.cutting_phase(),
            Stage::Adopt => AgentPhase::Verifying,
            Stage::Soak => AgentPhase::Soaking,
            Stage::Settle if self.has_run() => AgentPhase::Soaking,
            Stage::Settle => AgentPhase::Pulling,
            Stage::RollBack => AgentPhase::RollingBack,
        }
    }

    /// With several containers, verifying is said only of the last one, so
    /// that the phase never goes back.
    fn cutting_phase(&self) -> AgentPhase {
        match self.units.last() {
            Some(last) if last.began.is_some() => AgentPhase::Verifying,
            _ => AgentPhase::CuttingOver,
        }
    }

    /// A container that ran was replaced, or one already runs the digest.
    #[must_use]
    pub fn has_run(&self) -> bool {
        self.adopted.is_some() || self.units.iter().any(|u| u.old.running && !u.own_image)
    }

    /// The units that are cut over, and go back, as one: what others need first.
    pub(crate) fn members(&self, group: usize) -> Vec<(usize, &Unit)> {
        let units = self.units.iter().enumerate();
        units.filter(|(_, unit)| unit.group == group).collect()
    }

    /// All is made, and only the last look is due: it says itself what it
    /// waits for, and when that is over.
    #[must_use]
    pub fn is_at_the_gate(&self) -> bool {
        self.stage == Stage::Create && self.units.iter().all(|unit| unit.made)
    }

    /// A next one is to be proven beside its old one before the last look.
    #[must_use]
    pub fn is_proving_beside(&self) -> bool {
        self.is_at_the_gate() && self.units.iter().any(Unit::is_unready)
    }

    /// Whether what says that its containers are in use is to be asked now.
    #[must_use]
    pub fn wants_probes(&self) -> bool {
        let let_go = self.units.iter().any(|unit| unit.let_go);
        let is_asked = self.is_at_the_gate() && !self.is_proving_beside();
        is_asked && !self.gate.forced && !let_go && self.gate.drained_at.is_none()
    }

    /// That it is put off, or was cut over although in use.
    #[must_use]
    pub fn deferral(&self) -> Option<Deferral> {
        self.gate.deferral(&self.assignment)
    }

    pub(crate) fn is_reported(&self) -> bool {
        !self.quiet && self.assignment.generation > Generation(0)
    }

    pub(crate) fn report(&self, workload: &WorkloadName, now: Timestamp) -> Report {
        Report {
            workload: workload.clone(),
            generation: self.assignment.generation,
            attempt: self.assignment.attempt,
            phase: self.phase(),
            waiting_for: self.waiting_for.clone(),
            failure: self
                .failure
                .clone()
                .filter(|_| self.stage == Stage::RollBack),
            deferral: self.deferral(),
            running: None,
            at: now,
        }
    }
}

/// A pull that was given up for want of room.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shortage {
    /// Why, until it is looked again.
    pub failure: Option<Failure>,
    /// An image that nobody needed was removed since.
    pub freed: bool,
    /// This is the second pull: a third does not follow.
    pub again: bool,
}

/// How far an operation is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Accepted; the containers are not looked at yet.
    Preflight,
    /// Pulls ahead of time.
    Prefetch,
    /// Pulls, and anchors both images.
    Prepare,
    /// Creates the next containers, and proves beside the old ones those that
    /// are replaced start-first.
    Create,
    /// Puts them in their place one after the other, each proven before the
    /// one after it.
    Cut,
    /// The containers run the digest already: watched until proven.
    Adopt,
    /// All proven; the old ones are kept and the new ones watched.
    Soak,
    /// Removes the old ones, moves the tag.
    Settle,
    /// Puts the old ones back.
    RollBack,
    /// Removes the next ones, which never had their places.
    Abandon {
        /// Whether the assignment was taken back; else it is refused.
        withdrawn: bool,
    },
}

impl Stage {
    /// The old containers may have been touched: a withdrawal comes too late.
    #[must_use]
    pub fn has_cut_over(&self) -> bool {
        matches!(self, Self::Cut | Self::Soak | Self::Settle | Self::RollBack)
    }
}

/// One container that is replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit {
    /// Its name, before and after.
    pub name: String,
    /// What is replaced.
    pub old: Old,
    /// Units of one number are replaced as one, what others need first.
    pub group: usize,
    /// The local tag by which Docker Compose looks for its image, `(repository, tag)`:
    /// it moves with the container.
    #[serde(default)]
    pub compose_tag: Option<(String, String)>,
    /// What it wrote outside of its volumes, in bytes: that goes with the old one.
    #[serde(default)]
    pub written: Option<u64>,
    /// It is replaced only because it depends on another unit: on its own image.
    pub own_image: bool,
    /// The next one was created whole, its networks connected.
    #[serde(default)]
    pub made: bool,
    /// How the old one is made again on its own image, should it be gone when
    /// it is needed. Never leaves the journal but for the engine.
    #[serde(default)]
    pub saved: Option<Box<CreateSpec>>,
    /// The one that was made again of the old one, whole.
    #[serde(default)]
    pub remade: Option<ContainerId>,
    /// The hook before the cut-over let it go.
    #[serde(default)]
    pub let_go: bool,
    /// The hook after the start of the next one was content.
    #[serde(default)]
    pub welcomed: bool,
    /// It is replaced start-first: the next one is proven beside the old one.
    #[serde(default)]
    pub beside: bool,
    /// Since when it is proven there; none while that is open, or in doubt.
    #[serde(default)]
    pub ready: Option<Timestamp>,
    /// When that was in doubt for the first time, so that it began anew.
    #[serde(default)]
    pub doubted: Option<Timestamp>,
    /// What the hook was told that points a proxy from one to the other.
    #[serde(default)]
    pub switch: Option<Switch>,
    /// When it was first seen to have been started.
    pub began: Option<Timestamp>,
    /// Since when it is healthy without a break.
    pub healthy: Option<Streak>,
    /// It was healthy for long enough.
    pub proven: bool,
    /// It is the one that failed.
    pub culprit: bool,
    /// Its last words were asked for.
    pub words: bool,
    /// How often the old one was started again.
    pub restarts: u32,
    /// When it was seen to run again.
    pub restored: Option<Timestamp>,
    /// Since when the old one is healthy again without a break.
    pub old_healthy: Option<Streak>,
    /// The old one is back as it was.
    pub back: bool,
    /// The old one could not be put back.
    pub lost: bool,
}

impl Unit {
    /// A unit of which nothing was touched yet.
    #[must_use]
    pub fn new(container: &Container, digest: Option<Digest>) -> Self {
        Self {
            name: container.name.clone(),
            old: Old {
                id: container.id.clone(),
                running: is_running(container),
                well: container.state == ContainerState::Running
                    && container.health != Health::Unhealthy,
                restart_policy: container.restart_policy.clone(),
                restart_retries: container.restart_retries,
                grace: container.stop_timeout,
                image_id: container.image_id.clone(),
                digest,
            },
            group: 0,
            own_image: false,
            compose_tag: compose::tag(container),
            written: None,
            made: false,
            saved: None,
            remade: None,
            let_go: false,
            welcomed: false,
            beside: order::asks_for_start_first(container) && is_running(container),
            ready: None,
            doubted: None,
            switch: None,
            began: None,
            healthy: None,
            proven: false,
            culprit: false,
            words: false,
            restarts: 0,
            restored: None,
            old_healthy: None,
            back: false,
            lost: false,
        }
    }

    /// It is to be proven beside the old one first.
    pub(crate) fn is_unready(&self) -> bool {
        self.beside && self.ready.is_none()
    }
}

fn is_running(container: &Container) -> bool {
    matches!(
        container.state,
        ContainerState::Running | ContainerState::Restarting
    )
}

/// Where the switch hook has pointed the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Switch {
    /// It was run, or is about to be: perhaps at the next one.
    Begun,
    /// At the next one, since then.
    Next(Timestamp),
    /// Back at the old one, since then.
    Old(Timestamp),
}

/// A container as it was before it was touched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Old {
    /// Its id.
    pub id: ContainerId,
    /// It ran.
    pub running: bool,
    /// It ran, and was not unhealthy or restarting: going back must reach that again.
    pub well: bool,
    /// Its restart policy's name.
    pub restart_policy: String,
    /// Retries of "on-failure".
    pub restart_retries: i64,
    /// Grace of a stop.
    pub grace: Duration,
    /// The engine's id of its image.
    pub image_id: String,
    /// Digest of its image, if it was pulled by one.
    pub digest: Option<Digest>,
}

/// A time in which containers were healthy without a break.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Streak {
    /// Since when, by the agent's clock.
    pub since: Timestamp,
    /// Which containers, and when the engine started them: another start is a break.
    pub starts: Vec<(ContainerId, Option<Timestamp>)>,
}
