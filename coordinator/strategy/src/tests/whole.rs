//! Strategies that say anything in every field, sensible or not.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pinion_model::{InUse, LabelSelector, Role, Timestamp};
use pinion_rollout::{
    Amount, Approval, Budget, Calendar, Check, Cohort, Comparison, Condition, Day, FailureAction,
    FailureGroup, Freeze, HttpGet, OfflinePolicy, PrefetchSpec, Probe, PromQuery, SickPolicy,
    StageSpec, Strategy as Asked, Supersede, TimeOfDay, Window,
};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

fn word() -> impl Strategy<Value = String> {
    "[a-z][a-z0-9]{0,6}"
}

fn named<T: std::str::FromStr<Err = pinion_model::ParseError> + std::fmt::Debug>()
-> impl Strategy<Value = T> {
    word().prop_map(|word| word.parse().expect("a word is a name"))
}

fn time() -> impl Strategy<Value = Duration> {
    let millis = 0..366 * 86_400_000_u64;
    prop_oneof![Just(0), millis].prop_map(Duration::from_millis)
}

fn amount() -> impl Strategy<Value = Amount> {
    prop_oneof![
        any::<u32>().prop_map(Amount::Count),
        (0..=100_u32).prop_map(Amount::Percent),
    ]
}

fn budget() -> impl Strategy<Value = Budget> {
    let sample = prop_oneof![Just(0), any::<u32>()];
    (amount(), sample).prop_map(|(amount, min_sample)| Budget { amount, min_sample })
}

fn budgets() -> impl Strategy<Value = BTreeMap<FailureGroup, Budget>> {
    btree_map(select(FailureGroup::ALL.to_vec()), budget(), 0..3)
}

fn labels(sizes: std::ops::Range<usize>) -> impl Strategy<Value = LabelSelector> {
    btree_map(word(), "[ -~ä\"'\\\\]{0,6}", sizes).prop_map(LabelSelector)
}

fn cohort() -> impl Strategy<Value = Cohort> {
    prop_oneof![
        (1..=u32::MAX).prop_map(Cohort::Count),
        (1..=100_u32).prop_map(Cohort::Percent),
        labels(1..3).prop_map(Cohort::Selector),
        Just(Cohort::Rest),
    ]
}

fn condition() -> impl Strategy<Value = Condition> {
    let comparison = select(vec![
        Comparison::Less,
        Comparison::AtLeast,
        Comparison::Unequal,
    ]);
    let number = (-1_000_000..1_000_000_i32).prop_map(|number| f64::from(number) / 128.0);
    (comparison, number).prop_map(|(of, number)| Condition::new(of, number).expect("finite"))
}

fn probe() -> impl Strategy<Value = Probe> {
    let text = || "[ -~\nä]{1,12}";
    let query = (text(), text(), condition(), option::of(condition()));
    let query = query.prop_map(|(url, query, success, failure)| {
        Probe::Prometheus(PromQuery {
            url,
            query,
            success,
            failure,
        })
    });
    let get = (text(), 200..=599_u16, option::of(text()));
    let get = get.prop_map(|(url, status, body_contains)| {
        Probe::Http(HttpGet {
            status,
            body_contains,
            ..HttpGet::of(url)
        })
    });
    prop_oneof![query, get]
}

fn check() -> impl Strategy<Value = Check> {
    let numbers = (1..=1000_u32, 0..=1000_u32, any::<bool>());
    let times = (time(), time());
    (named(), probe(), numbers, times).prop_map(|(name, probe, numbers, times)| Check {
        samples: numbers.0,
        failure_limit: numbers.1,
        dry_run: numbers.2,
        interval: times.0,
        timeout: times.1,
        ..Check::of(name, probe)
    })
}

fn stage() -> impl Strategy<Value = StageSpec> {
    let approval = select(vec![Approval::Automatic, Approval::Manual]);
    let approver = select(vec![Role::Operator, Role::Admin]);
    (
        option::of(named()),
        cohort(),
        (option::of(approval), option::of(approver)),
        (option::of(amount()), option::of(budget()), budgets()),
        (option::of(time()), option::of(time())),
        option::of(any::<u32>()),
        vec(check(), 0..3),
    )
        .prop_map(
            |(name, cohort, by, limits, times, min_proven, checks)| StageSpec {
                name,
                cohort,
                approval: by.0,
                approver: by.1,
                max_in_flight: limits.0,
                failure_budget: limits.1,
                budgets: limits.2,
                soak: times.0,
                bake: times.1,
                min_proven,
                checks,
            },
        )
}

