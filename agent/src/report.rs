//! What is still to be told to the coordinator.
//!
//! ```text
//!   progress   one per workload, the latest, in memory
//!   outcomes   up to 256, one file each in reports/, until acknowledged
//! ```
//!
//! At-least-once: what was not acknowledged is sent again after a reconnect,
//! outcomes also after a restart. A sequence names one report; it rises.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use pinion_model::{AgentPhase, Attempt, Failure, Generation, WorkloadName};
use pinion_workload::Report;
use tokio::sync::watch;

use crate::disk;

/// Outcomes that are kept while the coordinator is away.
pub const OUTCOME_LIMIT: usize = 256;

/// The reports that are not acknowledged.
#[derive(Debug)]
pub struct Reports {
    dir: PathBuf,
    queue: Mutex<Queue>,
    /// The highest sequence: moves when there is something to send.
    latest: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Queue {
    last: u64,
    progress: BTreeMap<WorkloadName, (u64, Report)>,
    outcomes: BTreeMap<u64, Report>,
    /// The last of each workload that was offered since the start.
    offered: BTreeMap<WorkloadName, (Generation, Attempt, AgentPhase)>,
}

/// Why outcomes are not kept on disk.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The directory cannot be used.
    #[error("cannot open the queue of reports {path}")]
    Open {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// An outcome was not written; it is kept in memory.
    #[error("cannot write the report {path}; a restart of the agent would lose it")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl Reports {
    /// Opens the queue below the state directory, with what an earlier process
    /// left in it. A file that is damaged is left out and logged.
    ///
    /// # Errors
    ///
    /// If the directory cannot be made or read.
    pub fn open(state_dir: &Path) -> Result<Self, ReportError> {
        let dir = state_dir.join("reports");
        let open = |source| ReportError::Open {
            path: dir.clone(),
            source,
        };
        disk::private_dir(&dir).map_err(open)?;
        let mut outcomes = BTreeMap::new();
        for entry in std::fs::read_dir(&dir).map_err(open)? {
            let path = entry.map_err(open)?.path();
            if let Some((sequence, report)) = read(&path) {
                outcomes.insert(sequence, report);
            }
        }
        let last = outcomes.keys().next_back().copied().unwrap_or(0);
        let queue = Queue {
            last,
            outcomes,
            ..Queue::default()
        };
        Ok(Self {
            dir,
            queue: Mutex::new(queue),
            latest: watch::Sender::new(last),
        })
    }

    /// Takes a report: progress replaces the workload's earlier progress, an
    /// outcome is on disk when this returns.
    ///
    /// # Errors
    ///
    /// If an outcome could not be written; it is in the queue all the same.
    pub fn offer(&self, report: Report) -> Result<(), ReportError> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.last += 1;
        let sequence = queue.last;
        queue.offered.insert(report.workload.clone(), key(&report));
        let written = if report.phase.is_terminal() {
            self.keep(&mut queue, sequence, report)
        } else {
            queue
                .progress
                .insert(report.workload.clone(), (sequence, report));
            Ok(())
        };
        drop(queue);
        self.latest.send_replace(sequence);
        written
    }

    /// What came after `sequence` and is not acknowledged, in order.
    #[must_use]
    pub fn after(&self, sequence: u64) -> Vec<(u64, Report)> {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let outcomes = queue
            .outcomes
            .iter()
            .map(|(sequence, report)| (*sequence, report));
        let progress = queue
            .progress
            .values()
            .map(|(sequence, report)| (*sequence, report));
        let mut all: Vec<_> = outcomes
            .chain(progress)
            .filter(|(each, _)| *each > sequence)
            .map(|(each, report)| (each, report.clone()))
            .collect();
        all.sort_by_key(|(each, _)| *each);
        all
    }

    /// Whether the first message of a session may name a report without its
    /// log: it is not in the queue, nor on its way there, from where it would
    /// come too late.
    #[must_use]
    pub fn may_lose_log(&self, report: &Report) -> bool {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let has_log = |failure: &Failure| !failure.log_tail.is_empty();
        let is_queued = {
            let progress = queue.progress.values().map(|(_, other)| other);
            let mut all = queue.outcomes.values().chain(progress);
            all.any(|other| is_of_same(other, report))
        };
        let is_offered = queue.offered.get(&report.workload) == Some(&key(report));
        !is_queued && (is_offered || !report.failure.as_ref().is_some_and(has_log))
    }

