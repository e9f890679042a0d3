//! Why a machine's containers are not replaced just now, and what becomes of it.

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::phase::words;

/// What a machine does when its containers are still in use after the longest
/// time that a cut-over may be put off.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InUse {
    /// It leaves its containers as they are, and that counts as a failure.
    #[default]
    Fail,
    /// It leaves its containers as they are, and the rollout goes on without it.
    Skip,
    /// It cuts over all the same, and says so.
    Force,
}

/// What says that a machine is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HolderKind {
    /// An update lock.
    Lock,
    /// The hook before the cut-over.
    Hook,
    /// The idle probe.
    Probe,
    /// Connections to its published ports.
    Connections,
}

words!(InUse {
    Fail => "fail",
    Skip => "skip",
    Force => "force",
});

words!(HolderKind {
    Lock => "lock",
    Hook => "hook",
    Probe => "idle probe",
    Connections => "connections",
});

/// One that holds a cut-over. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// What says so.
    pub kind: HolderKind,
    /// Who: a lock's owner, a hook's program, what was probed.
    pub owner: String,
    /// Why, in the owner's words, or why that cannot be known.
    pub reason: String,
    /// Until when, if it says so: a lock may be renewed.
    pub until: Option<Timestamp>,
}

impl Holder {
    /// Bytes kept of an owner.
    pub const OWNER_LIMIT: usize = 128;
    /// Bytes kept of a reason.
    pub const REASON_LIMIT: usize = 512;

    /// A holder; what is too long loses its end.
    #[must_use]
    pub fn new(
        kind: HolderKind,
        owner: impl Into<String>,
        reason: impl Into<String>,
        until: Option<Timestamp>,
    ) -> Self {
        Self {
            kind,
            owner: cut(owner.into(), Self::OWNER_LIMIT),
            reason: cut(reason.into(), Self::REASON_LIMIT),
            until,
        }
    }

    /// Whether it is the same one for the same reason; only its end may differ.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        (self.kind, &self.owner, &self.reason) == (other.kind, &other.owner, &other.reason)
    }
}

impl std::fmt::Display for Holder {
    /// Such as `lock of backup: nightly dump (until 2026-11-20T15:16:00.000Z)`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let of = match self.kind {
            HolderKind::Lock => "of ",
            _ => "",
        };
        write!(f, "{} {of}{}: {}", self.kind, self.owner, self.reason)?;
        match self.until {
            Some(until) => write!(f, " (until {until})"),
            None => Ok(()),
        }
    }
}

/// A cut-over that is put off because the machine is in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deferral {
    /// Since when, by the agent's clock.
    pub since: Timestamp,
    /// When it comes to an end, whatever is in use then.
    pub until: Timestamp,
    /// What happens then.
    pub then: InUse,
    /// Who holds it; at least one.
    pub holders: Vec<Holder>,
    /// It came to that end, and the containers were replaced all the same.
    pub forced: bool,
}

impl Deferral {
    /// Holders that are kept.
    pub const HOLDER_LIMIT: usize = 8;
}

impl std::fmt::Display for Deferral {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let holders: Vec<_> = self.holders.iter().map(ToString::to_string).collect();
        let holders = holders.join("; ");
        let until = self.until;
        if self.forced {
            return write!(f, "replaced although in use, by {holders}");
        }
        let then = match self.then {
            InUse::Fail => "it is left as it is, which counts as a failure",
            InUse::Skip => "the rollout goes on without it",
            InUse::Force => "it is replaced all the same",
        };
        write!(
            f,
            "in use, by {holders}. If that lasts until {until}, {then}"
        )
    }
}

fn cut(mut text: String, limit: usize) -> String {
    text.truncate(text.floor_char_boundary(limit));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deferral_tells_who_why_until_when_and_what_then() {
        let lock = Holder {
            kind: HolderKind::Lock,
            owner: "backup".to_owned(),
            reason: "nightly dump".to_owned(),
            until: Some(Timestamp(60_000)),
        };
        let probe = Holder {
            kind: HolderKind::Probe,
            owner: "http://127.0.0.1/idle".to_owned(),
            reason: "it says that it is busy (503)".to_owned(),
            until: None,
        };
        let mut deferral = Deferral {
            since: Timestamp(0),
            until: Timestamp(3_600_000),
            then: InUse::Skip,
            holders: vec![lock, probe],
            forced: false,
        };
        assert_eq!(
            deferral.to_string(),
            "in use, by lock of backup: nightly dump (until 1970-01-01T00:01:00.000Z); \
             idle probe http://127.0.0.1/idle: it says that it is busy (503). \
             If that lasts until 1970-01-01T01:00:00.000Z, the rollout goes on without it"
        );
        deferral.forced = true;
        assert!(
            deferral
                .to_string()
                .starts_with("replaced although in use, by lock of backup")
        );
    }
}
