//! Asks to converge now: taken at the beginning of a turn, answered at its end.

use std::collections::BTreeSet;

use pinion_model::{ImageRef, WorkloadName};
use pinion_workload::{
    Accepted, Assignment, Call, Container, Desired, Lookup, Record, containers_of,
};

use super::Reconciler;
use super::observe::Observation;
use super::refresh::{Ask, Pending, Wait};
use crate::credentials::Resolve;
use crate::driver::Driver;

/// Why there is nothing that could be carried out again.
fn nothing_to_run(assignment: Option<&Assignment>) -> String {
    let ahead = assignment.and_then(|assignment| assignment.prefetch.first());
    match ahead {
        Some(image) => format!(
            "a rollout only has {image} pulled here ahead of the machine's turn; its containers stay as they are until then"
        ),
        None => "no digest is assigned to it on this machine".to_owned(),
    }
}

/// Whether a container runs what is assigned.
fn runs(container: &Container, assignment: &Assignment) -> bool {
    let mut digests = container.repo_digests.iter().map(|image| &image.digest);
    digests.any(|digest| Some(digest) == assignment.digest())
}

impl<D: Driver, R: Resolve> Reconciler<D, R> {
    pub(super) async fn open_asks(&mut self, desired: &Desired, seen: &mut Observation) {
        for Ask {
            workloads,
            recreate,
            reply,
        } in std::mem::take(&mut self.asked)
        {
            let mut pending = Pending::new(reply);
            let all = || desired.assignments.keys().cloned().collect();
            let named: BTreeSet<_> = if workloads.is_empty() {
                all()
            } else {
                workloads.into_iter().collect()
            };
            for workload in named {
                if let Err(why) = self
                    .open_ask(desired, &workload, recreate, seen, &mut pending)
                    .await
                {
                    pending.fail(&workload, &why);
                }
            }
            self.pending.push(pending);
        }
    }

    async fn open_ask(
        &mut self,
        desired: &Desired,
        workload: &WorkloadName,
        recreate: bool,
        seen: &mut Observation,
        pending: &mut Pending,
    ) -> Result<(), String> {
        let containers = seen
            .containers
            .as_ref()
            .map_err(|why| format!("the container engine does not answer: {why}"))?;
        let assignment = desired
            .assignments
            .get(workload)
            .filter(|a| !a.run.is_empty())
            .ok_or_else(|| nothing_to_run(desired.assignments.get(workload)))?;
        let mine = containers_of(workload, containers, &desired.catalog)
            .map_err(|failure| failure.message)?;
        let replaces = !mine.iter().all(|c| runs(c, assignment));
        let record = self.journal.record(workload);
        let outcome = record.outcome_of(assignment);
        if record.operation.is_some() || outcome.is_none() {
            pending
                .waits
                .insert(workload.clone(), Wait::Operation { replaces });
            return Ok(());
        }
        let failed = outcome.filter(|outcome| outcome.phase.is_failure());
        if let Some(failure) = failed.and_then(|outcome| outcome.failure.as_ref()) {
            return Err(format!(
                "{} (it is not tried again until an operator asks with `rollout retry`)",
                failure.message
            ));
        }
        if recreate {
            self.do_over(workload, assignment, record)?;
            let wait = Wait::Operation { replaces };
            pending.waits.insert(workload.clone(), wait);
            return Ok(());
        }
        self.pull_only(workload, assignment, seen, pending).await
    }

    /// Forgets how the assignment ended, so that it is carried out again.
    fn do_over(
        &mut self,
        workload: &WorkloadName,
        assignment: &Assignment,
        record: Record,
    ) -> Result<(), String> {
        let accepted = Some(Accepted {
            generation: assignment.generation,
            at: self.now(),
        });
        let again = Record {
            outcome: None,
            runs: record.runs + 1,
            accepted,
            ..record
        };
        match self.write(workload, again) {
            true => Ok(()),
            false => Err("the agent cannot write its journal; see its log".to_owned()),
        }
    }

    /// Sees that the image is there, and leaves the containers alone.
    async fn pull_only(
        &mut self,
        workload: &WorkloadName,
        assignment: &Assignment,
        seen: &mut Observation,
        pending: &mut Pending,
    ) -> Result<(), String> {
        let permitted = self
            .permitted_of(assignment)
            .map_err(|failure| failure.message)?;
        seen.look_up(
            &*self.driver,
            permitted.iter().map(ToString::to_string).collect(),
        )
        .await;
        let here = |image: &ImageRef| {
            matches!(
                seen.images.get(&image.to_string()),
                Some(Lookup::Present(_))
            )
        };
        if permitted.iter().any(here) {
            pending.outcome.pulled.push(workload.clone());
            return Ok(());
        }
        if self.calls.is_busy(workload) {
            return Err("it is busy; ask again".to_owned());
        }
        let image = permitted
            .first()
            .ok_or("no image is assigned to it on this machine")?
            .clone();
        let record = self.journal.record(workload);
        self.begin(workload, &record, vec![Call::Pull(image)]);
        pending.waits.insert(workload.clone(), Wait::Pull);
        Ok(())
    }

    pub(super) fn answer_asks(&mut self, desired: &Desired) {
        for pending in &mut self.pending {
            let waits: Vec<_> = pending
                .waits
                .iter()
                .map(|(name, wait)| (name.clone(), *wait))
                .collect();
            for (workload, _) in waits.iter().filter(|(_, wait)| *wait != Wait::Pull) {
                let record = self.journal.record(workload);
                let assignment = desired.assignments.get(workload);
                match (
                    record.operation.is_some(),
                    assignment.map(|a| record.outcome_of(a)),
                ) {
                    (false, Some(Some(outcome))) => pending.ended(workload, outcome),
                    (_, None) => pending.fail(workload, "the assignment was withdrawn meanwhile"),
                    _ => {}
                }
            }
        }
        let (done, open) = std::mem::take(&mut self.pending)
            .into_iter()
            .partition(|p: &Pending| p.waits.is_empty());
        self.pending = open;
        for Pending { outcome, reply, .. } in done {
            // Who asked may have gone away meanwhile.
            let _ = reply.send(outcome);
        }
    }
}
