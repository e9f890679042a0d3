//! Who calls, and whether they may: the same answer for gRPC and HTTP.
//!
//! A certificate or a token only names somebody. What they may do, and whether
//! they are still known, is read from the World at every call, so a revocation
//! counts at once, also on connections that are open.

use std::sync::Arc;

use pinion_model::{OperatorName, Role, Timestamp};
use pinion_proto::{roles, v1};
use pinion_rollout::commands::{self, Standing};
use pinion_rollout::{TokenKind, World};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::identity::{Certificate, Peer, Presented, Subject, hex};
use crate::ledger::Ledger;

/// Whose the token in `CP_ADMIN_API_TOKEN` is.
const ADMIN_TOKEN_HOLDER: &str = "cp-admin-api-token";

/// Why a caller is not let in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// Nobody we know: 401, UNAUTHENTICATED.
    #[error("{0}")]
    Unknown(String),
    /// Somebody we know, who may not: 403, PERMISSION_DENIED.
    #[error("{0}")]
    Forbidden(String),
}

/// Tells callers apart.
#[derive(Clone)]
pub struct Authenticator {
    ledger: Arc<Ledger>,
    admin_token: Option<[u8; 32]>,
}

impl std::fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authenticator").finish_non_exhaustive()
    }
}

impl Authenticator {
    /// Reads who is who from `ledger`; `admin_token` is one more API token of
    /// role promoter.
    #[must_use]
    pub fn new(ledger: Arc<Ledger>, admin_token: Option<&str>) -> Self {
        Self {
            ledger,
            admin_token: admin_token.map(|token| Sha256::digest(token).into()),
        }
    }

    /// Who is behind a connection that presented this.
    ///
    /// # Errors
    ///
    /// If the certificate is revoked, replaced, or of somebody who was removed.
    pub fn by_certificate(&self, presented: &Presented) -> Result<Peer, Denied> {
        let Presented::Certificate(certificate) = presented else {
            return Ok(Peer::Anonymous);
        };
        let now = self.ledger.clock();
        let peer = self.ledger.read(|world| match &certificate.subject {
            Subject::Agent(agent) => agent_of(world, agent, certificate, now),
            Subject::Operator(name) => operator_of(world, name, certificate, now),
        });
        peer.map_err(|why| Denied::Unknown(format!("{}: {why}", certificate.subject)))
    }

    /// Who holds the API token of this hash.
    ///
    /// # Errors
    ///
    /// If nobody does, or it was revoked or has expired.
    pub fn by_token(&self, secret: &TokenHash) -> Result<Peer, Denied> {
        let hash = &secret.0;
        if self
            .admin_token
            .is_some_and(|admin| bool::from(admin.ct_eq(hash)))
        {
            let name = ADMIN_TOKEN_HOLDER.parse().expect("the constant is a name");
            return Ok(Peer::Operator(name, Role::Promoter));
        }
        let now = self.ledger.clock();
        let holder = self
            .ledger
            .read(|world| token_holder(world, &hex(hash), now));
        let (name, role) = holder.ok_or_else(|| {
            Denied::Unknown("the API token is unknown, revoked or expired: make one with `pinion token create --kind api`".to_owned())
        })?;
        Ok(Peer::Operator(name, role))
    }

    /// Whether `peer` may call the gRPC method at `path`.
    ///
    /// # Errors
    ///
    /// If not, with the role that it takes.
    pub fn may_call(&self, peer: &Peer, path: &str) -> Result<(), Denied> {
        let Some(wanted) = roles::allowed_roles(path) else {
            // Health and reflection: for everybody whom we know.
            return match peer {
                Peer::Anonymous => Err(unauthenticated(&[v1::Role::Viewer])),
                Peer::ExpiredAgent(..) => Err(forbidden(peer, wanted_words(&[v1::Role::Agent]))),
                Peer::Agent(..) | Peer::Operator(..) => Ok(()),
            };
        };
        let has = role_of(peer);
        if wanted.iter().any(|wanted| roles::includes(has, *wanted)) {
            return Ok(());
        }
        Err(match peer {
            Peer::Anonymous => unauthenticated(wanted),
            _ => forbidden(peer, wanted_words(wanted)),
        })
    }

