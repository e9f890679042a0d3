//! What is told of a machine's days: what happened there by itself, and how updates ended.

use pinion_model::AgentPhase;

use super::rig::{Agent, SECOND, desired, digest, publish, running};
use crate::driver::fake::Behaviour;

fn told(agent: &Agent) -> Vec<String> {
    let all = agent.happenings.after(0).into_iter();
    all.map(|happening| happening.what).collect()
}

/// Once there are that many.
async fn told_at_last(agent: &Agent, lines: usize) -> Vec<String> {
    let enough = |_: &_| Some(told(agent)).filter(|told| told.len() >= lines);
    agent.until(enough).await
}

#[tokio::test(start_paused = true)]
async fn what_the_agent_did_is_told_by_how_it_ended_and_what_others_did_as_it_was() {
    let rig = running();
    publish(&rig, 2, Behaviour::Healthy(SECOND));
    let agent = rig.agent();
    agent.accept(&desired(1, 2));
    assert_eq!(agent.outcome(1).await.phase, AgentPhase::Settled);
    // Its own stop and start of containers are nothing to tell.
    let settled = format!("settled {}", digest(2).short());
    assert_eq!(told(&agent), std::slice::from_ref(&settled));

    rig.engine.machine().remove_by_hand("web");
    assert_eq!(
        told_at_last(&agent, 2).await,
        [settled, "container web is gone".to_owned()]
    );
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_fell_silent_is_told_once_and_so_is_its_return() {
    let rig = running();
    let agent = rig.agent();
    rig.engine.silence(true);
    told_at_last(&agent, 1).await;
    rig.engine.silence(false);
    let told = told_at_last(&agent, 2).await;
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(
        told[0].starts_with("the container engine does not answer: "),
        "{told:?}"
    );
    assert_eq!(told[1], "the container engine answers again");
}
