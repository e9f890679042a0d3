//! One SQLite file: write-ahead log, every commit flushed to disk.
//!
//! ```text
//!   callers ──Request──▶ writer (a thread: groups, commits, acknowledges)
//!   load, audit, … ────▶ reader (a read-only connection beside it)
//!   the writer, when a cut is due ──▶ cut (a thread: load, encode) ──Request──▶ writer
//! ```

mod cut;
mod open;
mod reader;
mod rows;
#[cfg(test)]
mod tests;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use pinion_model::Revision;
use pinion_rollout::Change;
use tokio::sync::{mpsc, oneshot, watch};

use self::open::Database;
use self::reader::Reader;
use self::rows::Encoded;
use self::writer::{Request, Writer};
use super::recent::Recent;
use super::{
    AuditEntry, AuditQuery, Changes, CommitError, CutPolicy, RefusedCall, Snapshot, Store,
    StoreError,
};

/// Requests that may wait for the writer; a caller beyond that waits to ask.
const QUEUE: usize = 1024;

/// A store in one SQLite file. Holds a lock on it until the writer has ended.
#[derive(Debug)]
pub struct SqliteStore {
    requests: mpsc::Sender<Request>,
    reader: Arc<Reader>,
    recent: Arc<Recent>,
    revisions: watch::Receiver<Revision>,
}

impl SqliteStore {
    /// Opens `path`, or makes it (mode 0600). The lock is a file beside it,
    /// with `.lock` at the end of its name.
    ///
    /// # Errors
    ///
    /// If another process has it open, if it is damaged, of a newer release or
    /// not ours (then it is left as it was), or if it cannot be opened.
    pub async fn open(path: impl Into<PathBuf>, policy: CutPolicy) -> Result<Self, StoreError> {
        let path = path.into();
        blocking(move || Self::start(&path, open::open(&path)?, policy)).await
    }

    fn start(path: &Path, database: Database, policy: CutPolicy) -> Result<Self, StoreError> {
        let reader = Arc::new(Reader::open(path)?);
        let recent = Arc::new(Recent::default());
        let (requests, queue) = mpsc::channel(QUEUE);
        let cutter = cut::Cutter::new(requests.downgrade(), reader.clone());
        let writer = Writer::new(database, recent.clone(), cutter, policy)?;
        let revisions = writer.revisions();
        std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || writer.run(queue))
            .map_err(|source| StoreError::Open {
                path: path.to_owned(),
                source: Arc::new(source),
            })?;
        Ok(Self {
            requests,
            reader,
            recent,
            revisions,
        })
    }

    /// Ends the store: on return all that was asked is durable and the lock is
    /// free. Dropping it does the same a moment later.
    pub async fn close(self) {
        let Self {
            requests,
            mut revisions,
            ..
        } = self;
        drop(requests);
        while revisions.changed().await.is_ok() {}
    }

    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<T>) -> Request,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.requests
            .send(request(answer))
            .await
            .map_err(|_| StoreError::Stopped)?;
        answered.await.map_err(|_| StoreError::Stopped)
    }
}

impl Store for SqliteStore {
    fn load(&self) -> BoxFuture<'_, Result<Snapshot, StoreError>> {
        let reader = self.reader.clone();
        blocking(move || reader.load()).boxed()
    }

    fn commit(
        &self,
        expected: Option<Revision>,
        changes: Vec<Change>,
    ) -> BoxFuture<'_, Result<Revision, CommitError>> {
        async move {
            let rows = Encoded::all(&changes)?;
            let changes = Arc::from(changes);
            self.ask(|answer| Request::Commit {
                expected,
                rows,
                changes,
                answer,
            })
            .await?
        }
        .boxed()
    }

    fn changes_since(&self, revision: Revision) -> BoxFuture<'_, Result<Changes, StoreError>> {
        async move {
            if *self.revisions.borrow() <= revision {
                return Ok(Changes::Commits(Vec::new()));
            }
            if let Some(commits) = self.recent.since(revision) {
                return Ok(Changes::Commits(commits));
            }
            let reader = self.reader.clone();
            blocking(move || reader.changes_since(revision)).await
        }
        .boxed()
    }

    fn revisions(&self) -> watch::Receiver<Revision> {
        self.revisions.clone()
    }

    fn audit(&self, query: AuditQuery) -> BoxFuture<'_, Result<Vec<AuditEntry>, StoreError>> {
        let reader = self.reader.clone();
        blocking(move || reader.audit(query)).boxed()
    }

    fn add_refused(&self, calls: Vec<RefusedCall>) -> BoxFuture<'_, Result<(), StoreError>> {
        async move {
            self.ask(|answer| Request::Refused { calls, answer })
                .await?
        }
        .boxed()
    }
}

/// Runs what waits for a disk where waiting harms nobody.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| StoreError::Stopped)?
}
