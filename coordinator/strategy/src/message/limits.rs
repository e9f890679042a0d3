use std::collections::BTreeMap;

use pinion_proto::convert::InvalidField;
use pinion_proto::v1;
use pinion_rollout::{Amount, Budget, FailureGroup};

/// A number or a share, if one was given.
pub(super) fn amount(
    field: &str,
    message: Option<&v1::Amount>,
) -> Result<Option<Amount>, InvalidField> {
    use v1::amount::Amount as Message;
    match message.map(|message| message.amount) {
        None => Ok(None),
        Some(Some(Message::Count(count))) => Ok(Some(Amount::Count(count))),
        Some(Some(Message::Percent(percent))) => share(field, percent).map(Some),
        Some(None) => Err(neither(field)),
    }
}

/// A failure budget, if one was given.
pub(super) fn budget(
    field: &str,
    message: Option<&v1::Budget>,
) -> Result<Option<Budget>, InvalidField> {
    use v1::budget::Amount as Message;
    let Some(message) = message else {
        return Ok(None);
    };
    let amount = match message.amount {
        Some(Message::Count(count)) => Amount::Count(count),
        Some(Message::Percent(percent)) => share(field, percent)?,
        None => return Err(neither(field)),
    };
    Ok(Some(Budget {
        amount,
        min_sample: message.min_sample,
    }))
}

/// Failure budgets by the word of their kind.
pub(super) fn budgets(
    field: &str,
    messages: &BTreeMap<String, v1::Budget>,
) -> Result<BTreeMap<FailureGroup, Budget>, InvalidField> {
    let mut budgets = BTreeMap::new();
    for (word, message) in messages {
        let field = format!("{field}.{word}");
        let mut groups = FailureGroup::ALL.into_iter();
        let group = groups.find(|group| group.word() == word).ok_or_else(|| {
            let known = FailureGroup::ALL.map(FailureGroup::word).join(", ");
            InvalidField::new(&field, format!("is no kind of failure; known are {known}"))
        })?;
        budgets.extend(budget(&field, Some(message))?.map(|budget| (group, budget)));
    }
    Ok(budgets)
}

fn share(field: &str, percent: u32) -> Result<Amount, InvalidField> {
    if percent <= 100 {
        Ok(Amount::Percent(percent))
    } else {
        Err(neither(field))
    }
}

fn neither(field: &str) -> InvalidField {
    InvalidField::new(field, "must be a count, or a percent from 0 to 100")
}

pub(super) fn to_amount(amount: Amount) -> v1::Amount {
    use v1::amount::Amount as Message;
    v1::Amount {
        amount: Some(match amount {
            Amount::Count(count) => Message::Count(count),
            Amount::Percent(percent) => Message::Percent(percent),
        }),
    }
}

pub(super) fn to_budget(budget: Budget) -> v1::Budget {
    use v1::budget::Amount as Message;
    v1::Budget {
        amount: Some(match budget.amount {
            Amount::Count(count) => Message::Count(count),
            Amount::Percent(percent) => Message::Percent(percent),
        }),
        min_sample: budget.min_sample,
    }
}

pub(super) fn to_budgets(budgets: &BTreeMap<FailureGroup, Budget>) -> BTreeMap<String, v1::Budget> {
    let budgets = budgets.iter();
    budgets
        .map(|(group, budget)| (group.word().to_owned(), to_budget(*budget)))
        .collect()
}
