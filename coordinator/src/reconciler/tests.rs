use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use pinion_model::{
    AgentId, AgentPhase, Digest, Failure, FailureKind, Image, LabelSelector, Revision, RolloutId,
    RolloutPhase, SessionEpoch, Timestamp,
};
use pinion_proto::v1::{self, session_response};
use pinion_rollout::commands::{Promote, StartRollout, promote, start_rollout};
use pinion_rollout::{
    Amount, Assignment, Change, Cohort, Health, Observation, ObservedContainer, Purpose, Report,
    StageSpec, Strategy, Versions,
};
use tokio::sync::watch;

use super::*;
use crate::clock::Clock;
use crate::sessions::tests::bench::{
    Bench, FakeAgent, GatedStore, enrolled, name, somebody, workload,
};
use crate::store::{
    AuditEntry, AuditQuery, Changes, CommitError, MemoryStore, RefusedCall, Snapshot, Store,
    StoreError,
};

const AGENTS: [&str; 4] = ["a", "b", "c", "d"];

fn digest(n: u8) -> Digest {
    format!("sha256:{}", format!("{n:02x}").repeat(32))
        .parse()
        .expect("a digest")
}

fn image() -> Image {
    Image {
        registry: "ghcr".parse().expect("a name"),
        repository: "ghcr.io/a/codex".parse().expect("a repository"),
    }
}

/// One machine, then the rest; no waiting.
fn strategy() -> Strategy {
    Strategy {
        stages: vec![StageSpec::of(Cohort::Count(1)), StageSpec::of(Cohort::Rest)],
        max_in_flight: Some(Amount::Count(10)),
        soak: Some(Duration::ZERO),
        min_healthy: Some(Duration::from_secs(1)),
        ..Strategy::default()
    }
}

/// Pins a digest and starts its rollout, whatever of it is there already.
async fn begin(ledger: &Ledger, digest: &Digest) -> Result<(), DecideError> {
    let pin = Promote {
        workload: workload(),
        digest: digest.clone(),
        source_sha: None,
        notes: String::new(),
        images: vec![image()],
        local_tag: "current".to_owned(),
        auto: None,
    };
    ledger
        .decide(|world, now| promote(world, pin.clone(), &somebody(), now))
        .await?;
    let rollout = StartRollout {
        workload: workload(),
        pin: None,
        strategy: strategy(),
        agents: LabelSelector::default(),
        reason: String::new(),
    };
    if rollout_of(ledger, digest).is_none() {
        ledger
            .decide(|world, now| start_rollout(world, rollout.clone(), &somebody(), now))
            .await?;
    }
    Ok(())
}

fn rollout_of(ledger: &Ledger, digest: &Digest) -> Option<(RolloutId, RolloutPhase)> {
    ledger.read(|world| {
        let pin = world.workloads.get(&workload())?.pin_of(digest)?.number;
        let rollout = world.rollouts.values().find(|rollout| rollout.pin == pin)?;
        Some((rollout.id.clone(), rollout.phase))
    })
}

fn container(digest: &Digest) -> ObservedContainer {
    ObservedContainer {
        name: "codex-1".into(),
        id: "c1".into(),
        digest: Some(digest.clone()),
        running: true,
        health: Health::Healthy,
    }
}

/// A fleet without transport: what its machines say to a World.
fn hello(agent: &AgentId, epoch: u64, at: Timestamp) -> [Observation; 2] {
    let workloads = [(workload(), vec![container(&digest(0))])].into();
    [
        Observation::Hello {
            agent: agent.clone(),
            epoch: SessionEpoch(epoch),
            generation: Default::default(),
            process_id: "p".to_owned(),
            facts: Default::default(),
            versions: Versions::default(),
            at,
        },
        Observation::Inventory {
            agent: agent.clone(),
            workloads,
            at,
        },
    ]
}

