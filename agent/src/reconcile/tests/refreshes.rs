//! "Converge now", and what the local socket shows.

use pinion_model::AgentPhase;

use super::rig::{SECOND, desired, digest, image, publish, running, web};
use crate::driver::fake::Behaviour;

#[tokio::test(start_paused = true)]
async fn a_refresh_corrects_drift_and_says_what_it_did() {
    let rig = running();
    publish(&rig, 2, Behaviour::Runs);
    let agent = rig.agent();
    agent.accept(&desired(1, 2));
    agent.outcome(1).await;
    let calm = agent.handle.refresh(vec![web()], true).await;
    assert_eq!(
        (calm.pulled, calm.recreated, calm.failed),
        (vec![web()], vec![], vec![])
    );

    rig.engine.machine().seed("web-2", &image(1), "no", true);
    let corrected = agent.handle.refresh(vec![web()], true).await;
    assert_eq!(
        (corrected.pulled, corrected.recreated, corrected.failed),
        (vec![web()], vec![web()], vec![])
    );
    assert_eq!(rig.engine.machine().standing()["web-2"].0, digest(2));
}

#[tokio::test(start_paused = true)]
async fn a_refresh_without_recreating_leaves_containers_alone() {
    let rig = running();
    publish(&rig, 2, Behaviour::Runs);
    let agent = rig.agent();
    agent.accept(&desired(1, 2));
    agent.outcome(1).await;
    rig.engine.machine().seed("web-2", &image(1), "no", true);
    let outcome = agent.handle.refresh(Vec::new(), false).await;
    assert_eq!((outcome.pulled, outcome.recreated), (vec![web()], vec![]));
    assert_eq!(rig.engine.machine().standing()["web-2"].0, digest(1));
}

#[tokio::test(start_paused = true)]
async fn a_refresh_of_what_failed_or_is_not_assigned_says_so() {
    let rig = running();
    publish(&rig, 2, Behaviour::Exits(SECOND));
    let agent = rig.agent();
    let other = "other".parse().expect("a name");
    let none = agent.handle.refresh(vec![other], true).await;
    assert_eq!(
        none.failed,
        ["other: no digest is assigned to it on this machine"]
    );
    agent.accept(&desired(1, 2));
    agent.outcome(1).await;
    let failed = agent.handle.refresh(vec![web()], true).await;
    assert!(
        failed.failed[0].contains("rollout retry"),
        "{:?}",
        failed.failed
    );
}

#[tokio::test(start_paused = true)]
async fn the_status_names_the_digest_to_start_from() {
    let rig = running();
    publish(&rig, 2, Behaviour::Exits(SECOND));
    let agent = rig.agent();
    agent.accept(&desired(1, 2));
    agent.outcome(1).await;
    let mut status = agent.handle.status();
    let view = status
        .wait_for(|v| {
            v.get(&web())
                .is_some_and(|v| v.phase == Some(AgentPhase::RolledBack))
        })
        .await;
    let view = view.expect("the loop runs")[&web()].clone();
    assert_eq!(
        (view.assigned, view.digest),
        (Some(digest(2)), Some(digest(1)))
    );
    assert_eq!(view.image, Some(image(1)));
    assert_eq!(view.containers[0].digest, Some(digest(1)));
}
