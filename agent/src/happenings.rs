//! What happened on this machine lately, for whoever asks after it was away.
//!
//! ```text
//!   note ─▶ newest 100, on disk ─▶ at the begin of a session: all; then each
//! ```
//!
//! Kept while there is no coordinator, and told when there is one again. None
//! of it is needed to decide anything: a file that cannot be written or read
//! costs lines, never a step.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pinion_model::{Timestamp, WorkloadName};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::clock::Clock;
use crate::disk;

/// Happenings that are kept.
pub const LIMIT: usize = 100;
/// Bytes of one.
const WORDS_LIMIT: usize = 256;
/// A shorter time without a session is none that a person asks about.
const AWAY: Duration = Duration::from_secs(60);

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Happening {
    /// Rises with each.
    pub sequence: u64,
    /// When, the last time, by the agent's clock.
    pub at: Timestamp,
    /// To which workload; none if to the machine.
    pub workload: Option<WorkloadName>,
    /// What, in words.
    pub what: String,
    /// How often in a row.
    pub times: u32,
    /// There was no session with the coordinator.
    pub away: bool,
}

/// The newest of them.
#[derive(Debug)]
pub struct Happenings {
    /// None: in memory alone.
    path: Option<PathBuf>,
    clock: Clock,
    held: Mutex<Held>,
    /// The highest sequence: moves when there is something to tell.
    latest: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Held {
    newest: VecDeque<Happening>,
    /// Since when there is no session; none while there is one.
    away_since: Option<Timestamp>,
}

impl Happenings {
    /// Those that an earlier process left in the state directory, and what comes.
    #[must_use]
    pub fn open(state_dir: &Path, clock: Clock) -> Self {
        let path = state_dir.join("happenings.json");
        let newest = read(&path);
        Self::with(Some(path), clock, newest)
    }

    /// For as long as the process lives.
    #[must_use]
    pub fn in_memory(clock: Clock) -> Self {
        Self::with(None, clock, VecDeque::new())
    }

    fn with(path: Option<PathBuf>, clock: Clock, newest: VecDeque<Happening>) -> Self {
        let last = newest.back().map_or(0, |happening| happening.sequence);
        let away_since = Some(clock.now());
        Self {
            path,
            clock,
            held: Mutex::new(Held { newest, away_since }),
            latest: watch::Sender::new(last),
        }
    }

    /// Notes what happened. What happened to the workload before, and is the
    /// same, is counted.
    pub fn note(&self, workload: Option<&WorkloadName>, what: impl Into<String>) {
        let mut held = self.held();
        let what = cut(what.into());
        let of_workload = |h: &Happening| h.workload.as_ref() == workload;
        let last = held.newest.iter().rposition(of_workload);
        let same = last.filter(|at| held.newest[*at].what == what);
        let before = same.and_then(|at| held.newest.remove(at));
        let happening = Happening {
            sequence: *self.latest.borrow() + 1,
            at: self.clock.now(),
            workload: workload.cloned(),
            what,
            times: before.map_or(1, |before| before.times.saturating_add(1)),
            away: held.away_since.is_some(),
        };
        let sequence = happening.sequence;
        held.newest.push_back(happening);
        let surplus = held.newest.len().saturating_sub(LIMIT);
        held.newest.drain(..surplus);
        self.write(&held.newest);
        drop(held);
        self.latest.send_replace(sequence);
    }

    /// A session with the coordinator began or ended.
    pub fn connected(&self, is_connected: bool) {
        let now = self.clock.now();
        let away_since =
            std::mem::replace(&mut self.held().away_since, (!is_connected).then_some(now));
        let away = away_since.map(|since| now.since(since));
        match away {
            Some(away) if is_connected && away >= AWAY => {
                let minutes = away.as_secs() / 60;
                self.note(
                    None,
                    format!("there was no session with the coordinator for {minutes} min"),
                );
            }
            Some(_) if !is_connected => self.held().away_since = away_since,
            _ => {}
        }
    }

