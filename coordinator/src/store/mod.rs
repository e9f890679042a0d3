//! Where decisions and observations are kept.
//!
//! Owns durability, order and conflict: a commit that was acknowledged
//! survives kill -9 and power loss, every commit has one revision, and a
//! commit that names a decision revision loses against one that came first.
//! Never decides anything and never reads a clock.
//!
//! ```text
//!   commit(expected, changes) ──▶ [ log of commits ] ──▶ changes_since
//!                                        │ cut
//!                                        ▼
//!                        snapshot (World at a revision) + tail ──▶ load
//!   refused calls ──▶ a table of their own ─┐
//!   decisions ──────────────────────────────┴──▶ audit
//! ```
//!
//! Decisions stay in the log for ever, for the audit. Observations stay until
//! the next cut; from then on the snapshot holds what came of them, which is
//! the latest for each agent and workload. Loading replays exactly what was
//! committed, in order, so the World after a restart is the World before it.

mod audit;
#[cfg(test)]
mod conformance;
mod error;
mod memory;
mod recent;
mod sqlite;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use pinion_model::Revision;
use pinion_rollout::{Change, World};
use tokio::sync::watch;

pub use audit::{AuditCursor, AuditEntry, AuditKind, AuditQuery, RefusedCall};
pub use error::{CommitError, StoreError};
pub use memory::MemoryStore;
pub use sqlite::SqliteStore;

/// The state at one revision.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// All commits up to `revision`, applied.
    pub world: World,
    /// Of the last commit in it; 0 before the first.
    pub revision: Revision,
    /// Of the last commit in it that held a decision: what a
    /// [`Store::commit`] expects.
    pub decisions: Revision,
}

impl Snapshot {
    /// Applies the commit that follows.
    pub fn apply(&mut self, commit: &Commit) {
        for change in commit.changes.iter() {
            pinion_rollout::apply(&mut self.world, change);
        }
        self.revision = commit.revision;
        if commit.holds_decision() {
            self.decisions = commit.revision;
        }
    }
}

/// What was committed at once.
#[derive(Debug, Clone)]
pub struct Commit {
    /// One more than that of the commit before.
    pub revision: Revision,
    /// In the order in which they apply.
    pub changes: Arc<[Change]>,
}

impl Commit {
    /// Whether it moves the decision revision.
    #[must_use]
    pub fn holds_decision(&self) -> bool {
        holds_decision(&self.changes)
    }
}

/// An answer to [`Store::changes_since`].
#[derive(Debug, Clone)]
pub enum Changes {
    /// Every commit after the asked revision, in order; empty if there is none.
    Commits(Vec<Commit>),
    /// The log was cut after the asked revision: load again.
    Compacted,
}

/// When a store cuts its log: as soon as one of these was reached since the
/// last cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CutPolicy {
    /// Decisions. Default 10,000.
    pub decisions: u64,
    /// Decisions and observations. Default 50,000.
    pub changes: u64,
    /// Bytes of encoded changes. Default 64 MiB.
    pub bytes: u64,
}

impl Default for CutPolicy {
    fn default() -> Self {
        Self {
            decisions: 10_000,
            changes: 50_000,
            bytes: 64 * 1024 * 1024,
        }
    }
}

/// What was committed since the last cut.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Tail {
    decisions: u64,
    changes: u64,
    bytes: u64,
}

impl Tail {
    fn add(&mut self, decision: bool, bytes: usize) {
        self.decisions += u64::from(decision);
        self.changes += 1;
        self.bytes += bytes as u64;
    }

    fn is_due(&self, policy: &CutPolicy) -> bool {
        self.decisions >= policy.decisions
            || self.changes >= policy.changes
            || self.bytes >= policy.bytes
    }
}

/// Durable state. All futures may be dropped at any time: a commit then either
/// happens whole or not at all.
pub trait Store: std::fmt::Debug + Send + Sync + 'static {
    /// The World as of the last commit.
    ///
    /// # Errors
    ///
    /// If it cannot be read whole.
    fn load(&self) -> BoxFuture<'_, Result<Snapshot, StoreError>>;

    /// Commits all changes or none, and answers with their revision once they
    /// are durable. With `expected`, only if the last decision was committed
    /// at that revision; observations in between do not matter. Nothing to
    /// commit answers with the last revision.
    ///
    /// # Errors
    ///
    /// [`CommitError::Conflict`] if another decision came first; else why it
    /// could not be written.
    fn commit(
        &self,
        expected: Option<Revision>,
        changes: Vec<Change>,
    ) -> BoxFuture<'_, Result<Revision, CommitError>>;

    /// Every commit after `revision`.
    ///
    /// # Errors
    ///
    /// If the log cannot be read.
    fn changes_since(&self, revision: Revision) -> BoxFuture<'_, Result<Changes, StoreError>>;

    /// The last revision; changes with every commit.
    fn revisions(&self) -> watch::Receiver<Revision>;

    /// Decisions and refused calls, newest first.
    ///
    /// # Errors
    ///
    /// If they cannot be read.
    fn audit(&self, query: AuditQuery) -> BoxFuture<'_, Result<Vec<AuditEntry>, StoreError>>;

    /// Adds refused calls to those of the same hour, caller, subject and reason.
    ///
    /// # Errors
    ///
    /// If they cannot be written.
    fn add_refused(&self, calls: Vec<RefusedCall>) -> BoxFuture<'_, Result<(), StoreError>>;
}

fn holds_decision(changes: &[Change]) -> bool {
    changes
        .iter()
        .any(|change| matches!(change, Change::Decision(_)))
}
