use pinion_model::{AgentPhase, Image, LabelSelector, RolloutId};
use pinion_rollout::commands::{Promote, StartRollout, promote, start_rollout};
use pinion_rollout::{
    Check, CheckRun, Cohort, Observation, Outcome, Purpose, Report, StageSpec, Strategy, Versions,
};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::ledger::Ledger;
use crate::probe::round::{self, AT_ONCE};
use crate::sessions::tests::bench::{enrolled, name, somebody, workload};
use crate::store::MemoryStore;

/// A rollout of one machine that is done; only these checks hold its stage.
async fn site(checks: Vec<Check>) -> (Arc<Ledger>, RolloutId) {
    let ledger = Ledger::open(Arc::new(MemoryStore::default()))
        .await
        .expect("a ledger");
    let changes = vec![enrolled("a")];
    let enrol = |_: &_, _| {
        Ok(Outcome {
            changes: changes.clone(),
            value: (),
        })
    };
    ledger.decide(enrol).await.expect("a machine");
    let hello = Observation::Hello {
        agent: name("a"),
        epoch: pinion_model::SessionEpoch(1),
        generation: Default::default(),
        process_id: "p".to_owned(),
        facts: Default::default(),
        versions: Versions::default(),
        at: ledger.clock(),
    };
    ledger.observe(vec![hello]).await.expect("it is there");
    let id = begin(&ledger, checks).await;
    plan(&ledger).await;
    settle(&ledger).await;
    (ledger, id)
}

async fn begin(ledger: &Ledger, checks: Vec<Check>) -> RolloutId {
    let pin = Promote {
        workload: workload(),
        digest: format!("sha256:{}", "01".repeat(32))
            .parse()
            .expect("a digest"),
        source_sha: None,
        notes: String::new(),
        images: vec![Image {
            registry: "ghcr".parse().expect("a name"),
            repository: "ghcr.io/a/codex".parse().expect("a repository"),
        }],
        local_tag: "current".to_owned(),
        auto: None,
    };
    ledger
        .decide(|world, now| promote(world, pin.clone(), &somebody(), now))
        .await
        .expect("a pin");
    let stage = StageSpec {
        checks,
        ..StageSpec::of(Cohort::Rest)
    };
    let start = StartRollout {
        workload: workload(),
        pin: None,
        strategy: Strategy {
            stages: vec![stage],
            ..Strategy::default()
        },
        agents: LabelSelector::default(),
        reason: String::new(),
    };
    let started = ledger
        .decide(|world, now| start_rollout(world, start.clone(), &somebody(), now))
        .await;
    started.expect("a rollout").value.id
}

async fn plan(ledger: &Ledger) {
    ledger
        .decide(|world, now| {
            Ok(Outcome {
                changes: pinion_rollout::plan(world, now).changes,
                value: (),
            })
        })
        .await
        .expect("a plan");
}

async fn settle(ledger: &Ledger) {
    let desired = ledger.read(|world| world.desired(&name("a")));
    let asked = desired.assignments.first().expect("it was asked");
    assert!(matches!(asked.purpose, Purpose::Rollout { .. }));
    let report = Report {
        workload: workload(),
        generation: asked.generation,
        attempt: asked.attempt,
        phase: AgentPhase::Settled,
        waiting_for: "".into(),
        deferral: None,
        failure: None,
        containers: Vec::new(),
        running: asked.digest().cloned(),
    };
    let settled = Observation::Reported {
        agent: name("a"),
        report,
        at: ledger.clock(),
    };
    ledger.observe(vec![settled]).await.expect("it is done");
}

fn check(name: &str, url: String) -> Check {
    Check {
        interval: Duration::from_secs(1),
        ..Check::of(name.parse().expect("a name"), http(url, None))
    }
}

fn runs(ledger: &Ledger, id: &RolloutId) -> Vec<CheckRun> {
    ledger.read(|world| world.rollouts[id].stages[0].checks.runs.clone())
}

/// A round that goes on until the test is over.
fn running(ledger: &Arc<Ledger>) -> CancellationToken {
    let stop = CancellationToken::new();
    tokio::spawn(round::run(Arc::clone(ledger), prober(), stop.clone()));
    stop
}

async fn eventually(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..1000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {what}");
}

#[tokio::test]
async fn what_is_due_is_asked_and_stored_an_interval_apart_until_it_has_passed() {
    let server = Server::answers(200, "").await;
    let twice = Check {
        samples: 2,
        ..check("twice", server.url("/"))
    };
    let (ledger, id) = site(vec![twice]).await;
    let stop = running(&ledger);
    eventually("two successes", || {
        runs(&ledger, &id)
            .first()
            .is_some_and(|run| run.successes == 2)
    })
    .await;
    let run = &runs(&ledger, &id)[0];
    assert!(
        run.last_at.since(run.first_at) >= Duration::from_secs(1),
        "{run:?}"
    );
    assert_eq!(run.last.outcome, Judgement::Success);
    plan(&ledger).await;
    let passed = ledger.read(|world| world.rollouts[&id].stages[0].passed_at.is_some());
    assert!(passed, "the stage has passed");
    stop.cancel();
    assert_eq!(server.heard().len(), 2, "what has passed is asked no more");
}

#[tokio::test]
async fn a_check_that_takes_long_holds_no_other_and_sixteen_are_asked_at_once() {
    let slow = Server::says("", Then::Hang).await;
    let quick = Server::answers(500, "").await;
    let mut checks = vec![check("quick", quick.url("/"))];
    checks.extend((0..19).map(|n| check(&format!("slow-{n}"), slow.url("/"))));
    let (ledger, id) = site(checks).await;
    let stop = running(&ledger);
    eventually("the quick one's sample", || {
        runs(&ledger, &id).iter().any(|run| run.failures == 1)
    })
    .await;
    eventually("sixteen at once", || slow.heard().len() == AT_ONCE).await;
    // Whatever else changes, no more are asked.
    for _ in 0..20 {
        ledger
            .observe(vec![Observation::Started { at: ledger.clock() }])
            .await
            .expect("a change");
    }
    assert_eq!(slow.heard().len(), AT_ONCE);
    stop.cancel();
}

#[tokio::test]
async fn it_ends_when_it_is_told_to_whatever_is_under_way() {
    let slow = Server::says("", Then::Hang).await;
    let (ledger, _) = site(vec![check("slow", slow.url("/"))]).await;
    let stop = CancellationToken::new();
    let ended = tokio::spawn(round::run(Arc::clone(&ledger), prober(), stop.clone()));
    eventually("it asks", || slow.heard().len() == 1).await;
    stop.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(5), ended).await;
    ended.expect("at once").expect("well");
}
