//! Assignments that are taken back, and when that comes too late.

use pinion_model::{AgentPhase, FailureKind};

use super::rig::{
    SECOND, desired, digest, digest_that_runs, fail_pull, publish, running, wanting, web,
};
use crate::driver::fake::Behaviour;

#[tokio::test(start_paused = true)]
async fn before_the_cut_over_an_assignment_can_be_withdrawn() {
    let rig = running();
    fail_pull(&rig, 2, FailureKind::Network);
    let mut agent = rig.agent();
    agent.accept(&desired(1, 2));
    agent.phase(1, AgentPhase::Waiting).await;
    agent.accept(&wanting(2, Vec::new()));
    let outcome = agent.outcome(2).await;
    assert_eq!(
        (outcome.phase, outcome.running),
        (AgentPhase::Withdrawn, Some(digest(1)))
    );
    assert_eq!(
        agent
            .phases()
            .into_iter()
            .filter(|p| *p == AgentPhase::Withdrawn)
            .count(),
        2,
        "the old and the new generation"
    );
    assert_eq!(rig.engine.machine().standing().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn after_the_cut_over_has_begun_it_is_finished_first() {
    let rig = running();
    publish(&rig, 2, Behaviour::Healthy(3 * SECOND));
    publish(&rig, 3, Behaviour::Runs);
    let mut agent = rig.agent();
    agent.accept(&desired(1, 2));
    agent.phase(1, AgentPhase::Verifying).await;
    agent.accept(&desired(2, 3));
    assert_eq!(agent.outcome(2).await.phase, AgentPhase::Settled);
    assert_eq!(
        agent
            .phases()
            .into_iter()
            .filter(|p| *p == AgentPhase::Settled)
            .count(),
        2
    );
    assert_eq!(digest_that_runs(&rig), digest(3));
}

#[tokio::test(start_paused = true)]
async fn an_assignment_that_wants_nothing_is_withdrawn_at_once() {
    let rig = running();
    let agent = rig.agent();
    agent.accept(&wanting(1, Vec::new()));
    assert_eq!(agent.outcome(1).await.phase, AgentPhase::Withdrawn);
    assert_eq!(rig.engine.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_could_not_start_in_time_never_cuts_over_and_may_be_asked_for_again() {
    let rig = running();
    fail_pull(&rig, 2, FailureKind::Network);
    let agent = rig.agent();
    let mut hurried = desired(1, 2);
    hurried
        .assignments
        .get_mut(&web())
        .expect("assigned")
        .start_within = 10 * SECOND;
    agent.accept(&hurried);
    let outcome = agent.outcome(1).await;
    assert_eq!(outcome.failure.map(|f| f.kind), Some(FailureKind::Timeout));
    publish(&rig, 2, Behaviour::Runs);
    agent.accept(&desired(2, 2));
    assert_eq!(agent.outcome(2).await.phase, AgentPhase::Settled);
}
