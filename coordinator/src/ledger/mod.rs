//! The World in memory, and the only way to change it.
//!
//! Owns the order of things: a change is committed to the store, then applied
//! to the World in order of revision, then whoever asked hears of it. The
//! World is never ahead of the store, and two decisions from one World never
//! both pass. Decides nothing itself: it is handed pure functions.
//!
//! ```text
//!   decide(f) ── f(&World) ──▶ changes ── commit(expected) ──▶ store
//!       ▲                         ▲                              │ revisions
//!       │ applied                 └── again, on a conflict       ▼
//!   revisions() ◀── World ◀───────── apply, in order ◀──── follower
//! ```

mod follower;
mod refusals;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use pinion_model::{Revision, Timestamp};
use pinion_rollout::{Change, Observation, World};
use pinion_rollout::{Outcome, Refusal};
use tokio::sync::{Mutex, watch};
use tokio::task::AbortHandle;

use self::follower::Follower;
use self::refusals::Refusals;
use crate::clock::{Clock, SystemClock};
use crate::store::{
    AuditEntry, AuditQuery, Changes, CommitError, RefusedCall, Snapshot, Store, StoreError,
};

/// How often a decision is made again after one of another process came first.
const TRIES: u32 = 64;

/// A decision that is durable and applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed<T> {
    /// What the command answered.
    pub value: T,
    /// The commit's; the last one's if there was nothing to commit.
    pub revision: Revision,
}

/// Why a decision was not made.
#[derive(Debug, thiserror::Error)]
pub enum DecideError {
    /// The command said no.
    #[error(transparent)]
    Refused(Refusal),
    /// Decisions of other processes kept coming first.
    #[error("other decisions came first {TRIES} times in a row: try again")]
    Contended,
    /// It could not be made durable.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The World, and the store behind it.
#[derive(Debug)]
pub struct Ledger {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    /// The last instant that was given out, in milliseconds.
    latest: AtomicU64,
    view: Arc<RwLock<Snapshot>>,
    applied: watch::Receiver<Revision>,
    refusals: Refusals,
    follower: AbortHandle,
    /// Whose turn it is: first come, first served. Of decisions made from one
    /// World only one can pass, so that without turns some would never.
    turn: Mutex<()>,
}

impl Ledger {
    /// Loads the World of `store`, with the machine's clock.
    ///
    /// # Errors
    ///
    /// If the store cannot be read whole.
    pub async fn open(store: Arc<dyn Store>) -> Result<Arc<Self>, StoreError> {
        Self::open_with(store, Arc::new(SystemClock)).await
    }

