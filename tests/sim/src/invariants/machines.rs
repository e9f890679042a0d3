//! What an agent does to its machine: every write of its journal, every call to its engine.

use std::time::Duration;

use pinion_model::{InUse, WorkloadName};
use pinion_workload::{Call, Desired, Operation, Record, Stage};

use super::{Held, holds};
use crate::machine::engine::Engine;
use crate::sim::Sim;

/// Accepted assignments that are remembered for a workload.
const REMEMBERED: usize = 16;

impl Sim {
    /// An agent is about to take a desired state.
    pub(crate) fn before_accept(&mut self, machine: usize, desired: &Desired) -> Held {
        let held = self.machines[machine].generation();
        holds(
            "an agent never adopts a lower generation",
            desired.generation >= held,
            || format!("m{machine} has {held} and takes {}", desired.generation),
        )?;
        let known = &self.machines[machine].journal.desired.assignments;
        for assignment in desired.assignments.values() {
            let generation = assignment.generation;
            let same = known.get(&assignment.workload);
            if same.is_some_and(|known| known.generation == generation) {
                continue;
            }
            // After a backup was restored it may be one that it had before.
            let key = (machine, assignment.workload.clone());
            let work = self.watch.works.entry(key).or_default();
            work.accepted.retain(|(each, _)| *each != generation);
            work.accepted.push((generation, self.now));
            let surplus = work.accepted.len().saturating_sub(REMEMBERED);
            work.accepted.drain(..surplus);
        }
        Ok(())
    }

    /// An agent is about to write what it does next.
    pub(crate) fn before_write(
        &mut self,
        machine: usize,
        workload: &WorkloadName,
        record: &Record,
    ) -> Held {
        let before = self.machines[machine].journal.records.get(workload);
        let before = before.and_then(|before| before.operation.as_ref());
        let was = before.map(|operation| operation.stage.clone());
        let Some(now) = &record.operation else {
            return Ok(());
        };
        let is_same = before.is_some_and(|before| before.id == now.id);
        if is_same && was == Some(Stage::RollBack) {
            holds(
                "a rollback never goes forward again",
                now.stage == Stage::RollBack,
                || {
                    format!(
                        "m{machine} {workload}: {} goes from rolling back to {:?}",
                        now.id, now.stage
                    )
                },
            )?;
        }
        if now.stage == Stage::Cut && was != Some(Stage::Cut) && was != Some(Stage::Soak) {
            self.nothing_cuts_over_late(machine, workload, now)?;
            // One that is recovered without a journal had begun before.
            if is_same {
                self.one_cuts_over_at_a_time(machine, workload)?;
                self.nothing_in_use_cuts_over(machine, workload, now)?;
            }
        }
        Ok(())
    }

    /// One that is in use is cut over only where its time is up and the
    /// strategy says so.
    fn nothing_in_use_cuts_over(
        &self,
        machine: usize,
        workload: &WorkloadName,
        operation: &Operation,
    ) -> Held {
        let lease = self.scenario.lease(machine, self.now);
        let (gate, assignment) = (&operation.gate, &operation.assignment);
        let is_up = gate
            .since
            .is_some_and(|since| self.now >= since + assignment.defer_within);
        let may = gate.forced && is_up && assignment.in_use == InUse::Force;
        holds(
            "nothing that is in use cuts over before its time is up",
            lease.is_none() || may,
            || {
                format!(
                    "m{machine} {workload}: {} cuts over, and {lease:?} is held",
                    operation.id
                )
            },
        )
    }

    /// A cut-over begins in time, and not after the coordinator knows that it
    /// was withdrawn. One that is recovered without a journal had begun before.
    fn nothing_cuts_over_late(
        &self,
        machine: usize,
        workload: &WorkloadName,
        operation: &Operation,
    ) -> Held {
        let generation = operation.assignment.generation;
        let Some(work) = self
            .watch
            .works
            .get(&(machine, workload.clone()))
            .filter(|_| generation.0 > 0)
        else {
            return Ok(());
        };
        holds(
            "nothing cuts over after a withdrawal was acknowledged",
            generation > work.withdrawn,
            || {
                format!(
                    "m{machine} {workload}: generation {generation} cuts over, and {} was withdrawn",
                    work.withdrawn
                )
            },
        )?;
        let accepted = work.accepted.iter().find(|(each, _)| *each == generation);
        let waited = accepted.map_or(Duration::ZERO, |(_, at)| self.now.since(*at));
        // The time in which it was in use does not count.
        let gate = &operation.gate;
        let deferred = gate.since.map_or(Duration::ZERO, |since| {
            gate.freed.unwrap_or(self.now).since(since)
        });
        let within = operation.assignment.start_within + deferred;
        holds(
            "nothing cuts over after start_within passed",
            waited <= within,
            || {
                format!(
                    "m{machine} {workload}: generation {generation} was accepted {waited:?} ago, start_within is {within:?}"
                )
            },
        )
    }

