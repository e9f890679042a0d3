//! Values that are more than a word: labels, amounts, cohorts, roles.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::ValueEnum;
use pinion_model::{LabelError, Labels, ParseError, check_labels, parse_duration};
use pinion_proto::v1;

/// A label, `key=value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Label {
    pub(crate) key: String,
    /// Empty: in a selector any value, in a change none.
    pub(crate) value: String,
}

/// A value that is none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ValueError {
    /// Not of the form that is wanted.
    #[error(transparent)]
    Form(#[from] ParseError),
    /// Not a label.
    #[error(transparent)]
    Label(#[from] LabelError),
}

fn form(what: &'static str, allowed: &'static str, got: &str) -> ValueError {
    ValueError::Form(ParseError::new(what, allowed, got))
}

/// Reads `key=value`.
pub(crate) fn label(text: &str) -> Result<Label, ValueError> {
    let (key, value) = text
        .split_once('=')
        .ok_or_else(|| form("a label", "key=value", text))?;
    check_labels(&Labels::from([(key.to_owned(), value.to_owned())]))?;
    Ok(Label {
        key: key.to_owned(),
        value: value.to_owned(),
    })
}

/// Reads `key=value`, or `key-` which removes the label.
pub(crate) fn label_change(text: &str) -> Result<Label, ValueError> {
    match text.strip_suffix('-') {
        Some(key) if !text.contains('=') => label(&format!("{key}=")),
        _ => label(text).map_err(|error| match error {
            ValueError::Form(_) => form("a label", "key=value, or key- to remove it", text),
            other @ ValueError::Label(_) => other,
        }),
    }
}

/// Reads how long something is good: as [`parse_duration`], or in days, `90d`.
pub(crate) fn lifetime(text: &str) -> Result<Duration, ParseError> {
    match text.trim().strip_suffix('d').map(str::parse::<u64>) {
        Some(Ok(days @ 1..=366)) => Ok(Duration::from_secs(days * 86_400)),
        _ => parse_duration(text).map_err(|_| {
            ParseError::new(
                "a lifetime",
                "such as \"30m\", \"12h\" or \"90d\", at most 366 days",
                text,
            )
        }),
    }
}

/// Labels as a map; of one key that is given twice, the last.
pub(crate) fn labels(given: &[Label]) -> BTreeMap<String, String> {
    given
        .iter()
        .map(|label| (label.key.clone(), label.value.clone()))
        .collect()
}

/// Labels as a selector; none is none.
pub(crate) fn selector(given: &[Label]) -> Option<v1::LabelSelector> {
    (!given.is_empty()).then(|| v1::LabelSelector {
        match_labels: labels(given),
    })
}

/// Reads `3` or `10%`.
pub(crate) fn amount(text: &str) -> Result<v1::Amount, ValueError> {
    let error = || {
        form(
            "an amount",
            "a number of machines such as 3, or a share such as 10%",
            text,
        )
    };
    let amount = match text.strip_suffix('%') {
        Some(share) => match share.parse() {
            Ok(percent @ 0..=100) => v1::amount::Amount::Percent(percent),
            _ => return Err(error()),
        },
        None => v1::amount::Amount::Count(text.parse().map_err(|_| error())?),
    };
    Ok(v1::Amount {
        amount: Some(amount),
    })
}

/// Reads a failure budget: an amount.
pub(crate) fn budget(text: &str) -> Result<v1::Budget, ValueError> {
    use v1::budget::Amount as Budget;
    let amount = amount(text)?.amount.map(|amount| match amount {
        v1::amount::Amount::Count(count) => Budget::Count(count),
        v1::amount::Amount::Percent(percent) => Budget::Percent(percent),
    });
    Ok(v1::Budget {
        amount,
        min_sample: 0,
    })
}

/// Reads a cohort, `1`, `10%`, `label=value[,label=value]` or `rest`, with an
/// optional `name:` before it.
pub(crate) fn stage(text: &str) -> Result<v1::StageSpec, ValueError> {
    let (name, cohort) = match text.split_once(':') {
        Some((name, cohort)) if name.parse::<pinion_model::StageName>().is_ok() => (name, cohort),
        _ => ("", text),
    };
    Ok(v1::StageSpec {
        name: name.to_owned(),
        cohort: Some(parse_cohort(cohort)?),
        ..Default::default()
    })
}

fn parse_cohort(text: &str) -> Result<v1::stage_spec::Cohort, ValueError> {
    use v1::stage_spec::Cohort;
    let error = || {
        form(
            "a stage",
            "a number of machines (1), a share of the fleet (10%), label=value, or rest, with an optional name before it (canary:1)",
            text,
        )
    };
    if text == "rest" {
        return Ok(Cohort::Rest(true));
    }
    if text.contains('=') {
        let given: Vec<_> = text.split(',').map(label).collect::<Result<_, _>>()?;
        return Ok(Cohort::Selector(v1::LabelSelector {
            match_labels: labels(&given),
        }));
    }
    match amount(text).map_err(|_| error())?.amount {
        Some(v1::amount::Amount::Count(count @ 1..)) => Ok(Cohort::Count(count)),
        Some(v1::amount::Amount::Percent(percent @ 1..)) => Ok(Cohort::Percent(percent)),
        _ => Err(error()),
    }
}

/// What a person or a pipeline may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RoleArg {
    /// Reads everything, changes nothing
    Viewer,
    /// Promotes pins
    Promoter,
    /// Steers rollouts and the fleet
    Operator,
    /// Issues tokens and certificates
    Admin,
}

