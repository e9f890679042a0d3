//! Requests that are checked before anything happens.

use std::time::Duration;

use pinion_model::{LabelSelector, Labels, RolloutPhase};

use super::bed::{Bed, agent, alice, count, digest, image, percent, rest, strategy};
use crate::commands::{self, HoldAgent, Promote, SetLabels, StartRollout};
use crate::{Amount, Cohort, Refusal, StageSpec, Strategy};

fn promote(n: u8, auto: Option<Strategy>) -> Promote {
    Promote {
        workload: "app".parse().expect("a name"),
        digest: digest(n),
        source_sha: None,
        notes: String::new(),
        images: vec![image()],
        local_tag: "current".into(),
        auto,
    }
}

fn start(strategy: Strategy) -> StartRollout {
    StartRollout {
        workload: "app".parse().expect("a name"),
        pin: None,
        strategy,
        agents: LabelSelector::default(),
        reason: String::new(),
    }
}

fn field(strategy: Strategy) -> String {
    let mut bed = Bed::new(1);
    bed.promote(2);
    match bed
        .decide(|world, now| commands::start_rollout(world, start(strategy.clone()), &alice(), now))
    {
        Err(Refusal::Invalid { faults }) => faults[0].path.clone(),
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn promoting_the_current_pin_again_changes_nothing_and_says_so() {
    let mut bed = Bed::new(0);
    let first = bed
        .decide(|world, now| commands::promote(world, promote(2, None), &alice(), now))
        .expect("promoted");
    assert!(first.changed && first.rollout.is_none());
    let committed = bed.history.len();
    let again = bed
        .decide(|world, now| commands::promote(world, promote(2, None), &alice(), now))
        .expect("answered");
    assert_eq!(
        (again.changed, again.pin, bed.history.len()),
        (false, first.pin, committed)
    );
    let other = bed
        .decide(|world, now| commands::promote(world, promote(3, None), &alice(), now))
        .expect("promoted");
    let back = bed
        .decide(|world, now| commands::promote(world, promote(2, None), &alice(), now))
        .expect("promoted");
    assert_eq!(
        (other.pin.number.0, back.pin.number.0),
        (2, 3),
        "the history is append-only"
    );
}

#[test]
fn promoting_a_workload_on_auto_answers_with_its_rollout() {
    let mut bed = Bed::new(2);
    let auto = || promote(2, Some(strategy(vec![rest()])));
    let promoted = bed
        .decide(|world, now| commands::promote(world, auto(), &alice(), now))
        .expect("promoted");
    let id = promoted.rollout.expect("a rollout");
    assert_eq!(id.as_str(), "app-1-1");
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::Completed);
}

#[test]
fn a_pipeline_may_promote_before_there_is_a_machine_and_the_rollout_says_so() {
    let mut bed = Bed::new(0);
    let auto = || promote(2, Some(Strategy::default()));
    let id = bed
        .decide(|world, now| commands::promote(world, auto(), &alice(), now))
        .expect("promoted")
        .rollout
        .expect("one");
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::Halted);
    assert!(
        bed.rollout(&id).reason.contains("no machine"),
        "{}",
        bed.rollout(&id).reason
    );
}

#[test]
fn coming_back_to_the_digest_that_is_on_its_way_finds_its_rollout() {
    let mut bed = Bed::new(2);
    let first = bed.roll_out(2, strategy(vec![rest()]));
    bed.promote(3);
    let auto = || promote(2, Some(strategy(vec![rest()])));
    let promoted = bed
        .decide(|world, now| commands::promote(world, auto(), &alice(), now))
        .expect("promoted");
    assert_eq!(
        (promoted.changed, promoted.rollout),
        (true, Some(first.clone()))
    );
    let again = bed
        .decide(|world, now| commands::promote(world, promote(2, None), &alice(), now))
        .expect("the current pin");
    assert_eq!(
        (again.changed, again.rollout),
        (false, Some(first)),
        "also where it is the current pin already"
    );
    bed.drive();
    let over = bed
        .decide(|world, now| commands::promote(world, promote(2, None), &alice(), now))
        .expect("the current pin");
    assert_eq!(over.rollout, None, "nothing is under way any more");
}

