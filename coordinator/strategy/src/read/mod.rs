//! Reads `[strategy.NAME]`: its keys and their kinds. Whether what they say
//! makes sense together is the engine's to judge; every fault is listed.

mod calendar;
mod check;
mod file;
mod limits;
mod stage;

use pinion_model::{StrategyName, Timestamp, WorkloadName};
use pinion_rollout::{PrefetchSpec, Strategy};
use toml::Table;

pub use self::file::{CONFIGURATION_KEYS, read_file};
use self::limits::{amount, budget, budgets};
use crate::words::{IN_USE, OFFLINE, ON_FAILURE, SICK, SUPERSEDE};
use crate::{ConfigError, Faults, Section};

const KEYS: [&str; 26] = [
    "stage",
    "spread_by",
    "prefetch",
    "on_failure",
    "rollback_in_flight",
    "max_in_flight",
    "max_unavailable",
    "count_baseline",
    "strict",
    "failure_budget",
    "budgets",
    "min_healthy",
    "healthy_deadline",
    "progress_deadline",
    "start_within",
    "soak",
    "in_use",
    "defer_within",
    "offline",
    "offline_grace",
    "sick",
    "quarantine_after",
    "supersede",
    "after",
    "window",
    "freeze",
];

const PREFETCH_KEYS: [&str; 2] = ["max_in_flight", "failure_budget"];

/// Reads one strategy, which stands at `path` of what errors call `file`.
/// `now` is when its windows must still open.
///
/// # Errors
///
/// Every key that cannot be read, each with its path; if all can, everything
/// that the engine says against it.
pub fn read(
    file: &str,
    path: &str,
    name: &StrategyName,
    table: &Table,
    now: Timestamp,
) -> Result<Strategy, ConfigError> {
    let section = Section::open(file, path, table);
    let strategy = asked(file, &section, name)?;
    check(&section, &strategy, now)?;
    Ok(strategy)
}

/// What is asked for, whether it makes sense or not.
pub(crate) fn asked(
    file: &str,
    section: &Section<'_>,
    name: &StrategyName,
) -> Result<Strategy, ConfigError> {
    let mut faults = Faults::default();
    faults.keep(section.only(&KEYS));
    let strategy = Strategy {
        name: Some(name.clone()),
        version: None,
        stages: faults.keep(stage::stages(file, section)),
        spread_by: faults.keep(section.text("spread_by")).map(str::to_owned),
        prefetch: faults.keep(prefetch(file, section)),
        on_failure: faults.keep(section.word("on_failure", &ON_FAILURE)),
        rollback_in_flight: faults.keep(amount(section, "rollback_in_flight")),
        max_in_flight: faults.keep(amount(section, "max_in_flight")),
        max_unavailable: faults.keep(amount(section, "max_unavailable")),
        count_baseline: faults.keep(section.flag("count_baseline")),
        strict: faults.keep(section.flag("strict")),
        failure_budget: faults.keep(budget(file, section, "failure_budget")),
        budgets: faults.keep(budgets(file, section)),
        min_healthy: faults.keep(section.duration("min_healthy")),
        healthy_deadline: faults.keep(section.duration("healthy_deadline")),
        progress_deadline: faults.keep(section.duration("progress_deadline")),
        start_within: faults.keep(section.duration("start_within")),
        soak: faults.keep(section.duration("soak")),
        in_use: faults.keep(section.word("in_use", &IN_USE)),
        defer_within: faults.keep(section.duration("defer_within")),
        offline: faults.keep(section.word("offline", &OFFLINE)),
        offline_grace: faults.keep(section.duration("offline_grace")),
        sick: faults.keep(section.word("sick", &SICK)),
        quarantine_after: faults.keep(section.integer("quarantine_after", 1..=u32::MAX)),
        supersede: faults.keep(section.word("supersede", &SUPERSEDE)),
        after: faults
            .keep(section.words::<WorkloadName>("after"))
            .into_iter()
            .collect(),
        calendar: faults.keep(calendar::read(file, section)),
    };
    faults.finish(Some(strategy))
}

/// What the engine says against it.
fn check(section: &Section<'_>, strategy: &Strategy, now: Timestamp) -> Result<(), ConfigError> {
    let mut faults = Faults::default();
    for fault in strategy.faults(now) {
        faults.add(section.error(&in_file(&fault.path), fault.message));
    }
    faults.refuse()
}

/// The engine's path as it stands in a file, below the strategy's name.
fn in_file(path: &str) -> String {
    let path = path.strip_prefix("strategy.").unwrap_or(path);
    path.replace("stages[", "stage[")
        .replace("windows[", "window[")
        .replace("freezes[", "freeze[")
}

/// `prefetch = true`, or a table with limits of its own.
fn prefetch(file: &str, section: &Section<'_>) -> Result<Option<PrefetchSpec>, ConfigError> {
    if section.is_flag("prefetch") {
        let wanted = section.flag("prefetch")?.unwrap_or_default();
        return Ok(wanted.then(PrefetchSpec::default));
    }
    let Some(table) = section.table("prefetch")? else {
        return Ok(None);
    };
    let mut faults = Faults::default();
    let limits = Section::open(file, section.below("prefetch"), table);
    faults.keep(limits.only(&PREFETCH_KEYS));
    let prefetch = PrefetchSpec {
        max_in_flight: faults.keep(amount(&limits, "max_in_flight")),
        failure_budget: faults.keep(budget(file, &limits, "failure_budget")),
    };
    faults.finish(Some(Some(prefetch)))
}

/// Each table of the list at `key`, read by `read`.
fn each<T>(
    file: &str,
    section: &Section<'_>,
    key: &str,
    keys: &[&str],
    read: impl Fn(&str, &Section<'_>) -> Result<T, ConfigError>,
) -> Result<Vec<T>, ConfigError> {
    let mut faults = Faults::default();
    let path = section.below(key);
    let tables = section.tables(key)?.unwrap_or_default().into_iter();
    let items = tables.enumerate().filter_map(|(place, table)| {
        let item = Section::open(file, format!("{path}[{place}]"), table);
        faults.keep(item.only(keys));
        faults.find(read(file, &item))
    });
    let items = items.collect();
    faults.refuse()?;
    Ok(items)
}
