use pinion_model::{Actor, ParseError, Revision, Timestamp};

/// One line of the audit log: a decision, or refused calls summed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Its place; give it to the next query to go on after it.
    pub cursor: AuditCursor,
    /// Of the decision's commit; none for refused calls.
    pub revision: Option<Revision>,
    /// When; for refused calls that were summed, the last time.
    pub at: Timestamp,
    /// Who; none for a caller that did not say who it is.
    pub actor: Option<Actor>,
    /// A stable word, such as `pin.promoted`.
    pub action: String,
    /// What it was done to.
    pub subject: String,
    /// The same for people.
    pub detail: String,
    /// How often: 1 for a decision.
    pub count: u64,
}

/// Action of every refused call.
pub(super) const REFUSED: &str = "call.refused";

/// A place in the audit log. Its text is a page token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct AuditCursor {
    at: u64,
    key: u64,
}

impl AuditCursor {
    /// After every entry.
    pub(super) const END: Self = Self {
        at: i64::MAX as u64,
        key: i64::MAX as u64,
    };

    pub(super) fn decision(at: Timestamp, id: u64) -> Self {
        Self {
            at: at.0,
            key: id * 2,
        }
    }

    pub(super) fn refused(at: Timestamp, id: u64) -> Self {
        Self {
            at: at.0,
            key: id * 2 + 1,
        }
    }

    /// The same entry, seen again later.
    pub(super) fn moved_to(self, at: Timestamp) -> Self {
        Self { at: at.0, ..self }
    }

    pub(super) fn at(self) -> u64 {
        self.at
    }

    /// Decisions of the same instant are before it if their id is lower.
    pub(super) fn decision_id(self) -> u64 {
        self.key.div_ceil(2)
    }

    /// Refused calls of the same instant are before it if their id is lower.
    pub(super) fn refused_id(self) -> u64 {
        self.key / 2
    }
}

impl AuditQuery {
    /// Whether entries of that kind are wanted.
    pub(super) fn wants(&self, kind: AuditKind) -> bool {
        self.only.is_none_or(|only| only == kind)
    }
}

impl std::fmt::Display for AuditCursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.at, self.key)
    }
}

impl std::str::FromStr for AuditCursor {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = |part: &str| part.parse().ok().filter(|n| i64::try_from(*n).is_ok());
        text.split_once('.')
            .and_then(|(at, key)| {
                Some(Self {
                    at: number(at)?,
                    key: number(key)?,
                })
            })
            .ok_or_else(|| ParseError::new("a page token", "one that an answer before held", text))
    }
}

/// What an entry of the audit log is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditKind {
    /// What was changed.
    Decision,
    /// What was refused.
    Refusal,
}

/// Which entries of the audit log, newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditQuery {
    /// Only entries older than this one; none for the newest.
    pub before: Option<AuditCursor>,
    /// At most that many.
    pub limit: u32,
    /// Entries of that kind alone; none for both.
    pub only: Option<AuditKind>,
}

/// A call that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedCall {
    /// When.
    pub at: Timestamp,
    /// Who, as far as it was proven.
    pub actor: Option<Actor>,
    /// What was called, such as a method's path.
    pub subject: String,
    /// Why it was refused. Holds no secret.
    pub detail: String,
    /// How often.
    pub count: u64,
}

impl RefusedCall {
    /// Whole hours since 1970.
    pub(super) fn hour(&self) -> u64 {
        self.at.0 / 3_600_000
    }
}
