//! One turn of the loop.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use pinion_model::{AgentPhase, Failure, ImageRef, Timestamp, WorkloadName};
use pinion_workload::{
    Answer, Assignment, Call, ContainerId, Desired, Observed, Record, Report, Step, busy_with,
    can_be_found_again, concludes, images_of_interest, is_itself, learn, needed_elsewhere, next,
    recover,
};

use super::Reconciler;
use super::calls::Finished;
use super::observe::Observation;
use super::perform::perform_row;
use crate::credentials::Resolve;
use crate::driver::Driver;
use crate::journal::{Journal, JournalError};
use crate::room::Disk;
use crate::status::{own_program, views};
use crate::tls;

/// Before a journal that could not be written is tried again.
const JOURNAL_PAUSE: Duration = Duration::from_secs(5);
/// Looks that show nothing to recover until that is believed.
const CALM_LOOKS: u8 = 2;
/// Writes of one workload in one turn; a plan that needs more is a defect.
const WRITE_LIMIT: usize = 64;

/// The containers that the journal knows to have been there. The agent's own
/// program may be none, and no engine can be asked for it.
fn known(journal: &Journal) -> BTreeSet<ContainerId> {
    let records = journal.records();
    let operations = records
        .iter()
        .filter(|(workload, _)| !is_itself(workload))
        .filter_map(|(_, record)| record.operation.as_ref());
    let units = operations.flat_map(|operation| &operation.units);
    units.map(|unit| unit.old.id.clone()).collect()
}

impl<D: Driver, R: Resolve> Reconciler<D, R> {
    /// Observes, and begins or writes all that is due. Returns when to come
    /// again at the latest.
    pub(super) async fn turn(&mut self) -> Timestamp {
        self.engine.learn(&*self.driver).await;
        let desired = self.journal.desired();
        self.calls.end_pulls(|workload, generation| {
            desired
                .assignments
                .get(workload)
                .is_some_and(|a| a.generation == generation)
        });
        let mut seen = self
            .engine
            .observe(&*self.driver, &known(&self.journal))
            .await;
        self.notes.engine(&seen);
        self.recover(&seen);
        self.open_asks(&desired, &mut seen).await;
        let is_written = self.journal.flush();
        let mut wake_at = self.net(self.now());
        if !is_written {
            wake_at = wake_at.min(self.now() + JOURNAL_PAUSE);
        }
        for workload in self.workloads(&desired) {
            if !self.calls.is_busy(&workload) {
                wake_at = wake_at.min(self.advance(&desired, &workload, &mut seen).await);
            }
        }
        wake_at = self
            .probe(&desired, &seen)
            .map_or(wake_at, |at| wake_at.min(at));
        self.ask_probes(&seen);
        self.answer_asks(&desired);
        self.publish(&desired, &seen);
        wake_at.min(self.net(self.now()))
    }

    /// Those that are assigned, and those of which something is known.
    fn workloads(&self, desired: &Desired) -> BTreeSet<WorkloadName> {
        let records = self.journal.records();
        let known = desired.assignments.keys().chain(records.keys());
        known.cloned().collect()
    }

    /// Asks the containers that are to be proven, or soak.
    fn probe(&mut self, desired: &Desired, seen: &Observation) -> Option<Timestamp> {
        let containers = seen.containers.as_ref().ok()?;
        let (records, now) = (self.journal.records(), self.now());
        let driver = Arc::clone(&self.driver);
        self.probes.ask(&driver, desired, &records, containers, now)
    }

    /// Asks those that are at the gate now whether they are in use.
    fn ask_probes(&mut self, seen: &Observation) {
        let (records, now) = (self.journal.records(), self.now());
        let containers = seen.containers.as_deref().unwrap_or_default();
        self.in_use.ask(&self.driver, &records, containers, now);
    }

