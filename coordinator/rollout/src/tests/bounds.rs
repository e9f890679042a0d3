//! Limits and durations that can be, and that cannot.

use std::time::Duration;

use super::bed::{rest, strategy};
use super::faults::{DAY, faults, secs, window};
use crate::{Amount, FailureGroup, PrefetchSpec, Strategy};

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
