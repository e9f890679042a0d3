//! `pinion-agent replace-agent`: a container of the next agent's image that
//! replaces the agent's own container, waits until the next agent has
//! confirmed, and puts the old one back otherwise.
//!
//! ```text
//!   operation.json (from the old agent) ─▶ journal of its own ─▶ reconcile ─▶ engine
//!   slots/state.json: confirmed (by the next agent) ─▶ proven     verdict ─▶ whichever agent runs
//! ```
//!
//! It runs until an agent removes it: so whatever happens, somebody goes on.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pinion_launcher::slot_dir::SlotDir;
use pinion_model::{AgentPhase, FailureKind, WorkloadName};
use pinion_workload::{Cause, Desired, Home, ITSELF, Operation, Outcome, Record};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Own;
use crate::credentials::Resolver;
use crate::disk;
use crate::driver::docker::{ConnectError, Docker, Limits};
use crate::journal::{AcceptError, Journal, JournalError};
use crate::policy::Policy;
use crate::reconcile::Reconciler;

/// Between two looks at how far it is.
const PAUSE: Duration = Duration::from_millis(500);
/// For one connection to the coordinator.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between two looks at whether the coordinator takes connections.
const LOOK: Duration = Duration::from_secs(2);
/// Looks that count, the latest.
const LOOKS: usize = 3;

