use std::time::Duration;

use pinion_model::{LabelSelector, StrategyName, check_labels};
use pinion_rollout::{
    Amount, Approval, Cohort, FailureAction, OfflinePolicy, StageSpec, Strategy, Timing,
};
use toml::Table;

use super::section::Section;
use super::{ConfigError, check};

const KEYS: [&str; 10] = [
    "stage",
    "on_failure",
    "max_in_flight",
    "failure_budget",
    "min_healthy",
    "healthy_deadline",
    "progress_deadline",
    "start_within",
    "soak",
    "offline",
];

const STAGE_KEYS: [&str; 11] = [
    "name",
    "count",
    "percent",
    "selector",
    "rest",
    "approval",
    "max_in_flight",
    "failure_budget",
    "bake",
    "min_proven",
    "checks",
];

const PROGRESS_DEADLINE: Duration = Duration::from_secs(600);

/// Reads `[strategy.NAME]`.
pub(super) fn read(
    file: &str,
    path: String,
    name: StrategyName,
    table: &Table,
) -> Result<Strategy, ConfigError> {
    let section = Section::new(file, path, table, &KEYS)?;
    let strategy = Strategy {
        name: Some(name),
        stages: stages(file, &section)?,
        on_failure: section.word(
            "on_failure",
            &[
                ("halt", FailureAction::Halt),
                ("rollback", FailureAction::Rollback),
            ],
        )?,
        max_in_flight: max_in_flight(&section)?,
        failure_budget: amount(&section, "failure_budget")?.map(Into::into),
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
        ..Strategy::default()
    };
    check_order(&section, &strategy)?;
    Ok(strategy)
}

/// `min_healthy` < `healthy_deadline` < `progress_deadline`, defaults included.
fn check_order(section: &Section<'_>, strategy: &Strategy) -> Result<(), ConfigError> {
    let defaults = Timing::default();
    let healthy = strategy.min_healthy.unwrap_or(defaults.min_healthy);
    let deadline = strategy
        .healthy_deadline
        .unwrap_or(defaults.healthy_deadline);
    let progress = strategy.progress_deadline.unwrap_or(PROGRESS_DEADLINE);
    if healthy >= deadline {
        let message = format!(
            "must be less than healthy_deadline ({deadline:?}), or no machine could ever be proven; got {healthy:?}"
        );
        return Err(section.error("min_healthy", message));
    }
    if deadline >= progress {
        let message = format!(
            "must be less than progress_deadline ({progress:?}), or a stage would fail before its machines may; got {deadline:?}"
        );
        return Err(section.error("healthy_deadline", message));
    }
    Ok(())
}

fn amount(section: &Section<'_>, key: &str) -> Result<Option<Amount>, ConfigError> {
    Ok(section.amount(key)?.map(|amount| match amount {
        Ok(count) => Amount::Count(count),
        Err(percent) => Amount::Percent(percent),
    }))
}

fn max_in_flight(section: &Section<'_>) -> Result<Option<Amount>, ConfigError> {
    let amount = amount(section, "max_in_flight")?;
    if matches!(amount, Some(Amount::Count(0) | Amount::Percent(0))) {
        return Err(section.error(
            "max_in_flight",
            "must be at least 1 machine or \"1%\", or nothing would ever start",
        ));
    }
    Ok(amount)
}

fn stages(file: &str, section: &Section<'_>) -> Result<Vec<StageSpec>, ConfigError> {
    let Some(tables) = section.tables("stage")? else {
        return Ok(Vec::new());
    };
    if tables.is_empty() {
        return Err(section.error(
            "stage",
            "must hold at least one stage; leave it out for the default stages",
        ));
    }
    let path = section.below("stage");
    let mut stages: Vec<StageSpec> = Vec::new();
    for (index, table) in tables.into_iter().enumerate() {
        let section = Section::new(file, format!("{path}[{index}]"), table, &STAGE_KEYS)?;
        let stage = stage(file, &section)?;
        check_after(&section, &stages, &stage)?;
        stages.push(stage);
    }
    Ok(stages)
}

/// Names are unique, shares rise, and nothing comes after the rest.
fn check_after(
    section: &Section<'_>,
    before: &[StageSpec],
    stage: &StageSpec,
) -> Result<(), ConfigError> {
    if stage.name.is_some() && before.iter().any(|other| other.name == stage.name) {
        return Err(section.error("name", "is the name of an earlier stage; it must be unique"));
    }
    if before.iter().any(|other| other.cohort == Cohort::Rest) {
        return Err(section.error(
            "",
            "comes after the stage with rest = true, so it would be empty",
        ));
    }
    let share = |stage: &StageSpec| match stage.cohort {
        Cohort::Percent(percent) => Some(percent),
        _ => None,
    };
    if let (Some(percent), Some(last)) = (share(stage), before.iter().rev().find_map(share))
        && percent <= last
    {
        let message = format!(
            "is a share of the whole fleet, so it must be more than the {last} of the stage before; got {percent}"
        );
        return Err(section.error("percent", message));
    }
    Ok(())
}

fn stage(file: &str, section: &Section<'_>) -> Result<StageSpec, ConfigError> {
    Ok(StageSpec {
        name: section.parsed("name")?,
        approval: section.word(
            "approval",
            &[
                ("automatic", Approval::Automatic),
                ("manual", Approval::Manual),
            ],
        )?,
        max_in_flight: max_in_flight(section)?,
        failure_budget: amount(section, "failure_budget")?.map(Into::into),
        bake: section.duration("bake")?,
        min_proven: section.integer("min_proven", 0..=100_000)?,
        checks: check::read(file, section)?,
        ..StageSpec::of(cohort(file, section)?)
    })
}

fn cohort(file: &str, section: &Section<'_>) -> Result<Cohort, ConfigError> {
    const COHORTS: [&str; 4] = ["count", "percent", "selector", "rest"];
    let given = COHORTS.iter().filter(|key| section.has(key)).count();
    if given != 1 {
        let message =
            format!("must have exactly one of count, percent, selector, rest; it has {given}");
        return Err(section.error("", message));
    }
    if let Some(count) = section.integer("count", 1..=100_000)? {
        return Ok(Cohort::Count(count));
    }
    if let Some(percent) = section.integer("percent", 1..=100)? {
        return Ok(Cohort::Percent(percent));
    }
    if let Some(table) = section.table("selector")? {
        let labels = Section::open(file, section.below("selector"), table);
        let pairs = labels.texts()?.into_iter();
        let labels = pairs
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        check_labels(&labels).map_err(|error| section.error("selector", error.to_string()))?;
        return Ok(Cohort::Selector(LabelSelector(labels)));
    }
    match section.flag("rest")? {
        Some(true) => Ok(Cohort::Rest),
        _ => Err(section.error("rest", "must be true, or be left out")),
    }
}