/// What a machine answers to an assignment: it settles, unless the digest is bad.
fn outcome(assignment: &Assignment, bad: Option<&Digest>) -> Report {
    let asked = assignment.digest();
    let fails = asked.is_some() && asked == bad;
    let (phase, failure) = match asked {
        None => (AgentPhase::Withdrawn, None),
        Some(_) if fails => (
            AgentPhase::RolledBack,
            Some(Failure::new(FailureKind::Health, "it exited")),
        ),
        Some(_) => (AgentPhase::Settled, None),
    };
    let runs = asked
        .filter(|_| !fails)
        .cloned()
        .unwrap_or_else(|| digest(0));
    Report {
        workload: assignment.workload.clone(),
        generation: assignment.generation,
        attempt: assignment.attempt,
        phase,
        waiting_for: "".into(),
        deferral: None,
        failure,
        containers: vec![container(&runs)],
        running: Some(runs),
    }
}

/// Fails every commit once its permits are used up: where a process would die.
#[derive(Debug)]
struct DyingStore {
    inner: Arc<MemoryStore>,
    left: AtomicI64,
}

impl Store for DyingStore {
    fn load(&self) -> BoxFuture<'_, Result<Snapshot, StoreError>> {
        self.inner.load()
    }

    fn commit(
        &self,
        expected: Option<Revision>,
        changes: Vec<Change>,
    ) -> BoxFuture<'_, Result<Revision, CommitError>> {
        if self.left.fetch_sub(1, Ordering::Relaxed) <= 0 {
            return Box::pin(async { Err(StoreError::Stopped.into()) });
        }
        self.inner.commit(expected, changes)
    }

    fn changes_since(&self, revision: Revision) -> BoxFuture<'_, Result<Changes, StoreError>> {
        self.inner.changes_since(revision)
    }

    fn revisions(&self) -> watch::Receiver<Revision> {
        self.inner.revisions()
    }

    fn audit(&self, query: AuditQuery) -> BoxFuture<'_, Result<Vec<AuditEntry>, StoreError>> {
        self.inner.audit(query)
    }

    fn add_refused(&self, calls: Vec<RefusedCall>) -> BoxFuture<'_, Result<(), StoreError>> {
        self.inner.add_refused(calls)
    }
}

/// A second later at each look.
#[derive(Debug)]
struct StepClock(Arc<AtomicU64>);

impl Clock for StepClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.fetch_add(1000, Ordering::Relaxed))
    }
}

/// One life of a coordinator: from its start until it has nothing left to do
/// or a commit fails.
async fn live(ledger: &Ledger, digest: &Digest, bad: Option<&Digest>) -> Result<(), DecideError> {
    ledger
        .observe(vec![Observation::Started { at: ledger.clock() }])
        .await?;
    for agent in AGENTS {
        if ledger.read(|world| !world.agents.contains_key(&name(agent))) {
            let changes = vec![enrolled(agent)];
            ledger
                .decide(|_, _| {
                    Ok(Outcome {
                        changes: changes.clone(),
                        value: (),
                    })
                })
                .await?;
        }
        let epoch = ledger.read(|world| world.agents[&name(agent)].epoch.next().0);
        ledger
            .observe(hello(&name(agent), epoch, ledger.clock()).into())
            .await?;
    }
    begin(ledger, digest).await?;
    loop {
        let revision = *ledger.revisions().borrow();
        step(ledger).await?;
        for agent in AGENTS.map(name) {
            for assignment in ledger.read(|world| world.desired(&agent)).assignments {
                let report = outcome(&assignment, bad);
                let known = ledger.read(|world| {
                    world.agents[&agent].placements[&report.workload].phase == Some(report.phase)
                });
                if !known && !matches!(assignment.purpose, Purpose::Adopt { .. }) {
                    let (agent, at) = (agent.clone(), ledger.clock());
                    ledger
                        .observe(vec![Observation::Reported { agent, report, at }])
                        .await?;
                }
            }
        }
        if *ledger.revisions().borrow() == revision {
            return Ok(());
        }
    }
}

