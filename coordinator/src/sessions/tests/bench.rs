//! Sessions over streams in memory: everything but the transport.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use pinion_model::{Actor, AgentId, Attempt, Generation, Revision, Timestamp, WorkloadName};
use pinion_proto::v1::{self, session_request, session_response};
use pinion_rollout::{
    Act, Assignment, Certificate, Change, Decision, Outcome, Presence, Purpose, Timing, Use,
};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};

use crate::clock::TimerClock;
use crate::ledger::Ledger;
use crate::sessions::{SessionSettings, Sessions};
use crate::store::{
    AuditEntry, AuditQuery, Changes, CommitError, MemoryStore, RefusedCall, Snapshot, Store,
    StoreError,
};

pub(crate) fn name(name: &str) -> AgentId {
    name.parse().expect("a name")
}

pub(crate) fn decision(act: Act) -> Change {
    Decision::system(Timestamp(1), act).into()
}

pub(crate) fn enrolled(agent: &str) -> Change {
    let certificate = Certificate {
        fingerprint: format!("fingerprint of {agent}"),
        serial: "1".to_owned(),
        not_after: Timestamp(u64::MAX),
    };
    let answer = Use {
        agent: name(agent),
        certificate: String::new(),
        not_after: certificate.not_after,
        at: Timestamp(1),
    };
    decision(Act::AgentEnrolled {
        agent: name(agent),
        token: "t1".to_owned(),
        key: "k1".to_owned(),
        labels: Default::default(),
        certificate,
        answer,
    })
}

/// A withdrawal: the smallest assignment that raises an agent's generation.
pub(crate) fn assigned(agent: &str, generation: u64) -> Change {
    let assignment = Assignment {
        workload: workload(),
        generation: Generation(generation),
        attempt: Attempt(1),
        purpose: Purpose::Withdraw { rollout: None },
        run: None,
        prefetch: None,
        timing: Timing::default().into(),
        local_tag: "current".into(),
    };
    let reason = "a test asks".to_owned();
    decision(Act::Assigned {
        agent: name(agent),
        assignment,
        reason,
    })
}

pub(crate) fn workload() -> WorkloadName {
    "codex".parse().expect("a name")
}

/// Commits only while it has permits.
#[derive(Debug)]
pub(crate) struct GatedStore {
    pub(crate) inner: MemoryStore,
    pub(crate) permits: Semaphore,
    /// How many commits were asked for.
    pub(crate) asked: watch::Sender<u64>,
}

impl GatedStore {
    pub(crate) fn open() -> Arc<Self> {
        Arc::new(Self {
            inner: MemoryStore::default(),
            permits: Semaphore::new(Semaphore::MAX_PERMITS),
            asked: watch::Sender::new(0),
        })
    }

    /// Holds every commit from now on back.
    pub(crate) fn hold(&self) {
        self.permits.forget_permits(Semaphore::MAX_PERMITS);
    }
}

impl Store for GatedStore {
    fn load(&self) -> BoxFuture<'_, Result<Snapshot, StoreError>> {
        self.inner.load()
    }

    fn commit(
        &self,
        expected: Option<Revision>,
        changes: Vec<Change>,
    ) -> BoxFuture<'_, Result<Revision, CommitError>> {
        Box::pin(async move {
            self.asked.send_modify(|asked| *asked += 1);
            match self.permits.acquire().await {
                Ok(permit) => permit.forget(),
                Err(_) => return Err(StoreError::Stopped.into()),
            }
            self.inner.commit(expected, changes).await
        })
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

pub(crate) struct Bench {
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) sessions: Arc<Sessions>,
}

impl Bench {
    /// A coordinator whose agents `a` and `b` are enrolled.
    pub(crate) async fn start() -> Self {
        Self::over(GatedStore::open()).await
    }

    pub(crate) async fn over(store: Arc<dyn Store>) -> Self {
        let clock = Arc::new(TimerClock::starting_at(Timestamp(1_000_000)));
        let ledger = Ledger::open_with(store, clock)
            .await
            .expect("open the ledger");
        let catalog = v1::CatalogEntry {
            workload: "codex".to_owned(),
            ..Default::default()
        };
        let catalog = Arc::new(move || vec![catalog.clone()]);
        let sessions = Sessions::new(ledger.clone(), SessionSettings::default(), catalog);
        sessions.admit();
        let bench = Self { ledger, sessions };
        if bench.ledger.read(|world| world.agents.is_empty()) {
            bench.decide(vec![enrolled("a"), enrolled("b")]).await;
        }
        bench
    }

    pub(crate) async fn decide(&self, changes: Vec<Change>) {
        let decided = self.ledger.decide(|_, _| {
            Ok(Outcome {
                changes: changes.clone(),
                value: (),
            })
        });
        decided.await.expect("decide");
    }

