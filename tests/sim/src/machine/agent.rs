//! The agent's loop, as its reconciler runs it: observe, ask the planner,
//! write the journal, make one call, repeat.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pinion_model::{Failure, FailureKind, ImageRef, Timestamp, WorkloadName};
use pinion_workload::in_use::Seen;
use pinion_workload::probe::Probes;
use pinion_workload::{
    Answer, Assignment, Call, Itself, Lookup, Observed, Record, Step, busy_with,
    images_of_interest, learn, needed_elsewhere, recover,
};

use crate::event::Event;
use crate::invariants::{Held, violated};
use crate::machine::Machine;
use crate::scenario::Scenario;
use crate::sim::Sim;
use crate::totals::Fault;

/// Before a journal that could not be written is tried again.
pub(super) const JOURNAL_PAUSE: Duration = Duration::from_secs(5);
/// Writes of one workload in one turn; a plan that needs more is a defect.
const WRITE_LIMIT: usize = 64;

impl Sim {
    /// An agent's process begins.
    pub(crate) fn wake(&mut self, machine: usize) {
        let known = &mut self.machines[machine];
        if known.is_awake || !known.has_power || known.has_vanished || !known.is_enrolled {
            return;
        }
        known.is_awake = true;
        known.process += 1;
        known.recovering = Some(BTreeSet::new());
        known.emitted.clear();
        known.inventory = None;
        known.unwritten = None;
        known.turn_at = None;
        let process = known.process;
        self.say(|| format!("m{machine:<16} agent starts (process {process})"));
        let workloads: Vec<_> = self.machines[machine]
            .journal
            .records
            .keys()
            .cloned()
            .collect();
        for workload in workloads {
            self.emit(machine, &workload);
        }
        self.turn_now(machine);
        let delay = self.random.millis(10, 3_000);
        self.put_in(delay, Event::Connect { machine, process });
    }

    /// Lets the agent look again at this instant.
    pub(crate) fn turn_at(&mut self, machine: usize, at: Timestamp) {
        let known = &mut self.machines[machine];
        let sooner = known.turn_at.is_none_or(|due| at < due);
        if known.is_up() && sooner {
            known.turn_at = Some(at);
            self.queue.put(at, Event::Turn(machine));
        }
    }

    pub(crate) fn turn_now(&mut self, machine: usize) {
        self.turn_at(machine, self.now);
    }

    /// The containers of a machine change by themselves next at this instant.
    pub(crate) fn engine_changes_at(&mut self, machine: usize) {
        let known = &mut self.machines[machine];
        let Some(at) = known.engine.next_change() else {
            return;
        };
        if known.engine_at.is_none_or(|due| at < due) {
            known.engine_at = Some(at);
            self.queue.put(at, Event::Engine(machine));
        }
    }

    /// It is that instant: the engine tells the agent, if that event is not lost.
    pub(crate) fn engine_changes(&mut self, machine: usize) {
        let now = self.now;
        let known = &mut self.machines[machine];
        if known.engine_at != Some(now) || !known.has_power {
            return;
        }
        known.engine_at = None;
        let changed = known.engine.pass_time(now);
        self.engine_changes_at(machine);
        if changed {
            self.engine_event(machine);
        }
    }

    /// An event of the engine; lost, it costs the agent a pause.
    pub(crate) fn engine_event(&mut self, machine: usize) {
        let is_lost = self.now < self.scenario.calm_at && self.random.chance(30);
        let pause = if is_lost {
            self.machines[machine].net()
        } else {
            Duration::ZERO
        };
        if is_lost {
            self.totals.count(Fault::EventLost);
        }
        self.turn_at(machine, self.now + pause);
    }

