use std::sync::Arc;

use crate::world::Touched;
use crate::{Act, Agent, Certificate, Decision, TokenKind, World};

/// Tokens, certificates and operators.
pub(super) fn apply(world: &mut World, decision: &Decision, touched: &mut Touched) {
    match &decision.act {
        Act::AgentEnrolled {
            agent,
            token,
            key,
            labels,
            certificate,
            answer,
        } => {
            if let Some(token) = world.access.tokens.get_mut(token)
                && let TokenKind::Enrollment { uses, .. } = &mut token.kind
            {
                uses.insert(key.clone(), answer.clone());
            }
            let enrolled = Agent::enrolled(labels.clone(), certificate.clone(), decision.at);
            world.agents.insert(agent.clone(), enrolled);
            touched.agents.insert(agent.clone());
        }
        Act::CertificateRenewed {
            agent,
            presented,
            certificate,
        } => {
            if let Some(agent) = world.agents.get_mut(agent) {
                renew(agent, presented, certificate);
            }
        }
        Act::TokenCreated { id, token } => {
            world.access.tokens.insert(id.clone(), token.clone());
        }
        Act::TokenRevoked { id, .. } => {
            if let Some(token) = world.access.tokens.get_mut(id) {
                token.revoked = true;
            }
        }
        Act::OperatorIssued { name, operator } => {
            world
                .access
                .operators
                .insert(name.clone(), operator.clone());
        }
        Act::OperatorRevoked { name, .. } => {
            if let Some(operator) = world.access.operators.get_mut(name) {
                operator.revoked = true;
            }
        }
        _ => {}
    }
}

/// The one that the agent showed stays, however often the answer was lost on its way.
fn renew(agent: &mut Agent, presented: &str, certificate: &Certificate) {
    let certificates = Arc::make_mut(&mut agent.certificates);
    certificates.push(certificate.clone());
    while certificates.len() > Agent::CERTIFICATES {
        let surplus = certificates
            .iter()
            .position(|known| known.fingerprint != presented);
        certificates.remove(surplus.unwrap_or(0));
    }
}