    /// A stream of `agent` that has said nothing.
    pub(crate) fn stream(&self, agent: &str) -> FakeAgent {
        let (say, said) = mpsc::channel(16);
        let (told, hear) = mpsc::channel(16);
        let (sessions, agent) = (self.sessions.clone(), name(agent));
        tokio::spawn(async move {
            match sessions.open(agent, ReceiverStream::new(said)).await {
                Err(error) => drop(told.send(Err(error.into())).await),
                Ok(mut session) => {
                    while let Some(message) = session.next().await {
                        let last = message.is_err();
                        if told.send(message).await.is_err() || last {
                            break;
                        }
                    }
                }
            }
        });
        FakeAgent {
            say: Some(say),
            hear,
        }
    }

    /// A session of `agent` that was welcomed: its epoch, and its stream.
    pub(crate) async fn connect(&self, agent: &str) -> (u64, FakeAgent) {
        let mut stream = self.stream(agent);
        stream.hello(0).await;
        let welcome = stream.welcome().await;
        (welcome.session_epoch, stream)
    }
}

pub(crate) fn presence(bench: &Bench, agent: &str) -> Presence {
    bench
        .ledger
        .read(|world| world.agents[&name(agent)].presence)
}

/// Returns once the agent is as it should be; the paused clock runs on while it waits.
pub(crate) async fn until(bench: &Bench, agent: &str, wanted: Presence) {
    let mut revisions = bench.ledger.revisions();
    while presence(bench, agent) != wanted {
        revisions.changed().await.expect("the ledger lives");
    }
}

/// The other end of a session.
pub(crate) struct FakeAgent {
    say: Option<mpsc::Sender<Result<v1::SessionRequest, Status>>>,
    hear: mpsc::Receiver<Result<v1::SessionResponse, Status>>,
}

impl FakeAgent {
    pub(crate) async fn say(&self, message: session_request::Message) {
        let request = v1::SessionRequest {
            message: Some(message),
        };
        let say = self.say.as_ref().expect("it has not left");
        say.send(Ok(request)).await.expect("the session listens");
    }

    pub(crate) async fn hello(&self, generation: u64) {
        let process_id = "process".to_owned();
        let hello = v1::Hello {
            generation,
            process_id,
            ..Default::default()
        };
        self.say(session_request::Message::Hello(hello)).await;
    }

    pub(crate) async fn hello_with(&self, inventory: v1::Inventory) {
        let process_id = "process".to_owned();
        let inventory = Some(inventory);
        let hello = v1::Hello {
            process_id,
            inventory,
            ..Default::default()
        };
        self.say(session_request::Message::Hello(hello)).await;
    }

    pub(crate) async fn acknowledge(&self, generation: u64) {
        let ack = v1::DesiredStateAck { generation };
        self.say(session_request::Message::DesiredStateAck(ack))
            .await;
    }

    pub(crate) async fn heartbeat(&self) {
        self.say(session_request::Message::Heartbeat(v1::Heartbeat {}))
            .await;
    }

    pub(crate) async fn report(&self, sequence: u64, phase: v1::AgentPhase) {
        let workload = workload().to_string();
        let phase = phase.into();
        let report = v1::Report {
            workload,
            sequence,
            phase,
            ..Default::default()
        };
        self.say(session_request::Message::Report(report)).await;
    }

    /// The stream ends from this side.
    pub(crate) fn leave(&mut self) {
        self.say = None;
    }

    async fn next(&mut self) -> Option<Result<v1::SessionResponse, Status>> {
        let patience = Duration::from_secs(3600);
        tokio::time::timeout(patience, self.hear.recv())
            .await
            .expect("nothing was said")
    }

    pub(crate) async fn message(&mut self) -> session_response::Message {
        let answer = self
            .next()
            .await
            .expect("the session goes on")
            .expect("no error");
        answer.message.expect("a message")
    }

    pub(crate) async fn welcome(&mut self) -> v1::Welcome {
        match self.message().await {
            session_response::Message::Welcome(welcome) => welcome,
            other => panic!("{other:?} instead of Welcome"),
        }
    }

    /// The generation of the desired state that comes next.
    pub(crate) async fn desired(&mut self) -> u64 {
        match self.message().await {
            session_response::Message::DesiredState(desired) => desired.generation,
            other => panic!("{other:?} instead of a desired state"),
        }
    }

    /// The sequence of the acknowledgement that comes next.
    pub(crate) async fn acknowledged(&mut self) -> u64 {
        match self.message().await {
            session_response::Message::ReportAck(ack) => ack.sequence,
            other => panic!("{other:?} instead of an acknowledgement"),
        }
    }

    /// How the session is ended from the other side, whatever came before.
    pub(crate) async fn ending(&mut self) -> Status {
        loop {
            match self.next().await.expect("an error ends the session") {
                Ok(_) => {}
                Err(status) => return status,
            }
        }
    }

    pub(crate) async fn ends_with(&mut self, code: Code, words: &str) {
        let status = self.ending().await;
        assert_eq!(status.code(), code, "{status}");
        assert!(status.message().contains(words), "{status}");
    }

    pub(crate) fn heard_nothing(&mut self) -> bool {
        matches!(self.hear.try_recv(), Err(mpsc::error::TryRecvError::Empty))
    }
}

/// Who decided; for tests that make decisions by commands.
pub(crate) fn somebody() -> Actor {
    Actor::System
}
