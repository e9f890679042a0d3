//! One machine, its journal, and agents that come and go.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pinion_model::{
    AgentPhase, Attempt, Digest, Failure, FailureKind, Generation, ImageRef, Repository, Timestamp,
    WorkloadName,
};
use pinion_workload::{Assignment, CatalogEntry, Desired, Outcome, Record, Report};
use secrecy::SecretString;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::WorkloadSettings;
use crate::credentials::{Credential, Resolve};
use crate::driver::fake::{Behaviour, FakeEngine};
use crate::happenings::Happenings;
use crate::in_use::{InUse, Leases, Wanted};
use crate::journal::Journal;
use crate::journal::faults::Disk;
use crate::policy::Policy;
use crate::reconcile::{Handle, Reconciler};

pub(super) const REPOSITORY: &str = "ghcr.io/acme/web";
pub(super) const OTHER_REPOSITORY: &str = "registry.fly.io/web";

pub(super) fn image(n: u8) -> ImageRef {
    image_in(REPOSITORY, n)
}

pub(super) fn image_in(repository: &str, n: u8) -> ImageRef {
    ImageRef {
        repository: repository.parse().expect("a repository"),
        digest: digest(n),
    }
}

pub(super) fn digest(n: u8) -> Digest {
    format!("sha256:{}", format!("{n:02x}").repeat(32))
        .parse()
        .expect("a digest")
}

pub(super) fn web() -> WorkloadName {
    "web".parse().expect("a name")
}

/// What the coordinator wants: image `n` from the two registries, in order.
pub(super) fn desired(generation: u64, n: u8) -> Desired {
    let run = vec![image(n), image_in(OTHER_REPOSITORY, n)];
    wanting(generation, run)
}

pub(super) fn wanting(generation: u64, run: Vec<ImageRef>) -> Desired {
    let assignment = Assignment {
        workload: web(),
        generation: Generation(generation),
        attempt: Attempt(1),
        rollout: None,
        stage: None,
        run,
        prefetch: Vec::new(),
        received_at: Timestamp(0),
        start_within: Duration::from_secs(600),
        healthy_deadline: Duration::from_secs(60),
        min_healthy: Duration::from_secs(5),
        soak: Duration::from_secs(20),
        defer_within: Duration::from_secs(60),
        in_use: pinion_model::InUse::Fail,
        local_tag: String::new(),
    };
    let repositories: Vec<Repository> = [REPOSITORY, OTHER_REPOSITORY]
        .iter()
        .map(|text| text.parse().expect("a repository"))
        .collect();
    Desired {
        generation: Generation(generation),
        assignments: BTreeMap::from([(web(), assignment)]),
        catalog: BTreeMap::from([(
            web(),
            CatalogEntry {
                repositories,
                local_tag: "current".to_owned(),
            },
        )]),
    }
}

pub(super) fn policy(allow: &[&str]) -> Policy {
    Policy::new(
        allow
            .iter()
            .map(|text| text.parse().expect("a prefix"))
            .collect(),
    )
}

/// What a registry once took.
pub(super) const REGISTRY_TOKEN: &str = "tok-of-a-registry";

/// Nothing is needed to pull.
pub(super) struct Anonymous;

impl Resolve for Anonymous {
    async fn resolve(&self, _: &Repository) -> Result<Option<Credential>, Failure> {
        Ok(None)
    }

    fn forget(&self, _: &Repository) {}

    fn secrets(&self) -> Vec<SecretString> {
        vec![SecretString::from(REGISTRY_TOKEN)]
    }
}

/// The machine.
pub(super) struct Rig {
    pub(super) engine: Arc<FakeEngine>,
    pub(super) directory: tempfile::TempDir,
    pub(super) allow: Policy,
    pub(super) settings: BTreeMap<WorkloadName, WorkloadSettings>,
    /// Where the journal is.
    pub(super) disk: Disk,
    epoch: Instant,
}

/// A process of the agent.
pub(super) struct Agent {
    pub(super) handle: Handle,
    pub(super) journal: Arc<Journal>,
    pub(super) leases: Arc<Leases>,
    pub(super) happenings: Arc<Happenings>,
    reports: mpsc::UnboundedReceiver<Report>,
    shutdown: CancellationToken,
    running: tokio::task::JoinHandle<()>,
}

