use crate::{Change, Fault};

/// What a command decided: the changes to commit, and what to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome<T> {
    /// To be committed together. Empty: nothing changes.
    pub changes: Vec<Change>,
    /// The answer.
    pub value: T,
}

impl<T> Outcome<T> {
    /// An answer that changes nothing.
    #[must_use]
    pub fn unchanged(value: T) -> Self {
        Self {
            changes: Vec::new(),
            value,
        }
    }
}

fn listed(faults: &[Fault]) -> String {
    let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
    faults.join("; ")
}

/// Why a command was not carried out. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The thing that it is about does not exist.
    #[error("there is no {what} {name:?}")]
    NotFound {
        /// Such as `rollout`.
        what: &'static str,
        /// As it was asked for.
        name: String,
    },
    /// Fields cannot be what they are: all of them at once.
    #[error("{}", listed(faults))]
    Invalid {
        /// At least one.
        faults: Vec<Fault>,
    },
    /// It cannot be done in the present state; the same request may be right later.
    #[error("{message}")]
    Precondition {
        /// What stands in the way, and what would clear it.
        message: String,
    },
    /// Something else has that name or took that place.
    #[error("{message}")]
    Conflict {
        /// What, and what to do.
        message: String,
    },
}

impl Refusal {
    pub(crate) fn not_found(what: &'static str, name: impl std::fmt::Display) -> Self {
        Self::NotFound {
            what,
            name: name.to_string(),
        }
    }

    pub(crate) fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid {
            faults: vec![Fault::new(field, message)],
        }
    }

    pub(crate) fn precondition(message: impl Into<String>) -> Self {
        Self::Precondition {
            message: message.into(),
        }
    }

    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self::Conflict {
            message: message.into(),
        }
    }
}
