//! Images that come and go: which ones a machine keeps, and how many are pulled at once.

use std::collections::{BTreeMap, BTreeSet};

use pinion_model::{AgentPhase, Digest, FailureKind, Generation, WorkloadName};
use pinion_workload::Desired;

use super::rig::{
    OTHER_REPOSITORY, REPOSITORY, Rig, SECOND, desired, digest, fail_pull, fail_pull_in, image,
    publish, running, web,
};
use crate::driver::fake::{Behaviour, CallFault, Crash, Defect};

fn digests(numbers: &[u8]) -> BTreeSet<Digest> {
    numbers.iter().map(|n| digest(*n)).collect()
}

fn short(n: u8) -> String {
    digest(n).short().to_owned()
}

/// Updates image by image, up to `last`; each is published and good.
async fn update_to(rig: &Rig, last: u8) {
    let agent = rig.agent();
    for n in 2..=last {
        publish(rig, n, Behaviour::Healthy(SECOND));
        agent.accept(&desired(u64::from(n), n));
        let outcome = agent.outcome(u64::from(n)).await;
        assert_eq!(outcome.phase, AgentPhase::Settled, "{outcome:?}");
    }
    agent.kill().await;
}

#[tokio::test(start_paused = true)]
async fn after_any_number_of_updates_three_proven_images_and_what_was_there_remain() {
    let rig = running();
    // Of somebody else, and never ours.
    rig.engine.machine().load(&image(100), Behaviour::Runs);
    update_to(&rig, 7).await;
    let machine = rig.engine.machine();
    assert_eq!(machine.held_images(), digests(&[1, 5, 6, 7, 100]));
    assert!(machine.violations.is_empty(), "{:?}", machine.violations);
    let anchored = |n: u8| {
        machine
            .tags()
            .contains(&format!("{REPOSITORY}:pinion-{}", short(n)))
    };
    assert!([5, 6, 7].into_iter().all(anchored), "{:?}", machine.tags());
}