    /// No two workloads of a machine are cut over, or go back, at once.
    fn one_cuts_over_at_a_time(&self, machine: usize, workload: &WorkloadName) -> Held {
        let mut records = self.machines[machine].journal.records.iter();
        let other = records.find(|(name, record)| {
            let stage = record.operation.as_ref().map(|operation| &operation.stage);
            *name != workload && matches!(stage, Some(Stage::Cut | Stage::RollBack))
        });
        holds(
            "one workload cuts over on a machine at a time",
            other.is_none(),
            || {
                format!(
                    "m{machine}: {workload} cuts over, and {:?} does",
                    other.map(|(name, _)| name)
                )
            },
        )
    }

    /// A call is about to be made.
    pub(crate) fn before_call(
        &mut self,
        machine: usize,
        workload: &WorkloadName,
        call: &Call,
    ) -> Held {
        let Call::Remove(id) = call else {
            return Ok(());
        };
        let known = &self.machines[machine];
        let Some((container, held)) = known.engine.held(id) else {
            return Ok(());
        };
        let operation = known
            .journal
            .records
            .get(workload)
            .and_then(|record| record.operation.as_ref());
        // One that did not run when its turn came is replaced as it was: by one that does not run.
        let replaced = operation.and_then(|operation| {
            let mut units = operation.units.iter();
            units.find(|unit| unit.old.id == *id)
        });
        let needs = operation.filter(|_| replaced.is_some_and(|unit| unit.old.running));
        let needs = needs.map_or(Duration::ZERO, |operation| operation.assignment.min_healthy);
        let mut others = known.engine.in_place(held.place);
        let stands =
            others.any(|(other, beside)| other.id != *id && beside.was_good_for(self.now) >= needs);
        holds_a_place(stands, machine, &container.name)
    }

    /// A call was made.
    pub(crate) fn after_call(&mut self, machine: usize, call: &Call) -> Held {
        match call {
            Call::Start(_) | Call::SetRestartPolicy { .. } | Call::Create { .. } => {
                one_of_a_place(&self.machines[machine].engine, machine)
            }
            _ => Ok(()),
        }
    }

    /// Its journal is lost: what it had accepted, too.
    pub(crate) fn forget_journal(&mut self, machine: usize) {
        self.machines[machine].journal = crate::machine::Journal::default();
        self.watch.works.retain(|(each, _), _| *each != machine);
    }

    /// The store went back: what it had learned is not known any more, and
    /// machines that had joined since have to join again.
    pub(crate) fn forget_what_was_lost(&mut self) {
        self.watch.tripped.clear();
        for work in self.watch.works.values_mut() {
            work.withdrawn = pinion_model::Generation::default();
        }
        for machine in 0..self.machines.len() {
            let known = &mut self.machines[machine];
            if !self.store.truth.world.agents.contains_key(&known.name) {
                known.is_enrolled = false;
            }
        }
    }
}

/// The old container exists until the new one was seen healthy for as long as was asked.
fn holds_a_place(stands: bool, machine: usize, name: &str) -> Held {
    holds(
        "a machine is never left without a running or recoverable container",
        stands,
        || format!("m{machine}: {name} is removed, and nothing proven stands in its place"),
    )
}

/// Two containers of one place never run at once, and an engine's restart
/// would not start two.
fn one_of_a_place(engine: &Engine, machine: usize) -> Held {
    for place in engine.places() {
        let up = engine
            .in_place(place)
            .filter(|(container, _)| container.is_up())
            .count();
        holds("one container of a place runs at a time", up <= 1, || {
            format!("m{machine}: {up} run")
        })?;
        let would = engine
            .in_place(place)
            .filter(|(container, held)| held.comes_back(container))
            .count();
        holds(
            "an engine's restart starts one container of a place",
            would <= 1,
            || format!("m{machine}: {would} would start"),
        )?;
    }
    Ok(())
}