impl Rig {
    pub(super) fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let place = if memory.is_dir() {
            memory.to_owned()
        } else {
            std::env::temp_dir()
        };
        Self {
            engine: Arc::new(FakeEngine::new()),
            directory: tempfile::tempdir_in(place).expect("a directory"),
            allow: policy(&["ghcr.io/acme", "registry.fly.io/web"]),
            settings: BTreeMap::new(),
            disk: Disk::default(),
            epoch: Instant::now(),
        }
    }

    /// Starts the agent.
    pub(super) fn agent(&self) -> Agent {
        let epoch = self.epoch;
        let clock = Clock::new(move || {
            Timestamp(1_000_000 + u64::try_from(epoch.elapsed().as_millis()).unwrap_or(0))
        });
        let journal = Journal::open_with_clock(self.directory.path(), clock).expect("a journal");
        let journal = Arc::new(journal.on(&self.disk));
        let leases = Leases::open(self.directory.path(), journal.clock().clone());
        let leases = Arc::new(leases);
        let happenings = Arc::new(Happenings::in_memory(journal.clock().clone()));
        self.engine.machine().agent_returns();
        let (sender, reports) = mpsc::unbounded_channel();
        let reconciler = Reconciler::new(
            Arc::clone(&self.engine),
            Arc::clone(&journal),
            Arc::new(Anonymous),
            self.allow.clone(),
            sender,
        );
        let reconciler = reconciler.with_image_configs(&self.directory.path().join("images"));
        let in_use = InUse::new(Arc::clone(&leases), self.settings.clone());
        let reconciler = reconciler.with_in_use(in_use);
        let reconciler = reconciler.with_happenings(Arc::clone(&happenings));
        let handle = reconciler.handle();
        let shutdown = CancellationToken::new();
        let running = tokio::spawn(reconciler.run(shutdown.clone()));
        Agent {
            handle,
            journal,
            leases,
            happenings,
            reports,
            shutdown,
            running,
        }
    }

    pub(super) fn lose_journal(&self) {
        std::fs::remove_dir_all(self.directory.path().join("journal")).expect("removable");
    }
}

impl Agent {
    /// Ends the process as kill -9 does.
    pub(super) async fn kill(self) {
        self.running.abort();
        let _ = self.running.await;
    }

    /// Ends the process as SIGTERM does.
    pub(super) async fn stop(self) {
        self.shutdown.cancel();
        self.running.await.expect("it ends");
    }

    pub(super) fn accept(&self, desired: &Desired) {
        self.handle.accept(desired.clone()).expect("not older");
    }

    /// Waits for the end of an assignment, and of all that is tidied up after it.
    pub(super) async fn outcome(&self, generation: u64) -> Outcome {
        self.until(|journal| {
            let record = journal.record(&web());
            let idle = record.operation.is_none() && !self.is_collecting(&record);
            record
                .outcome
                .filter(|o| idle && o.generation == Generation(generation))
        })
        .await
    }

    /// Something that was pulled here is not needed any more, and is still there.
    fn is_collecting(&self, record: &Record) -> bool {
        let desired = self.journal.desired();
        let of = desired.assignments.get(&web());
        let wanted = of.into_iter().flat_map(|a| a.run.iter().chain(&a.prefetch));
        let needed: BTreeSet<_> = record
            .proven
            .iter()
            .chain(&record.tagged)
            .chain(wanted)
            .map(|i| &i.digest)
            .collect();
        let idle = |image: &&ImageRef| !needed.contains(&image.digest);
        record.has_settled()
            && record.collect_after.is_none()
            && record.pulled.iter().any(|image| idle(&image))
    }

    /// Waits for a phase.
    pub(super) async fn phase(&self, generation: u64, phase: AgentPhase) -> Report {
        self.until(|journal| {
            let report = journal.record(&web()).report(&web(), Timestamp(0))?;
            (report.generation == Generation(generation) && report.phase == phase).then_some(report)
        })
        .await
    }

    pub(super) async fn until<T>(&self, found: impl Fn(&Journal) -> Option<T>) -> T {
        let search = async {
            loop {
                if let Some(found) = found(&self.journal) {
                    return found;
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        let limit = Duration::from_secs(3600);
        match tokio::time::timeout(limit, search).await {
            Ok(found) => found,
            Err(_) => panic!(
                "nothing came of it within an hour: {:#?}",
                self.journal.records()
            ),
        }
    }

    /// The phases that were reported so far.
    pub(super) fn phases(&mut self) -> Vec<AgentPhase> {
        let mut phases = Vec::new();
        while let Ok(report) = self.reports.try_recv() {
            phases.push(report.phase);
        }
        phases
    }
}

/// A lock that somebody wants.
pub(super) fn wanted(ttl: Duration) -> Wanted {
    Wanted {
        workload: Some(web()),
        owner: "backup".to_owned(),
        reason: "nightly dump".to_owned(),
        ttl,
    }
}

pub(super) const SECOND: Duration = Duration::from_secs(1);

/// A machine that runs image 1.
pub(super) fn running() -> Rig {
    let rig = Rig::new();
    rig.engine
        .machine()
        .load(&image(1), Behaviour::Healthy(SECOND));
    rig.engine.machine().seed("web", &image(1), "always", true);
    rig
}

pub(super) fn publish(rig: &Rig, n: u8, behaviour: Behaviour) {
    rig.engine.machine().publish(&image(n), Ok(behaviour));
}

pub(super) fn fail_pull(rig: &Rig, n: u8, kind: FailureKind) {
    fail_pull_in(rig, REPOSITORY, n, kind);
}

pub(super) fn fail_pull_in(rig: &Rig, repository: &str, n: u8, kind: FailureKind) {
    rig.engine.machine().publish(
        &image_in(repository, n),
        Err(Failure::new(kind, format!("the registry said {kind}"))),
    );
}

pub(super) fn digest_that_runs(rig: &Rig) -> Digest {
    rig.engine.machine().standing()["web"].0.clone()
}
