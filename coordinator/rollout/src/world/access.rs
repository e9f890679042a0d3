use std::collections::BTreeMap;

use pinion_model::{Actor, AgentId, Labels, OperatorName, Role, Timestamp};
use serde::{Deserialize, Serialize};

use super::Certificate;
use crate::Map;

/// Who may do what. Holds hashes of secrets, never a secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// By their public id.
    pub tokens: Map<String, Token>,
    /// By name.
    pub operators: Map<OperatorName, Operator>,
}

impl Access {
    /// The token of which this is the secret's hash.
    #[must_use]
    pub fn token_of(&self, secret_hash: &str) -> Option<(&str, &Token)> {
        let found = self
            .tokens
            .iter()
            .find(|(_, token)| token.secret_hash == secret_hash);
        found.map(|(id, token)| (id.as_str(), token))
    }
}

/// What a token is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenKind {
    /// Redeemed by `pinion-agent enroll`.
    Enrollment {
        /// Name that the agent gets. None: the name that it asks for.
        agent: Option<AgentId>,
        /// Labels that the agent gets.
        labels: Labels,
        /// How many different keys may redeem it, at least 1.
        max_uses: u32,
        /// By the SHA-256 of the public key, in hex.
        uses: BTreeMap<String, Use>,
    },
    /// A bearer token for HTTP and the operators' listener.
    Api {
        /// Who holds it.
        holder: OperatorName,
        /// What it may do.
        role: Role,
    },
}

/// A token, known by its hash.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// What it is for.
    pub kind: TokenKind,
    /// SHA-256 of the secret, in hex.
    pub secret_hash: String,
    /// Who made it.
    pub created_by: Actor,
    /// When.
    pub created_at: Timestamp,
    /// Worth nothing from then on. None: never ends.
    pub expires_at: Option<Timestamp>,
    /// Worth nothing any more.
    pub revoked: bool,
}

impl Token {
    /// Whether it is worth anything now.
    #[must_use]
    pub fn is_valid(&self, now: Timestamp) -> bool {
        !self.revoked && self.expires_at.is_none_or(|end| now < end)
    }

    /// How many different keys redeemed it; 0 for an API token.
    #[must_use]
    pub fn uses(&self) -> usize {
        match &self.kind {
            TokenKind::Enrollment { uses, .. } => uses.len(),
            TokenKind::Api { .. } => 0,
        }
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token")
            .field("kind", &self.kind)
            .field("created_by", &self.created_by)
            .field("created_at", &self.created_at)
            .field("expires_at", &self.expires_at)
            .field("revoked", &self.revoked)
            .finish_non_exhaustive()
    }
}

/// One redemption: the answer, to be given again to the same key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Use {
    /// The name that it got.
    pub agent: AgentId,
    /// The certificate as it was answered, in the caller's encoding.
    pub certificate: String,
    /// Its end.
    pub not_after: Timestamp,
    /// When.
    pub at: Timestamp,
}

/// A person or a pipeline with a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operator {
    /// What it may do.
    pub role: Role,
    /// The newest one; no other is accepted.
    pub certificate: Certificate,
    /// When it was issued.
    pub created_at: Timestamp,
    /// By whom.
    pub created_by: Actor,
    /// Its certificate is refused.
    pub revoked: bool,
}
