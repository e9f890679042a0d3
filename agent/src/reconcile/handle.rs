use std::sync::Arc;

use pinion_model::{Generation, WorkloadName};
use pinion_workload::{Desired, Report};
use tokio::sync::{Notify, mpsc, oneshot, watch};

use super::refresh::{Ask, RefreshOutcome};
use crate::journal::{AcceptError, Journal};
use crate::own::Own;
use crate::status::Views;

/// How the rest of the agent speaks to the loop. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Handle {
    pub(super) journal: Arc<Journal>,
    pub(super) desired_changed: Arc<Notify>,
    pub(super) asks: mpsc::Sender<Ask>,
    pub(super) views: watch::Receiver<Views>,
    pub(super) own: Arc<Own>,
}

impl Handle {
    /// Takes a desired state. It is on disk when this returns, and may be
    /// acknowledged.
    ///
    /// # Errors
    ///
    /// If a higher generation was accepted before, or it cannot be written.
    pub fn accept(&self, desired: Desired) -> Result<Generation, AcceptError> {
        let generation = self.journal.accept(desired)?;
        self.desired_changed.notify_one();
        Ok(generation)
    }

    /// A session with the coordinator has begun, or has ended.
    pub fn session(&self, is_live: bool) {
        let now = self.journal.clock().now();
        self.own.session(is_live.then_some(now));
        self.desired_changed.notify_one();
    }

    /// What was accepted last.
    #[must_use]
    pub fn desired(&self) -> Desired {
        self.journal.desired()
    }

    /// Converges to what is assigned now, and waits for the end: pulls what is
    /// missing and, with `recreate`, replaces containers that drifted.
    /// Without workloads it does so for all that have an assignment.
    pub async fn refresh(&self, workloads: Vec<WorkloadName>, recreate: bool) -> RefreshOutcome {
        let (reply, outcome) = oneshot::channel();
        let ask = Ask {
            workloads: workloads.clone(),
            recreate,
            reply,
        };
        let sent = self.asks.send(ask).await.is_ok();
        match outcome.await {
            Ok(outcome) if sent => outcome,
            _ => RefreshOutcome::stopping(&workloads),
        }
    }

    /// What stands for each workload; changes with every observation.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<Views> {
        self.views.clone()
    }

    /// The latest report of each workload, as it stands in the journal: for
    /// the first message of a session.
    #[must_use]
    pub fn reports(&self) -> Vec<Report> {
        let now = self.journal.clock().now();
        self.journal
            .records()
            .iter()
            .filter_map(|(workload, record)| record.report(workload, now))
            .collect()
    }
}