    /// Takes up what names and labels tell and the journal does not.
    fn recover(&mut self, seen: &Observation) {
        let (Some(known), Ok(containers)) = (&mut self.recovering, &seen.containers) else {
            return;
        };
        loop {
            let records = self.journal.records();
            let found = recover(&records, containers, self.journal.clock().now());
            let found = found.filter(|(w, o)| known.insert((w.clone(), o.id.clone())));
            let Some((workload, operation)) = found else {
                // One look that shows nothing may be an answer that makes no sense.
                self.calm_looks = self.calm_looks.saturating_add(1);
                let is_calm = records.values().all(|record| record.operation.is_none());
                if is_calm && self.calm_looks >= CALM_LOOKS {
                    self.recovering = None;
                }
                return;
            };
            tracing::warn!(%workload, operation = %operation.id, "taking up an operation that the journal does not know");
            let record = Record {
                operation: Some(operation),
                ..self.journal.record(&workload)
            };
            if let Err(error) = self.journal.write(&workload, record.clone()) {
                tracing::error!(%workload, error = &error as &dyn std::error::Error, "cannot write the journal; going on from memory");
                self.journal.hold(&workload, record);
            }
        }
    }

    /// Writes what is to be written, then begins the call that is due, or the row.
    async fn advance(
        &mut self,
        desired: &Desired,
        workload: &WorkloadName,
        seen: &mut Observation,
    ) -> Timestamp {
        let mut concluded = None;
        for _ in 0..WRITE_LIMIT {
            let record = self.journal.record(workload);
            seen.look_up(&*self.driver, images_of_interest(&record))
                .await;
            let step = self.observed(desired, workload, &record, seen, |observed, now| {
                next(desired, observed, now)
            });
            match step {
                Step::Rest { wake_at } => return wake_at.unwrap_or(Timestamp(u64::MAX)),
                Step::Write(next) => {
                    let conclusion = concludes(&record, &next);
                    if conclusion.is_some() && conclusion != concluded {
                        // One answer that makes no sense is no reason.
                        concluded = conclusion;
                        *seen = self
                            .engine
                            .observe(&*self.driver, &known(&self.journal))
                            .await;
                    } else if !self.write(workload, *next) {
                        return self.now() + JOURNAL_PAUSE;
                    }
                }
                Step::Call(call) => {
                    self.begin(workload, &record, vec![call]);
                    return Timestamp(u64::MAX);
                }
                Step::Row(calls) => {
                    self.begin(workload, &record, calls);
                    return Timestamp(u64::MAX);
                }
            }
        }
        tracing::error!(%workload, "the plan does not come to an end");
        self.now() + JOURNAL_PAUSE
    }

    pub(super) fn begin(&mut self, workload: &WorkloadName, record: &Record, calls: Vec<Call>) {
        let keys: Vec<_> = calls.iter().map(Call::key).collect();
        tracing::debug!(%workload, calls = ?keys, "calling the engine");
        let generation = record
            .operation
            .as_ref()
            .map(|operation| operation.assignment.generation);
        if let [Call::Hook(hook)] = calls.as_slice() {
            let made = self.in_use.hook(workload, hook);
            let made = async move { vec![made.await] };
            return self.calls.begin(workload, calls, generation, made);
        }
        let (driver, resolver, own, made) = (
            Arc::clone(&self.driver),
            Arc::clone(&self.resolver),
            Arc::clone(&self.handle.own),
            calls.clone(),
        );
        let configs = self.image_configs.clone();
        let disk = self.disk();
        self.calls.begin(workload, calls, generation, async move {
            perform_row(&*driver, &*resolver, &own, &configs, &disk, &made).await
        });
    }

    /// Where the engine keeps its images.
    fn disk(&self) -> Disk {
        self.engine.disk(self.limits.min_free)
    }

    /// Keeps what the answers to calls tell beyond what will be observed.
    pub(super) async fn learn(&mut self, finished: Finished) {
        self.notes.calls(&finished);
        let Finished { workload, made } = finished;
        let (desired, held) = (self.journal.desired(), self.journal.record(&workload));
        let mut record = held.clone();
        for (call, answer) in &made {
            tracing::debug!(%workload, call = call.key(), answer = answer.word(), "the engine answered");
            if let Call::Pull(_) = call {
                self.pending
                    .iter_mut()
                    .for_each(|pending| pending.pulled(&workload, answer));
            }
            if let Some(learned) = self.learned(&desired, &workload, &record, call, answer) {
                record = learned;
            }
        }
        if record != held && !self.write(&workload, record.clone()) {
            // Without it, the call would be made again: no call is harmed by that.
            self.journal.hold(&workload, record);
        }
    }

