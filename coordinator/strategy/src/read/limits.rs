use std::collections::BTreeMap;

use pinion_rollout::{Amount, Budget, FailureGroup};

use crate::{ConfigError, Faults, Section};

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
    let mut faults = Faults::default();
    let budget = Section::open(file, section.below(key), table);
    faults.keep(budget.only(&BUDGET_KEYS));
    let what = "a number of machines, or a share such as \"2%\"";
    let share = amount(&budget, "amount").and_then(|share| budget.required("amount", share, what));
    let share = faults.find(share);
    let min_sample = faults.keep(budget.integer("min_sample", 0..=u32::MAX));
    let whole = share.map(|amount| Budget {
        amount,
        min_sample: min_sample.unwrap_or_default(),
    });
    faults.finish(whole).map(Some)
}

/// `budgets = { pull = "5%", health = 1 }`.
pub(super) fn budgets(
    file: &str,
    section: &Section<'_>,
) -> Result<BTreeMap<FailureGroup, Budget>, ConfigError> {
    let Some(table) = section.table("budgets")? else {
        return Ok(BTreeMap::new());
    };
    let mut faults = Faults::default();
    let kinds = Section::open(file, section.below("budgets"), table);
    faults.keep(kinds.only(&FailureGroup::ALL.map(FailureGroup::word)));
    let mut budgets = BTreeMap::new();
    for group in FailureGroup::ALL {
        let budget = faults.keep(budget(file, &kinds, group.word()));
        budgets.extend(budget.map(|budget| (group, budget)));
    }
    faults.finish(Some(budgets))
}
