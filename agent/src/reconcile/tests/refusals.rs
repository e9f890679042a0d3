//! What is refused, and that nothing was touched.

use pinion_model::{AgentPhase, FailureKind};

use super::rig::{
    OTHER_REPOSITORY, REPOSITORY, SECOND, desired, digest, digest_that_runs, fail_pull, image,
    image_in, policy, publish, running, wanting, web,
};
use crate::driver::fake::{Behaviour, Need};
use crate::journal::AcceptError;

#[tokio::test(start_paused = true)]
async fn a_pull_that_cannot_succeed_is_refused_and_nothing_was_touched() {
    for kind in [
        FailureKind::NotFound,
        FailureKind::Credentials,
        FailureKind::Disk,
        FailureKind::Network,
    ] {
        let rig = running();
        fail_pull(&rig, 2, kind);
        let agent = rig.agent();
        let mut only_one = wanting(1, vec![image(2)]);
        only_one
            .assignments
            .get_mut(&web())
            .expect("assigned")
            .healthy_deadline = 30 * SECOND;
        agent.accept(&only_one);
        let outcome = agent.outcome(1).await;
        assert_eq!(
            (outcome.phase, outcome.failure.map(|f| f.kind)),
            (AgentPhase::Refused, Some(kind))
        );
        assert_eq!(outcome.running, Some(digest(1)));
        assert!(
            rig.engine.log().iter().all(|call| call.starts_with("pull")),
            "{:?}",
            rig.engine.log()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_policy_does_not_allow_is_refused_with_the_line_to_add() {
    let mut rig = running();
    rig.allow = policy(&[]);
    publish(&rig, 2, Behaviour::Runs);
    let agent = rig.agent();
    agent.accept(&desired(1, 2));
    let failure = agent.outcome(1).await.failure.expect("refused");
    assert_eq!(failure.kind, FailureKind::Policy);
    assert!(failure.message.contains(REPOSITORY), "{}", failure.message);
    assert_eq!(rig.engine.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_runs_already_is_not_adopted_where_the_policy_does_not_allow_it() {
    let mut rig = running();
    rig.allow = policy(&[]);
    let agent = rig.agent();
    agent.accept(&desired(1, 1));
    let outcome = agent.outcome(1).await;
    assert_eq!(
        (outcome.phase, outcome.failure.map(|f| f.kind)),
        (AgentPhase::Refused, Some(FailureKind::Policy))
    );
    assert_eq!(rig.engine.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_adopted_is_kept_by_a_name_that_the_policy_allows() {
    let mut rig = running();
    rig.allow = policy(&[OTHER_REPOSITORY]);
    let other = image_in(OTHER_REPOSITORY, 1);
    rig.engine.machine().load(&other, Behaviour::Runs);
    let agent = rig.agent();
    agent.accept(&desired(1, 1));
    assert_eq!(agent.outcome(1).await.phase, AgentPhase::Settled);
    assert_eq!(agent.journal.record(&web()).proven, [other]);
    let tags = rig.engine.machine().tags();
    assert!(!tags.contains(&format!("{REPOSITORY}:current")), "{tags:?}");
}

#[tokio::test(start_paused = true)]
async fn only_the_allowed_ones_of_several_repositories_are_pulled() {
    let mut rig = running();
    rig.allow = policy(&[OTHER_REPOSITORY]);
    publish(&rig, 2, Behaviour::Runs);
    rig.engine
        .machine()
        .publish(&image_in(OTHER_REPOSITORY, 2), Ok(Behaviour::Runs));
    let agent = rig.agent();
    agent.accept(&desired(1, 2));
    assert_eq!(agent.outcome(1).await.phase, AgentPhase::Settled);
    assert!(
        rig.engine
            .log()
            .iter()
            .all(|call| !call.starts_with(&format!("pull {REPOSITORY}")))
    );
}

#[tokio::test(start_paused = true)]
async fn an_image_of_another_platform_is_refused() {
    let rig = running();
    rig.engine.machine().load(&image(2), Behaviour::Runs);
    rig.engine.machine().rebuild_for(&digest(2), "arm64");
    let agent = rig.agent();
    agent.accept(&desired(1, 2));
    assert_eq!(
        agent.outcome(1).await.failure.map(|f| f.kind),
        Some(FailureKind::Platform)
    );
    assert_eq!(digest_that_runs(&rig), digest(1));
}

#[tokio::test(start_paused = true)]
async fn containers_that_may_not_be_replaced_are_refused() {
    let labels = [
        ("com.docker.swarm.task.id", "x"),
        ("PODMAN_SYSTEMD_UNIT", "web.service"),
        ("pinion.workload", "other"),
    ];
    for case in 0..labels.len() + 2 {
        let rig = running();
        publish(&rig, 2, Behaviour::Runs);
        match labels.get(case) {
            Some((key, value)) => rig.engine.machine().label("web", key, value),
            None if case == labels.len() => rig.engine.machine().auto_remove("web"),
            None => rig.engine.machine().pause("web"),
        }
        let agent = rig.agent();
        agent.accept(&desired(1, 2));
        let outcome = agent.outcome(1).await;
        assert_eq!(outcome.phase, AgentPhase::Refused, "case {case}");
        assert_eq!(rig.engine.calls(), 0, "case {case}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_container_is_refused_where_one_that_depends_on_it_opted_out() {
    let rig = running();
    publish(&rig, 2, Behaviour::Runs);
    let sidecar = image_in("ghcr.io/acme/sidecar", 9);
    {
        let mut machine = rig.engine.machine();
        machine.load(&sidecar, Behaviour::Runs);
        machine.seed("sidecar", &sidecar, "no", true);
        machine.need("sidecar", Need::Network("web".to_owned()));
        machine.label("sidecar", "pinion.ignore", "true");
    }
    let agent = rig.agent();
    agent.accept(&desired(1, 2));
    let failure = agent.outcome(1).await.failure.expect("refused");
    assert!(failure.message.contains("sidecar"), "{}", failure.message);
    assert_eq!(rig.engine.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_container_that_opted_out_is_left_alone() {
    let rig = running();
    publish(&rig, 2, Behaviour::Runs);
    rig.engine.machine().label("web", "pinion.ignore", "true");
    let agent = rig.agent();
    agent.accept(&desired(1, 2));
    assert_eq!(agent.outcome(1).await.phase, AgentPhase::Staged);
    assert_eq!(digest_that_runs(&rig), digest(1));
}

#[tokio::test(start_paused = true)]
async fn a_lower_generation_is_refused() {
    let rig = running();
    let agent = rig.agent();
    agent.accept(&desired(5, 1));
    assert!(matches!(
        agent.handle.accept(desired(4, 2)),
        Err(AcceptError::Stale { .. })
    ));
}

#[tokio::test(start_paused = true)]
async fn a_container_of_rm_is_replaced_where_its_label_allows_it_and_made_again_where_the_next_one_fails()
 {
    for (behaviour, end, runs) in [
        (Behaviour::Runs, AgentPhase::Settled, 2),
        (Behaviour::NeverHealthy, AgentPhase::RolledBack, 1),
        (Behaviour::CannotBeCreated, AgentPhase::Refused, 1),
    ] {
        let rig = running();
        publish(&rig, 2, behaviour);
        rig.engine.machine().auto_remove("web");
        rig.engine.machine().label("web", "pinion.allow-rm", "true");
        let agent = rig.agent();
        agent.accept(&desired(1, 2));
        assert_eq!(agent.outcome(1).await.phase, end);
        let standing = rig.engine.machine().standing();
        assert_eq!(standing.len(), 1, "{standing:?}");
        assert_eq!(standing["web"], (digest(runs), true));
    }
}
