//! The loop: observe, ask the planner, write the journal, make what is due, repeat.
//!
//! Owns when that happens and in which order, nothing of what is decided.
//! Needs neither a coordinator nor a network: what was accepted is in the
//! journal, so it runs, and recovers, before anything is fetched.
//!
//! ```text
//!   wake (desired, engine event, instant, end of a call, 60 s)
//!     ─▶ observe ─▶ next ─▶ Write ─▶ journal ─▶ report ─┐
//!                    ▲   Call, Row ─▶ driver ─▶ learn ──┤
//!                    └──────────────────────────────────┘
//! ```

mod asks;
mod calls;
mod handle;
mod image_configs;
mod notes;
mod observe;
mod perform;
mod probes;
mod refresh;
#[cfg(test)]
mod tests;
mod turn;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pinion_model::{AgentPhase, Attempt, Generation, Timestamp, WorkloadName};
use pinion_workload::probe::Probe;
use pinion_workload::{OpId, Operation, Report, Stage};
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::credentials::Resolve;
use crate::driver::Driver;
use crate::happenings::Happenings;
use crate::in_use::InUse;
use crate::journal::Journal;
use crate::own::Own;
use crate::policy::Policy;
use crate::status::Views;
use calls::Calls;
use image_configs::ImageConfigs;
use notes::Notes;
use observe::Engine;
use probes::Probes;
use refresh::{Ask, Pending};

pub use handle::Handle;
pub use refresh::RefreshOutcome;

/// Without any event, everything is looked at again after this.
const NET: Duration = Duration::from_secs(60);
/// While a container is watched, an event that was lost costs this much.
const WATCH_PAUSE: Duration = Duration::from_secs(1);
/// While an old container is kept.
const SOAK_PAUSE: Duration = Duration::from_secs(5);
/// How long a row may take to its end when the agent is told to stop.
pub(crate) const ROW_LIMIT: Duration = Duration::from_secs(15);
/// Asks that wait their turn.
const ASK_LIMIT: usize = 16;

/// What pulls may take of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PullLimits {
    /// Bytes that stay free on the engine's disk; none: the greater of 2 GiB and a tenth.
    pub min_free: Option<u64>,
    /// Images that are pulled at once.
    pub at_once: usize,
}

impl Default for PullLimits {
    /// The usual room, two at once.
    fn default() -> Self {
        Self {
            min_free: None,
            at_once: 2,
        }
    }
}

/// What of a report makes another one news.
type News = (Generation, Attempt, AgentPhase, String);

/// Converges one machine.
pub struct Reconciler<D, R> {
    driver: Arc<D>,
    resolver: Arc<R>,
    policy: Policy,
    journal: Arc<Journal>,
    reports: mpsc::UnboundedSender<Report>,
    handle: Handle,
    asks: mpsc::Receiver<Ask>,
    asked: Vec<Ask>,
    pending: Vec<Pending>,
    views: watch::Sender<Views>,
    calls: Calls,
    probes: Probes,
    engine: Engine,
    /// What images set that may be gone by now.
    image_configs: ImageConfigs,
    in_use: InUse,
    limits: PullLimits,
    notes: Notes,
    emitted: BTreeMap<WorkloadName, News>,
    /// Operations that were found without a journal; none once all are done.
    recovering: Option<BTreeSet<(WorkloadName, OpId)>>,
    /// Looks at the engine that showed nothing to recover.
    calm_looks: u8,
}

impl<D: Driver, R: Resolve> Reconciler<D, R> {
    /// A loop that is not running yet. Each change of phase goes out through
    /// `reports` once, and the latest of each workload at start.
    #[must_use]
    pub fn new(
        driver: Arc<D>,
        journal: Arc<Journal>,
        resolver: Arc<R>,
        policy: Policy,
        reports: mpsc::UnboundedSender<Report>,
    ) -> Self {
        let (asks_in, asks) = mpsc::channel(ASK_LIMIT);
        let (views, views_out) = watch::channel(Views::new());
        let notes = Notes::new(Happenings::in_memory(journal.clock().clone()));
        let handle = Handle {
            journal: Arc::clone(&journal),
            desired_changed: Arc::new(Notify::new()),
            asks: asks_in,
            views: views_out,
            own: Arc::new(Own::bare()),
        };
        Self {
            driver,
            resolver,
            policy,
            journal,
            reports,
            handle,
            asks,
            asked: Vec::new(),
            pending: Vec::new(),
            views,
            calls: Calls::default(),
            probes: Probes::default(),
            engine: Engine::default(),
            image_configs: ImageConfigs::default(),
            in_use: InUse::default(),
            limits: PullLimits::default(),
            notes,
            emitted: BTreeMap::new(),
            recovering: Some(BTreeSet::new()),
            calm_looks: 0,
        }
    }