    fn learned(
        &self,
        desired: &Desired,
        workload: &WorkloadName,
        record: &Record,
        call: &Call,
        answer: &Answer,
    ) -> Option<Record> {
        let unseen = Observation {
            containers: Ok(Vec::new()),
            images: BTreeMap::new(),
        };
        self.observed(desired, workload, record, &unseen, |observed, now| {
            learn(observed, call, answer, now)
        })
    }

    /// Whether it is written, or need not be.
    pub(super) fn write(&mut self, workload: &WorkloadName, record: Record) -> bool {
        let held = self.journal.record(workload);
        let Err(error) = self.journal.write(workload, record.clone()) else {
            self.notes.outcome(workload, &held, &record);
            self.emit(workload);
            return true;
        };
        let goes_on = can_be_found_again(&held, &record);
        tracing::error!(%workload, goes_on, error = &error as &dyn std::error::Error, "cannot write the journal; nothing begins without it");
        if goes_on {
            self.notes.outcome(workload, &held, &record);
            self.journal.hold(workload, record);
            self.emit(workload);
        } else {
            self.tell_of_the_journal(workload, &error);
        }
        goes_on
    }

    /// What waits for the journal cannot be read from it.
    fn tell_of_the_journal(&mut self, workload: &WorkloadName, error: &JournalError) {
        let desired = self.journal.desired();
        let Some(assignment) = desired.assignments.get(workload) else {
            return;
        };
        self.send(Report {
            workload: workload.clone(),
            generation: assignment.generation,
            attempt: assignment.attempt,
            phase: AgentPhase::Waiting,
            waiting_for: format!("room for the agent's journal: {}", tls::chain(error)),
            failure: None,
            deferral: None,
            running: None,
            at: self.now(),
        });
    }

    /// Puts together all that the planner is told.
    fn observed<T>(
        &self,
        desired: &Desired,
        workload: &WorkloadName,
        record: &Record,
        seen: &Observation,
        ask: impl FnOnce(&Observed<'_>, Timestamp) -> T,
    ) -> T {
        let permitted = self.permitted(desired, workload, record);
        let records = self.journal.records();
        let containers = seen.containers.as_deref().unwrap_or_default();
        let look = self.in_use.look(workload, record, containers, self.now());
        let observed = Observed {
            workload,
            containers: seen.containers.as_deref().map_err(String::as_str),
            record,
            images: &seen.images,
            permitted: &permitted,
            platform: self.engine.platform(),
            room: self.disk().room(),
            needed_elsewhere: &needed_elsewhere(desired, &records, workload),
            may_pull: self.calls.pulls() < self.limits.at_once,
            busy_with: busy_with(&records, workload),
            itself: &self.handle.own.itself(),
            probes: self.probes.of(workload),
            in_use: look.seen(),
            jitter: rand::random(),
        };
        ask(&observed, self.now())
    }

    fn permitted(
        &self,
        desired: &Desired,
        workload: &WorkloadName,
        record: &Record,
    ) -> Result<Vec<ImageRef>, Failure> {
        let carried_out = record
            .operation
            .as_ref()
            .map(|operation| &operation.assignment);
        match carried_out.or(desired.assignments.get(workload)) {
            Some(assignment) => self.permitted_of(assignment),
            None => Ok(Vec::new()),
        }
    }

    pub(super) fn permitted_of(&self, assignment: &Assignment) -> Result<Vec<ImageRef>, Failure> {
        let images = if assignment.run.is_empty() {
            &assignment.prefetch
        } else {
            &assignment.run
        };
        self.policy.permitted(images)
    }

    /// Tells the local socket and the inventory what stands. What an engine
    /// that is silent runs is not known, so the last view stays.
    fn publish(&mut self, desired: &Desired, seen: &Observation) {
        let Ok(containers) = &seen.containers else {
            return;
        };
        let permitted = |a: &Assignment| self.permitted_of(a).unwrap_or_default();
        let records = self.journal.records();
        let mut now = views(desired, &records, containers, &permitted);
        own_program(&mut now, &self.handle.own.itself());
        self.notes.containers(&self.views.borrow(), &now, &records);
        self.views.send_if_modified(|held| {
            let changed = *held != now;
            *held = now;
            changed
        });
    }
}
