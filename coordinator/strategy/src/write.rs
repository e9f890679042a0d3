//! Writes a strategy as the TOML that reads back as the same one.

use std::collections::BTreeMap;
use std::time::Duration;

use pinion_model::{LabelSelector, StrategyName, written};
use pinion_rollout::{
    Amount, Budget, Check, Cohort, FailureGroup, Freeze, HttpGet, PrefetchSpec, Probe, StageSpec,
    Strategy, Window,
};
use toml::{Table, Value};

use crate::words::{APPROVAL, APPROVER, IN_USE, OFFLINE, ON_FAILURE, SICK, SUPERSEDE, word_for};

/// `[strategy.NAME]` with all that was asked for; what is absent stays absent.
#[must_use]
pub fn write(name: &StrategyName, strategy: &Strategy) -> String {
    let named = Table::from_iter([(name.to_string(), Value::Table(keys(strategy)))]);
    let document = Table::from_iter([("strategy".to_owned(), Value::Table(named))]);
    toml::to_string(&document).expect("a table of texts, numbers and tables is TOML")
}

/// A table that grows key by key; what is absent gets none.
#[derive(Default)]
struct Keys(Table);

impl Keys {
    fn put(&mut self, key: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.0.insert(key.to_owned(), value.into());
        }
    }

    fn word<T: PartialEq>(&mut self, key: &str, words: &[(&'static str, T)], value: Option<T>) {
        self.put(key, value.and_then(|value| word_for(words, &value)));
    }

    fn time(&mut self, key: &str, value: Option<Duration>) {
        self.put(key, value.map(written));
    }

    fn list(&mut self, key: &str, items: Vec<Value>) {
        self.put(key, (!items.is_empty()).then_some(items));
    }

    fn labels(&mut self, key: &str, selector: &LabelSelector) {
        self.put(key, (!selector.0.is_empty()).then(|| labels(selector)));
    }
}

fn keys(strategy: &Strategy) -> Table {
    let mut keys = Keys::default();
    keys.list("stage", strategy.stages.iter().map(stage).collect());
    keys.put("spread_by", strategy.spread_by.clone());
    keys.put("prefetch", strategy.prefetch.as_ref().map(prefetch));
    keys.word("on_failure", &ON_FAILURE, strategy.on_failure);
    keys.put(
        "rollback_in_flight",
        strategy.rollback_in_flight.map(amount),
    );
    keys.put("max_in_flight", strategy.max_in_flight.map(amount));
    keys.put("max_unavailable", strategy.max_unavailable.map(amount));
    keys.put("count_baseline", strategy.count_baseline);
    keys.put("strict", strategy.strict);
    keys.put("failure_budget", strategy.failure_budget.map(budget));
    keys.put("budgets", budgets(&strategy.budgets));
    keys.time("min_healthy", strategy.min_healthy);
    keys.time("healthy_deadline", strategy.healthy_deadline);
    keys.time("progress_deadline", strategy.progress_deadline);
    keys.time("start_within", strategy.start_within);
    keys.time("soak", strategy.soak);
    keys.word("in_use", &IN_USE, strategy.in_use);
    keys.time("defer_within", strategy.defer_within);
    keys.word("offline", &OFFLINE, strategy.offline);
    keys.time("offline_grace", strategy.offline_grace);
    keys.word("sick", &SICK, strategy.sick);
    keys.put("quarantine_after", strategy.quarantine_after.map(i64::from));
    keys.word("supersede", &SUPERSEDE, strategy.supersede);
    keys.list("after", strategy.after.iter().map(text).collect());
    let calendar = &strategy.calendar;
    keys.list("window", calendar.windows.iter().map(window).collect());
    keys.list("freeze", calendar.freezes.iter().map(freeze).collect());
    keys.0
}

fn stage(stage: &StageSpec) -> Value {
    let mut keys = Keys::default();
    keys.put("name", stage.name.as_ref().map(text));
    match &stage.cohort {
        Cohort::Count(count) => keys.put("count", Some(i64::from(*count))),
        Cohort::Percent(percent) => keys.put("percent", Some(i64::from(*percent))),
        Cohort::Selector(selector) => keys.put("selector", Some(labels(selector))),
        Cohort::Rest => keys.put("rest", Some(true)),
    }
    keys.word("approval", &APPROVAL, stage.approval);
    keys.word("approver", &APPROVER, stage.approver);
    keys.put("max_in_flight", stage.max_in_flight.map(amount));
    keys.put("failure_budget", stage.failure_budget.map(budget));
    keys.put("budgets", budgets(&stage.budgets));
    keys.time("soak", stage.soak);
    keys.time("bake", stage.bake);
    keys.put("min_proven", stage.min_proven.map(i64::from));
    keys.list("checks", stage.checks.iter().map(check).collect());
    keys.0.into()
}

/// Only what differs from what is usual.
fn check(check: &Check) -> Value {
    let usual = Check::of(check.name.clone(), check.probe.clone());
    let mut keys = Keys::default();
    keys.put("name", Some(text(&check.name)));
    match &check.probe {
        Probe::Prometheus(query) => {
            let mut asked = Keys::default();
            asked.put("url", Some(query.url.clone()));
            asked.put("query", Some(query.query.clone()));
            asked.put("success", Some(text(&query.success)));
            asked.put("failure", query.failure.as_ref().map(text));
            keys.put("prometheus", Some(asked.0));
        }
        Probe::Http(get) => keys.put("http", Some(http(get))),
    }
    let differs = |value: Duration, usual: Duration| (value != usual).then_some(value);
    keys.time("interval", differs(check.interval, usual.interval));
    let differs = |value: u32, usual: u32| (value != usual).then_some(i64::from(value));
    keys.put("samples", differs(check.samples, usual.samples));
    keys.put(
        "failure_limit",
        differs(check.failure_limit, usual.failure_limit),
    );
    let timeout = (check.timeout != usual.timeout).then_some(check.timeout);
    keys.time("timeout", timeout);
    keys.put("dry_run", check.dry_run.then_some(true));
    keys.0.into()
}

fn http(get: &HttpGet) -> Table {
    let usual = HttpGet::of(&get.url);
    let mut keys = Keys::default();
    keys.put("url", Some(get.url.clone()));
    let status = (get.status != usual.status).then_some(i64::from(get.status));
    keys.put("status", status);
    keys.put("body_contains", get.body_contains.clone());
    keys.0
}

fn prefetch(prefetch: &PrefetchSpec) -> Value {
    let mut keys = Keys::default();
    keys.put("max_in_flight", prefetch.max_in_flight.map(amount));
    keys.put("failure_budget", prefetch.failure_budget.map(budget));
    if keys.0.is_empty() {
        return true.into();
    }
    keys.0.into()
}

fn window(window: &Window) -> Value {
    let mut keys = Keys::default();
    keys.labels("selector", &window.agents);
    keys.list("days", window.days.iter().map(text).collect());
    keys.put("start", Some(text(&window.start)));
    keys.time("duration", Some(window.duration));
    keys.put("time_zone", Some(text(&window.time_zone)));
    keys.0.into()
}

fn freeze(freeze: &Freeze) -> Value {
    let mut keys = Keys::default();
    keys.labels("selector", &freeze.agents);
    keys.put("from", Some(text(&freeze.from)));
    keys.put("until", Some(text(&freeze.until)));
    keys.put("reason", Some(freeze.reason.clone()));
    keys.0.into()
}

/// `3`, or `"10%"`.
fn amount(amount: Amount) -> Value {
    match amount {
        Amount::Count(count) => i64::from(count).into(),
        Amount::Percent(percent) => format!("{percent}%").into(),
    }
}

/// An amount alone, where it is judged from the first outcome on.
fn budget(budget: Budget) -> Value {
    if budget.min_sample == 0 {
        return amount(budget.amount);
    }
    let mut keys = Keys::default();
    keys.put("amount", Some(amount(budget.amount)));
    keys.put("min_sample", Some(i64::from(budget.min_sample)));
    keys.0.into()
}

fn budgets(budgets: &BTreeMap<FailureGroup, Budget>) -> Option<Table> {
    let each = budgets.iter();
    let each = each.map(|(group, of)| (group.word().to_owned(), budget(*of)));
    Some(each.collect::<Table>()).filter(|budgets| !budgets.is_empty())
}

fn labels(selector: &LabelSelector) -> Table {
    let labels = selector.0.iter();
    labels
        .map(|(label, value)| (label.clone(), value.clone().into()))
        .collect()
}

fn text(value: &impl ToString) -> Value {
    value.to_string().into()
}
