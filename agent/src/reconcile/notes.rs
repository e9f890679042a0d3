//! What of a turn is worth a line to a person.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use pinion_model::{AgentPhase, WorkloadName};
use pinion_workload::{Answer, Call, Container, Outcome, Record, noticed};

use super::calls::Finished;
use super::observe::Observation;
use crate::happenings::Happenings;
use crate::status::{Views, WorkloadView};

/// What was seen last, beside what is told.
pub(super) struct Notes {
    pub(super) happenings: Arc<Happenings>,
    /// Workloads of which something was being done at the last look: what
    /// happened to their containers was our doing.
    busy: BTreeSet<WorkloadName>,
    engine_is_silent: bool,
}

impl Notes {
    pub(super) fn new(happenings: Happenings) -> Self {
        Self {
            happenings: Arc::new(happenings),
            busy: BTreeSet::new(),
            engine_is_silent: false,
        }
    }

    /// The engine fell silent, or speaks again.
    pub(super) fn engine(&mut self, seen: &Observation) {
        let is_silent = seen.containers.is_err();
        if is_silent != self.engine_is_silent {
            let line = match &seen.containers {
                Err(why) => format!("the container engine does not answer: {why}"),
                Ok(_) => "the container engine answers again".to_owned(),
            };
            self.happenings.note(None, line);
        }
        self.engine_is_silent = is_silent;
    }

    /// What happened to containers without us.
    pub(super) fn containers(
        &mut self,
        before: &Views,
        now: &Views,
        records: &BTreeMap<WorkloadName, Record>,
    ) {
        let is_busy = |(_, record): &(&WorkloadName, &Record)| record.operation.is_some();
        let names = records.iter().filter(is_busy).map(|(name, _)| name.clone());
        let busy: BTreeSet<_> = names.collect();
        for (workload, view) in now {
            let known = before.get(workload);
            let is_ours = busy.contains(workload) || self.busy.contains(workload);
            if let Some(known) = known.filter(|_| !is_ours) {
                for line in noticed(&containers(known), &containers(view)) {
                    self.happenings.note(Some(workload), line);
                }
            }
        }
        self.busy = busy;
    }

    /// How an assignment ended.
    pub(super) fn outcome(&self, workload: &WorkloadName, before: &Record, after: &Record) {
        let new = after.outcome.as_ref();
        let new = new.filter(|outcome| before.outcome.as_ref() != Some(*outcome));
        if let Some(line) = new.and_then(ended) {
            self.happenings.note(Some(workload), line);
        }
    }

    /// What calls did that no container shows.
    pub(super) fn calls(&self, finished: &Finished) {
        for made in &finished.made {
            if let (Call::Untag(reference), Answer::Done) = made {
                let line = format!("{reference} was removed: nobody needs it any more");
                self.happenings.note(Some(&finished.workload), line);
            }
        }
    }
}

fn containers(view: &WorkloadView) -> Vec<&Container> {
    view.containers.iter().map(|seen| &seen.container).collect()
}

/// An assignment that asks for nothing ends without a line.
fn ended(outcome: &Outcome) -> Option<String> {
    if outcome.phase == AgentPhase::Withdrawn {
        return None;
    }
    let digest = outcome.digest.as_ref();
    let digest = digest.map_or_else(String::new, |digest| format!(" {}", digest.short()));
    let why = outcome.failure.as_ref();
    let why = why.map_or_else(String::new, |failure| format!(" ({failure})"));
    Some(format!("{}{digest}{why}", outcome.phase))
}
