//! What an agent still has to tell: as its queue of reports does, with what
//! is on its disk apart from what is in its memory.

use std::collections::BTreeMap;

use pinion_model::WorkloadName;
use pinion_workload::Report;

#[derive(Debug, Default)]
pub(crate) struct Reports {
    last: u64,
    /// In memory: the latest of each workload.
    progress: BTreeMap<WorkloadName, (u64, Report)>,
    /// On disk until acknowledged; false: the disk was full, so in memory alone.
    outcomes: BTreeMap<u64, (Report, bool)>,
}

impl Reports {
    pub(crate) fn offer(&mut self, report: Report, is_written: bool) {
        self.last += 1;
        if report.phase.is_terminal() {
            self.progress.remove(&report.workload);
            self.outcomes
                .retain(|_, (other, _)| !is_same(other, &report));
            self.outcomes.insert(self.last, (report, is_written));
        } else {
            self.progress
                .insert(report.workload.clone(), (self.last, report));
        }
    }

    /// What came after `sequence` and is not acknowledged, in order.
    pub(crate) fn after(&self, sequence: u64) -> Vec<(u64, Report)> {
        let outcomes = self
            .outcomes
            .range(sequence + 1..)
            .map(|(each, (report, _))| (*each, report));
        let progress = self.progress.values().map(|(each, report)| (*each, report));
        let fresh = outcomes.chain(progress.filter(|(each, _)| *each > sequence));
        let mut all: Vec<_> = fresh.map(|(each, report)| (each, report.clone())).collect();
        all.sort_by_key(|(each, _)| *each);
        all
    }

    pub(crate) fn acknowledge(&mut self, sequence: u64) {
        self.progress.retain(|_, (each, _)| *each != sequence);
        self.outcomes.remove(&sequence);
    }

    /// Whether one about the same assignment waits here.
    pub(crate) fn has(&self, report: &Report) -> bool {
        let progress = self.progress.values().map(|(_, other)| other);
        let outcomes = self.outcomes.values().map(|(other, _)| other);
        progress.chain(outcomes).any(|other| is_same(other, report))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.progress.is_empty() && self.outcomes.is_empty()
    }

    /// The process ends: what was in its memory is lost.
    pub(crate) fn restart(&mut self) {
        self.progress.clear();
        self.outcomes.retain(|_, (_, is_written)| *is_written);
        self.last = self.outcomes.keys().next_back().copied().unwrap_or(0);
    }
}

fn is_same(one: &Report, other: &Report) -> bool {
    (&one.workload, one.generation, one.attempt)
        == (&other.workload, other.generation, other.attempt)
}