/// Lives of `commits` commits each (0: one that does not end), until the
/// rollout has nothing left to do. How many it took.
async fn lives(commits: i64, bad: Option<&Digest>) -> (u32, RolloutPhase) {
    let inner = Arc::new(MemoryStore::default());
    let time = Arc::new(AtomicU64::new(1_000_000));
    for life in 1..200 {
        let left = AtomicI64::new(if commits == 0 { i64::MAX } else { commits });
        let store = Arc::new(DyingStore {
            inner: inner.clone(),
            left,
        });
        let clock = Arc::new(StepClock(time.clone()));
        let ledger = Ledger::open_with(store, clock).await.expect("open");
        let ended = live(&ledger, &digest(1), bad).await;
        let loaded = inner.load().await.expect("load").world;
        assert!(
            ledger.read(|world| *world == loaded),
            "the World is what the store holds"
        );
        if ended.is_ok() {
            let (_, phase) = rollout_of(&ledger, &digest(1)).expect("it was started");
            return (life, phase);
        }
    }
    panic!("it never came to an end with {commits} commits a life");
}

#[tokio::test]
async fn a_coordinator_that_dies_after_any_commit_comes_to_the_same_end() {
    assert_eq!(lives(0, None).await, (1, RolloutPhase::Completed));
    // The start and four Hellos are five commits that every life begins with.
    for commits in 6..16 {
        let (lives, phase) = lives(commits, None).await;
        assert_eq!(
            phase,
            RolloutPhase::Completed,
            "{lives} lives of {commits} commits"
        );
    }
    let bad = digest(1);
    assert_eq!(lives(0, Some(&bad)).await, (1, RolloutPhase::Halted));
    for commits in 6..16 {
        let (lives, phase) = lives(commits, Some(&bad)).await;
        assert_eq!(
            phase,
            RolloutPhase::Halted,
            "{lives} lives of {commits} commits"
        );
    }
}

/// Acknowledges what it is told, and reports that it settled.
async fn obey(mut agent: FakeAgent) {
    let mut sequence = 0;
    loop {
        let session_response::Message::DesiredState(desired) = agent.message().await else {
            continue;
        };
        agent.acknowledge(desired.generation).await;
        for assignment in desired.assignments {
            sequence += 1;
            let running = assignment.run.first().map(|image| image.digest.clone());
            let report = v1::Report {
                workload: assignment.workload,
                generation: assignment.generation,
                attempt: assignment.attempt,
                phase: v1::AgentPhase::Settled.into(),
                running: running.unwrap_or_default(),
                sequence,
                ..Default::default()
            };
            agent
                .say(v1::session_request::Message::Report(report))
                .await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_rollout_goes_from_its_start_to_every_agent_and_to_its_end() {
    let bench = Bench::over(GatedStore::open()).await;
    let shutdown = CancellationToken::new();
    let work = run(
        bench.ledger.clone(),
        bench.sessions.clone(),
        shutdown.clone(),
    );
    let work = tokio::spawn(work);
    for agent in ["a", "b"] {
        let mut stream = bench.stream(agent);
        let inventory = v1::WorkloadInventory {
            workload: workload().to_string(),
            containers: vec![v1::ObservedContainer {
                name: "codex-1".into(),
                digest: digest(0).to_string(),
                running: true,
                ..Default::default()
            }],
        };
        stream
            .hello_with(v1::Inventory {
                workloads: vec![inventory],
            })
            .await;
        stream.welcome().await;
        tokio::spawn(obey(stream));
    }
    begin(&bench.ledger, &digest(1)).await.expect("begin");
    let mut revisions = bench.ledger.revisions();
    loop {
        let (_, phase) = rollout_of(&bench.ledger, &digest(1)).expect("it was started");
        if phase == RolloutPhase::Completed {
            break;
        }
        assert!(
            !phase.is_terminal() && phase != RolloutPhase::Halted,
            "{phase}"
        );
        revisions.changed().await.expect("the ledger lives");
    }
    shutdown.cancel();
    work.await.expect("it ends when it is told");
}