#[test]
fn a_strategy_that_contradicts_itself_is_refused_with_the_field() {
    let seconds = |n| Some(Duration::from_secs(n));
    let named = || StageSpec {
        name: "a".parse().ok(),
        ..count(1)
    };
    for (rules, path) in [
        (
            Strategy {
                min_healthy: seconds(300),
                ..Strategy::default()
            },
            "strategy.min_healthy",
        ),
        (
            Strategy {
                healthy_deadline: seconds(600),
                ..Strategy::default()
            },
            "strategy.healthy_deadline",
        ),
        (
            Strategy {
                start_within: seconds(0),
                ..Strategy::default()
            },
            "strategy.start_within",
        ),
        (
            Strategy {
                max_in_flight: Some(Amount::Count(0)),
                ..Strategy::default()
            },
            "strategy.max_in_flight",
        ),
        (
            Strategy {
                failure_budget: Some(Amount::Percent(101).into()),
                ..Strategy::default()
            },
            "strategy.failure_budget",
        ),
        (strategy(vec![named(), named()]), "strategy.stages[1].name"),
        (strategy(vec![count(0)]), "strategy.stages[0].count"),
        (
            strategy(vec![percent(50), percent(50)]),
            "strategy.stages[1].percent",
        ),
        (strategy(vec![percent(101)]), "strategy.stages[0].percent"),
        (
            strategy(vec![StageSpec::of(Cohort::Selector(
                LabelSelector::default(),
            ))]),
            "strategy.stages[0].selector",
        ),
        (
            strategy(vec![StageSpec {
                max_in_flight: Some(Amount::Percent(0)),
                ..rest()
            }]),
            "strategy.stages[0].max_in_flight",
        ),
        (
            strategy(vec![StageSpec {
                bake: seconds(400 * 86_400),
                ..rest()
            }]),
            "strategy.stages[0].bake",
        ),
    ] {
        assert_eq!(field(rules), path);
    }
}

#[test]
fn what_does_not_exist_is_not_found() {
    let mut bed = Bed::new(1);
    let unpinned = bed.decide(|world, now| {
        commands::start_rollout(world, start(Strategy::default()), &alice(), now)
    });
    assert!(matches!(unpinned, Err(Refusal::NotFound { .. })));
    bed.promote(2);
    let request = StartRollout {
        pin: Some(pinion_model::PinNumber(7)),
        ..start(Strategy::default())
    };
    let unknown = bed
        .decide(|world, now| commands::start_rollout(world, request.clone(), &alice(), now))
        .expect_err("no pin 7");
    assert_eq!(unknown.to_string(), "there is no pin \"7 of app\"");
    let nobody = StartRollout {
        agents: LabelSelector(Labels::from([("region".into(), "mars".into())])),
        ..start(Strategy::default())
    };
    let refused = bed
        .decide(|world, now| commands::start_rollout(world, nobody.clone(), &alice(), now))
        .expect_err("nobody");
    assert!(refused.to_string().contains("region=mars"), "{refused}");
}

