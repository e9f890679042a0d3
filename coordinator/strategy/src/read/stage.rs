use pinion_model::{LabelSelector, check_labels};
use pinion_rollout::{Cohort, StageSpec};

use super::limits::{amount, budget, budgets};
use super::{check, each};
use crate::words::{APPROVAL, APPROVER};
use crate::{ConfigError, Faults, Section};

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
    let stages = each(file, section, "stage", &KEYS, stage)?;
    if stages.is_empty() && section.has("stage") {
        return Err(section.error(
            "stage",
            "must hold at least one stage; leave it out for the default stages",
        ));
    }
    Ok(stages)
}

fn stage(file: &str, section: &Section<'_>) -> Result<StageSpec, ConfigError> {
    let mut faults = Faults::default();
    let cohort = faults.find(cohort(file, section));
    let stage = StageSpec {
        name: faults.keep(section.parsed("name")),
        approval: faults.keep(section.word("approval", &APPROVAL)),
        approver: faults.keep(section.word("approver", &APPROVER)),
        max_in_flight: faults.keep(amount(section, "max_in_flight")),
        failure_budget: faults.keep(budget(file, section, "failure_budget")),
        budgets: faults.keep(budgets(file, section)),
        soak: faults.keep(section.duration("soak")),
        bake: faults.keep(section.duration("bake")),
        min_proven: faults.keep(section.integer("min_proven", 0..=u32::MAX)),
        checks: faults.keep(check::read(file, section)),
        ..StageSpec::of(Cohort::Rest)
    };
    faults.finish(cohort.map(|cohort| StageSpec { cohort, ..stage }))
}

fn cohort(file: &str, section: &Section<'_>) -> Result<Cohort, ConfigError> {
    let given = COHORTS.iter().filter(|key| section.has(key)).count();
    if given != 1 {
        let message =
            format!("must have exactly one of count, percent, selector, rest; it has {given}");
        return Err(section.error("", message));
    }
    if let Some(count) = section.integer("count", 1..=u32::MAX)? {
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
