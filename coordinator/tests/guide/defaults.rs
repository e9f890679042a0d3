use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pinion_model::{LabelSelector, WorkloadName};
use pinion_rollout::commands::plan_rollout;
use pinion_rollout::{Amount, Budget, Check, Cohort, Probe, Spec, StageRules, Strategy};
use serde::Serialize;

use super::fleet::{NIGHT, begin, pin, world};
use super::{configured, table};

fn app() -> WorkloadName {
    "app".parse().expect("a name")
}

/// The strategy with every default filled in, by the engine.
fn filled(strategy: Strategy) -> Spec {
    let mut world = world(3, &app());
    let request = pin(&mut world, &app(), strategy, LabelSelector::default());
    plan_rollout(&world, &request, NIGHT).expect("a plan").spec
}

/// A value as it is written in TOML.
fn word(value: impl Serialize) -> String {
    serde_json::to_string(&value).expect("a word")
}

fn amount(amount: Amount) -> String {
    match amount {
        Amount::Count(count) => count.to_string(),
        Amount::Percent(percent) => format!("\"{percent}%\""),
    }
}

fn duration(duration: Duration) -> String {
    match duration.as_secs() {
        0 => "\"0\"".to_owned(),
        seconds if seconds % 3600 == 0 => format!("\"{}h\"", seconds / 3600),
        seconds if seconds % 60 == 0 => format!("\"{}m\"", seconds / 60),
        seconds => format!("\"{seconds}s\""),
    }
}

/// "none" if that is what the engine has without it.
fn none(is_none: bool, otherwise: &str) -> String {
    let words = if is_none { otherwise } else { "something else" };
    words.to_owned()
}

fn stages(stages: &[StageRules]) -> String {
    let stages = stages.iter().map(|stage| match &stage.cohort {
        Cohort::Count(1) => "1 machine".to_owned(),
        Cohort::Count(count) => format!("{count} machines"),
        Cohort::Percent(percent) => format!("{percent} %"),
        Cohort::Rest => "the rest".to_owned(),
        Cohort::Selector(selector) => selector.to_string(),
    });
    stages.collect::<Vec<_>>().join(", ")
}

/// What stages and the prefetch take from a strategy that says something else than usual.
fn inherited() -> Vec<(&'static str, String)> {
    let lines = "max_in_flight = 7\nfailure_budget = 5\nbudgets = { pull = 3 }\nsoak = \"77s\"\nprefetch = true\nstage = [ { count = 1 }, { rest = true } ]";
    let spec = filled(configured(lines).expect("a strategy"));
    let [first, second] = spec.stages.as_slice() else {
        panic!("two stages");
    };
    let of = |same: bool| none(same, "the strategy's");
    let five = Budget::from(Amount::Count(5));
    let strict_first = first.failure_budget == Amount::Count(0).into();
    let prefetch = spec.prefetch.expect("asked for");
    vec![
        (
            "stage.max_in_flight",
            of(second.max_in_flight == Amount::Count(7)),
        ),
        (
            "stage.failure_budget",
            none(
                strict_first && second.failure_budget == five,
                "0 in the first stage, then the strategy's",
            ),
        ),
        ("stage.budgets", of(second.budgets == spec.budgets)),
        ("stage.soak", of(second.soak == Duration::from_secs(77))),
        (
            "prefetch.failure_budget",
            of(prefetch.failure_budget == five),
        ),
        ("prefetch.max_in_flight", amount(prefetch.max_in_flight)),
    ]
}

fn of_stages(spec: &Spec) -> Vec<(&'static str, String)> {
    let numbered = spec.stages.iter().zip(1..);
    let numbered = numbered.fold(true, |so_far, (stage, number)| {
        so_far && stage.name.as_str() == number.to_string()
    });
    let first = &spec.stages[0];
    vec![
        ("stage", stages(&spec.stages)),
        ("stage.name", none(numbered, "its number")),
        ("stage.approval", word(first.approval)),
        ("stage.approver", word(first.approver)),
        ("stage.bake", duration(first.bake)),
        ("stage.min_proven", first.min_proven.to_string()),
        ("stage.checks", none(first.checks.is_empty(), "none")),
    ]
}

