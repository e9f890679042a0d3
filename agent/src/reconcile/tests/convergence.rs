//! What comes of what is asked.

use std::time::Duration;

use pinion_model::{AgentPhase, Attempt, Failure, FailureKind};

use super::rig::{
    OTHER_REPOSITORY, REPOSITORY, Rig, desired, digest, image, image_in, policy, wanting, web,
};
use crate::driver::fake::Behaviour;
use crate::journal::AcceptError;

const SECOND: Duration = Duration::from_secs(1);

/// A machine that runs image 1.
fn running() -> Rig {
    let rig = Rig::new();
    rig.engine
        .machine()
        .load(&image(1), Behaviour::Healthy(SECOND));
    rig.engine.machine().seed("web", &image(1), "always", true);
    rig
}

fn publish(rig: &Rig, n: u8, behaviour: Behaviour) {
    rig.engine.machine().publish(&image(n), Ok(behaviour));
}

fn fail_pull(rig: &Rig, n: u8, kind: FailureKind) {
    rig.engine.machine().publish(
        &image(n),
        Err(Failure::new(kind, format!("the registry said {kind}"))),
    );
}

fn digest_that_runs(rig: &Rig) -> pinion_model::Digest {
    rig.engine.machine().standing()["web"].0.clone()
}

#[tokio::test(start_paused = true)]
async fn each_phase_is_reported_once_and_in_order() {
    let rig = running();
    publish(&rig, 2, Behaviour::Healthy(SECOND));
    let mut agent = rig.agent();
    agent.accept(&desired(1, 2));
    let outcome = agent.outcome(1).await;
    assert_eq!(outcome.running, Some(digest(2)));
    use AgentPhase::{Creating, CuttingOver, Pending, Pulling, Settled, Soaking, Verifying};
    assert_eq!(
        agent.phases(),
        [
            Pending,
            Pulling,
            Creating,
            CuttingOver,
            Verifying,
            Soaking,
            Settled
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_bad_image_is_taken_back_with_its_last_words_and_not_tried_again() {
    let rig = running();
    publish(&rig, 2, Behaviour::Exits(SECOND));
    let agent = rig.agent();
    agent.accept(&desired(1, 2));
    let outcome = agent.outcome(1).await;
    let failure = outcome.failure.clone().expect("it failed");
    assert_eq!(
        (outcome.phase, failure.kind),
        (AgentPhase::RolledBack, FailureKind::Health)
    );
    assert_eq!(
        failure.log_tail,
        format!("last words of {}", digest(2).short())
    );
    assert_eq!(outcome.running, Some(digest(1)));

    let calls = rig.engine.calls();
    agent.accept(&desired(2, 2));
    let again = agent.outcome(2).await;
    assert_eq!(
        (again.phase, again.failure),
        (outcome.phase, outcome.failure)
    );
    assert_eq!(
        rig.engine.calls(),
        calls,
        "the same outcome, without a step"
    );
}

#[tokio::test(start_paused = true)]
async fn a_raised_attempt_tries_the_same_digest_again() {
    let rig = running();
    publish(&rig, 2, Behaviour::Exits(SECOND));
    let agent = rig.agent();
    agent.accept(&desired(1, 2));
    agent.outcome(1).await;
    let mut again = desired(2, 2);
    again.assignments.get_mut(&web()).expect("assigned").attempt = Attempt(2);
    let calls = rig.engine.calls();
    agent.accept(&again);
    assert_eq!(agent.outcome(2).await.phase, AgentPhase::RolledBack);
    assert!(rig.engine.calls() > calls);
}

#[tokio::test(start_paused = true)]
async fn the_digest_that_was_put_back_is_adopted_without_touching_a_container() {
    let rig = running();
    publish(&rig, 2, Behaviour::Exits(SECOND));
    let agent = rig.agent();
    agent.accept(&desired(1, 2));
    agent.outcome(1).await;
    let before = rig.engine.log().len();
    agent.accept(&desired(2, 1));
    let outcome = agent.outcome(2).await;
    assert_eq!(
        (outcome.phase, outcome.running),
        (AgentPhase::Settled, Some(digest(1)))
    );
    let log = rig.engine.log();
    assert!(
        log[before..]
            .iter()
            .all(|call| call.starts_with("tag") || call.starts_with("untag")),
        "{:?}",
        &log[before..]
    );
    assert_eq!(
        rig.engine
            .machine()
            .tagged(&format!("{REPOSITORY}:current")),
        Some(digest(1))
    );
}

#[tokio::test(start_paused = true)]
async fn the_local_tag_moves_when_settled_and_stays_on_the_old_one_when_rolled_back() {
    let rig = running();
    publish(&rig, 2, Behaviour::Runs);
    publish(&rig, 3, Behaviour::Exits(SECOND));
    let agent = rig.agent();
    let tag = format!("{REPOSITORY}:current");
    agent.accept(&desired(1, 2));
    agent.phase(1, AgentPhase::Soaking).await;
    assert_eq!(
        rig.engine.machine().tagged(&tag),
        None,
        "not before it has settled"
    );
    agent.outcome(1).await;
    assert_eq!(rig.engine.machine().tagged(&tag), Some(digest(2)));
    agent.accept(&desired(2, 3));
    agent.outcome(2).await;
    assert_eq!(rig.engine.machine().tagged(&tag), Some(digest(2)));
}

#[tokio::test(start_paused = true)]
async fn the_images_of_the_last_three_that_were_proven_are_kept() {
    let rig = running();
    let agent = rig.agent();
    for n in 2..=6 {
        publish(&rig, n, Behaviour::Runs);
        agent.accept(&desired(u64::from(n), n));
        assert_eq!(agent.outcome(u64::from(n)).await.phase, AgentPhase::Settled);
    }
    let tags = rig.engine.machine().tags();
    let anchored: Vec<_> = (1..=6)
        .filter(|n| tags.contains(&format!("{REPOSITORY}:pinion-{}", digest(*n).short())))
        .collect();
    assert_eq!(anchored, [4, 5, 6]);
}

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
async fn a_container_that_another_does_not_start_without_is_refused() {
    let rig = running();
    publish(&rig, 2, Behaviour::Runs);
    let sidecar = image_in("ghcr.io/acme/sidecar", 9);
    rig.engine.machine().load(&sidecar, Behaviour::Runs);
    rig.engine.machine().seed("sidecar", &sidecar, "no", true);
    rig.engine.machine().depend("sidecar", "web");
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
async fn when_the_old_one_is_gone_too_it_says_that_a_person_must_look() {
    let rig = running();
    publish(&rig, 2, Behaviour::NeverHealthy);
    let agent = rig.agent();
    agent.accept(&desired(1, 2));
    agent.phase(1, AgentPhase::Verifying).await;
    rig.engine.machine().remove_by_hand("web.prev.g1a1");
    let outcome = agent.outcome(1).await;
    assert_eq!(outcome.phase, AgentPhase::RollbackFailed);
    assert!(
        outcome
            .failure
            .expect("why")
            .message
            .contains("A person must look")
    );
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