    /// Keeps pulls within the machine's limits.
    #[must_use]
    pub fn with_pull_limits(self, limits: PullLimits) -> Self {
        Self { limits, ..self }
    }

    /// Notes there what happens on the machine.
    #[must_use]
    pub fn with_happenings(mut self, happenings: Arc<Happenings>) -> Self {
        self.notes.happenings = happenings;
        self
    }

    /// With a program of its own that is known.
    #[must_use]
    pub fn with_own(mut self, own: Arc<Own>) -> Self {
        self.handle.own = own;
        self
    }

    /// Takes up nothing that its journal does not know: that is another's.
    #[must_use]
    pub fn without_recovery(self) -> Self {
        Self {
            recovering: None,
            ..self
        }
    }

    /// Keeps in that directory what images set by themselves, for when one is gone.
    #[must_use]
    pub fn with_image_configs(self, directory: &Path) -> Self {
        let image_configs = ImageConfigs::at(directory);
        Self {
            image_configs,
            ..self
        }
    }

    /// With what containers of a workload are asked that have no label of their own.
    #[must_use]
    pub fn with_probes(self, configured: BTreeMap<WorkloadName, Probe>) -> Self {
        let probes = Probes::configured(configured);
        Self { probes, ..self }
    }

    /// What says that its containers are in use.
    #[must_use]
    pub fn with_in_use(self, in_use: InUse) -> Self {
        Self { in_use, ..self }
    }

    /// How the rest of the agent speaks to this loop.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Runs until it is told to stop. A row that is being made is made to its
    /// end, as far as there is time, since nobody serves in it (the rest of a
    /// group starts when the agent is back); any other call is left as it is: the
    /// next start finds out what became of it.
    pub async fn run(mut self, shutdown: CancellationToken) {
        self.emit_all();
        let driver = Arc::clone(&self.driver);
        let desired_changed = Arc::clone(&self.handle.desired_changed);
        let journal = Arc::clone(&self.journal);
        let mut changed = std::pin::pin!(driver.changed());
        loop {
            let wake_at = self.turn().await;
            let pause = wake_at.since(self.now());
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return self.end_row().await,
                () = desired_changed.notified() => {}
                finished = self.calls.finished() => self.learn(finished).await,
                () = self.probes.heard(|| journal.clock().now()) => {}
                Some(ask) = self.asks.recv() => self.asked.push(ask),
                () = self.in_use.heard(|| journal.clock().now()) => {}
                // Last: an engine that tells of something all the time keeps nobody waiting.
                () = &mut changed, if !self.calls.is_in_a_row() => changed.set(driver.changed()),
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn end_row(&mut self) {
        let limit = tokio::time::Instant::now() + ROW_LIMIT;
        while self.calls.is_in_a_row() {
            match tokio::time::timeout_at(limit, self.calls.finished()).await {
                Ok(finished) => self.learn(finished).await,
                Err(_) => return,
            }
        }
    }

    fn now(&self) -> Timestamp {
        self.journal.clock().now()
    }

    /// When to look again although nothing calls for it.
    fn net(&self, now: Timestamp) -> Timestamp {
        let pause = |operation: &Operation| match operation.stage {
            _ if operation.is_proving_beside() => WATCH_PAUSE,
            Stage::Cut | Stage::RollBack | Stage::Adopt => WATCH_PAUSE,
            Stage::Soak => SOAK_PAUSE,
            _ => NET,
        };
        let records = self.journal.records();
        let operations = records.values().filter_map(|r| r.operation.as_ref());
        now + operations.map(pause).min().unwrap_or(NET)
    }

    fn emit_all(&mut self) {
        for workload in self.journal.records().keys() {
            self.emit(workload);
        }
    }

    /// Sends a workload's report if it says something new.
    fn emit(&mut self, workload: &WorkloadName) {
        if let Some(report) = self.journal.record(workload).report(workload, self.now()) {
            self.send(report);
        }
    }

    fn send(&mut self, report: Report) {
        let workload = report.workload.clone();
        let news = (
            report.generation,
            report.attempt,
            report.phase,
            report.waiting_for.clone(),
        );
        if self.emitted.get(&workload) == Some(&news) {
            return;
        }
        tracing::info!(%workload, generation = %report.generation, phase = %report.phase, waiting_for = report.waiting_for,
            failure = report.failure.as_ref().map(tracing::field::display), "phase changed");
        self.emitted.insert(workload, news);
        // Nobody listens any more: the journal holds it for the next start.
        let _ = self.reports.send(report);
    }
}