    /// The coordinator has it: it is never sent again.
    ///
    /// # Errors
    ///
    /// If its file could not be removed; a restart would then send it again,
    /// which the coordinator ignores.
    pub fn acknowledge(&self, sequence: u64) -> Result<(), ReportError> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.progress.retain(|_, (each, _)| *each != sequence);
        match queue.outcomes.remove(&sequence) {
            Some(_) => self.remove(sequence),
            None => Ok(()),
        }
    }

    /// Moves when there is something new to send.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.latest.subscribe()
    }

    fn keep(&self, queue: &mut Queue, sequence: u64, report: Report) -> Result<(), ReportError> {
        queue.progress.remove(&report.workload);
        let mut superseded = queue.repeats_of(&report);
        for repeated in &superseded {
            queue.outcomes.remove(repeated);
        }
        if queue.outcomes.len() >= OUTCOME_LIMIT
            && let Some((oldest, dropped)) = queue.outcomes.pop_first()
        {
            tracing::warn!(workload = %dropped.workload, phase = %dropped.phase, "the queue of reports is full: the oldest is lost");
            superseded.push(oldest);
        }
        let content = serde_json::to_vec(&report).expect("a report always serialises");
        queue.outcomes.insert(sequence, report);
        // What is told does not wait for the disk; a full one gets room first.
        let removed = superseded.into_iter().map(|each| self.remove(each));
        let removed: Result<Vec<()>, _> = removed.collect();
        let path = self.path(sequence);
        disk::replace(&path, &content).map_err(|source| ReportError::Write { path, source })?;
        removed.map(drop)
    }

    fn remove(&self, sequence: u64) -> Result<(), ReportError> {
        let path = self.path(sequence);
        disk::remove(&path).map_err(|source| ReportError::Write { path, source })
    }

    fn path(&self, sequence: u64) -> PathBuf {
        self.dir.join(format!("{sequence:020}.json"))
    }
}

impl Queue {
    /// Outcomes of the same assignment: the last word counts.
    fn repeats_of(&self, report: &Report) -> Vec<u64> {
        self.outcomes
            .iter()
            .filter(|(_, other)| is_of_same(other, report))
            .map(|(sequence, _)| *sequence)
            .collect()
    }
}

/// Whether both are of the same assignment.
fn is_of_same(one: &Report, other: &Report) -> bool {
    (&one.workload, one.generation, one.attempt)
        == (&other.workload, other.generation, other.attempt)
}

fn key(report: &Report) -> (Generation, Attempt, AgentPhase) {
    (report.generation, report.attempt, report.phase)
}

