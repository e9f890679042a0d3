use pinion_model::{LabelSelector, Role, check_labels};
use pinion_rollout::{Approval, Cohort, StageSpec};

use super::super::section::Section;
use super::super::{ConfigError, check};
use super::limits::{amount, budget, budgets};

const KEYS: [&str; 14] = [
    "name",
    "count",
    "percent",
    "selector",
    "rest",
    "approval",
    "approver",
    "max_in_flight",
    "failure_budget",
    "budgets",
    "soak",
    "bake",
    "min_proven",
    "checks",
];

const COHORTS: [&str; 4] = ["count", "percent", "selector", "rest"];

/// Reads `stage = [ … ]`.
pub(super) fn stages(file: &str, section: &Section<'_>) -> Result<Vec<StageSpec>, ConfigError> {
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
    let tables = tables.into_iter().enumerate();
    tables
        .map(|(index, table)| {
            let section = Section::new(file, format!("{path}[{index}]"), table, &KEYS)?;
            stage(file, &section)
        })
        .collect()
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
        approver: section.word(
            "approver",
            &[("operator", Role::Operator), ("admin", Role::Admin)],
        )?,
        max_in_flight: amount(section, "max_in_flight")?,
        failure_budget: budget(file, section, "failure_budget")?,
        budgets: budgets(file, section)?,
        soak: section.duration("soak")?,
        bake: section.duration("bake")?,
        min_proven: section.integer("min_proven", 0..=100_000)?,
        checks: check::read(file, section)?,
        ..StageSpec::of(cohort(file, section)?)
    })
}

fn cohort(file: &str, section: &Section<'_>) -> Result<Cohort, ConfigError> {
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
    if section.has("selector") {
        return Ok(Cohort::Selector(selector(file, section, "selector")?));
    }
    match section.flag("rest")? {
        Some(true) => Ok(Cohort::Rest),
        _ => Err(section.error("rest", "must be true, or be left out")),
    }
}

/// A table of labels that must all match; none matches every machine.
pub(super) fn selector(
    file: &str,
    section: &Section<'_>,
    key: &str,
) -> Result<LabelSelector, ConfigError> {
    let Some(table) = section.table(key)? else {
        return Ok(LabelSelector::default());
    };
    let labels = Section::open(file, section.below(key), table);
    let pairs = labels.texts()?.into_iter();
    let labels = pairs
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    check_labels(&labels).map_err(|error| section.error(key, error.to_string()))?;
    Ok(LabelSelector(labels))
}
