//! What cannot be is refused when it is asked for: every fault at once, each
//! with its path.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pinion_model::{LabelSelector, RolloutPhase};

use super::bed::{Bed, alice, count, percent, rest, strategy};
use crate::{
    Amount, Calendar, Cohort, FailureGroup, Fault, Gate, PrefetchSpec, Refusal, StageSpec,
    Strategy, Window, commands,
};

const DAY: u64 = 86_400;

fn selecting(key: &str, value: &str) -> StageSpec {
    let labels = BTreeMap::from([(key.to_owned(), value.to_owned())]);
    StageSpec::of(Cohort::Selector(LabelSelector(labels)))
}

fn named(name: &str, stage: StageSpec) -> StageSpec {
    StageSpec {
        name: name.parse().ok(),
        ..stage
    }
}

fn started(bed: &mut Bed, strategy: &Strategy, agents: &[(&str, &str)]) -> Result<(), Refusal> {
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
fn bed() -> Bed {
    let mut bed = Bed::new(1);
    let labels = BTreeMap::from([("region".to_owned(), "ord".to_owned())]);
    bed.enrol_with("ord-1", true, labels);
    bed.promote(2);
    bed
}

fn faults(strategy: &Strategy, agents: &[(&str, &str)]) -> Vec<Fault> {
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

type Edit = fn(&mut Strategy);

/// Every limit and duration of a strategy, and of a stage of it.
#[test]
fn limits_and_durations_that_cannot_be_are_refused() {
    let cases: &[(Edit, &str, &str)] = &[
        (
            |s| s.min_healthy = secs(300),
            "min_healthy",
            "must be less than healthy_deadline",
        ),
        (
            |s| s.healthy_deadline = secs(600),
            "healthy_deadline",
            "must be less than progress_deadline",
        ),
        (
            |s| s.progress_deadline = secs(367 * DAY),
            "progress_deadline",
            "at most 366 days",
        ),
        (|s| s.start_within = secs(0), "start_within", "more than 0"),
        (
            |s| s.start_within = secs(367 * DAY),
            "start_within",
            "at most 366 days",
        ),
        (|s| s.soak = secs(367 * DAY), "soak", "at most 366 days"),
        (
            |s| s.offline_grace = secs(367 * DAY),
            "offline_grace",
            "at most 366 days",
        ),
        (
            |s| s.stages[0].soak = secs(367 * DAY),
            "stages[0].soak",
            "at most 366 days",
        ),
        (
            |s| s.stages[0].bake = secs(367 * DAY),
            "stages[0].bake",
            "at most 366 days",
        ),
        (
            |s| s.max_in_flight = Some(Amount::Count(0)),
            "max_in_flight",
            "at least 1",
        ),
        (
            |s| s.max_in_flight = Some(Amount::Percent(0)),
            "max_in_flight",
            "at least 1",
        ),
        (
            |s| s.max_in_flight = Some(Amount::Percent(101)),
            "max_in_flight",
            "0 to 100 percent; got 101",
        ),
        (
            |s| s.max_unavailable = Some(Amount::Count(0)),
            "max_unavailable",
            "at least 1",
        ),
        (
            |s| s.max_unavailable = Some(Amount::Percent(200)),
            "max_unavailable",
            "got 200",
        ),
        (
            |s| s.rollback_in_flight = Some(Amount::Percent(0)),
            "rollback_in_flight",
            "at least 1",
        ),
        (
            |s| s.failure_budget = Some(Amount::Percent(101).into()),
            "failure_budget",
            "got 101",
        ),
        (
            |s| {
                s.budgets
                    .extend([(FailureGroup::Pull, Amount::Percent(101).into())])
            },
            "budgets.pull",
            "got 101",
        ),
        (
            |s| s.quarantine_after = Some(0),
            "quarantine_after",
            "at least 1 machine",
        ),
        (
            |s| s.spread_by = Some(String::new()),
            "spread_by",
            "a label's key must be",
        ),
        (
            |s| s.spread_by = Some("Up Link".to_owned()),
            "spread_by",
            "a label's key must be",
        ),
        (
            |s| {
                s.prefetch = Some(PrefetchSpec {
                    max_in_flight: Some(Amount::Count(0)),
                    failure_budget: None,
                })
            },
            "prefetch.max_in_flight",
            "at least 1",
        ),
        (
            |s| {
                s.prefetch = Some(PrefetchSpec {
                    max_in_flight: None,
                    failure_budget: Some(Amount::Percent(101).into()),
                });
            },
            "prefetch.failure_budget",
            "got 101",
        ),
        (
            |s| s.stages[0].max_in_flight = Some(Amount::Percent(0)),
            "stages[0].max_in_flight",
            "at least 1",
        ),
        (
            |s| s.stages[0].failure_budget = Some(Amount::Percent(101).into()),
            "stages[0].failure_budget",
            "got 101",
        ),
        (
            |s| {
                s.stages[0]
                    .budgets
                    .extend([(FailureGroup::Offline, Amount::Percent(101).into())])
            },
            "stages[0].budgets.offline",
            "got 101",
        ),
        (
            |s| s.stages[0].approver = Some(pinion_model::Role::Viewer),
            "stages[0].approver",
            "operator or admin",
        ),
        (
            |s| s.calendar.windows.push(window()),
            "windows[0].duration",
            "",
        ),
    ];
    for (edit, path, words) in cases {
        let mut rules = strategy(vec![rest()]);
        edit(&mut rules);
        let told = faults(&rules, &[]);
        assert_eq!(told.len(), 1, "{path}: {told:?}");
        assert_eq!(told[0].path, format!("strategy.{path}"));
        assert!(told[0].message.contains(words), "{}", told[0]);
    }
}

/// The last that fits, next to each fault.
#[test]
fn limits_and_durations_at_their_bounds_are_taken() {
    let cases: &[Edit] = &[
        |s| s.min_healthy = Some(Duration::from_millis(299_999)),
        |s| s.healthy_deadline = Some(Duration::from_millis(599_999)),
        |s| s.progress_deadline = secs(366 * DAY),
        |s| s.start_within = Some(Duration::from_millis(1)),
        |s| s.soak = secs(366 * DAY),
        |s| s.soak = secs(0),
        |s| s.max_in_flight = Some(Amount::Percent(100)),
        |s| s.max_in_flight = Some(Amount::Count(1)),
        |s| s.max_unavailable = Some(Amount::Percent(1)),
        |s| s.failure_budget = Some(Amount::Percent(0).into()),
        |s| s.failure_budget = Some(Amount::Percent(100).into()),
        |s| {
            s.budgets
                .extend([(FailureGroup::Start, Amount::Count(0).into())])
        },
        |s| s.quarantine_after = Some(1),
        |s| s.spread_by = Some("uplink".to_owned()),
        |s| s.stages[0].min_proven = Some(0),
    ];
    for (number, edit) in cases.iter().enumerate() {
        let mut rules = strategy(vec![rest()]);
        edit(&mut rules);
        assert_eq!(faults(&rules, &[]), [], "case {number}");
    }
}

fn secs(seconds: u64) -> Option<Duration> {
    Some(Duration::from_secs(seconds))
}

/// One that is open too short.
fn window() -> Window {
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

#[test]
fn a_selector_that_matches_no_machine_is_refused_when_a_rollout_is_started() {
    let lhr = || {
        strategy(vec![
            selecting("region", "ord"),
            selecting("region", "lhr"),
            rest(),
        ])
    };
    let told = faults(&lhr(), &[]);
    assert_eq!(
        told,
        [Fault::new(
            "strategy.stages[1].selector",
            "no machine that is selected has the labels region=lhr"
        )]
    );
    let told = faults(&lhr(), &[("region", "ams")]);
    assert_eq!(
        told,
        [Fault::new(
            "agents",
            "no enrolled machine has the labels region=ams"
        )]
    );
    let within = faults(
        &strategy(vec![selecting("tier", ""), rest()]),
        &[("region", "ord")],
    );
    assert_eq!(within[0].path, "strategy.stages[0].selector");
}

#[test]
fn a_machine_that_is_revoked_is_matched_by_nothing() {
    let mut bed = bed();
    let id = super::bed::agent("ord-1");
    bed.decide(|world, now| commands::revoke_agent(world, id.clone(), "", &alice(), now))
        .expect("revoked");
    let rules = strategy(vec![selecting("region", "ord"), rest()]);
    let refused = started(&mut bed, &rules, &[]).expect_err("nobody has it any more");
    assert!(
        refused
            .to_string()
            .starts_with("strategy.stages[0].selector"),
        "{refused}"
    );
}

#[test]
fn machines_that_no_stage_takes_are_told_when_there_is_nobody_else() {
    let rules = strategy(vec![selecting("region", "ord")]);
    let mut bed = Bed::new(1);
    bed.promote(2);
    let refused = started(&mut bed, &rules, &[]).expect_err("no stage takes it");
    assert!(
        refused.to_string().contains("strategy.stages[0].selector"),
        "{refused}"
    );
}

#[test]
fn a_promotion_whose_stage_matches_nobody_succeeds_and_its_rollout_goes_on() {
    let mut bed = bed();
    let stages = strategy(vec![selecting("region", "lhr"), rest()]);
    let id = bed.promote_auto(3, stages);
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::Completed);
    assert_eq!(bed.rollout(&id).stages[0].note, "no machine is in it");
    let only = strategy(vec![selecting("region", "lhr")]);
    let id = bed.promote_auto(4, only);
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::Halted);
    assert_eq!(bed.rollout(&id).halted_by, Some(Gate::Nobody));
}

#[test]
fn a_preview_tells_of_a_selector_that_matches_nobody_as_a_blocker() {
    let bed = bed();
    let request = commands::StartRollout {
        workload: bed.workload.clone(),
        pin: None,
        strategy: strategy(vec![selecting("region", "lhr"), rest()]),
        agents: LabelSelector::default(),
        reason: String::new(),
    };
    let planned = commands::plan_rollout(&bed.world, &request, bed.now).expect("a preview");
    let told = "strategy.stages[0].selector: no machine that is selected has the labels region=lhr";
    assert!(
        planned.blockers.iter().any(|line| line == told),
        "{:?}",
        planned.blockers
    );
}