/// Why the agent's container is not replaced.
#[derive(Debug, thiserror::Error)]
pub enum ReplaceError {
    /// What is to be done cannot be read or written.
    #[error("cannot read or write {path}, where the agent wrote what is to be done")]
    Operation {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The journal does not take what is to be done.
    #[error(transparent)]
    Accept(#[from] AcceptError),
    /// The engine's address is of no use.
    #[error(transparent)]
    Engine(#[from] ConnectError),
}

fn directory(state_dir: &Path) -> PathBuf {
    state_dir.join("replacer")
}

fn fault(path: &Path) -> impl FnOnce(io::Error) -> ReplaceError + use<> {
    let path = path.to_owned();
    move |source| ReplaceError::Operation { path, source }
}

/// Leaves to the replacer what it is to do.
pub(super) fn write_down(state_dir: &Path, operation: &Operation) -> Result<(), ReplaceError> {
    let directory = directory(state_dir);
    let path = directory.join("operation.json");
    let bytes = serde_json::to_vec_pretty(operation).map_err(io::Error::other);
    disk::private_dir(&directory)
        .and(bytes)
        .and_then(|bytes| disk::replace(&path, &bytes))
        .map_err(fault(&path))
}

/// Replaces the agent's container, and runs on until `stop`.
///
/// # Errors
///
/// If it cannot begin; the engine starts it again.
pub async fn run(
    state_dir: &Path,
    engine_host: &str,
    stop: CancellationToken,
) -> Result<(), ReplaceError> {
    let path = directory(state_dir).join("operation.json");
    let bytes = std::fs::read(&path).map_err(fault(&path))?;
    let operation: Operation =
        serde_json::from_slice(&bytes).map_err(|error| fault(&path)(io::Error::other(error)))?;
    let journal = Arc::new(begun(state_dir, &operation)?);
    let (reports, reported) = mpsc::unbounded_channel();
    let driver = Arc::new(Docker::at(engine_host, Limits::default())?);
    let own = Own::new(
        Home::Replacer,
        state_dir,
        engine_host,
        journal.clock().now(),
    );
    // It pulls nothing: what it runs is here.
    let resolver = Resolver::new(Default::default(), Default::default(), PathBuf::new());
    let reconciler = Reconciler::new(
        driver,
        Arc::clone(&journal),
        Arc::new(resolver),
        Policy::new(Vec::new()),
        reports,
    )
    .with_own(Arc::new(own))
    .without_recovery();
    let shutdown = CancellationToken::new();
    let reconcile = tokio::spawn(reconciler.run(shutdown.clone()));
    let decided = decide(state_dir, &journal, &operation);
    tokio::select! {
        () = decided => stop.cancelled().await,
        () = stop.cancelled() => {}
    }
    shutdown.cancel();
    drop(reported);
    if let Err(error) = reconcile.await {
        tracing::error!(%error, "a part of the replacer ended in a defect");
    }
    Ok(())
}

/// The journal of this operation; that of an older one is of no use any more.
fn begun(state_dir: &Path, operation: &Operation) -> Result<Journal, ReplaceError> {
    let directory = directory(state_dir);
    let workload = itself();
    let assignment = &operation.assignment;
    let mut journal = Journal::open(&directory)?;
    let is_known = |journal: &Journal| {
        let record = journal.record(&workload);
        let is_under_way = record.operation.is_some_and(|o| o.id == operation.id);
        is_under_way || record.outcome.is_some_and(|o| is_of(&o, operation))
    };
    if is_known(&journal) {
        return Ok(journal);
    }
    if journal.generation() > assignment.generation || !journal.records().is_empty() {
        drop(journal);
        let old = directory.join("journal");
        std::fs::remove_dir_all(&old).map_err(fault(&old))?;
        journal = Journal::open(&directory)?;
    }
    journal.accept(Desired {
        generation: assignment.generation,
        assignments: [(workload.clone(), assignment.clone())].into(),
        catalog: Default::default(),
    })?;
    let record = Record {
        operation: Some(operation.clone()),
        ..Record::default()
    };
    journal.write(&workload, record)?;
    Ok(journal)
}

fn is_of(outcome: &Outcome, operation: &Operation) -> bool {
    let assignment = &operation.assignment;
    (outcome.generation, outcome.attempt) == (assignment.generation, assignment.attempt)
}

fn itself() -> WorkloadName {
    ITSELF
        .parse()
        .expect("a constant that is a workload's name")
}

/// Waits for the outcome, and says it to whichever agent runs.
async fn decide(state_dir: &Path, journal: &Journal, operation: &Operation) {
    let places = SlotDir::below(state_dir);
    let mut looks = Looks::default();
    loop {
        let record = journal.record(&itself());
        if let Some(outcome) = record.outcome.filter(|o| is_of(o, operation)) {
            let said = places.load().and_then(|slots| match slots {
                Some(slots) => places.store(&match cause(&outcome, &looks) {
                    Cause::Kept => slots.kept(&operation.id),
                    cause => slots.judged(&operation.id, cause, words(&outcome)),
                }),
                None => Ok(()),
            });
            match said {
                Ok(()) => {
                    return tracing::info!(phase = %outcome.phase, "the agent's container is decided");
                }
                Err(error) => tracing::error!(%error, "cannot say how it ended; trying again"),
            }
        } else if let Ok(Some(slots)) = places.load() {
            let addresses = slots.candidate.map(|c| c.addresses).unwrap_or_default();
            looks.look(&addresses).await;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn cause(outcome: &Outcome, looks: &Looks) -> Cause {
    let failure = outcome.failure.as_ref();
    let message = failure.map(|f| f.message.clone()).unwrap_or_default();
    match outcome.phase {
        AgentPhase::Settled => Cause::Kept,
        AgentPhase::RolledBack | AgentPhase::RollbackFailed => match failure.map(|f| f.kind) {
            Some(FailureKind::Indeterminate) => Cause::Unconfirmed {
                reachable: looks.is_reachable(),
            },
            _ => Cause::Crashed { how: message },
        },
        _ => Cause::Unusable { why: message },
    }
}

fn words(outcome: &Outcome) -> String {
    let failure = outcome.failure.as_ref();
    failure.map(|f| f.log_tail.clone()).unwrap_or_default()
}

/// The latest looks at whether the coordinator takes connections.
#[derive(Default)]
struct Looks {
    seen: Vec<bool>,
    last: Option<Instant>,
}

impl Looks {
    async fn look(&mut self, addresses: &[String]) {
        if self.last.is_some_and(|last| last.elapsed() < LOOK) {
            return;
        }
        let mut answers = false;
        for address in addresses {
            let connected = tokio::time::timeout(PATIENCE, TcpStream::connect(address)).await;
            answers |= matches!(connected, Ok(Ok(_)));
        }
        self.seen.push(answers);
        let surplus = self.seen.len().saturating_sub(LOOKS);
        self.seen.drain(..surplus);
        self.last = Some(Instant::now());
    }

    fn is_reachable(&self) -> bool {
        !self.seen.is_empty() && self.seen.iter().all(|seen| *seen)
    }
}
