use serde::{Deserialize, Serialize};

use crate::phase::words;

/// What kind of thing went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The registry did not accept who we are, or a bound helper failed.
    Credentials,
    /// No registry has the digest.
    NotFound,
    /// No connection to the registry.
    Network,
    /// The registry answered 429 or 5xx, or sent damaged content.
    Registry,
    /// No room for the image.
    Disk,
    /// The image is for another platform.
    Platform,
    /// The machine's own policy does not allow it.
    Policy,
    /// The engine refused the container.
    Create,
    /// The container did not start.
    Start,
    /// It ran, and was not or did not stay healthy.
    Health,
    /// A deadline passed.
    Timeout,
    /// The machine said that it is in use, for too long.
    InUse,
    /// The machine was away when its turn came.
    Offline,
    /// The engine did not answer, or not sensibly.
    Engine,
    /// A defect of ours.
    Internal,
    /// A new agent could not be confirmed, for reasons that say nothing of it:
    /// the coordinator was away, or its starts were interrupted from outside.
    Indeterminate,
}

words!(FailureKind {
    Credentials => "credentials",
    NotFound => "not found",
    Network => "network",
    Registry => "registry",
    Disk => "disk",
    Platform => "platform",
    Policy => "policy",
    Create => "create",
    Start => "start",
    Health => "health",
    Timeout => "timeout",
    InUse => "in use",
    Offline => "offline",
    Engine => "engine",
    Internal => "internal",
    Indeterminate => "indeterminate",
});

impl FailureKind {
    /// Whether an agent tries again by itself, within `healthy_deadline`.
    #[must_use]
    pub fn is_transient(self) -> bool {
        matches!(self, Self::Network | Self::Registry | Self::Engine)
    }
}

/// A typed failure with what a person needs to mend it. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What kind.
    pub kind: FailureKind,
    /// What happened, to what, why, what to do next. At most 4 KiB.
    pub message: String,
    /// The container's last lines and health log. At most 32 KiB.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub log_tail: String,
}

impl Failure {
    /// Bytes kept of a message.
    pub const MESSAGE_LIMIT: usize = 4 * 1024;
    /// Bytes kept of a log tail.
    pub const LOG_TAIL_LIMIT: usize = 32 * 1024;

    /// A failure without a log; a message over the limit loses its end.
    #[must_use]
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        let mut message: String = message.into();
        message.truncate(message.floor_char_boundary(Self::MESSAGE_LIMIT));
        Self {
            kind,
            message,
            log_tail: String::new(),
        }
    }

    /// The same with a log; a log over the limit loses its beginning.
    #[must_use]
    pub fn with_log(mut self, log: impl Into<String>) -> Self {
        let log: String = log.into();
        let from = log.len().saturating_sub(Self::LOG_TAIL_LIMIT);
        let from = log.ceil_char_boundary(from);
        self.log_tail = log[from..].to_owned();
        self
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.kind, self.message)
    }
}

/// Whole lines up to the end, at most `limit` bytes of them; of a last line that
/// is too long, its end.
#[must_use]
pub fn last_lines(text: &str, limit: usize) -> &str {
    let from = text.ceil_char_boundary(text.len().saturating_sub(limit));
    if from == 0 || text.as_bytes()[from - 1] == b'\n' {
        return &text[from..];
    }
    match text[from..].find('\n') {
        Some(end) if from + end + 1 < text.len() => &text[from + end + 1..],
        _ => &text[from..],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_is_cut_on_a_character() {
        let failure =
            Failure::new(FailureKind::Health, "é".repeat(4000)).with_log("é".repeat(40_000));
        assert!(failure.message.len() <= Failure::MESSAGE_LIMIT);
        assert!(failure.log_tail.len() <= Failure::LOG_TAIL_LIMIT);
        assert!(failure.log_tail.ends_with('é'));
    }

    #[test]
    fn of_a_log_that_is_too_long_the_newest_whole_lines_are_kept() {
        for (limit, kept) in [(11, "two\nthree\n"), (10, "two\nthree\n"), (9, "three\n")] {
            assert_eq!(last_lines("one\ntwo\nthree\n", limit), kept, "{limit}");
        }
        assert_eq!(last_lines("one\ntwo", 99), "one\ntwo");
        assert_eq!(last_lines("eins zwei", 4), "zwei");
        assert_eq!(last_lines("éé", 3), "é");
        assert_eq!(last_lines("", 3), "");
    }
}
