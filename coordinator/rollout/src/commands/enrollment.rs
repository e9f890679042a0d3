use pinion_model::{Actor, AgentId, Labels, Timestamp};

use super::{agent_of, decided};
use crate::{Act, Agent, Certificate, Outcome, Refusal, TokenKind, Use, World};

/// What a machine shows to get an identity.
#[derive(Clone, PartialEq, Eq)]
pub struct Claim {
    /// SHA-256 of the token's secret, in hex.
    pub secret_hash: String,
    /// SHA-256 of its public key, in hex.
    pub key: String,
    /// The name that it would like.
    pub wanted: Option<AgentId>,
}

/// What a claim is worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The same key redeemed the token before: the same answer again.
    Again(Use),
    /// A certificate is to be made for this name, and given to [`redeem`].
    New {
        /// The name that it gets.
        agent: AgentId,
        /// The labels that it gets.
        labels: Labels,
    },
}

/// A claim with the certificate that was made for it.
#[derive(Clone, PartialEq, Eq)]
pub struct Redeem {
    /// What the machine showed.
    pub claim: Claim,
    /// The name that the certificate was made for.
    pub agent: AgentId,
    /// What to recognise it by.
    pub certificate: Certificate,
    /// The certificate as it is answered, in the caller's encoding.
    pub encoded: String,
}

/// A certificate that was made in place of one that ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renew {
    /// Whose.
    pub agent: AgentId,
    /// Fingerprint of the one that it showed.
    pub presented: String,
    /// What to recognise the new one by.
    pub certificate: Certificate,
}

/// Whether an agent's certificate counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It does.
    Good,
    /// The agent is revoked.
    Revoked,
    /// There is no such agent, or the certificate is none of its own: it was
    /// removed, or replaced too long ago.
    Unknown,
}

/// Whether a certificate of this fingerprint, for this agent, counts.
#[must_use]
pub fn standing(world: &World, agent: &AgentId, fingerprint: &str) -> Standing {
    match world.agents.get(agent) {
        Some(agent) if agent.revoked.is_some() => Standing::Revoked,
        Some(agent) if agent.knows(fingerprint) => Standing::Good,
        _ => Standing::Unknown,
    }
}

/// What a claim is worth now. Changes nothing: make the certificate, then [`redeem`].
///
/// # Errors
///
/// `NotFound` for a secret of no enrolment token, `Precondition` if the token
/// ended, was revoked or is used up, `Invalid` without a name, `Conflict` if
/// the name is taken.
pub fn check_redeem(world: &World, claim: &Claim, now: Timestamp) -> Result<Answer, Refusal> {
    let unknown = || Refusal::NotFound {
        what: "enrolment token of this secret",
        name: String::new(),
    };
    let (_, token) = world
        .access
        .token_of(&claim.secret_hash)
        .ok_or_else(unknown)?;
    let TokenKind::Enrollment {
        agent,
        labels,
        max_uses,
        uses,
    } = &token.kind
    else {
        return Err(unknown());
    };
    if token.revoked {
        return Err(Refusal::precondition(
            "the enrolment token is revoked; ask for a new one",
        ));
    }
    if let Some(before) = uses.get(&claim.key) {
        return Ok(Answer::Again(before.clone()));
    }
    if !token.is_valid(now) {
        return Err(Refusal::precondition(
            "the enrolment token has expired; ask for a new one",
        ));
    }
    if uses.len() >= *max_uses as usize {
        let message = format!(
            "the enrolment token is used up ({max_uses} of {max_uses} keys); ask for a new one"
        );
        return Err(Refusal::precondition(message));
    }
    let name = agent.as_ref().or(claim.wanted.as_ref());
    let name = name.ok_or_else(|| Refusal::invalid("name", "must be given: the token has none"))?;
    if world.agents.contains_key(name) {
        let message = format!(
            "there is an agent named {name} already; choose another name, or remove that one first"
        );
        return Err(Refusal::conflict(message));
    }
    Ok(Answer::New {
        agent: name.clone(),
        labels: labels.clone(),
    })
}

/// Gives a machine its identity, or the same key the same answer again.
///
/// # Errors
///
/// Those of [`check_redeem`], and `Conflict` if the certificate was made for
/// another name than the token gives.
pub fn redeem(world: &World, request: Redeem, now: Timestamp) -> Result<Outcome<Use>, Refusal> {
    let (agent, labels) = match check_redeem(world, &request.claim, now)? {
        Answer::Again(before) => return Ok(Outcome::unchanged(before)),
        Answer::New { agent, labels } => (agent, labels),
    };
    if agent != request.agent {
        return Err(Refusal::conflict(format!(
            "the certificate is for {}, the token for {agent}",
            request.agent
        )));
    }
    let token = world
        .access
        .token_of(&request.claim.secret_hash)
        .map(|(id, _)| id.to_owned());
    let answer = Use {
        agent: agent.clone(),
        certificate: request.encoded,
        not_after: request.certificate.not_after,
        at: now,
    };
    let act = Act::AgentEnrolled {
        agent: agent.clone(),
        token: token.unwrap_or_default(),
        key: request.claim.key,
        labels,
        certificate: request.certificate,
        answer: answer.clone(),
    };
    Ok(Outcome {
        changes: vec![decided(&Actor::Agent(agent), now, act)],
        value: answer,
    })
}

/// Makes an agent's new certificate known. The one that it showed stays good,
/// so that an answer that is lost costs nothing.
///
/// # Errors
///
/// `NotFound` for an unknown agent, `Precondition` if it is revoked or the one
/// that it showed is none of its own.
pub fn renew(world: &World, request: Renew, now: Timestamp) -> Result<Outcome<AgentId>, Refusal> {
    let agent: &Agent = agent_of(world, &request.agent)?;
    if agent.revoked.is_some() || !agent.knows(&request.presented) {
        let message = format!(
            "the certificate of {} does not count any more; enrol it anew",
            request.agent
        );
        return Err(Refusal::precondition(message));
    }
    let Renew {
        agent,
        presented,
        certificate,
    } = request;
    let act = Act::CertificateRenewed {
        agent: agent.clone(),
        presented,
        certificate,
    };
    Ok(Outcome {
        changes: vec![decided(&Actor::Agent(agent.clone()), now, act)],
        value: agent,
    })
}
