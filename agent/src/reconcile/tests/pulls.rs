//! Where an image comes from, and what is done without a container.

use pinion_model::{AgentPhase, FailureKind};

use super::rig::{
    OTHER_REPOSITORY, Rig, desired, digest, fail_pull, fail_pull_in, image, image_in, policy,
    publish, running, wanting, web,
};
use crate::driver::fake::Behaviour;

#[tokio::test(start_paused = true)]
async fn without_a_container_the_image_is_staged_and_none_is_created() {
    let rig = Rig::new();
    publish(&rig, 2, Behaviour::Runs);
    let agent = rig.agent();
    agent.accept(&desired(1, 2));
    let outcome = agent.outcome(1).await;
    assert_eq!((outcome.phase, outcome.running), (AgentPhase::Staged, None));
    assert!(rig.engine.machine().standing().is_empty());
    assert_eq!(
        rig.engine
            .machine()
            .tagged(&format!("{OTHER_REPOSITORY}:current")),
        Some(digest(2))
    );
}

#[tokio::test(start_paused = true)]
async fn a_registry_without_the_digest_is_passed_over_for_the_next() {
    for kind in [
        FailureKind::NotFound,
        FailureKind::Network,
        FailureKind::Credentials,
        FailureKind::Registry,
    ] {
        let rig = running();
        fail_pull(&rig, 2, kind);
        rig.engine
            .machine()
            .publish(&image_in(OTHER_REPOSITORY, 2), Ok(Behaviour::Runs));
        let agent = rig.agent();
        agent.accept(&desired(1, 2));
        assert_eq!(agent.outcome(1).await.phase, AgentPhase::Settled, "{kind}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_may_pass_is_pulled_again_and_says_why_it_waits() {
    let rig = running();
    fail_pull(&rig, 2, FailureKind::Network);
    let agent = rig.agent();
    agent.accept(&desired(1, 2));
    let report = agent.phase(1, AgentPhase::Waiting).await;
    assert!(
        report.waiting_for.contains("the registry said network"),
        "{}",
        report.waiting_for
    );
    publish(&rig, 2, Behaviour::Runs);
    assert_eq!(agent.outcome(1).await.phase, AgentPhase::Settled);
}

/// Only to be pulled, ahead of its turn.
fn ahead(generation: u64, n: u8) -> pinion_workload::Desired {
    let mut ahead = wanting(generation, Vec::new());
    let assignment = ahead.assignments.get_mut(&web()).expect("assigned");
    assignment.prefetch = vec![image(n), image_in(OTHER_REPOSITORY, n)];
    ahead
}

#[tokio::test(start_paused = true)]
async fn what_is_prefetched_is_pulled_and_kept_and_touches_nothing() {
    let rig = running();
    publish(&rig, 2, Behaviour::Runs);
    let agent = rig.agent();
    agent.accept(&ahead(1, 2));
    assert_eq!(agent.outcome(1).await.phase, AgentPhase::Prefetched);
    let log = rig.engine.log();
    assert_eq!(log[0], format!("pull {}", image(2)));
    assert!(
        log.len() == 2 && log[1].starts_with("tag ") && log[1].contains("pinion-"),
        "{log:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_prefetched_image_needs_no_registry_when_its_turn_comes() {
    let rig = running();
    publish(&rig, 2, Behaviour::Runs);
    let agent = rig.agent();
    agent.accept(&ahead(1, 2));
    assert_eq!(agent.outcome(1).await.phase, AgentPhase::Prefetched);
    let before = rig.engine.log().len();
    fail_pull(&rig, 2, FailureKind::Network);
    agent.accept(&desired(2, 2));
    assert_eq!(agent.outcome(2).await.phase, AgentPhase::Settled);
    let log = rig.engine.log();
    let pulled = log[before..].iter().any(|call| call.starts_with("pull"));
    assert!(!pulled, "{log:?}");
}

#[tokio::test(start_paused = true)]
async fn a_prefetch_that_is_refused_says_why_and_does_not_bar_the_turn() {
    for kind in [
        FailureKind::Credentials,
        FailureKind::NotFound,
        FailureKind::Disk,
    ] {
        let rig = running();
        fail_pull(&rig, 2, kind);
        fail_pull_in(&rig, OTHER_REPOSITORY, 2, kind);
        let agent = rig.agent();
        agent.accept(&ahead(1, 2));
        let report = agent.outcome(1).await;
        assert_eq!(report.phase, AgentPhase::Refused);
        assert_eq!(report.failure.map(|failure| failure.kind), Some(kind));
        publish(&rig, 2, Behaviour::Runs);
        agent.accept(&desired(2, 2));
        assert_eq!(agent.outcome(2).await.phase, AgentPhase::Settled, "{kind}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_prefetched_image_of_another_platform_is_refused_before_its_turn() {
    let rig = running();
    rig.engine.machine().load(&image(2), Behaviour::Runs);
    rig.engine.machine().rebuild_for(&digest(2), "arm64");
    let agent = rig.agent();
    agent.accept(&ahead(1, 2));
    let report = agent.outcome(1).await;
    assert_eq!(report.phase, AgentPhase::Refused);
    assert_eq!(
        report.failure.map(|failure| failure.kind),
        Some(FailureKind::Platform)
    );
    assert!(rig.engine.log().is_empty(), "nothing was touched");
}

#[tokio::test(start_paused = true)]
async fn a_prefetch_that_policy_forbids_does_not_even_ask_the_registry() {
    let mut rig = running();
    publish(&rig, 2, Behaviour::Runs);
    rig.allow = policy(&["ghcr.io/other"]);
    let agent = rig.agent();
    agent.accept(&ahead(1, 2));
    let report = agent.outcome(1).await;
    assert_eq!(
        report.failure.map(|failure| failure.kind),
        Some(FailureKind::Policy)
    );
    assert!(rig.engine.log().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_prefetch_is_taken_back_while_it_waits() {
    let rig = running();
    fail_pull(&rig, 2, FailureKind::Network);
    fail_pull_in(&rig, OTHER_REPOSITORY, 2, FailureKind::Network);
    let agent = rig.agent();
    agent.accept(&ahead(1, 2));
    agent.phase(1, AgentPhase::Waiting).await;
    agent.accept(&wanting(2, Vec::new()));
    assert_eq!(agent.outcome(2).await.phase, AgentPhase::Withdrawn);
}
