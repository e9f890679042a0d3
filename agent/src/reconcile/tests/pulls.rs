//! Where an image comes from, and what is done without a container.

use pinion_model::{AgentPhase, FailureKind};

use super::rig::{
    OTHER_REPOSITORY, Rig, desired, digest, fail_pull, image, image_in, publish, running, wanting,
    web,
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

#[tokio::test(start_paused = true)]
async fn what_is_prefetched_is_pulled_and_touches_nothing() {
    let rig = running();
    publish(&rig, 2, Behaviour::Runs);
    let agent = rig.agent();
    let mut ahead = wanting(1, Vec::new());
    ahead
        .assignments
        .get_mut(&web())
        .expect("assigned")
        .prefetch = vec![image(2)];
    agent.accept(&ahead);
    assert_eq!(agent.outcome(1).await.phase, AgentPhase::Prefetched);
    assert_eq!(rig.engine.log(), [format!("pull {}", image(2))]);
}
