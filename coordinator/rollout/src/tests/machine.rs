//! A fake agent: it obeys generations, cuts over, fails on bad digests and
//! goes back by itself, one phase at a time.

use std::collections::{BTreeMap, BTreeSet};

use pinion_model::{AgentPhase, Attempt, Digest, Failure, FailureKind, Generation, WorkloadName};

use crate::{Assignment, Desired, Health, ObservedContainer, Report};

#[derive(Debug, Clone, Default)]
pub(super) struct Machine {
    /// Highest generation that it accepted.
    pub(super) generation: Generation,
    /// What its containers run, by workload; absent: it has none.
    pub(super) running: BTreeMap<WorkloadName, Digest>,
    /// Digests that crash here.
    pub(super) bad: BTreeSet<Digest>,
    /// How things fail here; absent: by health.
    pub(super) kind: Option<FailureKind>,
    /// What fails here takes the old container with it.
    pub(super) lossy: bool,
    /// Its containers are unhealthy, whatever they run.
    pub(super) sick: bool,
    /// Workloads of which no new digest runs here.
    pub(super) bad_workloads: BTreeSet<WorkloadName>,
    /// Digests that it cannot pull, and why.
    pub(super) out_of_reach: BTreeMap<Digest, FailureKind>,
    /// Digests that it has pulled.
    pub(super) pulled: BTreeSet<Digest>,
    /// How often it went to the registry.
    pub(super) pulls: usize,
    /// What ran before it was lost.
    lost: BTreeMap<WorkloadName, Digest>,
    work: BTreeMap<WorkloadName, Work>,
}

#[derive(Debug, Clone)]
struct Work {
    doing: Assignment,
    phase: AgentPhase,
    before: Option<Digest>,
    failed: Option<FailureKind>,
}

impl Work {
    fn is_over(&self) -> bool {
        self.phase.is_terminal() || self.phase == AgentPhase::Prefetched
    }
}

impl Machine {
    /// Takes a desired state, unless it knows a newer one.
    pub(super) fn accept(&mut self, desired: &Desired) -> Vec<Report> {
        if desired.generation < self.generation {
            return Vec::new();
        }
        self.generation = desired.generation;
        let mut reports = Vec::new();
        for wanted in &desired.assignments {
            let known = self.work.get(&wanted.workload);
            if known.is_some_and(|work| work.doing.generation >= wanted.generation) {
                continue;
            }
            if known.is_some_and(|work| work.phase.has_cut_over() && !work.phase.is_terminal()) {
                continue; // Finishes first; asked again with the next desired state.
            }
            let phase = if wanted.run.is_none() && wanted.prefetch.is_none() {
                AgentPhase::Withdrawn
            } else {
                AgentPhase::Pending
            };
            let before = self.running.get(&wanted.workload).cloned();
            let work = Work {
                doing: wanted.clone(),
                phase,
                before,
                failed: None,
            };
            self.work.insert(wanted.workload.clone(), work);
            reports.extend(self.report(&wanted.workload));
        }
        reports
    }

    /// One phase further in every workload; what it has to say.
    pub(super) fn step(&mut self) -> Vec<Report> {
        let names: Vec<_> = self.work.keys().cloned().collect();
        names
            .iter()
            .filter_map(|name| self.step_one(name))
            .collect()
    }