    /// Loads the World of `store`, with a clock of the caller's.
    ///
    /// # Errors
    ///
    /// If the store cannot be read whole.
    pub async fn open_with(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Self>, StoreError> {
        let revisions = store.revisions();
        let snapshot = store.load().await?;
        let (applied, seen) = watch::channel(snapshot.revision);
        let view = Arc::new(RwLock::new(snapshot));
        let follower = Follower {
            store: store.clone(),
            revisions,
            view: view.clone(),
            applied,
        };
        let follower = tokio::spawn(follower.run()).abort_handle();
        let refusals = Refusals::start(store.clone());
        let latest = AtomicU64::default();
        Ok(Arc::new(Self {
            store,
            clock,
            latest,
            view,
            applied: seen,
            refusals,
            follower,
            turn: Mutex::default(),
        }))
    }

    /// Looks at the World. `look` must be short and must not come back here:
    /// nothing is applied while it looks.
    pub fn read<T>(&self, look: impl FnOnce(&World) -> T) -> T {
        look(
            &self
                .view
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .world,
        )
    }

    /// Makes a decision from the World as it is once all that were asked for
    /// before are made, commits it unless one of another process came first
    /// (then it is made again), and answers once it is durable and applied. A refusal or an outcome without changes commits nothing.
    ///
    /// If this future is dropped, the decision is made whole or not at all.
    ///
    /// # Errors
    ///
    /// If the command refuses, others keep coming first, or the store fails.
    pub async fn decide<T>(
        &self,
        command: impl Fn(&World, Timestamp) -> Result<Outcome<T>, Refusal>,
    ) -> Result<Committed<T>, DecideError> {
        let _turn = self.turn.lock().await;
        for _ in 0..TRIES {
            let now = self.clock();
            let (outcome, expected, seen) = self.ask(&command, now)?;
            if outcome.changes.is_empty() {
                return Ok(Committed {
                    value: outcome.value,
                    revision: seen,
                });
            }
            match self.store.commit(Some(expected), outcome.changes).await {
                Ok(revision) => {
                    self.applied(revision).await?;
                    return Ok(Committed {
                        value: outcome.value,
                        revision,
                    });
                }
                Err(CommitError::Conflict { current }) => self.applied(current).await?,
                Err(CommitError::Store(error)) => return Err(error.into()),
            }
        }
        Err(DecideError::Contended)
    }

    /// The command's answer, the decision revision it was made from, and the
    /// revision.
    fn ask<T>(
        &self,
        command: impl Fn(&World, Timestamp) -> Result<Outcome<T>, Refusal>,
        now: Timestamp,
    ) -> Result<(Outcome<T>, Revision, Revision), DecideError> {
        let view = self.view.read().unwrap_or_else(PoisonError::into_inner);
        let outcome = command(&view.world, now).map_err(DecideError::Refused)?;
        Ok((outcome, view.decisions, view.revision))
    }

    /// Commits what was seen, and answers once it is durable and applied: what
    /// came from outside is acknowledged after this.
    ///
    /// # Errors
    ///
    /// If the store fails; then nothing of it was committed.
    pub async fn observe(&self, observations: Vec<Observation>) -> Result<Revision, StoreError> {
        let changes = observations.into_iter().map(Change::Observation).collect();
        match self.store.commit(None, changes).await {
            Ok(revision) => self.applied(revision).await.map(|()| revision),
            Err(CommitError::Store(error)) => Err(error),
            Err(CommitError::Conflict { .. }) => {
                unreachable!("a commit that expects nothing cannot conflict")
            }
        }
    }

    /// The last revision that the World holds; changes as it does.
    #[must_use]
    pub fn revisions(&self) -> watch::Receiver<Revision> {
        self.applied.clone()
    }

    /// Of the last decision that the World holds: what agents must do changes
    /// only with it.
    #[must_use]
    pub fn decided(&self) -> Revision {
        self.view
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .decisions
    }

    /// What was committed after `revision`, for those who watch.
    ///
    /// # Errors
    ///
    /// If the log cannot be read.
    pub async fn changes_since(&self, revision: Revision) -> Result<Changes, StoreError> {
        self.store.changes_since(revision).await
    }

    /// The present; never before an instant that was given out earlier.
    #[must_use]
    pub fn clock(&self) -> Timestamp {
        let now = self.clock.now().0;
        Timestamp(self.latest.fetch_max(now, Ordering::Relaxed).max(now))
    }

    /// The audit log: decisions and refused calls, newest first.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub async fn audit(&self, query: AuditQuery) -> Result<Vec<AuditEntry>, StoreError> {
        self.store.audit(query).await
    }

    /// Notes a refused call. Never waits: calls are summed for a second before
    /// they are written, and beyond a limit only counted.
    pub fn refused(&self, call: RefusedCall) {
        self.refusals.add(call);
    }

    /// Whether commits still reach the World. Once false it stays so: the
    /// process has to be started again.
    #[must_use]
    pub fn is_following(&self) -> bool {
        self.applied.has_changed().is_ok()
    }

    async fn applied(&self, revision: Revision) -> Result<(), StoreError> {
        let mut applied = self.applied.clone();
        let reached = applied.wait_for(|applied| *applied >= revision).await;
        reached.map(|_| ()).map_err(|_| StoreError::Stopped)
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.follower.abort();
    }
}