fn window() -> impl Strategy<Value = Window> {
    let start = (0..24_u8, 0..60_u8).prop_map(|(hour, minute)| {
        let text = format!("{hour:02}:{minute:02}");
        text.parse::<TimeOfDay>().expect("a time of day")
    });
    let zone = select(vec!["UTC", "Europe/Berlin", "America/New_York"]);
    let days = btree_set(select(Day::ALL.to_vec()), 0..4);
    (labels(0..3), days, start, time(), zone).prop_map(|(agents, days, start, duration, zone)| {
        Window {
            agents,
            days,
            start,
            duration,
            time_zone: zone.parse().expect("a zone"),
        }
    })
}

fn freeze() -> impl Strategy<Value = Freeze> {
    let instant = || (0..4_000_000_000_000_u64).prop_map(Timestamp);
    (instant(), instant(), "[ -~\nä]{0,20}", labels(0..3)).prop_map(
        |(from, until, reason, agents)| Freeze {
            from,
            until,
            reason,
            agents,
        },
    )
}

fn calendar() -> impl Strategy<Value = Calendar> {
    (vec(window(), 0..3), vec(freeze(), 0..3))
        .prop_map(|(windows, freezes)| Calendar { windows, freezes })
}

fn prefetch() -> impl Strategy<Value = PrefetchSpec> {
    (option::of(amount()), option::of(budget())).prop_map(|(max_in_flight, failure_budget)| {
        PrefetchSpec {
            max_in_flight,
            failure_budget,
        }
    })
}

/// With a name and a version; each field that may be absent is so now and then.
pub(super) fn any_strategy() -> impl Strategy<Value = Asked> {
    let on_failure = select(vec![FailureAction::Halt, FailureAction::Rollback]);
    let offline = select(vec![
        OfflinePolicy::Wait,
        OfflinePolicy::Skip,
        OfflinePolicy::Fail,
    ]);
    let sick = select(vec![SickPolicy::Include, SickPolicy::Skip]);
    let supersede = select(vec![
        Supersede::Replace,
        Supersede::Queue,
        Supersede::Reject,
    ]);
    let words = (
        option::of(on_failure),
        option::of(offline),
        option::of(sick),
        option::of(supersede),
        option::of(word()),
        option::of(select(InUse::ALL.to_vec())),
    );
    let shares = (
        option::of(amount()),
        option::of(amount()),
        option::of(amount()),
        option::of(budget()),
        budgets(),
        option::of(prefetch()),
    );
    let times = vec(option::of(time()), 7);
    let flags = (option::of(any::<bool>()), option::of(any::<bool>()));
    let numbers = (option::of(1..=u32::MAX), option::of(1..=u32::MAX));
    let after = btree_set(named(), 0..3);
    let lists = (vec(stage(), 0..3), after, calendar());
    (named(), words, shares, times, flags, numbers, lists).prop_map(
        |(name, words, shares, times, flags, numbers, lists)| Asked {
            name: Some(name),
            version: numbers.0,
            stages: lists.0,
            spread_by: words.4,
            prefetch: shares.5,
            on_failure: words.0,
            rollback_in_flight: shares.0,
            max_in_flight: shares.1,
            max_unavailable: shares.2,
            count_baseline: flags.0,
            strict: flags.1,
            failure_budget: shares.3,
            budgets: shares.4,
            min_healthy: times[0],
            healthy_deadline: times[1],
            progress_deadline: times[2],
            start_within: times[3],
            soak: times[4],
            in_use: words.5,
            defer_within: times[6],
            offline: words.1,
            offline_grace: times[5],
            sick: words.2,
            quarantine_after: numbers.1,
            supersede: words.3,
            after: BTreeSet::from_iter(lists.1),
            calendar: lists.2,
        },
    )
}
