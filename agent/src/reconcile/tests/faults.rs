//! An engine that is silent, and people who interfere.

use pinion_model::{AgentPhase, FailureKind};

use super::rig::{
    REPOSITORY, Rig, SECOND, desired, digest, digest_that_runs, fail_pull, image, publish, running,
};
use crate::driver::fake::{Behaviour, CallFault, Defect};

#[tokio::test(start_paused = true)]
async fn a_silent_engine_is_waited_for_and_never_read_as_empty() {
    let rig = running();
    publish(&rig, 2, Behaviour::Runs);
    rig.engine.silence(true);
    let agent = rig.agent();
    agent.accept(&desired(1, 2));
    let report = agent.phase(1, AgentPhase::Waiting).await;
    assert!(
        report.waiting_for.contains("the container engine"),
        "{}",
        report.waiting_for
    );
    rig.engine.silence(false);
    assert_eq!(agent.outcome(1).await.phase, AgentPhase::Settled);
    assert_eq!(digest_that_runs(&rig), digest(2));
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_falls_silent_while_verifying_does_not_make_it_fail() {
    let rig = running();
    publish(&rig, 2, Behaviour::Healthy(3 * SECOND));
    let agent = rig.agent();
    agent.accept(&desired(1, 2));
    agent.phase(1, AgentPhase::Verifying).await;
    rig.engine.silence(true);
    tokio::time::sleep(120 * SECOND).await;
    rig.engine.silence(false);
    assert_eq!(agent.outcome(1).await.phase, AgentPhase::Settled);
}

#[tokio::test(start_paused = true)]
async fn when_the_old_one_is_gone_it_is_made_again_without_the_registry() {
    let rig = running();
    publish(&rig, 2, Behaviour::NeverHealthy);
    rig.engine.machine().label("web", "user", "label");
    let agent = rig.agent();
    agent.accept(&desired(1, 2));
    agent.phase(1, AgentPhase::Verifying).await;
    let before = rig.engine.log().len();
    rig.engine.machine().remove_by_hand("web.prev.g1a1");
    let outcome = agent.outcome(1).await;
    assert_eq!(outcome.phase, AgentPhase::RolledBack);
    assert_eq!(outcome.running, Some(digest(1)));
    let machine = rig.engine.machine();
    assert_eq!(machine.standing()["web"], (digest(1), true));
    assert_eq!(machine.standing().len(), 1, "nothing is left behind");
    let settings = machine.settings("web").expect("it stands");
    assert_eq!(
        settings,
        ("always".to_owned(), serde_json::json!(["NAME=web"]))
    );
    assert!(
        !rig.engine.log()[before..]
            .iter()
            .any(|call| call.starts_with("pull"))
    );
}

#[tokio::test(start_paused = true)]
async fn when_its_image_is_gone_too_it_says_that_a_person_must_look() {
    let rig = running();
    publish(&rig, 2, Behaviour::NeverHealthy);
    let agent = rig.agent();
    agent.accept(&desired(1, 2));
    agent.phase(1, AgentPhase::Verifying).await;
    rig.engine.machine().remove_by_hand("web.prev.g1a1");
    rig.engine.machine().lose_image(&digest(1));
    let outcome = agent.outcome(1).await;
    assert_eq!(outcome.phase, AgentPhase::RollbackFailed);
    let message = outcome.failure.expect("why").message;
    assert!(message.contains("and so is its image"), "{message}");
    assert!(message.contains("A person must look"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn a_container_that_somebody_replaced_meanwhile_is_looked_at_anew() {
    let rig = running();
    fail_pull(&rig, 2, FailureKind::Network);
    let agent = rig.agent();
    agent.accept(&desired(1, 2));
    agent.phase(1, AgentPhase::Waiting).await;
    rig.engine.machine().remove_by_hand("web");
    rig.engine.machine().seed("web-b", &image(1), "no", true);
    publish(&rig, 2, Behaviour::Runs);
    assert_eq!(agent.outcome(1).await.phase, AgentPhase::Settled);
    let standing = rig.engine.machine().standing();
    assert_eq!(
        standing.into_iter().collect::<Vec<_>>(),
        [("web-b".to_owned(), (digest(2), true))]
    );
}

#[tokio::test(start_paused = true)]
async fn an_old_one_that_cannot_be_given_its_policy_back_needs_a_person() {
    let rig = running();
    publish(&rig, 2, Behaviour::Exits(SECOND));
    let agent = rig.agent();
    let old = rig.engine.machine().id_of("web").expect("seeded");
    rig.engine
        .spoil(&format!("update {old} always"), Defect::Fails);
    agent.accept(&desired(1, 2));
    let outcome = agent.outcome(1).await;
    assert_eq!(
        (outcome.phase, outcome.running),
        (AgentPhase::RollbackFailed, Some(digest(1)))
    );
    let why = outcome.failure.expect("why").message;
    assert!(why.contains("restart policy \"always\""), "{why}");
}

#[tokio::test(start_paused = true)]
async fn what_is_staged_without_its_tag_has_failed() {
    for defect in [Defect::Fails, Defect::Idles] {
        let rig = Rig::new();
        publish(&rig, 2, Behaviour::Runs);
        rig.engine
            .spoil(&format!("tag {REPOSITORY}:current"), defect);
        let agent = rig.agent();
        agent.accept(&desired(1, 2));
        let outcome = agent.outcome(1).await;
        assert_eq!(outcome.phase, AgentPhase::Refused);
        let why = outcome.failure.expect("why").message;
        assert!(why.contains(&format!("{REPOSITORY}:current")), "{why}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_settled_without_its_tag_says_so() {
    for defect in [Defect::Fails, Defect::Idles] {
        let rig = running();
        publish(&rig, 2, Behaviour::Runs);
        rig.engine
            .spoil(&format!("tag {REPOSITORY}:current"), defect);
        let agent = rig.agent();
        agent.accept(&desired(1, 2));
        let outcome = agent.outcome(1).await;
        assert_eq!(
            (outcome.phase, outcome.running),
            (AgentPhase::Settled, Some(digest(2)))
        );
        let why = outcome.failure.expect("why").message;
        assert!(why.contains(&format!("{REPOSITORY}:current")), "{why}");
        let tries = rig.engine.log();
        let tries = tries.iter().filter(|call| call.ends_with(":current"));
        assert!(tries.count() < 10, "it comes to an end");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_stopped_is_joined_by_nobody() {
    for (defect, what) in [
        (Defect::Fails, "read-only file system"),
        (Defect::Idles, "nothing changed"),
    ] {
        let rig = running();
        publish(&rig, 2, Behaviour::Runs);
        let old = rig.engine.machine().id_of("web").expect("seeded");
        rig.engine.spoil(&format!("stop {old}"), defect);
        let agent = rig.agent();
        agent.accept(&desired(1, 2));
        let outcome = agent.outcome(1).await;
        assert_eq!(
            (outcome.phase, outcome.running),
            (AgentPhase::RolledBack, Some(digest(1)))
        );
        let why = outcome.failure.expect("why").message;
        assert!(why.contains(what), "{why}");
        let log = rig.engine.log();
        let is_start = |call: &&String| call.starts_with("start ");
        assert_eq!(log.iter().find(is_start), None, "{log:#?}");
        let machine = rig.engine.machine();
        assert!(machine.violations.is_empty(), "{:?}", machine.violations);
    }
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_is_told_to_stop_where_nobody_serves_starts_the_next_one_first() {
    let is_stop = |call: &String| call.starts_with("stop ");
    let rig = running();
    publish(&rig, 2, Behaviour::Runs);
    let agent = rig.agent();
    agent.accept(&desired(1, 2));
    agent.outcome(1).await;
    let stop = rig.engine.log().iter().position(is_stop).expect("a stop");

    let rig = running();
    publish(&rig, 2, Behaviour::Runs);
    rig.engine.at_call(stop, CallFault::Late);
    let agent = rig.agent();
    agent.accept(&desired(1, 2));
    agent
        .until(|_| rig.engine.log().iter().any(is_stop).then_some(()))
        .await;
    assert!(!rig.engine.machine().standing()["web"].1, "nobody serves");
    agent.stop().await;
    assert_eq!(rig.engine.machine().standing()["web"], (digest(2), true));
}
