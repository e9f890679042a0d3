use crate::name::Name;
use crate::{ParseError, text};

/// A name: 1–63 of `a-z 0-9 . _ -`, first and last a letter or digit.
fn check_name(what: &'static str, text: &str) -> Result<(), ParseError> {
    let edge = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let bytes = text.as_bytes();
    let inside = bytes
        .iter()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-'));
    if bytes.len() <= 63 && inside && edge(bytes.first()) && edge(bytes.last()) {
        return Ok(());
    }
    Err(ParseError::new(
        what,
        "1 to 63 of a-z, 0-9, '.', '_' and '-', with a letter or digit at both ends",
        text,
    ))
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Name);
        text!($name);
        impl $name {
            fn check(text: &str) -> Result<(), ParseError> {
                check_name($what, text)
            }
        }
    };
}

name!(
    /// Name of a workload: a line of images, such as `workspace-server`.
    WorkloadName, "a workload's name"
);
name!(
    /// Name of an agent, and so of its machine.
    AgentId, "an agent's name"
);
name!(
    /// Name of an operator or of the holder of an API token.
    OperatorName, "an operator's name"
);
name!(
    /// Name of a registry in the coordinator's configuration, such as `ghcr`.
    RegistryName, "a registry's name"
);
name!(
    /// Name of a stage, unique in its rollout.
    StageName, "a stage's name"
);
name!(
    /// Name of a check between stages, unique in its stage.
    CheckName, "a check's name"
);
name!(
    /// Name of a strategy, in the coordinator's configuration or put through its API.
    StrategyName, "a strategy's name"
);

/// Id of a rollout: `<workload>-<pin number>-<n>`, the n-th of that pin.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RolloutId(Name);

text!(RolloutId);

impl RolloutId {
    /// The id of the `n`-th rollout (from 1) of a workload's pin.
    #[must_use]
    pub fn new(workload: &WorkloadName, pin: crate::PinNumber, n: u32) -> Self {
        Self(format!("{workload}-{pin}-{n}").into())
    }

    fn check(text: &str) -> Result<(), ParseError> {
        let mut parts = text.rsplitn(3, '-');
        let number = |part: Option<&str>| {
            part.is_some_and(|p| {
                !p.is_empty() && p.len() <= 20 && p.bytes().all(|b| b.is_ascii_digit())
            })
        };
        let tail = number(parts.next()) && number(parts.next());
        if tail
            && parts
                .next()
                .is_some_and(|name| WorkloadName::check(name).is_ok())
        {
            return Ok(());
        }
        Err(ParseError::new(
            "a rollout's id",
            "<workload>-<pin number>-<n>",
            text,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PinNumber;

    #[test]
    fn names_are_short_lower_case_words() {
        for good in [
            "a",
            "workspace-server",
            "ip-10-0-0-1.ec2.internal",
            "a_b",
            &"x".repeat(63),
        ] {
            assert!(good.parse::<AgentId>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a b", "a/b", "é", &"x".repeat(64)] {
            assert!(bad.parse::<AgentId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_rollouts_id_is_read_as_it_is_written() {
        let workload: WorkloadName = "gemini-cli".parse().expect("name");
        let id = RolloutId::new(&workload, PinNumber(7), 2);
        assert_eq!(id.as_str(), "gemini-cli-7-2");
        assert_eq!(id.as_str().parse::<RolloutId>(), Ok(id));
        for bad in ["codex", "codex-1", "codex-1-", "-1-1", "codex-a-1"] {
            assert!(bad.parse::<RolloutId>().is_err(), "{bad}");
        }
    }
}
