//! Reads `[strategy.NAME]`: its keys and their kinds. Whether what they say
//! makes sense together is the engine's to judge, which lists every fault.

mod calendar;
mod limits;
mod stage;

use pinion_model::{StrategyName, Timestamp, WorkloadName};
use pinion_rollout::{FailureAction, OfflinePolicy, PrefetchSpec, SickPolicy, Strategy, Supersede};
use toml::Table;

use self::limits::{amount, budget, budgets};
use super::ConfigError;
use super::section::Section;

const KEYS: [&str; 24] = [
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

/// Reads one strategy. `now` is when its windows must still open.
pub(super) fn read(
    file: &str,
    path: String,
    name: StrategyName,
    table: &Table,
    now: Timestamp,
) -> Result<Strategy, ConfigError> {
    let section = Section::new(file, path, table, &KEYS)?;
    let strategy = Strategy {
        name: Some(name),
        version: None,
        stages: stage::stages(file, &section)?,
        spread_by: section.text("spread_by")?.map(str::to_owned),
        prefetch: prefetch(file, &section)?,
        on_failure: section.word(
            "on_failure",
            &[
                ("halt", FailureAction::Halt),
                ("rollback", FailureAction::Rollback),
            ],
        )?,
        rollback_in_flight: amount(&section, "rollback_in_flight")?,
        max_in_flight: amount(&section, "max_in_flight")?,
        max_unavailable: amount(&section, "max_unavailable")?,
        count_baseline: section.flag("count_baseline")?,
        strict: section.flag("strict")?,
        failure_budget: budget(file, &section, "failure_budget")?,
        budgets: budgets(file, &section)?,
        min_healthy: section.duration("min_healthy")?,
        healthy_deadline: section.duration("healthy_deadline")?,
        progress_deadline: section.duration("progress_deadline")?,
        start_within: section.duration("start_within")?,
        soak: section.duration("soak")?,
        offline: section.word(
            "offline",
            &[
                ("wait", OfflinePolicy::Wait),
                ("skip", OfflinePolicy::Skip),
                ("fail", OfflinePolicy::Fail),
            ],
        )?,
        offline_grace: section.duration("offline_grace")?,
        sick: section.word(
            "sick",
            &[("include", SickPolicy::Include), ("skip", SickPolicy::Skip)],
        )?,
        quarantine_after: section.integer("quarantine_after", 1..=100_000)?,
        supersede: section.word(
            "supersede",
            &[
                ("replace", Supersede::Replace),
                ("queue", Supersede::Queue),
                ("reject", Supersede::Reject),
            ],
        )?,
        after: section
            .words::<WorkloadName>("after")?
            .into_iter()
            .collect(),
        calendar: calendar::read(file, &section)?,
    };
    check(&section, &strategy, now)?;
    Ok(strategy)
}

/// What the engine says against it, all at once.
fn check(section: &Section<'_>, strategy: &Strategy, now: Timestamp) -> Result<(), ConfigError> {
    let faults = strategy.faults(now);
    let Some((first, others)) = faults.split_first() else {
        return Ok(());
    };
    let others = others.iter().map(|fault| {
        format!(
            "; {}: {}",
            section.below(&in_file(&fault.path)),
            fault.message
        )
    });
    let message = first.message.clone() + &others.collect::<String>();
    Err(section.error(&in_file(&first.path), message))
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
    let limits = Section::new(file, section.below("prefetch"), table, &PREFETCH_KEYS)?;
    Ok(Some(PrefetchSpec {
        max_in_flight: amount(&limits, "max_in_flight")?,
        failure_budget: budget(file, &limits, "failure_budget")?,
    }))
}
