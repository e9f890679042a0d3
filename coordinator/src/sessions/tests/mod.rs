pub(crate) mod bench;
mod leaving;

use pinion_model::RolloutId;
use pinion_rollout::{Act, Presence};
use tonic::Code;

use self::bench::*;
use super::*;
use crate::store::Store;
use pinion_proto::v1::{session_request, session_response};

#[tokio::test(start_paused = true)]
async fn a_session_begins_with_a_welcome_and_then_the_complete_desired_state() {
    let bench = Bench::start().await;
    bench.decide(vec![assigned("a", 7)]).await;
    let mut agent = bench.stream("a");
    agent.hello(0).await;
    let welcome = agent.welcome().await;
    assert_eq!(welcome.session_epoch, 1);
    assert_eq!(
        welcome.heartbeat_period.map(|period| period.seconds),
        Some(10)
    );
    assert_eq!(welcome.catalog[0].workload, "codex");
    let session_response::Message::DesiredState(desired) = agent.message().await else {
        panic!("no desired state")
    };
    assert_eq!((desired.generation, desired.assignments.len()), (7, 1));
    assert_eq!(presence(&bench, "a"), Presence::Online);
}

#[tokio::test(start_paused = true)]
async fn an_agent_without_assignments_is_told_so() {
    let bench = Bench::start().await;
    let (_, mut agent) = bench.connect("a").await;
    assert_eq!(agent.desired().await, 0);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_let_in_before_the_start_is_noted() {
    let bench = Bench::start().await;
    bench.sessions.admitting.send_replace(false);
    let mut agent = bench.stream("a");
    agent.hello(0).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(agent.heard_nothing());
    bench.sessions.admit();
    agent.welcome().await;
}

#[tokio::test(start_paused = true)]
async fn a_newer_session_fences_the_older() {
    let bench = Bench::start().await;
    let (first, mut old) = bench.connect("a").await;
    let (second, mut new) = bench.connect("a").await;
    assert!(second > first);
    old.ends_with(Code::Aborted, "superseded").await;
    tokio::time::sleep(Duration::from_secs(15)).await;
    assert_eq!(
        presence(&bench, "a"),
        Presence::Online,
        "the older's end is not the agent's"
    );
    assert_eq!(new.desired().await, 0);
    assert_eq!(bench.sessions.connected(), 1);
}

#[tokio::test(start_paused = true)]
async fn epochs_rise_over_a_restart() {
    let store = GatedStore::open();
    let bench = Bench::over(store.clone()).await;
    bench.connect("a").await;
    let (before, _agent) = bench.connect("a").await;
    let bench = Bench::over(store).await;
    let (after, _agent) = bench.connect("a").await;
    assert!(after > before, "{after} after {before}");
}

#[tokio::test(start_paused = true)]
async fn one_desired_state_is_unacknowledged_at_most_and_the_latest_wins() {
    let bench = Bench::start().await;
    let (_, mut agent) = bench.connect("a").await;
    assert_eq!(agent.desired().await, 0);
    for generation in 1..=5 {
        bench.decide(vec![assigned("a", generation)]).await;
        bench.sessions.publish();
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(agent.heard_nothing(), "the first is not acknowledged");
    agent.acknowledge(0).await;
    assert_eq!(agent.desired().await, 5);
    bench.sessions.publish();
    agent.acknowledge(5).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(agent.heard_nothing(), "nothing has changed");
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_is_ahead_is_never_told_a_lower_generation() {
    let bench = Bench::start().await;
    bench.decide(vec![assigned("a", 3)]).await;
    let mut agent = bench.stream("a");
    agent.hello(40).await;
    agent.welcome().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(agent.heard_nothing());
    bench.decide(vec![assigned("a", 41)]).await;
    bench.sessions.publish();
    assert_eq!(agent.desired().await, 41);
}

#[tokio::test(start_paused = true)]
async fn a_report_is_acknowledged_only_once_it_is_durable() {
    let store = GatedStore::open();
    let bench = Bench::over(store.clone()).await;
    bench.decide(vec![assigned("a", 1)]).await;
    let (_, mut agent) = bench.connect("a").await;
    agent.desired().await;
    store.hold();
    let before = *store.asked.borrow();
    agent.report(9, v1::AgentPhase::Withdrawn).await;
    store
        .asked
        .subscribe()
        .wait_for(|asked| *asked > before)
        .await
        .expect("the store lives");
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(agent.heard_nothing(), "acknowledged before it was durable");
    let durable = *store.revisions().borrow();
    store.permits.add_permits(1);
    assert_eq!(agent.acknowledged().await, 9);
    assert!(*store.revisions().borrow() > durable);
}

#[tokio::test(start_paused = true)]
async fn a_report_that_cannot_be_stored_is_not_acknowledged() {
    let store = GatedStore::open();
    let bench = Bench::over(store.clone()).await;
    let (_, mut agent) = bench.connect("a").await;
    agent.desired().await;
    store.permits.close();
    agent.report(9, v1::AgentPhase::Settled).await;
    // The very next thing that it hears.
    assert_eq!(agent.ending().await.code(), Code::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn a_report_with_a_phase_of_a_newer_version_is_acknowledged_and_ignored() {
    let bench = Bench::start().await;
    let (_, mut agent) = bench.connect("a").await;
    agent.desired().await;
    let revision = *bench.ledger.revisions().borrow();
    let workload = workload().to_string();
    let report = v1::Report {
        workload,
        phase: 9999,
        sequence: 4,
        ..Default::default()
    };
    agent.say(session_request::Message::Report(report)).await;
    assert_eq!(agent.acknowledged().await, 4);
    assert_eq!(*bench.ledger.revisions().borrow(), revision);
}

#[tokio::test(start_paused = true)]
async fn the_first_message_must_be_hello_and_come_in_time() {
    let bench = Bench::start().await;
    let mut hasty = bench.stream("a");
    hasty.heartbeat().await;
    hasty.ends_with(Code::InvalidArgument, "Hello").await;
    bench
        .stream("a")
        .ends_with(Code::DeadlineExceeded, "Hello")
        .await;
    let mut greedy = bench.stream("a");
    greedy.hello(u64::MAX).await;
    greedy
        .ends_with(Code::InvalidArgument, "hello.generation")
        .await;
    let (_, mut twice) = bench.connect("a").await;
    twice.hello(0).await;
    twice.ends_with(Code::InvalidArgument, "once").await;
}

#[tokio::test(start_paused = true)]
async fn who_is_unknown_or_revoked_is_not_let_in() {
    let bench = Bench::start().await;
    let mut stranger = bench.stream("stranger");
    stranger.hello(0).await;
    stranger
        .ends_with(Code::PermissionDenied, "not known")
        .await;
    let reason = "stolen".to_owned();
    bench
        .decide(vec![decision(Act::AgentRevoked {
            agent: name("a"),
            reason,
        })])
        .await;
    let mut revoked = bench.stream("a");
    revoked.hello(0).await;
    revoked.ends_with(Code::PermissionDenied, "revoked").await;
}

#[tokio::test(start_paused = true)]
async fn a_revocation_ends_the_live_session() {
    let bench = Bench::start().await;
    let (_, mut revoked) = bench.connect("a").await;
    let (_, mut removed) = bench.connect("b").await;
    let reason = || "stolen".to_owned();
    bench
        .decide(vec![
            decision(Act::AgentRevoked {
                agent: name("a"),
                reason: reason(),
            }),
            decision(Act::AgentRemoved {
                agent: name("b"),
                reason: reason(),
            }),
        ])
        .await;
    bench.sessions.publish();
    revoked.ends_with(Code::PermissionDenied, "revoked").await;
    removed.ends_with(Code::PermissionDenied, "removed").await;
}

#[tokio::test(start_paused = true)]
async fn what_an_agent_says_is_kept_within_bounds() {
    let bench = Bench::start().await;
    bench.decide(vec![assigned("a", 1)]).await;
    let agent = bench.stream("a");
    let long = "é".repeat(10_000);
    let container = v1::ObservedContainer {
        name: long.clone(),
        ..Default::default()
    };
    let inventory = v1::WorkloadInventory {
        workload: workload().to_string(),
        containers: vec![container; 1000],
    };
    let named = |workload: &str| v1::WorkloadInventory {
        workload: workload.to_owned(),
        ..Default::default()
    };
    let hello = v1::Hello {
        process_id: "p".to_owned(),
        facts: (0..1000)
            .map(|n| (format!("fact-{n:04}"), long.clone()))
            .collect(),
        agent_version: long.clone(),
        inventory: Some(v1::Inventory {
            workloads: vec![inventory, named("Not A Name")],
        }),
        ..Default::default()
    };
    agent.say(session_request::Message::Hello(hello)).await;
    until(&bench, "a", Presence::Online).await;
    bench.ledger.read(|world| {
        let known = &world.agents[&name("a")];
        assert_eq!(known.facts.len(), limits::FACTS);
        assert!(
            known
                .facts
                .values()
                .all(|fact| fact.len() <= limits::NAME && fact.ends_with('é'))
        );
        assert!(known.versions.agent.len() <= limits::NAME);
        assert_eq!(known.placements.len(), 1);
        let containers = &known.placements[&workload()].containers;
        assert_eq!(containers.len(), limits::CONTAINERS);
        assert!(
            containers
                .iter()
                .all(|container| container.name.len() <= limits::NAME)
        );
    });
}

#[test]
fn an_assignment_goes_over_the_wire_whole() {
    use pinion_model::{Attempt, Generation, Image};
    use pinion_rollout::{Assignment, Desired, Purpose, Run, Timing};

    let digest = format!("sha256:{}", "ab".repeat(32));
    let image = |registry: &str, repository: &str| Image {
        registry: registry.parse().expect("a name"),
        repository: repository.parse().expect("a repository"),
    };
    let rollout: RolloutId = "codex-4-1".parse().expect("an id");
    let assignment = Assignment {
        workload: workload(),
        generation: Generation(12),
        attempt: Attempt(2),
        purpose: Purpose::Rollout {
            rollout,
            stage: "canary".parse().expect("a name"),
        },
        run: Some(Run {
            digest: digest.parse().expect("a digest"),
            images: [
                image("fly", "registry.fly.io/codex"),
                image("ghcr", "ghcr.io/a/codex"),
            ]
            .into(),
        }),
        prefetch: None,
        timing: Arc::new(Timing {
            soak: Duration::from_millis(1500),
            ..Timing::default()
        }),
        local_tag: "current".into(),
    };
    let desired = Desired {
        generation: Generation(13),
        assignments: vec![assignment],
    };
    let message = desired_state(&desired);
    let sent = &message.assignments[0];
    assert_eq!(
        (message.generation, sent.generation, sent.attempt),
        (13, 12, 2)
    );
    assert_eq!(
        (sent.rollout.as_str(), sent.stage.as_str()),
        ("codex-4-1", "canary")
    );
    let repositories: Vec<_> = sent
        .run
        .iter()
        .map(|image| image.repository.as_str())
        .collect();
    assert_eq!(
        repositories,
        ["registry.fly.io/codex", "ghcr.io/a/codex"],
        "in the catalog's order"
    );
    assert!(sent.run.iter().all(|image| image.digest == digest));
    let soak = sent.soak.as_ref().expect("a soak");
    assert_eq!((soak.seconds, soak.nanos), (1, 500_000_000));
    assert_eq!(sent.in_use(), v1::InUsePolicy::Fail);
    let defer_within = sent.defer_within.as_ref().map(|time| time.seconds);
    assert_eq!(defer_within, Some(3600));
}
