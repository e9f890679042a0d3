//! Locks and hooks, with the loop that asks them.

use pinion_model::{AgentPhase, FailureKind, InUse};
use tokio::time::Instant;

use super::rig::{Rig, SECOND, desired, digest, publish, running, wanted, web};
use crate::config::WorkloadSettings;
use crate::driver::fake::Behaviour;
use crate::in_use::HookCommand;

fn machine() -> Rig {
    let rig = running();
    publish(&rig, 2, Behaviour::Healthy(SECOND));
    rig
}

#[tokio::test(start_paused = true)]
async fn a_lock_holds_the_cut_over_until_it_is_released_and_through_a_restart() {
    let rig = machine();
    let agent = rig.agent();
    let lock = agent.leases.take(wanted(600 * SECOND)).expect("taken");
    let mut wish = desired(1, 2);
    let assignment = wish.assignments.get_mut(&web()).expect("one");
    assignment.defer_within = 3600 * SECOND;
    agent.accept(&wish);
    let report = agent.phase(1, AgentPhase::Waiting).await;
    let deferral = report.deferral.expect("why");
    assert_eq!(deferral.holders[0].owner, "backup");
    agent.kill().await;

    let agent = rig.agent();
    tokio::time::sleep(60 * SECOND).await;
    let report = agent.phase(1, AgentPhase::Waiting).await;
    let again = report.deferral.expect("why");
    assert_eq!(
        again.since, deferral.since,
        "a restart does not lengthen it"
    );
    let released = Instant::now();
    agent.leases.release(&lock.id).expect("released");
    let report = agent.phase(1, AgentPhase::Soaking).await;
    assert_eq!(report.deferral, None);
    assert!(released.elapsed() < 20 * SECOND, "{:?}", released.elapsed());
    assert_eq!(agent.outcome(1).await.running, Some(digest(2)));
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_is_not_renewed_ends_and_the_deadline_ends_one_that_is() {
    for (ttl, phase) in [
        (30 * SECOND, AgentPhase::Settled),
        (600 * SECOND, AgentPhase::Refused),
    ] {
        let rig = machine();
        let agent = rig.agent();
        agent.leases.take(wanted(ttl)).expect("taken");
        agent.accept(&desired(1, 2));
        let outcome = agent.outcome(1).await;
        assert_eq!(outcome.phase, phase, "{ttl:?}");
        let kind = outcome.failure.map(|failure| failure.kind);
        assert_eq!(
            kind,
            (phase == AgentPhase::Refused).then_some(FailureKind::InUse)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_forced_is_told_in_the_outcome() {
    let rig = machine();
    let agent = rig.agent();
    agent.leases.take(wanted(600 * SECOND)).expect("taken");
    let mut wish = desired(1, 2);
    wish.assignments.get_mut(&web()).expect("one").in_use = InUse::Force;
    agent.accept(&wish);
    let outcome = agent.outcome(1).await;
    assert_eq!(outcome.phase, AgentPhase::Settled);
    let forced = outcome.forced.expect("it was forced");
    assert!(
        forced.forced && forced.holders[0].owner == "backup",
        "{forced:?}"
    );
}

/// Hooks are processes, so time is real.
#[tokio::test]
async fn a_hook_that_forbids_leaves_all_as_it_is_and_one_after_the_start_takes_it_back() {
    let hook = |body: &str| HookCommand {
        command: ["/bin/sh", "-c", body].map(str::to_owned).to_vec(),
        timeout: 30 * SECOND,
    };
    for (pre_cut, post_start, phase, kind) in [
        (
            "exit 0",
            "exit 1",
            AgentPhase::RolledBack,
            FailureKind::Start,
        ),
        ("exit 1", "exit 0", AgentPhase::Refused, FailureKind::Policy),
    ] {
        let mut rig = machine();
        let settings = WorkloadSettings {
            pre_cut: Some(hook(pre_cut)),
            post_start: Some(hook(post_start)),
            ..WorkloadSettings::default()
        };
        rig.settings.insert(web(), settings);
        let agent = rig.agent();
        agent.accept(&desired(1, 2));
        let outcome = agent.outcome(1).await;
        let found = outcome.failure.map(|failure| failure.kind);
        assert_eq!((outcome.phase, found), (phase, Some(kind)));
        assert_eq!(outcome.running, Some(digest(1)));
    }
}