    /// One turn of the loop.
    pub(crate) fn turn(&mut self, machine: usize) -> Held {
        let now = self.now;
        let known = &mut self.machines[machine];
        if known.turn_at != Some(now) || !known.is_up() {
            return Ok(());
        }
        known.turn_at = None;
        if let Some((workload, record)) = known.unwritten.take() {
            self.write_learned(machine, &workload, record)?;
            if self.machines[machine].unwritten.is_some() {
                return Ok(());
            }
        }
        self.end_pulls(machine);
        self.recover(machine)?;
        let known = &self.machines[machine];
        let names: BTreeSet<WorkloadName> = known
            .journal
            .desired
            .assignments
            .keys()
            .chain(known.journal.records.keys())
            .cloned()
            .collect();
        let mut images = BTreeMap::new();
        let mut wake_at: Option<Timestamp> = None;
        for workload in &names {
            if !self.machines[machine].calls.contains_key(workload) {
                let at = self.advance(machine, workload, &mut images)?;
                wake_at = [wake_at, at].into_iter().flatten().min();
            }
        }
        self.tell_inventory(machine);
        if let Some(at) = wake_at.filter(|at| *at < Timestamp(u64::MAX)) {
            self.turn_at(machine, at.max(self.now + Duration::from_millis(1)));
        }
        Ok(())
    }