fn of_strategy(spec: &Spec) -> Vec<(&'static str, String)> {
    vec![
        ("spread_by", none(spec.spread_by.is_none(), "none")),
        ("prefetch", spec.prefetch.is_some().to_string()),
        ("max_in_flight", amount(spec.max_in_flight)),
        (
            "max_unavailable",
            none(spec.max_unavailable.is_none(), "no limit"),
        ),
        ("count_baseline", spec.count_baseline.to_string()),
        ("strict", spec.strict.to_string()),
        ("failure_budget", amount(spec.failure_budget.amount)),
        (
            "failure_budget.min_sample",
            spec.failure_budget.min_sample.to_string(),
        ),
        ("budgets", none(spec.budgets.is_empty(), "none")),
        ("on_failure", word(spec.on_failure)),
        ("rollback_in_flight", amount(spec.rollback_in_flight)),
        ("quarantine_after", quarantine_after()),
        ("min_healthy", duration(spec.timing.min_healthy)),
        ("healthy_deadline", duration(spec.timing.healthy_deadline)),
        ("progress_deadline", duration(spec.progress_deadline)),
        ("start_within", duration(spec.timing.start_within)),
        ("soak", duration(spec.timing.soak)),
        ("in_use", word(spec.timing.in_use)),
        ("defer_within", duration(spec.timing.defer_within)),
        ("offline", word(spec.offline)),
        ("offline_grace", duration(spec.offline_grace)),
        ("sick", word(spec.sick)),
        ("supersede", word(spec.supersede)),
        ("after", none(spec.after.is_empty(), "none")),
        ("window", none(spec.calendar.windows.is_empty(), "any time")),
        ("freeze", none(spec.calendar.freezes.is_empty(), "none")),
    ]
}

/// It follows the size of the fleet.
fn quarantine_after() -> String {
    let after = |machines| {
        let mut world = world(machines, &app());
        let strategy = Strategy::default();
        let request = pin(&mut world, &app(), strategy, LabelSelector::default());
        begin(&mut world, request).quarantine_after
    };
    let as_told = after(10) == 3 && after(300) == 3 && after(400) == 4;
    none(as_told, "1 %, at least 3")
}

/// A table that is read with one key after the other left out.
struct Below {
    path: &'static str,
    before: &'static str,
    after: &'static str,
    keys: &'static [(&'static str, &'static str)],
}

const TABLES: [Below; 4] = [
    Below {
        path: "stage.checks.prometheus",
        before: "stage = [ { rest = true, checks = [ { name = \"a\", prometheus = { ",
        after: " } } ] } ]",
        keys: &[
            ("url", "\"http://p:9090\""),
            ("query", "\"up\""),
            ("success", "\"> 0\""),
        ],
    },
    Below {
        path: "stage.checks.http",
        before: "stage = [ { rest = true, checks = [ { name = \"a\", http = { ",
        after: " } } ] } ]",
        keys: &[("url", "\"http://p\"")],
    },
    Below {
        path: "window",
        before: "window = [ { ",
        after: " } ]",
        keys: &[
            ("start", "\"22:00\""),
            ("duration", "\"4h\""),
            ("time_zone", "\"Europe/Berlin\""),
        ],
    },
    Below {
        path: "freeze",
        before: "freeze = [ { ",
        after: " } ]",
        keys: &[
            ("from", "\"2030-12-20T00:00:00Z\""),
            ("until", "\"2031-01-03T00:00:00Z\""),
            ("reason", "\"holidays\""),
        ],
    },
];

