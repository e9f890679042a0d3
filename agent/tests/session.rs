//! Sessions and renewal over real TLS, against a small coordinator.

mod coordinator;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use coordinator::{Authority, Coordinator, Session};
use pinion_agent::clock::Clock;
use pinion_agent::happenings::Happenings;
use pinion_agent::identity::{Identity, IdentityDir};
use pinion_agent::machine::wall_clock;
use pinion_agent::renew;
use pinion_agent::report::Reports;
use pinion_agent::session::{Converge, Sessions};
use pinion_model::{AgentPhase, Attempt, Generation, Timestamp};
use pinion_proto::v1;
use pinion_proto::v1::session_request::Message as FromAgent;
use pinion_proto::v1::session_response::Message as ToAgent;
use pinion_workload::{Desired, Report};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

/// A machine that accepts what is not stale and remembers it.
#[derive(Clone, Default)]
struct Machine(Arc<Mutex<Desired>>);

impl Converge for Machine {
    fn generation(&self) -> Generation {
        self.0.lock().expect("lock").generation
    }

    fn reports(&self) -> Vec<Report> {
        vec![report("hermes", AgentPhase::Settled)]
    }

    async fn accept(&self, desired: Desired) -> Result<Generation, String> {
        let mut held = self.0.lock().expect("lock");
        if desired.generation >= held.generation {
            *held = desired;
        }
        Ok(held.generation)
    }
}

fn report(workload: &str, phase: AgentPhase) -> Report {
    Report {
        workload: workload.parse().expect("name"),
        generation: Generation(7),
        attempt: Attempt(1),
        phase,
        waiting_for: String::new(),
        failure: None,
        deferral: None,
        running: None,
        at: Timestamp(1),
    }
}

fn identity(authority: &Authority, address: &str, from_days: i64, to_days: i64) -> Identity {
    let (key, certificate) = authority.agent(from_days, to_days);
    Identity::new(
        "m1".parse().expect("name"),
        "pinion.test".into(),
        vec![address.to_owned()],
        Zeroizing::new(key),
        certificate,
        vec![authority.certificate.clone()],
    )
    .expect("identity")
}

struct World {
    coordinator: Coordinator,
    machine: Machine,
    reports: Arc<Reports>,
    happenings: Arc<Happenings>,
    inventory: watch::Sender<Option<v1::Inventory>>,
    engine_version: watch::Sender<String>,
    shutdown: CancellationToken,
    identity: watch::Sender<Arc<Identity>>,
    authority: Arc<Authority>,
    _dir: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let authority = Arc::new(Authority::new());
        let coordinator = coordinator::start(&authority, "127.0.0.1").await;
        let dir = tempfile::tempdir().expect("directory");
        let (inventory, _) = watch::channel(None);
        let identity =
            watch::Sender::new(Arc::new(identity(&authority, &coordinator.address, -1, 1)));
        let reports = Arc::new(Reports::open(dir.path()).expect("queue"));
        let (machine, shutdown) = (Machine::default(), CancellationToken::new());
        Self {
            coordinator,
            machine,
            reports,
            happenings: Arc::new(Happenings::open(dir.path(), Clock::new(|| Timestamp(7)))),
            inventory,
            engine_version: watch::Sender::new("20.10".into()),
            shutdown,
            identity,
            authority,
            _dir: dir,
        }
    }

    fn start(&self) -> tokio::task::JoinHandle<()> {
        let sessions = Sessions {
            converge: self.machine.clone(),
            identity: self.identity.subscribe(),
            reports: Arc::clone(&self.reports),
            happenings: Arc::clone(&self.happenings),
            inventory: self.inventory.subscribe(),
            order: Vec::new(),
            facts: BTreeMap::from([("os".to_owned(), "linux".to_owned())]),
            engine_version: self.engine_version.subscribe(),
            process_id: "p1".into(),
        };
        tokio::spawn(sessions.hold(self.shutdown.clone()))
    }

    /// The next session, after its Hello was read and Welcome said.
    async fn welcome(&mut self) -> (Session, v1::Hello) {
        let mut session = within(self.coordinator.sessions.recv())
            .await
            .expect("a session begins");
        let FromAgent::Hello(hello) = hear(&mut session).await else {
            panic!("Hello comes first")
        };
        let welcome = v1::Welcome {
            session_epoch: 1,
            heartbeat_period: Some(prost_types::Duration {
                seconds: 0,
                nanos: 200_000_000,
            }),
            ..Default::default()
        };
        say(&session, ToAgent::Welcome(welcome)).await;
        (session, hello)
    }
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future)
        .await
        .expect("within a minute")
}