/// A kept outcome; none for what is not one.
fn read(path: &Path) -> Option<(u64, Report)> {
    let sequence = path
        .file_name()?
        .to_str()?
        .strip_suffix(".json")?
        .parse()
        .ok()?;
    let content = std::fs::read(path).map_err(|error| error.to_string());
    let report =
        content.and_then(|bytes| serde_json::from_slice(&bytes).map_err(|error| error.to_string()));
    match report {
        Ok(report) => Some((sequence, report)),
        Err(error) => {
            tracing::error!(path = %path.display(), error, "a kept report is damaged and left out");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pinion_model::{FailureKind, Timestamp};

    fn report(workload: &str, generation: u64, phase: AgentPhase) -> Report {
        Report {
            workload: workload.parse().expect("name"),
            generation: Generation(generation),
            attempt: Attempt(1),
            phase,
            waiting_for: String::new(),
            failure: None,
            deferral: None,
            running: None,
            at: Timestamp(1),
        }
    }

    fn phases(reports: &Reports, after: u64) -> Vec<(u64, AgentPhase)> {
        reports
            .after(after)
            .into_iter()
            .map(|(sequence, report)| (sequence, report.phase))
            .collect()
    }

    #[test]
    fn progress_is_the_latest_alone_and_an_outcome_takes_its_place() {
        let dir = tempfile::tempdir().expect("directory");
        let reports = Reports::open(dir.path()).expect("opened");
        reports
            .offer(report("codex", 1, AgentPhase::Pulling))
            .expect("kept");
        reports
            .offer(report("codex", 1, AgentPhase::Creating))
            .expect("kept");
        assert_eq!(phases(&reports, 0), [(2, AgentPhase::Creating)]);
        reports
            .offer(report("codex", 1, AgentPhase::Settled))
            .expect("kept");
        assert_eq!(phases(&reports, 0), [(3, AgentPhase::Settled)]);
        assert_eq!(phases(&reports, 3), []);
    }

    #[test]
    fn outcomes_survive_a_restart_until_they_are_acknowledged() {
        let dir = tempfile::tempdir().expect("directory");
        let reports = Reports::open(dir.path()).expect("opened");
        reports
            .offer(report("codex", 1, AgentPhase::Settled))
            .expect("kept");
        reports
            .offer(report("hermes", 1, AgentPhase::RolledBack))
            .expect("kept");
        reports
            .offer(report("codex", 2, AgentPhase::Pulling))
            .expect("kept");
        reports.acknowledge(1).expect("removed");
        drop(reports);
        let reports = Reports::open(dir.path()).expect("opened again");
        assert_eq!(phases(&reports, 0), [(2, AgentPhase::RolledBack)]);
        reports
            .offer(report("codex", 2, AgentPhase::Settled))
            .expect("kept");
        assert_eq!(
            phases(&reports, 0),
            [(2, AgentPhase::RolledBack), (3, AgentPhase::Settled)]
        );
    }

    #[test]
    fn a_repeated_outcome_is_kept_once() {
        let dir = tempfile::tempdir().expect("directory");
        let reports = Reports::open(dir.path()).expect("opened");
        for _ in 0..3 {
            reports
                .offer(report("codex", 1, AgentPhase::Settled))
                .expect("kept");
        }
        assert_eq!(phases(&reports, 0), [(3, AgentPhase::Settled)]);
        assert_eq!(
            std::fs::read_dir(dir.path().join("reports"))
                .expect("list")
                .count(),
            1
        );
    }

    #[test]
    fn a_full_queue_loses_its_oldest_and_stays_within_its_limit() {
        let dir = tempfile::tempdir().expect("directory");
        let reports = Reports::open(dir.path()).expect("opened");
        for generation in 1..=OUTCOME_LIMIT as u64 + 3 {
            reports
                .offer(report("codex", generation, AgentPhase::Settled))
                .expect("kept");
        }
        let kept = phases(&reports, 0);
        assert_eq!((kept.len(), kept[0].0), (OUTCOME_LIMIT, 4));
        assert_eq!(
            std::fs::read_dir(dir.path().join("reports"))
                .expect("list")
                .count(),
            OUTCOME_LIMIT
        );
    }

    #[test]
    fn what_cannot_be_written_or_removed_is_told_all_the_same() {
        let dir = tempfile::tempdir().expect("directory");
        let reports = Reports::open(dir.path()).expect("opened");
        reports
            .offer(report("codex", 1, AgentPhase::Settled))
            .expect("kept");
        let queue = dir.path().join("reports");
        std::fs::remove_dir_all(&queue).expect("removable");
        // Neither can the earlier one be removed there, nor this one written.
        std::fs::write(&queue, "").expect("in the way");
        let refused = reports.offer(report("codex", 1, AgentPhase::RolledBack));
        assert!(refused.is_err(), "it says so");
        assert_eq!(phases(&reports, 0), [(2, AgentPhase::RolledBack)]);
    }

    #[test]
    fn a_damaged_file_does_not_keep_the_others_from_being_sent() {
        let dir = tempfile::tempdir().expect("directory");
        let reports = Reports::open(dir.path()).expect("opened");
        reports
            .offer(report("codex", 1, AgentPhase::Settled))
            .expect("kept");
        std::fs::write(dir.path().join("reports/00000000000000000009.json"), "{").expect("written");
        let reports = Reports::open(dir.path()).expect("opened again");
        assert_eq!(phases(&reports, 0), [(1, AgentPhase::Settled)]);
    }

    #[test]
    fn an_outcome_with_a_log_is_not_told_without_it_until_it_was_offered_and_acknowledged() {
        let dir = tempfile::tempdir().expect("directory");
        let reports = Reports::open(dir.path()).expect("opened");
        let settled = report("hermes", 1, AgentPhase::Settled);
        assert!(reports.may_lose_log(&settled), "it has none");
        let failure = Failure::new(FailureKind::Start, "it does not start").with_log("boom");
        let failed = Report {
            failure: Some(failure),
            ..report("codex", 1, AgentPhase::RolledBack)
        };
        assert!(!reports.may_lose_log(&failed), "it is on its way");
        let before = report("codex", 1, AgentPhase::RollingBack);
        reports.offer(before).expect("kept");
        reports.acknowledge(1).expect("gone");
        assert!(!reports.may_lose_log(&failed), "that was another");
        reports.offer(failed.clone()).expect("kept");
        assert!(!reports.may_lose_log(&failed), "it is queued");
        reports.acknowledge(2).expect("removed");
        assert!(
            reports.may_lose_log(&failed),
            "the coordinator has it whole"
        );
    }
}