    fn step_one(&mut self, name: &WorkloadName) -> Option<Report> {
        let work = self.work.get_mut(name).filter(|work| !work.is_over())?;
        let ahead = work.doing.prefetch.as_ref();
        let digest = work.doing.run.as_ref().or(ahead)?.digest.clone();
        let pull = |there: AgentPhase| match self.out_of_reach.get(&digest) {
            Some(kind) if !self.pulled.contains(&digest) => (AgentPhase::Refused, Some(*kind)),
            _ => (there, None),
        };
        let pulls = matches!(work.phase, AgentPhase::Pulling | AgentPhase::Prefetching);
        if pulls && !self.pulled.contains(&digest) {
            self.pulls += 1;
        }
        let has_containers = self.running.contains_key(name);
        let there = self.running.get(name) == Some(&digest) && !self.sick;
        let (phase, failed) = match work.phase {
            AgentPhase::Pending if work.doing.run.is_none() => (AgentPhase::Prefetching, None),
            AgentPhase::Prefetching => pull(AgentPhase::Prefetched),
            AgentPhase::Pulling if !has_containers => pull(AgentPhase::Staged),
            AgentPhase::Pulling => pull(AgentPhase::CuttingOver),
            _ => (AgentPhase::Pending, None),
        };
        if phase != AgentPhase::Pending {
            if pulls && failed.is_none() {
                self.pulled.insert(digest);
            }
            work.phase = phase;
            work.failed = failed;
            return self.report(name);
        }
        work.phase = match work.phase {
            AgentPhase::Pending if there => AgentPhase::Settled,
            AgentPhase::Pending => AgentPhase::Pulling,
            AgentPhase::CuttingOver => {
                self.running.insert(name.clone(), digest.clone());
                AgentPhase::Verifying
            }
            AgentPhase::Verifying
                if self.sick || self.bad.contains(&digest) || self.bad_workloads.contains(name) =>
            {
                let before = work.before.clone().unwrap_or(digest);
                if self.lossy {
                    self.running.remove(name);
                    self.lost.insert(name.clone(), before);
                    AgentPhase::RollbackFailed
                } else {
                    self.running.insert(name.clone(), before);
                    AgentPhase::RolledBack
                }
            }
            AgentPhase::Verifying => AgentPhase::Soaking,
            _ => AgentPhase::Settled,
        };
        self.report(name)
    }

    /// What it would say now about a workload.
    pub(super) fn report(&self, name: &WorkloadName) -> Option<Report> {
        let work = self.work.get(name)?;
        let failed = work.phase.is_failure();
        Some(Report {
            workload: name.clone(),
            generation: work.doing.generation,
            attempt: work.doing.attempt,
            phase: work.phase,
            waiting_for: "".into(),
            deferral: None,
            failure: failed.then(|| match work.failed {
                Some(kind) => Failure::new(kind, "the registry did not give the image"),
                None => {
                    let kind = self.kind.unwrap_or(FailureKind::Health);
                    Failure::new(kind, "the container exited with code 1")
                }
            }),
            containers: self.containers(name),
            running: self.running.get(name).cloned(),
        })
    }

    /// All that it has to say, as in a Hello.
    pub(super) fn reports(&self) -> Vec<Report> {
        self.work
            .keys()
            .filter_map(|name| self.report(name))
            .collect()
    }

    /// A soaking container sickens: it goes back.
    pub(super) fn regress(&mut self, name: &WorkloadName) -> Option<Report> {
        let work = self
            .work
            .get_mut(name)
            .filter(|work| work.phase == AgentPhase::Soaking)?;
        work.phase = AgentPhase::RolledBack;
        if let Some(before) = &work.before {
            self.running.insert(name.clone(), before.clone());
        }
        self.report(name)
    }

    pub(super) fn containers(&self, name: &WorkloadName) -> Vec<ObservedContainer> {
        self.running
            .get(name)
            .map(|digest| vec![with_health(container(name, digest), self.health())])
            .unwrap_or_default()
    }

    /// A person looks at it: what was lost runs again, and it is well.
    pub(super) fn repair(&mut self) {
        (self.sick, self.lossy) = (false, false);
        self.running.append(&mut self.lost);
    }

    fn health(&self) -> &'static str {
        if self.sick { "unhealthy" } else { "healthy" }
    }

    pub(super) fn attempt(&self, name: &WorkloadName) -> Option<Attempt> {
        self.work.get(name).map(|work| work.doing.attempt)
    }
}

pub(super) fn container(name: &WorkloadName, digest: &Digest) -> ObservedContainer {
    ObservedContainer {
        name: format!("{name}-1").into(),
        id: "c0ffee".into(),
        digest: Some(digest.clone()),
        running: true,
        health: Health::Healthy,
    }
}

/// The same container in another state of health; `stopped` is one, too.
pub(super) fn with_health(container: ObservedContainer, health: &str) -> ObservedContainer {
    ObservedContainer {
        running: health != "stopped",
        health: Health::of(health),
        ..container
    }
}
