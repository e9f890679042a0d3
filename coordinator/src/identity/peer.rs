use std::sync::Arc;

use pinion_model::{Actor, AgentId, OperatorName, Role, Timestamp};

use super::{Certificate, Subject};

/// What a connection proved during its handshake. Cheap to clone: it stands
/// in the extensions of every request of the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presented {
    /// No certificate.
    Nothing,
    /// A certificate of our own authority, good now or expired less than
    /// [`EXPIRED_GRACE`](super::EXPIRED_GRACE) ago. Whether it was revoked is
    /// the store's to say, at each call.
    Certificate(Arc<Certificate>),
}

/// Who makes a call, as found in the store when the call came in. The
/// authentication layer puts it in the extensions of every request it lets in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peer {
    /// Nobody we know: enrolment alone.
    Anonymous,
    /// A machine with a good certificate.
    Agent(AgentId, Arc<Certificate>),
    /// A machine whose certificate has expired: renewal alone.
    ExpiredAgent(AgentId, Arc<Certificate>),
    /// A person or a pipeline, with the role that the store gives it.
    Operator(OperatorName, Role),
}

impl Peer {
    /// The machine, if a good certificate names one.
    #[must_use]
    pub fn agent(&self) -> Option<&AgentId> {
        match self {
            Self::Agent(agent, _) => Some(agent),
            Self::Anonymous | Self::ExpiredAgent(..) | Self::Operator(..) => None,
        }
    }

    /// The machine and its certificate, expired or not: for renewal.
    #[must_use]
    pub fn agent_certificate(&self) -> Option<(&AgentId, &Certificate)> {
        match self {
            Self::Agent(agent, certificate) | Self::ExpiredAgent(agent, certificate) => {
                Some((agent, certificate))
            }
            Self::Anonymous | Self::Operator(..) => None,
        }
    }

    /// Who did it, for pins, rollouts and the audit log; [`Actor::System`]
    /// for a caller without a name.
    #[must_use]
    pub fn actor(&self) -> Actor {
        match self {
            Self::Anonymous => Actor::System,
            Self::Agent(agent, _) | Self::ExpiredAgent(agent, _) => Actor::Agent(agent.clone()),
            Self::Operator(name, role) => Actor::Operator {
                name: name.clone(),
                role: *role,
            },
        }
    }

    /// The machine that `certificate` names, expired or not as of `now`;
    /// `None` if it names an operator.
    #[must_use]
    pub fn from_agent_certificate(certificate: &Arc<Certificate>, now: Timestamp) -> Option<Self> {
        let Subject::Agent(agent) = &certificate.subject else {
            return None;
        };
        let (agent, expired) = (agent.clone(), certificate.not_after < now);
        Some(if expired {
            Self::ExpiredAgent(agent, Arc::clone(certificate))
        } else {
            Self::Agent(agent, Arc::clone(certificate))
        })
    }
}

impl std::fmt::Display for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Anonymous => f.write_str("a caller without a certificate or token"),
            Self::Agent(agent, _) => write!(f, "agent {agent}"),
            Self::ExpiredAgent(agent, _) => write!(f, "agent {agent} (certificate expired)"),
            Self::Operator(name, role) => write!(f, "{name} ({role})"),
        }
    }
}
