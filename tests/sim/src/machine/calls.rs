//! Calls of an agent to its engine: one per workload at most, each of which takes its time.

use std::time::Duration;

use pinion_model::{Failure, FailureKind, ImageRef, WorkloadName};
use pinion_workload::{Answer, Call};

use super::Running;
use super::agent::JOURNAL_PAUSE;
use crate::event::Event;
use crate::invariants::Held;
use crate::sim::Sim;
use crate::totals::Fault;

impl Sim {
    /// Begins a call; its answer comes later.
    pub(super) fn begin(&mut self, machine: usize, workload: &WorkloadName, call: Call) {
        let takes = self.takes(&call);
        let known = &mut self.machines[machine];
        known.call_count += 1;
        let number = known.call_count;
        let operation = known
            .journal
            .records
            .get(workload)
            .and_then(|r| r.operation.as_ref());
        let generation = operation.map(|operation| operation.assignment.generation);
        let process = known.process;
        self.say(|| format!("m{machine:<16} {workload}: {}", call.key()));
        let running = Running {
            number,
            call,
            generation,
        };
        self.machines[machine]
            .calls
            .insert(workload.clone(), running);
        let answer = Event::Answer {
            machine,
            process,
            workload: workload.clone(),
            number,
        };
        self.put_in(takes, answer);
    }

    fn takes(&mut self, call: &Call) -> Duration {
        match call {
            Call::Pull(_) => self.random.millis(500, 20_000),
            Call::Create { .. } | Call::Start(_) => self.random.millis(50, 800),
            Call::Stop { .. } => self.random.millis(50, 5_000),
            _ => self.random.millis(2, 60),
        }
    }

    /// Pulls for assignments that are no longer wanted are given up: nothing
    /// else may be ended halfway.
    pub(super) fn end_pulls(&mut self, machine: usize) {
        let known = &mut self.machines[machine];
        let desired = &known.journal.desired.assignments;
        known.calls.retain(|workload, running| {
            let wanted = desired
                .get(workload)
                .map(|assignment| assignment.generation);
            !matches!(running.call, Call::Pull(_))
                || running.generation.is_none()
                || running.generation == wanted
        });
    }

    /// The engine has done a call, or failed to.
    pub(crate) fn answered(
        &mut self,
        machine: usize,
        process: u64,
        workload: &WorkloadName,
        number: u64,
    ) -> Held {
        let known = &mut self.machines[machine];
        let current = known
            .calls
            .get(workload)
            .filter(|running| running.number == number);
        if known.process != process || !known.is_up() || current.is_none() {
            return Ok(());
        }
        if known.unwritten.is_some() {
            let again = Event::Answer {
                machine,
                process,
                workload: workload.clone(),
                number,
            };
            self.put_in(JOURNAL_PAUSE, again);
            return Ok(());
        }
        let Some(Running { call, .. }) = known.calls.remove(workload) else {
            return Ok(());
        };
        let answer = self.outcome(machine, workload, &call)?;
        self.learn(machine, workload, &call, &answer)?;
        self.turn_now(machine);
        Ok(())
    }

    fn outcome(
        &mut self,
        machine: usize,
        workload: &WorkloadName,
        call: &Call,
    ) -> Result<Answer, crate::Violation> {
        if self.machines[machine].engine_is_silent {
            return Ok(lost("connection refused"));
        }
        let is_lost = self.now < self.scenario.calm_at && self.random.chance(5);
        if !is_lost {
            return self.perform(machine, workload, call);
        }
        self.totals.count(Fault::AnswerLost);
        if self.random.chance(500) {
            self.perform(machine, workload, call)?;
        }
        Ok(lost("connection reset"))
    }

    /// The agent, or the machine, ends while calls are made: each was done or was not.
    pub(crate) fn cut_off_calls(&mut self, machine: usize) -> Held {
        let calls = std::mem::take(&mut self.machines[machine].calls);
        for (workload, Running { call, .. }) in calls {
            self.totals.count(Fault::KilledInCall);
            let is_done = !matches!(call, Call::Pull(_)) && self.random.chance(500);
            let word = if is_done { "done" } else { "not done" };
            self.say(|| {
                format!(
                    "m{machine:<16} {workload}: {} was {word}, and nobody heard",
                    call.key()
                )
            });
            if is_done {
                self.perform(machine, &workload, &call)?;
            }
        }
        Ok(())
    }

    fn perform(
        &mut self,
        machine: usize,
        workload: &WorkloadName,
        call: &Call,
    ) -> Result<Answer, crate::Violation> {
        if let Call::Pull(image) = call {
            return Ok(self.pull(machine, image));
        }
        if self.machines[machine].disk_is_full && matches!(call, Call::Create { .. }) {
            let full = Failure::new(FailureKind::Disk, "no space left on device");
            return Ok(Answer::Failed(full));
        }
        self.before_call(machine, workload, call)?;
        self.count_bad(machine, call);
        let now = self.now;
        let answer = self.machines[machine].engine.perform(machine, call, now);
        self.after_call(machine, call)?;
        self.engine_changes_at(machine);
        Ok(answer)
    }

    fn count_bad(&mut self, machine: usize, call: &Call) {
        let Call::Start(id) = call else { return };
        let held = self.machines[machine].engine.held(id);
        if held.is_some_and(|(_, held)| held.is_bad()) {
            self.totals.count(Fault::BadBuild);
        }
    }

    fn pull(&mut self, machine: usize, image: &ImageRef) -> Answer {
        let fails = |kind, message: &str| Answer::Failed(Failure::new(kind, message));
        if self.machines[machine].disk_is_full {
            return fails(FailureKind::Disk, "no space left on device");
        }
        let is_calm = self.now >= self.scenario.calm_at;
        if !is_calm && (self.machines[machine].is_cut_off || self.random.chance(20)) {
            self.totals.count(Fault::PullFailed);
            return fails(FailureKind::Network, "connection reset by the registry");
        }
        let Some(build) = self.scenario.build(&image.digest) else {
            return fails(FailureKind::NotFound, "manifest unknown");
        };
        if let Some(kind) = self.scenario.denial(build, machine) {
            return fails(kind, "the registry does not give it");
        }
        let behaviour = self.scenario.behaviour(build, machine);
        self.machines[machine].engine.load(build, behaviour);
        Answer::Done
    }
}

fn lost(why: &str) -> Answer {
    Answer::Failed(Failure::new(FailureKind::Engine, why))
}