    /// Takes up what names and labels tell and the journal does not.
    fn recover(&mut self, machine: usize) -> Held {
        while self.machines[machine].recovering.is_some()
            && !self.machines[machine].engine_is_silent
        {
            let known = &mut self.machines[machine];
            let found = recover(&known.journal.records, &known.engine.containers, self.now);
            let fresh = found.filter(|(_, operation)| {
                known
                    .recovering
                    .as_mut()
                    .is_some_and(|seen| seen.insert(operation.id.clone()))
            });
            let Some((workload, operation)) = fresh else {
                if known
                    .journal
                    .records
                    .values()
                    .all(|record| record.operation.is_none())
                {
                    known.recovering = None;
                }
                return Ok(());
            };
            let before = known
                .journal
                .records
                .get(&workload)
                .cloned()
                .unwrap_or_default();
            self.say(|| {
                format!(
                    "m{machine:<16} {workload}: takes up {} that the journal does not know",
                    operation.id
                )
            });
            let record = Record {
                operation: Some(operation),
                ..before
            };
            if !self.write(machine, &workload, record)? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Writes what is to be written, then begins the one call that is due;
    /// when to come again, if not because of that.
    fn advance(
        &mut self,
        machine: usize,
        workload: &WorkloadName,
        images: &mut BTreeMap<String, Lookup>,
    ) -> Result<Option<Timestamp>, crate::Violation> {
        for _ in 0..WRITE_LIMIT {
            self.totals.steps += 1;
            match self.next_step(machine, workload, images) {
                Step::Rest { wake_at } => return Ok(wake_at),
                Step::Write(record) => {
                    if !self.write(machine, workload, *record)? {
                        return Ok(Some(self.now + JOURNAL_PAUSE));
                    }
                }
                Step::Call(call) => {
                    self.begin(machine, workload, call);
                    return Ok(None);
                }
                // Who makes the first alone, and looks again, gets there too.
                Step::Row(calls) => {
                    let first = calls.into_iter().next();
                    first
                        .into_iter()
                        .for_each(|call| self.begin(machine, workload, call));
                    return Ok(None);
                }
            }
        }
        violated(
            "an agent's plan comes to an end",
            format!("m{machine}, {workload}: {WRITE_LIMIT} writes in one turn"),
        )
    }

    fn next_step(
        &mut self,
        machine: usize,
        workload: &WorkloadName,
        images: &mut BTreeMap<String, Lookup>,
    ) -> Step {
        let jitter = self.random.unit();
        let known = &self.machines[machine];
        let nothing = Record::default();
        let record = known.journal.records.get(workload).unwrap_or(&nothing);
        if !known.engine_is_silent {
            for reference in images_of_interest(record) {
                images
                    .entry(reference)
                    .or_insert_with_key(|reference| known.engine.look_up(reference));
            }
        }
        let permitted = permitted(&self.scenario, machine, wanted(known, workload, record));
        let leases = self.scenario.lease(machine, self.now);
        let observed = Observed {
            workload,
            containers: if known.engine_is_silent {
                Err("connection refused")
            } else {
                Ok(&known.engine.containers)
            },
            record,
            images,
            permitted: &permitted,
            platform: Some(("linux", "amd64")),
            room: None,
            needed_elsewhere: &needed_elsewhere(
                &known.journal.desired,
                &known.journal.records,
                workload,
            ),
            may_pull: true,
            busy_with: busy_with(&known.journal.records, workload),
            itself: &Itself::default(),
            probes: Probes::NONE,
            in_use: Seen {
                leases: leases.as_slice(),
                ..Seen::NOTHING
            },
            jitter,
        };
        (self.next)(&known.journal.desired, &observed, self.now)
    }

    /// Keeps what a call's answer tells beyond what will be observed.
    pub(super) fn learn(
        &mut self,
        machine: usize,
        workload: &WorkloadName,
        call: &Call,
        answer: &Answer,
    ) -> Held {
        let jitter = self.random.unit();
        let known = &self.machines[machine];
        let nothing = Record::default();
        let record = known.journal.records.get(workload).unwrap_or(&nothing);
        let permitted = permitted(&self.scenario, machine, wanted(known, workload, record));
        let observed = Observed {
            workload,
            containers: Ok(&[]),
            record,
            images: &BTreeMap::new(),
            permitted: &permitted,
            platform: Some(("linux", "amd64")),
            room: None,
            needed_elsewhere: &BTreeSet::new(),
            may_pull: true,
            busy_with: busy_with(&known.journal.records, workload),
            itself: &Itself::default(),
            probes: Probes::NONE,
            in_use: Seen::NOTHING,
            jitter,
        };
        match learn(&observed, call, answer, self.now) {
            Some(record) => self.write_learned(machine, workload, record),
            None => Ok(()),
        }
    }

    fn write_learned(&mut self, machine: usize, workload: &WorkloadName, record: Record) -> Held {
        if !self.write(machine, workload, record.clone())? {
            self.machines[machine].unwritten = Some((workload.clone(), record));
            self.turn_at(machine, self.now + JOURNAL_PAUSE);
        }
        Ok(())
    }

    /// Whether it is on the disk.
    fn write(
        &mut self,
        machine: usize,
        workload: &WorkloadName,
        record: Record,
    ) -> Result<bool, crate::Violation> {
        if self.machines[machine].disk_is_full {
            return Ok(false);
        }
        self.before_write(machine, workload, &record)?;
        self.machines[machine]
            .journal
            .records
            .insert(workload.clone(), record);
        self.emit(machine, workload);
        Ok(true)
    }

    /// Sends a workload's report if it says something new.
    fn emit(&mut self, machine: usize, workload: &WorkloadName) {
        let known = &mut self.machines[machine];
        let report = known
            .journal
            .records
            .get(workload)
            .and_then(|record| record.report(workload, self.now));
        let Some(report) = report else { return };
        let news = (
            report.generation,
            report.attempt,
            report.phase,
            report.waiting_for.clone(),
        );
        if known.emitted.get(workload) == Some(&news) {
            return;
        }
        let (phase, generation) = (report.phase, report.generation);
        let why = report
            .failure
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default();
        known.emitted.insert(workload.clone(), news);
        known.reports.offer(report, !known.disk_is_full);
        self.say(|| format!("m{machine:<16} {workload}: {phase} (generation {generation}) {why}"));
        self.send_reports(machine);
    }

    /// What the machine runs, if that has changed.
    fn tell_inventory(&mut self, machine: usize) {
        let known = &mut self.machines[machine];
        if known.engine_is_silent {
            return;
        }
        let now = known.look();
        if known.inventory.as_ref() != Some(&now) && !(known.inventory.is_none() && now.is_empty())
        {
            known.inventory = Some(now);
            self.send_inventory(machine);
        }
    }
}

/// What is carried out, or else what is to be.
fn wanted<'a>(
    machine: &'a Machine,
    workload: &WorkloadName,
    record: &'a Record,
) -> Option<&'a Assignment> {
    let operation = record.operation.as_ref();
    let assigned = &machine.journal.desired.assignments;
    operation
        .map(|operation| &operation.assignment)
        .or_else(|| assigned.get(workload))
}

/// What the machine's own policy allows of what is assigned.
fn permitted(
    scenario: &Scenario,
    machine: usize,
    assignment: Option<&Assignment>,
) -> Result<Vec<ImageRef>, Failure> {
    let images = assignment.map(|assignment| match assignment.run.is_empty() {
        true => assignment.prefetch.as_slice(),
        false => assignment.run.as_slice(),
    });
    let images = images.unwrap_or_default();
    let allows = |image: &ImageRef| scenario.allows(&image.digest, machine);
    match images.iter().all(allows) {
        true => Ok(images.to_vec()),
        false => Err(Failure::new(
            FailureKind::Policy,
            "this machine does not allow that image",
        )),
    }
}
