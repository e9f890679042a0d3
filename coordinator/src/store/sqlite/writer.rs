use std::sync::Arc;
use std::time::Instant;

use pinion_model::Revision;
use pinion_rollout::Change;
use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};
use tokio::sync::{mpsc, oneshot, watch};

use super::cut::{Cutter, EncodedSnapshot};
use super::open::Database;
use super::rows::{self, Encoded, Head, Written};
use crate::store::recent::Recent;
use crate::store::{Commit, CommitError, CutPolicy, RefusedCall, StoreError};

/// Requests in one transaction: one flush of the disk serves them all.
const GROUP: usize = 256;

/// What the writer is asked to do.
#[derive(Debug)]
pub(super) enum Request {
    Commit {
        expected: Option<Revision>,
        /// `changes`, as they will stand in the file.
        rows: Vec<Encoded>,
        changes: Arc<[Change]>,
        answer: oneshot::Sender<Result<Revision, CommitError>>,
    },
    Refused {
        calls: Vec<RefusedCall>,
        answer: oneshot::Sender<Result<(), StoreError>>,
    },
    /// A snapshot was made, or could not be.
    Cut(Option<EncodedSnapshot>),
}

/// The one that writes. Lives in a thread of its own.
#[derive(Debug)]
pub(super) struct Writer {
    // First, so that the lock is gone when `revisions` closes.
    database: Database,
    recent: Arc<Recent>,
    cutter: Cutter,
    /// A cut is under way. Stays so after one that failed: the log is kept
    /// whole until the next start rather than tried again and again.
    cutting: bool,
    policy: CutPolicy,
    head: Head,
    /// The disk failed: what is in the file is not known for certain any more.
    stopped: bool,
    revisions: watch::Sender<Revision>,
}

impl Writer {
    pub(super) fn new(
        database: Database,
        recent: Arc<Recent>,
        cutter: Cutter,
        policy: CutPolicy,
    ) -> Result<Self, StoreError> {
        let head = read_head(&database)?;
        let revisions = watch::Sender::new(head.revision);
        Ok(Self {
            database,
            recent,
            cutter,
            cutting: false,
            policy,
            head,
            stopped: false,
            revisions,
        })
    }

    pub(super) fn revisions(&self) -> watch::Receiver<Revision> {
        self.revisions.subscribe()
    }

    /// Serves until the store is gone, or the disk failed: its end closes
    /// `revisions`, and whoever follows them knows.
    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Request>) {
        let mut group = Vec::with_capacity(GROUP);
        while !self.stopped && queue.blocking_recv_many(&mut group, GROUP) > 0 {
            self.serve(std::mem::take(&mut group));
            self.cut_if_due();
        }
    }

    /// One transaction for all; answers come after it is durable.
    fn serve(&mut self, group: Vec<Request>) {
        let begun = Instant::now();
        match self.write(&group) {
            Ok(outcomes) => {
                metrics::histogram!("pinion_store_commit_seconds").record(begun.elapsed());
                self.publish(&group, &outcomes);
                group
                    .into_iter()
                    .zip(outcomes)
                    .for_each(|(request, outcome)| request.answer(outcome));
            }
            Err(error) => {
                self.consider(&error);
                group.into_iter().for_each(|request| request.refuse(&error));
            }
        }
    }

    fn write(&mut self, group: &[Request]) -> Result<Vec<Written>, StoreError> {
        let mut head = self.head;
        let outcomes = transaction(&mut self.database.connection, |transaction| {
            let outcomes = group
                .iter()
                .map(|request| request.write(transaction, &mut head));
            let outcomes = outcomes.collect::<rusqlite::Result<Vec<_>>>()?;
            rows::write_head(transaction, &head)?;
            Ok(outcomes)
        })?;
        self.head = head;
        for request in group {
            if let Request::Cut(Some(snapshot)) = request {
                self.head = read_head(&self.database)?;
                self.recent.forget(snapshot.revision);
                self.cutting = false;
            }
        }
        Ok(outcomes)
    }

    /// Followers can read a commit before whoever made it hears of it.
    fn publish(&self, group: &[Request], outcomes: &[Written]) {
        for (request, outcome) in group.iter().zip(outcomes) {
            if let (Request::Commit { changes, .. }, Written::Commit(revision)) = (request, outcome)
            {
                self.recent.push(Commit {
                    revision: *revision,
                    changes: changes.clone(),
                });
                metrics::counter!("pinion_store_commits_total").increment(1);
            }
        }
        let last = self.head.revision;
        self.revisions
            .send_if_modified(|revision| std::mem::replace(revision, last) != last);
    }

    /// After a failed flush nobody knows what the file holds: stop, so that a
    /// restart reads it again. A full disk or a busy file can pass.
    fn consider(&mut self, error: &StoreError) {
        if let StoreError::Sql { source, .. } = error {
            self.stopped = matches!(
                source.sqlite_error_code(),
                Some(
                    ErrorCode::SystemIoFailure
                        | ErrorCode::DatabaseCorrupt
                        | ErrorCode::NotADatabase
                )
            );
        }
        metrics::counter!("pinion_store_failures_total").increment(1);
        tracing::error!(error = %Chain(error), stopped = self.stopped, "the store could not write");
    }

    fn cut_if_due(&mut self) {
        if !self.cutting && !self.stopped && self.head.tail.is_due(&self.policy) {
            self.cutting = true;
            self.cutter.start();
        }
    }
}

impl Request {
    fn write(&self, transaction: &Transaction<'_>, head: &mut Head) -> rusqlite::Result<Written> {
        match self {
            Self::Commit { expected, rows, .. } => {
                rows::write_commit(transaction, head, *expected, rows)
            }
            Self::Refused { calls, .. } => {
                rows::write_refused(transaction, calls)?;
                Ok(Written::Nothing(head.revision))
            }
            Self::Cut(snapshot) => {
                if let Some(snapshot) = snapshot {
                    rows::write_cut(transaction, snapshot)?;
                }
                Ok(Written::Nothing(head.revision))
            }
        }
    }

    /// A caller that has gone away does not want to know.
    fn answer(self, outcome: Written) {
        match (self, outcome) {
            (Self::Commit { answer, .. }, Written::Conflict(current)) => {
                drop(answer.send(Err(CommitError::Conflict { current })));
            }
            (
                Self::Commit { answer, .. },
                Written::Commit(revision) | Written::Nothing(revision),
            ) => {
                drop(answer.send(Ok(revision)));
            }
            (Self::Refused { answer, .. }, _) => drop(answer.send(Ok(()))),
            (Self::Cut(_), _) => {}
        }
    }

    fn refuse(self, error: &StoreError) {
        match self {
            Self::Commit { answer, .. } => drop(answer.send(Err(error.clone().into()))),
            Self::Refused { answer, .. } => drop(answer.send(Err(error.clone()))),
            Self::Cut(_) => {}
        }
    }
}

fn transaction<T>(
    connection: &mut Connection,
    work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
) -> Result<T, StoreError> {
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(StoreError::sql("begin writing"))?;
    let outcome = work(&transaction).map_err(StoreError::sql("write a group of commits"))?;
    transaction
        .commit()
        .map_err(StoreError::sql("make a group of commits durable"))?;
    Ok(outcome)
}

fn read_head(database: &Database) -> Result<Head, StoreError> {
    rows::read_head(&database.connection).map_err(StoreError::sql("read the head of the log"))
}

/// An error with its causes, on one line.
pub(super) struct Chain<'a>(pub(super) &'a dyn std::error::Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
