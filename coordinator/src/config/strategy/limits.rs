use std::collections::BTreeMap;

use pinion_rollout::{Amount, Budget, FailureGroup};

use super::super::ConfigError;
use super::super::section::Section;

const BUDGET_KEYS: [&str; 2] = ["amount", "min_sample"];

/// `3`, or a share such as `"10%"`.
pub(super) fn amount(section: &Section<'_>, key: &str) -> Result<Option<Amount>, ConfigError> {
    Ok(section.amount(key)?.map(|amount| match amount {
        Ok(count) => Amount::Count(count),
        Err(percent) => Amount::Percent(percent),
    }))
}

/// An amount, or a table with `amount` and `min_sample`.
pub(super) fn budget(
    file: &str,
    section: &Section<'_>,
    key: &str,
) -> Result<Option<Budget>, ConfigError> {
    if !section.is_table(key) {
        return Ok(amount(section, key)?.map(Budget::from));
    }
    let Some(table) = section.table(key)? else {
        return Ok(None);
    };
    let budget = Section::new(file, section.below(key), table, &BUDGET_KEYS)?;
    let share = amount(&budget, "amount")?;
    let share = budget.required(
        "amount",
        share,
        "a number of machines, or a share such as \"2%\"",
    )?;
    Ok(Some(Budget {
        amount: share,
        min_sample: budget
            .integer("min_sample", 0..=100_000)?
            .unwrap_or_default(),
    }))
}

/// `budgets = { pull = "5%", health = 1 }`.
pub(super) fn budgets(
    file: &str,
    section: &Section<'_>,
) -> Result<BTreeMap<FailureGroup, Budget>, ConfigError> {
    let Some(table) = section.table("budgets")? else {
        return Ok(BTreeMap::new());
    };
    let known = FailureGroup::ALL.map(FailureGroup::word);
    let kinds = Section::new(file, section.below("budgets"), table, &known)?;
    let mut budgets = BTreeMap::new();
    for group in FailureGroup::ALL {
        let budget = budget(file, &kinds, group.word())?;
        budgets.extend(budget.map(|budget| (group, budget)));
    }
    Ok(budgets)
}
