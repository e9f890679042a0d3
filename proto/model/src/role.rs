use serde::{Deserialize, Serialize};

use crate::{OperatorName, phase::words};

/// What a person or a pipeline may do: admin ⊃ operator ⊃ promoter ⊃ viewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads everything, changes nothing.
    Viewer,
    /// Promotes pins.
    Promoter,
    /// Steers rollouts and the fleet.
    Operator,
    /// Issues tokens and certificates.
    Admin,
}

words!(Role {
    Viewer => "viewer",
    Promoter => "promoter",
    Operator => "operator",
    Admin => "admin",
});

impl std::str::FromStr for Role {
    type Err = crate::ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .iter()
            .copied()
            .find(|role| role.word() == text)
            .ok_or_else(|| {
                crate::ParseError::new("a role", "viewer, promoter, operator or admin", text)
            })
    }
}

/// Who did something.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// Pinion itself: the planner, an automatic roll-back.
    System,
    /// A person or a pipeline, by certificate or token.
    Operator {
        /// Name in the certificate or of the token.
        name: OperatorName,
        /// Role at that time.
        role: Role,
    },
    /// A machine.
    Agent(crate::AgentId),
}

impl std::fmt::Display for Actor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::System => f.write_str("system"),
            Self::Operator { name, .. } => write!(f, "{name}"),
            Self::Agent(agent) => write!(f, "agent {agent}"),
        }
    }
}
