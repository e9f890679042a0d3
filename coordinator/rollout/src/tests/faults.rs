//! What cannot be is refused when it is asked for: every fault at once, each
//! with its path.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pinion_model::LabelSelector;

use super::bed::{Bed, alice, count, percent, rest, strategy};
use crate::{
    Amount, Calendar, Cohort, FailureGroup, Fault, Refusal, StageSpec, Strategy, Window, commands,
};

pub(super) const DAY: u64 = 86_400;

pub(super) fn selecting(key: &str, value: &str) -> StageSpec {
    let labels = BTreeMap::from([(key.to_owned(), value.to_owned())]);
    StageSpec::of(Cohort::Selector(LabelSelector(labels)))
}

fn named(name: &str, stage: StageSpec) -> StageSpec {
    StageSpec {
        name: name.parse().ok(),
        ..stage
    }
}

pub(super) fn started(
    bed: &mut Bed,
    strategy: &Strategy,
    agents: &[(&str, &str)],
) -> Result<(), Refusal> {
    let labels = agents.iter();
    let labels = labels.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    let request = commands::StartRollout {
        workload: bed.workload.clone(),
        pin: None,
        strategy: strategy.clone(),
        agents: LabelSelector(labels.collect()),
        reason: String::new(),
    };
    bed.decide(|world, now| commands::start_rollout(world, request.clone(), &alice(), now))
        .map(|_| ())
}

/// Two machines, one of which is `region=ord`.
pub(super) fn bed() -> Bed {
    let mut bed = Bed::new(1);
    let labels = BTreeMap::from([("region".to_owned(), "ord".to_owned())]);
    bed.enrol_with("ord-1", true, labels);
    bed.promote(2);
    bed
}

pub(super) fn faults(strategy: &Strategy, agents: &[(&str, &str)]) -> Vec<Fault> {
    match started(&mut bed(), strategy, agents) {
        Ok(()) => Vec::new(),
        Err(Refusal::Invalid { faults }) => faults,
        Err(other) => panic!("refused otherwise: {other}"),
    }
}

fn paths(strategy: &Strategy) -> Vec<String> {
    let faults = faults(strategy, &[]).into_iter();
    faults.map(|fault| fault.path).collect()
}

/// Paths below the strategy, with words that stand there.
type Told = &'static [(&'static str, &'static str)];

/// Who is in which stage, and what is wrong there.
#[test]
fn stages_that_contradict_each_other_are_refused() {
    let many = || (0..101).map(|_| count(1)).collect::<Vec<_>>();
    let cases: Vec<(Vec<StageSpec>, Told)> = vec![
        (vec![count(0), rest()], &[("stages[0].count", "at least 1")]),
        (
            vec![percent(0), rest()],
            &[("stages[0].percent", "1 to 100; got 0")],
        ),
        (
            vec![percent(101)],
            &[("stages[0].percent", "1 to 100; got 101")],
        ),
        (
            vec![StageSpec::of(Cohort::Selector(LabelSelector::default()))],
            &[("stages[0].selector", "needs at least one label")],
        ),
        (
            vec![selecting("Region", "ord")],
            &[
                ("stages[0].selector", "a label's key must be"),
                (
                    "stages[0].selector",
                    "no machine that is selected has the labels",
                ),
            ],
        ),
        (
            vec![rest(), count(1)],
            &[(
                "stages[1]",
                "overlaps stage 1, which takes every machine that is left",
            )],
        ),
        (
            vec![percent(100), rest()],
            &[(
                "stages[1]",
                "overlaps stage 1, which takes every machine that is left",
            )],
        ),
        (
            vec![selecting("region", ""), selecting("region", "ord"), rest()],
            &[(
                "stages[1].selector",
                "overlaps stage 1, whose selector takes all of its machines",
            )],
        ),
        (
            vec![
                selecting("region", "ord"),
                selecting("region", "ord"),
                rest(),
            ],
            &[("stages[1].selector", "overlaps stage 1")],
        ),
        (
            vec![percent(50), count(1), percent(50), rest()],
            &[("stages[2].percent", "must be more than 50; got 50")],
        ),
        (
            vec![percent(50), percent(20), rest()],
            &[("stages[1].percent", "must be more than 50; got 20")],
        ),
        (
            vec![percent(10), percent(60)],
            &[("stages", "the shares end at 60 percent")],
        ),
        (
            vec![named("a", count(1)), named("a", rest())],
            &[("stages[1].name", "\"a\" is the name of two stages")],
        ),
        (
            vec![count(1), named("1", rest())],
            &[("stages[1].name", "\"1\" is the name of two stages")],
        ),
        (many(), &[("stages", "at most 100 stages; got 101")]),
    ];
    for (stages, expected) in cases {
        let told = faults(&strategy(stages), &[]);
        assert_eq!(told.len(), expected.len(), "{told:?}");
        for (fault, (path, words)) in told.iter().zip(expected) {
            assert_eq!(fault.path, format!("strategy.{path}"));
            assert!(fault.message.contains(words), "{fault}");
        }
    }
}

/// What is next to a fault is not refused.
#[test]
fn stages_that_fit_are_taken() {
    for stages in [
        Vec::new(),
        vec![count(1)],
        vec![percent(100)],
        vec![percent(1), percent(100)],
        vec![percent(10), count(1), rest()],
        vec![selecting("region", "ord"), selecting("region", "")],
        vec![selecting("region", "ord"), rest()],
        vec![named("a", count(1)), named("b", rest())],
        (0..100).map(|_| count(1)).collect(),
    ] {
        assert_eq!(faults(&strategy(stages.clone()), &[]), [], "{stages:?}");
    }
}

pub(super) fn secs(seconds: u64) -> Option<Duration> {
    Some(Duration::from_secs(seconds))
}

/// One that is open too short.
pub(super) fn window() -> Window {
    Window {
        agents: LabelSelector::default(),
        days: BTreeSet::new(),
        start: "02:00".parse().expect("a time of day"),
        duration: Duration::from_secs(1),
        time_zone: "UTC".parse().expect("a time zone"),
    }
}

#[test]
fn every_fault_is_told_at_once_each_with_its_path() {
    let rules = Strategy {
        min_healthy: secs(301),
        start_within: secs(0),
        max_unavailable: Some(Amount::Count(0)),
        budgets: BTreeMap::from([(FailureGroup::Health, Amount::Percent(102).into())]),
        spread_by: Some("UP".to_owned()),
        calendar: Calendar::default(),
        ..strategy(vec![
            named("a", count(0)),
            named("a", selecting("region", "lhr")),
            StageSpec {
                bake: secs(400 * DAY),
                max_in_flight: Some(Amount::Percent(0)),
                ..percent(50)
            },
        ])
    };
    assert_eq!(
        paths(&rules),
        [
            "strategy.stages[0].count",
            "strategy.stages[1].name",
            "strategy.stages",
            "strategy.min_healthy",
            "strategy.start_within",
            "strategy.stages[2].bake",
            "strategy.budgets.health",
            "strategy.stages[2].max_in_flight",
            "strategy.max_unavailable",
            "strategy.spread_by",
            "strategy.stages[1].selector",
        ]
    );
}
