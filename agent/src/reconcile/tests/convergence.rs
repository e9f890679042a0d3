//! What comes of what is asked.

use pinion_model::{AgentPhase, Attempt, FailureKind};

use super::rig::{REPOSITORY, SECOND, desired, digest, image, publish, running, web};
use crate::driver::fake::Behaviour;

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
        format!("last words of {}\nNAME=web", digest(2).short())
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
async fn a_digest_that_was_proven_since_it_failed_is_not_said_to_fail() {
    let rig = running();
    publish(&rig, 2, Behaviour::Exits(SECOND));
    let agent = rig.agent();
    agent.accept(&desired(1, 2));
    assert_eq!(agent.outcome(1).await.phase, AgentPhase::RolledBack);
    rig.engine.machine().mend(&digest(2), Behaviour::Runs);
    let mut again = desired(2, 2);
    again.assignments.get_mut(&web()).expect("assigned").attempt = Attempt(2);
    agent.accept(&again);
    assert_eq!(agent.outcome(2).await.phase, AgentPhase::Settled);

    publish(&rig, 3, Behaviour::Exits(SECOND));
    agent.accept(&desired(3, 3));
    assert_eq!(agent.outcome(3).await.running, Some(digest(2)));
    agent.accept(&desired(4, 2));
    let adopted = agent.outcome(4).await;
    assert_eq!(
        (adopted.phase, adopted.running),
        (AgentPhase::Settled, Some(digest(2)))
    );

    publish(&rig, 4, Behaviour::Runs);
    agent.accept(&desired(5, 4));
    agent.outcome(5).await;
    agent.accept(&desired(6, 2));
    assert_eq!(agent.outcome(6).await.phase, AgentPhase::Settled);
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_is_said_again_says_what_runs_now() {
    let rig = running();
    let agent = rig.agent();
    for n in [2, 3] {
        publish(&rig, n, Behaviour::Exits(SECOND));
        agent.accept(&desired(u64::from(n), n));
        let outcome = agent.outcome(u64::from(n)).await;
        assert_eq!(outcome.running, Some(digest(1)));
    }
    publish(&rig, 4, Behaviour::Runs);
    agent.accept(&desired(4, 4));
    assert_eq!(agent.outcome(4).await.phase, AgentPhase::Settled);
    agent.accept(&desired(5, 2));
    let again = agent.outcome(5).await;
    assert_eq!(
        (again.phase, again.running),
        (AgentPhase::RolledBack, Some(digest(4)))
    );
}

#[tokio::test(start_paused = true)]
async fn what_failed_before_is_watched_where_the_containers_run_it() {
    let rig = running();
    publish(&rig, 2, Behaviour::Exits(SECOND));
    let agent = rig.agent();
    agent.accept(&desired(1, 2));
    assert_eq!(agent.outcome(1).await.phase, AgentPhase::RolledBack);
    rig.engine.machine().remove_by_hand("web");
    rig.engine.machine().load(&image(2), Behaviour::Runs);
    rig.engine.machine().mend(&digest(2), Behaviour::Runs);
    rig.engine.machine().seed("web", &image(2), "always", true);
    agent.accept(&desired(2, 2));
    assert_eq!(agent.outcome(2).await.phase, AgentPhase::Settled);
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
    // The first one was there before: it is not removed, nor the only tag that keeps it.
    assert_eq!(anchored, [1, 4, 5, 6]);
}

#[tokio::test(start_paused = true)]
async fn what_a_container_wrote_outside_of_its_volumes_is_reported_with_its_size() {
    for (bytes, reported) in [(1 << 20, false), (300 << 20, true)] {
        let rig = running();
        publish(&rig, 2, Behaviour::Runs);
        rig.engine.machine().write("web", bytes);
        let agent = rig.agent();
        agent.accept(&desired(1, 2));
        let said = |text: &str| text.contains("\"web\" (300 MiB)");
        let soaking = agent.phase(1, AgentPhase::Soaking).await;
        assert_eq!(
            said(&soaking.waiting_for),
            reported,
            "{}",
            soaking.waiting_for
        );
        let outcome = agent.outcome(1).await;
        assert_eq!(outcome.phase, AgentPhase::Settled);
        assert_eq!(outcome.failure, None, "it is no failure");
    }
}

#[tokio::test(start_paused = true)]
async fn an_image_that_was_removed_by_force_is_told_from_its_users_settings_if_it_was_seen_before()
{
    let rig = running();
    publish(&rig, 2, Behaviour::Runs);
    publish(&rig, 3, Behaviour::Runs);
    let agent = rig.agent();
    agent.accept(&desired(1, 2));
    assert_eq!(agent.outcome(1).await.phase, AgentPhase::Settled);
    rig.engine.machine().remove_image(&digest(2));
    agent.accept(&desired(2, 3));
    assert_eq!(agent.outcome(2).await.phase, AgentPhase::Settled);

    // One that nobody saw is not guessed at.
    rig.engine.machine().remove_image(&digest(3));
    std::fs::remove_dir_all(rig.directory.path().join("images")).expect("kept there");
    agent.accept(&desired(3, 2));
    let outcome = agent.outcome(3).await;
    assert_eq!(outcome.phase, AgentPhase::Refused);
    let failure = outcome.failure.expect("why");
    assert!(
        failure.message.contains("no longer on this machine"),
        "{failure}"
    );
    assert_eq!(rig.engine.machine().standing().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_reported_of_a_log_is_without_the_secrets_that_are_known() {
    let rig = running();
    let env = [
        "TOKEN=hunter2",
        "HINT=the token is hunter2",
        "SAID=tok-of-a-registry",
    ];
    rig.engine.machine().give("web", &env);
    publish(&rig, 2, Behaviour::Exits(SECOND));
    let agent = rig.agent();
    agent.accept(&desired(1, 2));
    let outcome = agent.outcome(1).await;
    let log = outcome.failure.expect("it failed").log_tail;
    let left = "TOKEN=[removed]\nHINT=the token is [removed]\nSAID=[removed]";
    assert!(log.ends_with(left), "{log}");
}