#[tokio::test(start_paused = true)]
async fn what_a_person_tagged_or_a_container_uses_is_never_removed() {
    let rig = running();
    update_to(&rig, 3).await;
    rig.engine
        .machine()
        .tag_by_hand(&digest(2), "docker.io/library/mine:1");
    rig.engine.machine().seed("beside", &image(3), "no", false);
    rig.engine
        .machine()
        .label("beside", "pinion.ignore", "true");
    let agent = rig.agent();
    for n in 4..=8 {
        publish(&rig, n, Behaviour::Healthy(SECOND));
        agent.accept(&desired(u64::from(n), n));
        let settled = |record: &pinion_workload::Record| {
            record.has_settled()
                && record
                    .outcome
                    .as_ref()
                    .is_some_and(|o| o.generation == Generation(n.into()))
        };
        agent
            .until(|journal| settled(&journal.record(&web())).then_some(()))
            .await;
    }
    // The collecting of the last one is over when its anchor is gone.
    let gone = |n: u8| !rig.engine.machine().held_images().contains(&digest(n));
    agent.until(|_| (gone(4) && gone(5)).then_some(())).await;
    assert_eq!(
        rig.engine.machine().held_images(),
        digests(&[1, 2, 3, 6, 7, 8])
    );
    assert!(rig.engine.machine().violations.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_refuses_or_forgets_to_remove_is_left_alone_and_nothing_else_suffers() {
    for defect in [Defect::Fails, Defect::Idles] {
        let rig = running();
        rig.engine.spoil("untag", defect);
        let agent = rig.agent();
        for n in 2..=5 {
            publish(&rig, n, Behaviour::Healthy(SECOND));
            agent.accept(&desired(u64::from(n), n));
            agent.outcome(u64::from(n)).await;
        }
        agent
            .until(|journal| journal.record(&web()).collect_after)
            .await;
        let tried = rig
            .engine
            .log()
            .iter()
            .filter(|call| call.starts_with("untag"))
            .count();
        assert!(
            (1..=4).contains(&tried),
            "{defect:?}: tried {tried} times at once"
        );
        assert_eq!(
            rig.engine.machine().held_images(),
            digests(&[1, 2, 3, 4, 5])
        );
    }
}

/// The agent dies at every call of the last of six updates, those that collect included:
/// in no case is anything removed that is needed, and nothing is left over in the end.
#[tokio::test(start_paused = true)]
async fn an_agent_that_dies_while_it_collects_goes_on_with_it() {
    let calls = {
        let rig = running();
        update_to(&rig, 5).await;
        let before = rig.engine.calls();
        play_last(&rig, None).await;
        before..rig.engine.calls()
    };
    let mut removals = 0;
    for index in calls {
        for crash in [Crash::Before, Crash::After] {
            let rig = running();
            update_to(&rig, 5).await;
            play_last(&rig, Some((index, crash))).await;
            let machine = rig.engine.machine();
            let held = machine.held_images();
            let needed = digests(&[1, 4, 5, 6]);
            assert!(held.is_superset(&needed), "{index} {crash:?}: {held:?}");
            assert!(
                held.is_subset(&digests(&[1, 4, 5, 6])),
                "{index} {crash:?}: {held:?}"
            );
            assert!(machine.violations.is_empty(), "{:?}", machine.violations);
            removals += 1;
        }
    }
    assert!(removals > 20, "{removals}");
}

async fn play_last(rig: &Rig, crash: Option<(usize, Crash)>) {
    publish(rig, 6, Behaviour::Healthy(SECOND));
    let agent = rig.agent();
    if let Some((index, crash)) = crash {
        rig.engine.at_call(index, CallFault::Dies(crash));
        agent.accept(&desired(6, 6));
        rig.engine.died().await;
        agent.kill().await;
        rig.engine.revive();
        let agent = rig.agent();
        agent.outcome(6).await;
        agent.kill().await;
    } else {
        agent.accept(&desired(6, 6));
        agent.outcome(6).await;
        agent.kill().await;
    }
}

#[tokio::test(start_paused = true)]
async fn for_want_of_room_what_nobody_needs_goes_first_and_the_pull_is_tried_once_more() {
    for leftover in [true, false] {
        let rig = running();
        let agent = rig.agent();
        if leftover {
            // Pulled for a turn that was taken back: not needed, and not collected yet.
            publish(&rig, 2, Behaviour::Exits(SECOND));
            agent.accept(&desired(1, 2));
            assert_eq!(agent.outcome(1).await.phase, AgentPhase::RolledBack);
            assert_eq!(rig.engine.machine().held_images(), digests(&[1, 2]));
        }
        fail_pull(&rig, 3, FailureKind::Disk);
        fail_pull_in(&rig, OTHER_REPOSITORY, 3, FailureKind::Disk);
        let before = rig.engine.log().len();
        agent.accept(&desired(3, 3));
        let outcome = agent.outcome(3).await;
        let kind = outcome.failure.map(|failure| failure.kind);
        assert_eq!(
            (outcome.phase, kind),
            (AgentPhase::Refused, Some(FailureKind::Disk))
        );
        let log = rig.engine.log()[before..].to_vec();
        let pulls = log.iter().filter(|call| call.starts_with("pull")).count();
        assert_eq!(pulls, if leftover { 2 } else { 1 }, "{log:?}");
        assert_eq!(rig.engine.machine().held_images(), digests(&[1]));
        assert!(
            rig.engine.machine().standing()["web"].1,
            "the old container runs"
        );
        agent.kill().await;
    }
}

/// So many workloads, each to be pulled.
fn many(count: u8) -> Desired {
    let mut all = desired(1, 50);
    let one = all.assignments[&web()].clone();
    all.assignments = (0..count)
        .map(|n| {
            let name: WorkloadName = format!("w{n}").parse().expect("a name");
            let mut assignment = one.clone();
            assignment.workload = name.clone();
            assignment.run = vec![image(60 + n)];
            (name, assignment)
        })
        .collect::<BTreeMap<_, _>>();
    all.catalog.clear();
    all
}

#[tokio::test(start_paused = true)]
async fn no_more_images_are_pulled_at_once_than_may_be_and_the_others_say_what_they_wait_for() {
    let rig = Rig::new();
    for n in 0..7 {
        publish(&rig, 60 + n, Behaviour::Runs);
    }
    let agent = rig.agent();
    agent.accept(&many(7));
    let waits = |journal: &crate::journal::Journal| {
        let records = journal.records();
        let operations: Vec<_> = records
            .values()
            .filter_map(|r| r.operation.clone())
            .collect();
        operations
            .iter()
            .any(|o| o.waiting_for.contains("engine.pulls"))
            .then_some(())
    };
    agent.until(waits).await;
    let done = |journal: &crate::journal::Journal| {
        let ended = |r: &pinion_workload::Record| r.operation.is_none() && r.outcome.is_some();
        (journal.records().values().filter(|r| ended(r)).count() == 7).then_some(())
    };
    agent.until(done).await;
    assert_eq!(rig.engine.most_pulls(), 2);
}