    /// Those after `sequence`, the oldest first.
    #[must_use]
    pub fn after(&self, sequence: u64) -> Vec<Happening> {
        let held = self.held();
        let newer = held
            .newest
            .iter()
            .filter(|happening| happening.sequence > sequence);
        newer.cloned().collect()
    }

    /// Moves when there is something new to tell.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.latest.subscribe()
    }

    fn write(&self, newest: &VecDeque<Happening>) {
        let Some(path) = &self.path else { return };
        let content = serde_json::to_vec(newest).expect("happenings always serialise");
        if let Err(error) = disk::replace(path, &content) {
            tracing::warn!(path = %path.display(), %error, "what happened is in memory alone");
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(path: &Path) -> VecDeque<Happening> {
    let Ok(content) = std::fs::read(path) else {
        return VecDeque::new();
    };
    serde_json::from_slice(&content).unwrap_or_else(|error| {
        tracing::warn!(path = %path.display(), %error, "what happened before cannot be read and is lost");
        VecDeque::new()
    })
}

fn cut(mut words: String) -> String {
    words.truncate(words.floor_char_boundary(WORDS_LIMIT));
    words
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    fn clock() -> (Arc<AtomicU64>, Clock) {
        let millis = Arc::new(AtomicU64::new(1_000));
        let told = Arc::clone(&millis);
        (
            millis,
            Clock::new(move || Timestamp(told.load(Ordering::Relaxed))),
        )
    }

    fn words(happenings: &Happenings) -> Vec<(String, u32, bool)> {
        let all = happenings.after(0).into_iter();
        all.map(|happening| (happening.what, happening.times, happening.away))
            .collect()
    }

    #[test]
    fn what_happened_without_a_coordinator_survives_a_restart_and_is_marked() {
        let dir = tempfile::tempdir().expect("directory");
        let (millis, clock) = clock();
        let before = Happenings::open(dir.path(), clock.clone());
        before.connected(true);
        before.note(None, "seen");
        before.connected(false);
        before.note(None, "unseen");
        drop(before);
        let after = Happenings::open(dir.path(), clock);
        millis.fetch_add(7 * 60_000, Ordering::Relaxed);
        after.connected(false);
        after.connected(true);
        let away = "there was no session with the coordinator for 7 min".to_owned();
        assert_eq!(
            words(&after),
            [
                ("seen".to_owned(), 1, false),
                ("unseen".to_owned(), 1, true),
                (away, 1, false)
            ]
        );
        assert_eq!(after.after(1).len(), 2);
    }

    #[test]
    fn the_same_again_is_counted_and_only_the_newest_hundred_are_kept() {
        let (_, clock) = clock();
        let happenings = Happenings::in_memory(clock);
        let codex: WorkloadName = "codex".parse().expect("a name");
        for _ in 0..1000 {
            happenings.note(Some(&codex), "restarted");
            happenings.note(None, "é".repeat(400));
        }
        assert_eq!(
            happenings
                .after(0)
                .iter()
                .map(|h| h.times)
                .collect::<Vec<_>>(),
            [1000, 1000]
        );
        assert!(happenings.after(0)[1].what.len() <= WORDS_LIMIT);
        for n in 0..1000 {
            happenings.note(Some(&codex), format!("line {n}"));
        }
        let all = happenings.after(0);
        assert_eq!((all.len(), all[99].what.as_str()), (LIMIT, "line 999"));
    }

    #[test]
    fn a_damaged_file_and_a_full_disk_cost_lines_alone() {
        let dir = tempfile::tempdir().expect("directory");
        std::fs::write(dir.path().join("happenings.json"), "[{").expect("written");
        let happenings = Happenings::open(dir.path(), clock().1);
        happenings.note(None, "goes on");
        assert_eq!(words(&happenings).len(), 1);
        let nowhere = Happenings::open(Path::new("/nowhere"), clock().1);
        nowhere.note(None, "in memory");
        assert_eq!(words(&nowhere).len(), 1);
    }
}
