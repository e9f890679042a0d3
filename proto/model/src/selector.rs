use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Labels of a machine, given by an operator or a token.
pub type Labels = BTreeMap<String, String>;

/// A label that cannot be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// Its key is empty, long or has other characters.
    #[error("a label's key must be 1 to 63 of a-z, 0-9, '.', '_', '-' and '/'; got {0:?}")]
    Key(String),
    /// Its value is long or has control characters.
    #[error("the value of label {0:?} must be at most 128 bytes without control characters")]
    Value(String),
    /// There are too many.
    #[error("a machine has at most 64 labels")]
    TooMany,
}

/// Checks labels that come from outside.
///
/// # Errors
///
/// If one of them cannot be a label, or there are more than 64.
pub fn check_labels(labels: &Labels) -> Result<(), LabelError> {
    if labels.len() > 64 {
        return Err(LabelError::TooMany);
    }
    for (key, value) in labels {
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-/".contains(&b);
        if key.is_empty() || key.len() > 63 || !key.bytes().all(fits) {
            return Err(LabelError::Key(key.chars().take(80).collect()));
        }
        if value.len() > 128 || value.chars().any(char::is_control) {
            return Err(LabelError::Value(key.clone()));
        }
    }
    Ok(())
}

/// Labels that must all match; an empty value matches any. Without labels it
/// matches every machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LabelSelector(pub Labels);

impl LabelSelector {
    /// Whether a machine with these labels is selected.
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        self.0.iter().all(|(key, want)| {
            labels
                .get(key)
                .is_some_and(|has| want.is_empty() || has == want)
        })
    }
}

impl std::fmt::Display for LabelSelector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let pairs: Vec<_> = self.0.iter().map(|(k, v)| format!("{k}={v}")).collect();
        f.write_str(&pairs.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_labels_must_match_and_an_empty_value_matches_any() {
        let labels = Labels::from([
            ("region".into(), "ord".into()),
            ("tier".into(), "free".into()),
        ]);
        let selector = |pairs: &[(&str, &str)]| {
            LabelSelector(
                pairs
                    .iter()
                    .map(|(k, v)| ((*k).into(), (*v).into()))
                    .collect(),
            )
        };
        assert!(selector(&[]).matches(&labels));
        assert!(selector(&[("region", "ord")]).matches(&labels));
        assert!(selector(&[("region", "")]).matches(&labels));
        assert!(!selector(&[("region", "ams")]).matches(&labels));
        assert!(!selector(&[("region", "ord"), ("zone", "")]).matches(&labels));
    }
}
