//! Start-first, with the loop that plays it: what holds it, and who is told of
//! it. What dies on the way is in `model`.

use std::path::Path;

use pinion_model::{AgentPhase, FailureKind};
use pinion_workload::{ORDER_LABEL, START_FIRST};
use tokio::time::Instant;

use super::rig::{Agent, Rig, SECOND, desired, digest, image, publish, running, wanted, web};
use crate::config::WorkloadSettings;
use crate::driver::fake::Behaviour::{self, Healthy, Sickens};
use crate::driver::fake::Need;
use crate::in_use::HookCommand;

fn machine(next: Behaviour) -> Rig {
    let rig = running();
    rig.engine.machine().label("web", ORDER_LABEL, START_FIRST);
    publish(&rig, 2, next);
    rig
}

const WAITING: &str = "web.next.g1a1";

#[tokio::test(start_paused = true)]
async fn a_lock_holds_the_change_of_places_and_not_the_proof() {
    let rig = machine(Healthy(SECOND));
    let agent = rig.agent();
    let lock = agent.leases.take(wanted(600 * SECOND)).expect("taken");
    let mut wish = desired(1, 2);
    wish.assignments.get_mut(&web()).expect("one").defer_within = 3600 * SECOND;
    agent.accept(&wish);
    agent.phase(1, AgentPhase::Waiting).await;
    let standing = rig.engine.machine().standing();
    assert_eq!(standing["web"], (digest(1), true));
    assert_eq!(
        standing[WAITING],
        (digest(2), true),
        "it is proven meanwhile"
    );
    let proven = rig.engine.calls();
    tokio::time::sleep(600 * SECOND / 2).await;
    assert_eq!(rig.engine.calls(), proven, "{:#?}", rig.engine.log());

    let released = Instant::now();
    agent.leases.release(&lock.id).expect("released");
    agent.phase(1, AgentPhase::Soaking).await;
    assert!(released.elapsed() < 3 * SECOND, "it needs no second proof");
    assert_eq!(agent.outcome(1).await.running, Some(digest(2)));
    assert_eq!(rig.engine.machine().violations, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn at_the_deadline_the_one_that_waits_is_taken_away_and_the_old_one_was_never_touched() {
    let rig = machine(Healthy(SECOND));
    let agent = rig.agent();
    agent.leases.take(wanted(600 * SECOND)).expect("taken");
    agent.accept(&desired(1, 2));
    let outcome = agent.outcome(1).await;
    let kind = outcome.failure.map(|failure| failure.kind);
    assert_eq!(
        (outcome.phase, kind),
        (AgentPhase::Refused, Some(FailureKind::InUse))
    );
    only_the_old_one_stands(&rig);
}

async fn runs_beside(rig: &Rig, agent: &Agent) {
    let runs = || {
        rig.engine
            .machine()
            .standing()
            .get(WAITING)?
            .1
            .then_some(())
    };
    agent.until(|_| runs()).await;
}

fn only_the_old_one_stands(rig: &Rig) {
    let machine = rig.engine.machine();
    let standing: Vec<_> = machine.standing().into_iter().collect();
    assert_eq!(standing, [("web".to_owned(), (digest(1), true))]);
    assert_eq!(machine.settings("web").expect("it stands").0, "always");
    assert_eq!(machine.violations, Vec::<String>::new());
    let log = rig.engine.log();
    let old = machine.id_of("web").expect("it stands").0;
    assert!(!log.iter().any(|call| call.contains(&old)), "{log:#?}");
}

#[tokio::test(start_paused = true)]
async fn one_that_is_withdrawn_while_the_next_one_runs_beside_is_as_it_was() {
    let rig = machine(Behaviour::NeverHealthy);
    let agent = rig.agent();
    agent.accept(&desired(1, 2));
    runs_beside(&rig, &agent).await;
    let mut wish = desired(2, 2);
    wish.assignments.get_mut(&web()).expect("one").run.clear();
    agent.accept(&wish);
    agent.phase(2, AgentPhase::Withdrawn).await;
    only_the_old_one_stands(&rig);
}

/// Its own operation would be without an end: what it was made for is gone.
#[tokio::test(start_paused = true)]
async fn when_the_old_one_is_removed_by_hand_the_one_beside_it_goes_too() {
    let rig = machine(Behaviour::NeverHealthy);
    let agent = rig.agent();
    agent.accept(&desired(1, 2));
    runs_beside(&rig, &agent).await;
    rig.engine.machine().remove_by_hand("web");
    assert_eq!(agent.outcome(1).await.phase, AgentPhase::Staged);
    assert!(rig.engine.machine().standing().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_is_replaced_as_one_with_others_is_refused() {
    let rig = machine(Healthy(SECOND));
    {
        let mut machine = rig.engine.machine();
        machine.seed("proxy", &image(1), "always", true);
        let on = machine.id_of("web").expect("it is there");
        machine.need("proxy", Need::Network(on.0));
    }
    let agent = rig.agent();
    agent.accept(&desired(1, 2));
    let outcome = agent.outcome(1).await;
    assert_eq!(outcome.phase, AgentPhase::Refused);
    let why = outcome.failure.expect("why").message;
    assert!(
        why.contains("\"web\" is not replaced") && why.contains("\"proxy\""),
        "{why}"
    );
    assert_eq!(rig.engine.calls(), 0);
}

/// A hook that notes which container the proxy points at.
fn proxy(directory: &Path, more: &str) -> WorkloadSettings {
    let at = directory.join("proxy");
    let body = format!(
        "echo $PINION_CONTAINER_ID $PINION_FROM_ID >> {}; {more}",
        at.display()
    );
    let command = ["/bin/sh", "-c", &body].map(str::to_owned).to_vec();
    WorkloadSettings {
        switch: Some(HookCommand {
            command,
            timeout: 30 * SECOND,
        }),
        ..WorkloadSettings::default()
    }
}

fn pointed(directory: &Path) -> Vec<String> {
    let said = std::fs::read_to_string(directory.join("proxy")).unwrap_or_default();
    said.lines().map(str::to_owned).collect()
}

/// Hooks are processes, so time is real.
#[tokio::test]
async fn a_proxy_is_pointed_at_the_next_one_and_back() {
    for (next, more, phase, times) in [
        (Healthy(SECOND), "", AgentPhase::Settled, 1),
        (Sickens(10 * SECOND), "", AgentPhase::RolledBack, 2),
        // It failed, so nobody knows where it points: it is pointed back.
        (
            Healthy(SECOND),
            "test $(wc -l < $0) -gt 1",
            AgentPhase::RolledBack,
            2,
        ),
        // It is never proven, so nothing is pointed anywhere.
        (Sickens(SECOND), "", AgentPhase::RolledBack, 0),
    ] {
        let mut rig = machine(next);
        let place = rig.directory.path().to_owned();
        let more = more.replace("$0", &place.join("proxy").display().to_string());
        rig.settings.insert(web(), proxy(&place, &more));
        let old = rig.engine.machine().id_of("web").expect("it is there").0;
        let agent = rig.agent();
        let mut wish = desired(1, 2);
        let assignment = wish.assignments.get_mut(&web()).expect("one");
        (assignment.min_healthy, assignment.soak) = (2 * SECOND, 12 * SECOND);
        agent.accept(&wish);
        let outcome = agent.outcome(1).await;
        let pointed = pointed(&place);
        assert_eq!(
            (outcome.phase, pointed.len()),
            (phase, times),
            "{pointed:?}"
        );
        let new = pointed.first().and_then(|line| line.split_once(' '));
        if let Some((new, from)) = new {
            assert_eq!(from, old, "away from the old one");
            let back = format!("{old} {new}");
            assert!(
                pointed.iter().skip(1).all(|line| *line == back),
                "{pointed:?}"
            );
        }
        assert_eq!(rig.engine.machine().violations, Vec::<String>::new());
    }
}
