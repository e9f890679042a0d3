use pinion_model::{Actor, AgentId, Labels, OperatorName, Role, Timestamp, check_labels};

use super::{check_text, decided};
use crate::{Act, Certificate, Operator, Outcome, Refusal, Token, TokenKind, World};

/// What a new token is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewToken {
    /// For machines.
    Enrollment {
        /// Name that the agent gets. None: the name that it asks for.
        agent: Option<AgentId>,
        /// Labels that the agent gets.
        labels: Labels,
        /// How many different keys may redeem it, 1 to 10,000; more than 1 only without a name.
        max_uses: u32,
    },
    /// For HTTP and the operators' listener.
    Api {
        /// Who holds it.
        holder: OperatorName,
        /// What it may do.
        role: Role,
    },
}

/// A token to make: its id and its secret's hash are made already.
#[derive(Clone, PartialEq, Eq)]
pub struct CreateToken {
    /// Public; names it in lists.
    pub id: String,
    /// SHA-256 of the secret, in hex.
    pub secret_hash: String,
    /// What it is for.
    pub kind: NewToken,
    /// None: never ends (API tokens only).
    pub expires_at: Option<Timestamp>,
}

impl std::fmt::Debug for CreateToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CreateToken")
            .field("id", &self.id)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// An operator's certificate that was made already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssueOperator {
    /// Whose. An operator of that name has only the new one from then on.
    pub name: OperatorName,
    /// What it may do.
    pub role: Role,
    /// What to recognise it by.
    pub certificate: Certificate,
}

/// Most keys that may redeem one token.
const MAX_USES: u32 = 10_000;

/// Makes a token known. The same id with the same hash again changes nothing.
///
/// # Errors
///
/// `Invalid` for what cannot be, `Conflict` if the id is another token's.
pub fn create_token(
    world: &World,
    request: CreateToken,
    by: &Actor,
    now: Timestamp,
) -> Result<Outcome<Token>, Refusal> {
    if let Some(known) = world.access.tokens.get(&request.id) {
        if known.secret_hash == request.secret_hash && known.is_valid(now) {
            return Ok(Outcome::unchanged(known.clone()));
        }
        return Err(Refusal::conflict(format!(
            "there is another token with the id {}",
            request.id
        )));
    }
    if request.expires_at.is_some_and(|end| end <= now) {
        return Err(Refusal::invalid("ttl", "must be more than 0"));
    }
    let kind = kind(request.kind)?;
    if matches!(kind, TokenKind::Enrollment { .. }) && request.expires_at.is_none() {
        return Err(Refusal::invalid("ttl", "an enrolment token must end"));
    }
    let token = Token {
        kind,
        secret_hash: request.secret_hash,
        created_by: by.clone(),
        created_at: now,
        expires_at: request.expires_at,
        revoked: false,
    };
    let act = Act::TokenCreated {
        id: request.id,
        token: token.clone(),
    };
    Ok(Outcome {
        changes: vec![decided(by, now, act)],
        value: token,
    })
}

fn kind(new: NewToken) -> Result<TokenKind, Refusal> {
    let (agent, labels, max_uses) = match new {
        NewToken::Api { holder, role } => return Ok(TokenKind::Api { holder, role }),
        NewToken::Enrollment {
            agent,
            labels,
            max_uses,
        } => (agent, labels, max_uses),
    };
    check_labels(&labels).map_err(|error| Refusal::invalid("labels", error.to_string()))?;
    if !(1..=MAX_USES).contains(&max_uses) {
        return Err(Refusal::invalid(
            "max_uses",
            format!("must be 1 to {MAX_USES}; got {max_uses}"),
        ));
    }
    if max_uses > 1 && agent.is_some() {
        return Err(Refusal::invalid(
            "max_uses",
            "must be 1 for a token with a name: two machines cannot have one name",
        ));
    }
    Ok(TokenKind::Enrollment {
        agent,
        labels,
        max_uses,
        uses: std::collections::BTreeMap::new(),
    })
}

/// Makes a token worthless. Certificates that it gave stay.
///
/// # Errors
///
/// `NotFound` for an unknown id.
pub fn revoke_token(
    world: &World,
    id: &str,
    reason: &str,
    by: &Actor,
    now: Timestamp,
) -> Result<Outcome<Token>, Refusal> {
    check_text("reason", reason)?;
    let token = world
        .access
        .tokens
        .get(id)
        .ok_or_else(|| Refusal::not_found("token", id))?;
    if token.revoked {
        return Ok(Outcome::unchanged(token.clone()));
    }
    let act = Act::TokenRevoked {
        id: id.to_owned(),
        reason: reason.to_owned(),
    };
    Ok(Outcome {
        changes: vec![decided(by, now, act)],
        value: Token {
            revoked: true,
            ..token.clone()
        },
    })
}

/// Makes an operator's certificate known; the name's former one is refused from then on.
///
/// # Errors
///
/// `Invalid` if it has ended already.
pub fn issue_operator(
    world: &World,
    request: IssueOperator,
    by: &Actor,
    now: Timestamp,
) -> Result<Outcome<Operator>, Refusal> {
    if request.certificate.not_after <= now {
        return Err(Refusal::invalid("ttl", "must be more than 0"));
    }
    let known = world.access.operators.get(&request.name);
    if let Some(known) =
        known.filter(|known| known.certificate == request.certificate && !known.revoked)
    {
        return Ok(Outcome::unchanged(known.clone()));
    }
    let operator = Operator {
        role: request.role,
        certificate: request.certificate,
        created_at: now,
        created_by: by.clone(),
        revoked: false,
    };
    let act = Act::OperatorIssued {
        name: request.name,
        operator: operator.clone(),
    };
    Ok(Outcome {
        changes: vec![decided(by, now, act)],
        value: operator,
    })
}

/// Refuses an operator's certificate from now on.
///
/// # Errors
///
/// `NotFound` for an unknown name.
pub fn revoke_operator(
    world: &World,
    name: &OperatorName,
    reason: &str,
    by: &Actor,
    now: Timestamp,
) -> Result<Outcome<Operator>, Refusal> {
    check_text("reason", reason)?;
    let operator = world
        .access
        .operators
        .get(name)
        .ok_or_else(|| Refusal::not_found("operator", name))?;
    if operator.revoked {
        return Ok(Outcome::unchanged(operator.clone()));
    }
    let act = Act::OperatorRevoked {
        name: name.clone(),
        reason: reason.to_owned(),
    };
    Ok(Outcome {
        changes: vec![decided(by, now, act)],
        value: Operator {
            revoked: true,
            ..operator.clone()
        },
    })
}