async fn hear(session: &mut Session) -> FromAgent {
    let message = within(session.from_agent.message())
        .await
        .expect("the stream lives");
    message
        .and_then(|request| request.message)
        .expect("a message")
}

/// The next message that is no heartbeat.
async fn hear_news(session: &mut Session) -> FromAgent {
    loop {
        match hear(session).await {
            FromAgent::Heartbeat(_) | FromAgent::Happenings(_) => {}
            news => return news,
        }
    }
}

async fn say(session: &Session, message: ToAgent) {
    let answer = v1::SessionResponse {
        message: Some(message),
    };
    session
        .to_agent
        .send(Ok(answer))
        .await
        .expect("the stream lives");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_says_hello_heartbeats_and_acknowledges_what_is_on_disk() {
    let mut world = World::new().await;
    let held = world.start();
    let (mut session, hello) = world.welcome().await;
    assert_eq!((hello.generation, hello.process_id.as_str()), (0, "p1"));
    assert_eq!(
        (hello.engine_version.as_str(), hello.reports.len()),
        ("20.10", 1)
    );
    let FromAgent::Happenings(none) = hear(&mut session).await else {
        panic!("what happened")
    };
    assert!(none.whole && none.happenings.is_empty());
    assert!(matches!(hear(&mut session).await, FromAgent::Heartbeat(_)));
    for (sent, acknowledged) in [(5, 5), (4, 5), (5, 5), (6, 6)] {
        say(
            &session,
            ToAgent::DesiredState(v1::DesiredState {
                generation: sent,
                assignments: vec![],
            }),
        )
        .await;
        let FromAgent::DesiredStateAck(ack) = hear_news(&mut session).await else {
            panic!("an acknowledgement")
        };
        assert_eq!(ack.generation, acknowledged, "after {sent}");
    }
    assert_eq!(world.machine.generation(), Generation(6));
    world.inventory.send_replace(Some(v1::Inventory {
        workloads: vec![v1::WorkloadInventory {
            workload: "codex".into(),
            containers: vec![],
        }],
    }));
    let FromAgent::Inventory(inventory) = hear_news(&mut session).await else {
        panic!("an inventory")
    };
    assert_eq!(inventory.workloads[0].workload, "codex");
    assert_eq!(
        hello.inventory, None,
        "what is not known is not told as absent"
    );
    world.engine_version.send_replace("28.0".into());
    let (_session, hello) = world.welcome().await;
    assert_eq!(hello.engine_version, "28.0");
    assert!(hello.inventory.is_some());
    world.shutdown.cancel();
    within(held).await.expect("it ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_is_sent_again_until_it_is_acknowledged() {
    let mut world = World::new().await;
    world
        .reports
        .offer(report("codex", AgentPhase::RolledBack))
        .expect("kept");
    world.start();
    for _ in 0..2 {
        let (mut session, _) = world.welcome().await;
        let FromAgent::Report(sent) = hear_news(&mut session).await else {
            panic!("a report")
        };
        assert_eq!((sent.workload.as_str(), sent.sequence), ("codex", 1));
        // The stream breaks before the report is durable.
        drop(session);
    }
    let (mut session, _) = world.welcome().await;
    assert!(matches!(hear_news(&mut session).await, FromAgent::Report(sent) if sent.sequence == 1));
    say(&session, ToAgent::ReportAck(v1::ReportAck { sequence: 1 })).await;
    world
        .reports
        .offer(report("codex", AgentPhase::Pulling))
        .expect("kept");
    assert!(matches!(hear_news(&mut session).await, FromAgent::Report(sent) if sent.sequence == 2));
    drop(session);
    let (mut session, _) = world.welcome().await;
    let FromAgent::Report(next) = hear_news(&mut session).await else {
        panic!("a report")
    };
    assert_eq!(next.sequence, 2, "the acknowledged one is not sent again");
    world.shutdown.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happened_while_it_was_away_is_told_on_return_and_then_as_it_comes() {
    let mut world = World::new().await;
    let codex = "codex".parse().expect("name");
    world.happenings.note(Some(&codex), "rolled back");
    world.start();
    for _ in 0..2 {
        let (mut session, _) = world.welcome().await;
        let told = hear_happenings(&mut session).await;
        assert!(told.whole, "all of it at each begin");
        let first = &told.happenings[0];
        assert_eq!(
            (first.workload.as_str(), first.what.as_str(), first.away),
            ("codex", "rolled back", true)
        );
        world.happenings.note(None, "something new");
        let told = hear_happenings(&mut session).await;
        let new: Vec<_> = told
            .happenings
            .iter()
            .map(|h| (h.what.as_str(), h.away))
            .collect();
        assert_eq!((told.whole, new), (false, vec![("something new", false)]));
        drop(session);
    }
    world.shutdown.cancel();
}

async fn hear_happenings(session: &mut Session) -> v1::Happenings {
    loop {
        if let FromAgent::Happenings(told) = hear(session).await {
            return told;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_ends_the_session_and_the_agent_comes_back() {
    let mut world = World::new().await;
    world.start();
    let (mut session, _) = world.welcome().await;
    let delay = Some(prost_types::Duration {
        seconds: 0,
        nanos: 1_000_000,
    });
    say(&session, ToAgent::Drain(v1::Drain { delay })).await;
    let ended = async { while let Ok(Some(_)) = session.from_agent.message().await {} };
    within(ended).await;
    world.welcome().await;
    world.shutdown.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_certificate_is_renewed_before_anything_else_and_kept() {
    let mut world = World::new().await;
    let dir = tempfile::tempdir().expect("directory");
    let kept = IdentityDir::below(dir.path());
    let expired = identity(&world.authority, &world.coordinator.address, -3, -1);
    let old_key = expired.key_pem.clone();
    kept.save(&expired).expect("saved");
    world.identity.send_replace(Arc::new(expired));
    world.start();
    let happenings = Arc::new(Happenings::in_memory(Clock::new(wall_clock)));
    let renewal = renew::keep_fresh(
        kept.clone(),
        world.identity.clone(),
        Arc::clone(&happenings),
    );
    let renewal = tokio::spawn(renewal);
    world.welcome().await;
    renewal.abort();
    let renewed = kept.load().expect("loaded");
    assert!(renewed.not_after > wall_clock());
    let noted = happenings.after(0);
    assert_eq!(noted[0].what, "the certificate had ended, and was renewed");
    assert_ne!(renewed.key_pem, old_key);
    assert!(!has_pending(dir.path()));
    world.shutdown.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_certificate_that_cannot_be_kept_counts_all_the_same() {
    let mut world = World::new().await;
    let dir = tempfile::tempdir().expect("directory");
    let kept = IdentityDir::below(dir.path());
    std::fs::write(dir.path().join("identity"), "").expect("in the way");
    let expired = identity(&world.authority, &world.coordinator.address, -3, -1);
    world.identity.send_replace(Arc::new(expired));
    world.start();
    let happenings = Arc::new(Happenings::in_memory(Clock::new(wall_clock)));
    let renewal = renew::keep_fresh(kept.clone(), world.identity.clone(), happenings);
    let renewal = tokio::spawn(renewal);
    world.welcome().await;
    renewal.abort();
    assert!(kept.load().is_err(), "there is no room for it");
    world.shutdown.cancel();
}

fn has_pending(state_dir: &Path) -> bool {
    state_dir.join("identity/pending.key").exists()
}