impl Below {
    fn without(&self, left_out: Option<&str>) -> String {
        let keys = self.keys.iter().filter(|(key, _)| Some(*key) != left_out);
        let keys: Vec<_> = keys
            .map(|(key, value)| format!("{key} = {value}"))
            .collect();
        format!("{}{}{}", self.before, keys.join(", "), self.after)
    }

    /// Those without which it is refused have no default.
    fn needed(&self) -> Vec<(String, String)> {
        configured(&self.without(None)).unwrap_or_else(|error| panic!("{error}"));
        for (key, _) in self.keys {
            let refused = configured(&self.without(Some(key)));
            let error = refused.expect_err("it is needed").to_string();
            assert!(error.contains(key), "{error}");
        }
        let keys = self.keys.iter();
        keys.map(|(key, _)| (format!("{}.{key}", self.path), String::new()))
            .collect()
    }
}

fn of_checks() -> Vec<(&'static str, String)> {
    let lines = TABLES[1].without(None);
    let strategy = configured(&lines).expect("a strategy");
    let Check {
        interval,
        samples,
        failure_limit,
        timeout,
        dry_run,
        probe: Probe::Http(get),
        ..
    } = &strategy.stages[0].checks[0]
    else {
        panic!("it asks a web page");
    };
    vec![
        ("stage.checks.interval", duration(*interval)),
        ("stage.checks.samples", samples.to_string()),
        ("stage.checks.failure_limit", failure_limit.to_string()),
        ("stage.checks.timeout", duration(*timeout)),
        ("stage.checks.dry_run", dry_run.to_string()),
        ("stage.checks.http.status", get.status.to_string()),
        (
            "stage.checks.http.body_contains",
            none(get.body_contains.is_none(), "any body"),
        ),
    ]
}

fn of_calendar() -> Vec<(&'static str, String)> {
    let lines = format!("{}\n{}", TABLES[2].without(None), TABLES[3].without(None));
    let calendar = configured(&lines).expect("a strategy").calendar;
    let (window, freeze) = (&calendar.windows[0], &calendar.freezes[0]);
    let every = |selector: &LabelSelector| none(selector.0.is_empty(), "every machine");
    vec![
        ("window.selector", every(&window.agents)),
        ("window.days", none(window.days.is_empty(), "every day")),
        ("freeze.selector", every(&freeze.agents)),
    ]
}

#[test]
fn the_table_has_the_defaults_that_are_filled_in() {
    let spec = filled(Strategy::default());
    let mut real: BTreeMap<_, _> = [
        of_strategy(&spec),
        of_stages(&spec),
        inherited(),
        of_checks(),
        of_calendar(),
    ]
    .into_iter()
    .flatten()
    .map(|(key, default)| (key.to_owned(), default))
    .collect();
    real.extend(TABLES.iter().flat_map(Below::needed));
    // One of several, or nothing that could have a default.
    let bare = [
        "stage.count",
        "stage.percent",
        "stage.selector",
        "stage.rest",
        "stage.checks.name",
        "stage.checks.prometheus",
        "stage.checks.prometheus.failure",
        "stage.checks.http",
        "failure_budget.amount",
    ];
    real.extend(bare.map(|key| (key.to_owned(), String::new())));
    let told: BTreeMap<_, _> = table().into_iter().collect();
    let keys: BTreeSet<_> = told.keys().chain(real.keys()).collect();
    for key in keys {
        assert_eq!(told.get(key), real.get(key), "{key}: told, and real");
    }
}

#[test]
fn every_default_can_be_written_as_it_stands() {
    let written = table().into_iter().filter(|(key, default)| {
        let literal = default.starts_with(['"', 't', 'f']) || default.parse::<u32>().is_ok();
        !key.contains('.') && literal
    });
    let written: Vec<_> = written.collect();
    assert!(written.len() > 15, "{written:?}");
    for (key, default) in written {
        let read = configured(&format!("{key} = {default}"));
        read.unwrap_or_else(|error| panic!("{key} = {default}: {error}"));
    }
}
