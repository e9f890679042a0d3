//! The protocol's words as people read them; the same as pinion_model's.

use pinion_proto::v1;

/// `AGENT_PHASE_CUTTING_OVER` → `cutting over`. A value that this version does
/// not know, which the protocol allows, keeps its number.
macro_rules! word {
    ($(#[$doc:meta])* $name:ident, $kind:ident, $prefix:literal, $none:literal) => {
        $(#[$doc])*
        pub(crate) fn $name(number: i32) -> String {
            match v1::$kind::try_from(number) {
                Ok(v1::$kind::Unspecified) => $none.to_owned(),
                Ok(known) => known.as_str_name().trim_start_matches($prefix).to_lowercase().replace('_', " "),
                Err(_) => format!("unknown ({number})"),
            }
        }
    };
}

word!(
    /// Where an agent's assignment stands.
    agent_phase, AgentPhase, "AGENT_PHASE_", "not assigned"
);
word!(
    /// Where a rollout is.
    rollout_phase, RolloutPhase, "ROLLOUT_PHASE_", "-"
);
word!(
    /// What kind of thing went wrong.
    failure_kind, FailureKind, "FAILURE_KIND_", "failed"
);
word!(
    /// Whether an agent is there.
    presence, Presence, "PRESENCE_", "unknown"
);
word!(
    /// What somebody may do.
    role, Role, "ROLE_", "-"
);
word!(
    /// What a token is for.
    token_kind, TokenKind, "TOKEN_KIND_", "-"
);
word!(
    /// Whether a stage waits for a person.
    approval, Approval, "APPROVAL_", "automatic"
);
word!(
    /// What happens when the failure budget is spent.
    failure_action, FailureAction, "FAILURE_ACTION_", "halt"
);
word!(
    /// How a check ended.
    check_verdict, CheckVerdict, "CHECK_VERDICT_", "goes on"
);
word!(
    /// Where a named strategy stands.
    strategy_source, StrategySource, "STRATEGY_SOURCE_", "-"
);
word!(
    /// What happens about machines that are offline.
    offline_policy, OfflinePolicy, "OFFLINE_POLICY_", "wait"
);

word!(
    /// What a machine does that is in use for too long.
    in_use_policy, InUsePolicy, "IN_USE_POLICY_", "fail"
);

/// `fail after 1h`: what becomes of machines that are in use.
pub(crate) fn in_use(policy: i32, within: Option<&prost_types::Duration>) -> String {
    let policy = in_use_policy(policy);
    format!("{policy} after {}", super::age::duration(within))
}

/// What stops a rollout, as the guide names it.
pub(crate) fn gate(gate: v1::Gate) -> String {
    let name = gate.as_str_name();
    name.trim_start_matches("GATE_").to_lowercase()
}

/// The first 12 hex digits; `-` for none.
pub(crate) fn digest(digest: &str) -> String {
    match digest.parse::<pinion_model::Digest>() {
        Ok(digest) => digest.short().to_owned(),
        Err(_) if digest.is_empty() => "-".into(),
        Err(_) => super::text::cut(&super::text::line(digest), 19),
    }
}

/// The first 10 hex digits of a commit; `-` for none.
pub(crate) fn sha(sha: &str) -> String {
    if sha.is_empty() {
        "-".into()
    } else {
        sha.chars().take(10).collect()
    }
}

/// Who did something.
pub(crate) fn actor(actor: Option<&v1::Actor>) -> String {
    actor.map_or_else(|| "-".into(), |actor| super::text::line(&actor.name))
}

/// `kind: message` on one line.
pub(crate) fn failure(failure: &v1::Failure) -> String {
    let kind = failure_kind(failure.kind);
    match super::text::line(&failure.message) {
        message if message.is_empty() => kind,
        message => format!("{kind}: {message}"),
    }
}

/// `key=value,key=value`; `-` for none.
pub(crate) fn labels(labels: &std::collections::BTreeMap<String, String>) -> String {
    let pairs: Vec<_> = labels
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    if pairs.is_empty() {
        "-".into()
    } else {
        super::text::line(&pairs.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_those_of_the_model() {
        for phase in pinion_model::AgentPhase::ALL {
            assert!((0..40).any(|n| agent_phase(n) == phase.word()), "{phase}");
        }
        for phase in pinion_model::RolloutPhase::ALL {
            assert!((0..40).any(|n| rollout_phase(n) == phase.word()), "{phase}");
        }
        for kind in pinion_model::FailureKind::ALL {
            assert!((0..40).any(|n| failure_kind(n) == kind.word()), "{kind}");
        }
    }

    #[test]
    fn a_value_of_a_newer_version_is_shown_as_a_number() {
        assert_eq!(agent_phase(99), "unknown (99)");
    }

    #[test]
    fn digests_are_short_and_absent_ones_a_dash() {
        assert_eq!(
            digest(&format!("sha256:{}", "ab".repeat(32))),
            "abababababab"
        );
        assert_eq!(digest(""), "-");
    }
}