impl From<RoleArg> for v1::Role {
    fn from(role: RoleArg) -> Self {
        match role {
            RoleArg::Viewer => Self::Viewer,
            RoleArg::Promoter => Self::Promoter,
            RoleArg::Operator => Self::Operator,
            RoleArg::Admin => Self::Admin,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use v1::stage_spec::Cohort;

    #[test]
    fn a_stage_is_a_count_a_share_labels_or_the_rest() {
        let cohort = |text: &str| stage(text).expect("a stage").cohort;
        assert_eq!(cohort("1"), Some(Cohort::Count(1)));
        assert_eq!(cohort("10%"), Some(Cohort::Percent(10)));
        assert_eq!(cohort("rest"), Some(Cohort::Rest(true)));
        let Some(Cohort::Selector(selector)) = cohort("region=ord,tier=free") else {
            panic!("labels are a selector");
        };
        assert_eq!(selector.match_labels.len(), 2);
        assert_eq!(stage("canary:1").expect("a stage").name, "canary");
    }

    #[test]
    fn what_is_no_stage_says_what_one_is() {
        for bad in ["", "0", "0%", "101%", "-1", "all", "canary:", "=x"] {
            let error = stage(bad).expect_err(bad).to_string();
            assert!(error.contains("must be"), "{bad}: {error}");
        }
    }

    #[test]
    fn a_label_is_removed_with_a_dash_or_an_empty_value() {
        for text in ["tier-", "tier="] {
            let change = label_change(text).expect("a change");
            assert_eq!((change.key.as_str(), change.value.as_str()), ("tier", ""));
        }
        assert_eq!(label_change("a=b-").expect("a change").value, "b-");
        assert!(label_change("tier").is_err());
        assert!(label("Tier=x").is_err());
    }

    #[test]
    fn a_lifetime_may_be_in_days() {
        assert_eq!(lifetime("2d"), Ok(Duration::from_secs(172_800)));
        assert_eq!(lifetime("30m"), Ok(Duration::from_secs(1_800)));
        for bad in ["0d", "367d", "d", "-1d", "soon"] {
            assert!(lifetime(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_amount_may_be_zero_but_not_more_than_all() {
        assert!(amount("0").is_ok());
        assert!(amount("100%").is_ok());
        for bad in ["101%", "%", "ten", "1.5"] {
            assert!(amount(bad).is_err(), "{bad}");
        }
    }
}