    /// Whether `peer` is an operator of at least `role`.
    ///
    /// # Errors
    ///
    /// If not, with the role that it takes.
    pub fn require(&self, peer: &Peer, role: Role) -> Result<(), Denied> {
        match peer {
            Peer::Operator(_, has) if roles::includes((*has).into(), role.into()) => Ok(()),
            Peer::Anonymous => Err(unauthenticated(&[role.into()])),
            _ => Err(forbidden(peer, role.to_string())),
        }
    }
}

fn agent_of(
    world: &World,
    agent: &pinion_model::AgentId,
    certificate: &Arc<Certificate>,
    now: Timestamp,
) -> Result<Peer, &'static str> {
    match commands::standing(world, agent, &certificate.fingerprint) {
        Standing::Good => {}
        Standing::Revoked => return Err("its certificates are revoked"),
        Standing::Unknown => {
            return Err(
                "this certificate is none of its own: enrol the machine again with a new token",
            );
        }
    }
    Ok(Peer::from_agent_certificate(certificate, now).expect("the certificate names an agent"))
}

fn operator_of(
    world: &World,
    name: &OperatorName,
    certificate: &Certificate,
    now: Timestamp,
) -> Result<Peer, &'static str> {
    let operator = world
        .access
        .operators
        .get(name)
        .ok_or("there is no such operator")?;
    if operator.revoked {
        return Err("its certificate is revoked");
    }
    if operator.certificate.fingerprint != certificate.fingerprint {
        return Err("a newer certificate was issued in the place of this one");
    }
    if certificate.not_after < now {
        return Err("its certificate has expired: an administrator can issue a new one");
    }
    Ok(Peer::Operator(name.clone(), operator.role))
}

/// Compares with every token, each in constant time, so that an answer's time
/// says nothing about how much of a guess was right.
fn token_holder(world: &World, hash: &str, now: Timestamp) -> Option<(OperatorName, Role)> {
    let mut found = None;
    for token in world.access.tokens.values() {
        if bool::from(token.secret_hash.as_bytes().ct_eq(hash.as_bytes())) {
            found = Some(token);
        }
    }
    match found
        .filter(|token| token.is_valid(now))
        .map(|token| &token.kind)?
    {
        TokenKind::Api { holder, role } => Some((holder.clone(), *role)),
        TokenKind::Enrollment { .. } => None,
    }
}

/// The role of the protocol that a caller has.
#[must_use]
pub fn role_of(peer: &Peer) -> v1::Role {
    match peer {
        Peer::Anonymous => v1::Role::Anyone,
        Peer::Agent(..) => v1::Role::Agent,
        Peer::ExpiredAgent(..) => v1::Role::ExpiredAgent,
        Peer::Operator(_, role) => (*role).into(),
    }
}

fn unauthenticated(wanted: &[v1::Role]) -> Denied {
    let agents = wanted
        .iter()
        .all(|role| matches!(role, v1::Role::Agent | v1::Role::ExpiredAgent));
    Denied::Unknown(if agents {
        "this takes an agent's certificate: enrol the machine first".to_owned()
    } else {
        format!(
            "this takes role {}: use an operator's certificate, or `authorization: Bearer <API token>` on the operators' listener",
            wanted_words(wanted)
        )
    })
}

fn forbidden(peer: &Peer, wanted: String) -> Denied {
    Denied::Forbidden(format!("this takes role {wanted}; the caller is {peer}"))
}

fn wanted_words(wanted: &[v1::Role]) -> String {
    let words: Vec<_> = wanted
        .iter()
        .map(|role| {
            role.as_str_name()
                .trim_start_matches("ROLE_")
                .to_lowercase()
                .replace('_', " ")
        })
        .collect();
    words.join(" or ")
}

/// SHA-256 of a secret in lower-case hex: what the store keeps of it.
#[must_use]
pub fn secret_hash(secret: &str) -> String {
    hex(&Sha256::digest(secret))
}

/// SHA-256 of an API token: what is kept of it while a call lasts.
#[derive(Clone, Copy)]
pub struct TokenHash([u8; 32]);

/// The token of an `authorization: Bearer …` header; `None` without one.
#[must_use]
pub fn bearer(headers: &http::HeaderMap) -> Option<TokenHash> {
    let value = headers.get(http::header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    let given = scheme.eq_ignore_ascii_case("bearer") && !token.is_empty();
    given.then(|| TokenHash(Sha256::digest(token).into()))
}