#[test]
fn the_dry_run_says_who_when_and_what_would_block_and_changes_nothing() {
    let mut bed = Bed::new(3);
    bed.enrol("empty", false);
    bed.promote(2);
    bed.offline("m2");
    let approved = StageSpec {
        approval: Some(crate::Approval::Manual),
        ..rest()
    };
    let request = start(strategy(vec![count(3), approved]));
    let planned = commands::plan_rollout(&bed.world, &request, bed.now).expect("planned");
    assert_eq!(
        planned
            .stages
            .iter()
            .map(|stage| stage.agents.len())
            .collect::<Vec<_>>(),
        [3, 1]
    );
    assert_eq!(planned.stages[1].agents[0].agent, agent("empty"));
    let blocked: Vec<_> = planned.stages[0]
        .agents
        .iter()
        .filter(|agent| !agent.blocker.is_empty())
        .collect();
    assert_eq!(
        blocked
            .iter()
            .map(|blocked| blocked.agent.clone())
            .collect::<Vec<_>>(),
        [agent("m2")]
    );
    assert!(
        planned.stages[0]
            .agents
            .iter()
            .all(|agent| agent.running == [digest(1)])
    );
    let blockers = planned.blockers.join("\n");
    for word in [
        "waits for approval",
        "1 of 3 machine(s) cannot be assigned",
        "inconclusive",
    ] {
        assert!(blockers.contains(word), "{word} in {blockers}");
    }
    assert_eq!(
        planned.spec.timing.soak,
        Duration::from_secs(300),
        "defaults are filled in"
    );
    let id = bed
        .decide(|world, now| commands::start_rollout(world, request.clone(), &alice(), now))
        .expect("started")
        .id;
    let stages = planned.stages.iter().map(|stage| {
        stage
            .agents
            .iter()
            .map(|agent| agent.agent.clone())
            .collect::<Vec<_>>()
    });
    let frozen = bed
        .rollout(&id)
        .stages
        .iter()
        .map(|stage| stage.order.to_vec());
    assert_eq!(
        stages.collect::<Vec<_>>(),
        frozen.collect::<Vec<_>>(),
        "and the rollout does just that"
    );
}

#[test]
fn a_machine_is_in_the_first_stage_that_takes_it_and_the_left_out_are_named() {
    let mut bed = Bed::new(4);
    bed.enrol_with(
        "canary",
        true,
        Labels::from([("role".into(), "canary".into())]),
    );
    let canaries = StageSpec::of(Cohort::Selector(LabelSelector(Labels::from([(
        "role".into(),
        "canary".into(),
    )]))));
    let id = bed.roll_out(2, strategy(vec![canaries, count(2)]));
    let sizes: Vec<_> = bed
        .rollout(&id)
        .stages
        .iter()
        .map(|stage| stage.order.len())
        .collect();
    assert_eq!(sizes, [1, 2], "the canary is not taken twice");
    assert_eq!(bed.nth(&id, 0, 0), "canary");
    assert_eq!(bed.rollout(&id).left_out.len(), 2);
    let left = bed.rollout(&id).left_out[0].to_string();
    assert_eq!(bed.word(&id, &left), Some("not_a_member"));
    bed.drive();
    assert_eq!(*bed.running(&left), digest(1), "left out means left alone");
}

#[test]
fn labels_are_set_and_removed_one_by_one() {
    let mut bed = Bed::new(1);
    let set = |pairs: &[(&str, &str)]| SetLabels {
        agent: agent("m1"),
        labels: pairs
            .iter()
            .map(|(key, value)| ((*key).into(), (*value).into()))
            .collect(),
    };
    let first = set(&[("region", "ord"), ("tier", "free")]);
    bed.decide(|world, now| commands::set_labels(world, first.clone(), &alice(), now))
        .expect("set");
    let second = set(&[("tier", "")]);
    bed.decide(|world, now| commands::set_labels(world, second.clone(), &alice(), now))
        .expect("removed");
    assert_eq!(
        bed.world.agents[&agent("m1")].labels,
        Labels::from([("region".into(), "ord".into())]).into()
    );
    let bad = set(&[("Region", "ord")]);
    assert!(matches!(
        bed.decide(|world, now| commands::set_labels(world, bad.clone(), &alice(), now)),
        Err(Refusal::Invalid { .. })
    ));
}

#[test]
fn a_hold_says_why_and_does_not_end_before_it_begins() {
    let mut bed = Bed::new(1);
    let hold = |reason: &str, seconds: u64| HoldAgent {
        agent: agent("m1"),
        reason: reason.into(),
        expires_at: Some(pinion_model::Timestamp(1_000_000 + seconds)),
    };
    for bad in [hold(" ", 1), hold("why", 0)] {
        let refused = bed.decide(|world, now| commands::hold(world, bad.clone(), &alice(), now));
        assert!(matches!(refused, Err(Refusal::Invalid { .. })));
    }
    let notes = Promote {
        notes: "x".repeat(4097),
        ..promote(2, None)
    };
    assert!(matches!(
        bed.decide(|world, now| commands::promote(world, notes.clone(), &alice(), now)),
        Err(Refusal::Invalid { .. })
    ));
}
