use pinion_model::OperatorName;
use pinion_proto::convert::timestamp;
use pinion_proto::v1;
use pinion_rollout::{Operator, Token, TokenKind};

/// A token without its secret.
pub(crate) fn token(id: &str, token: &Token) -> v1::Token {
    let mut message = v1::Token {
        id: id.to_owned(),
        uses: u32::try_from(token.uses()).unwrap_or(u32::MAX),
        created_at: Some(timestamp(token.created_at)),
        expires_at: token.expires_at.map(timestamp),
        revoked: token.revoked,
        created_by: token.created_by.to_string(),
        ..v1::Token::default()
    };
    match &token.kind {
        TokenKind::Enrollment {
            agent,
            labels,
            max_uses,
            ..
        } => {
            message.kind = v1::TokenKind::Enrollment.into();
            message.role = v1::Role::Agent.into();
            message.name = agent.as_ref().map(ToString::to_string).unwrap_or_default();
            message.labels.clone_from(labels);
            message.max_uses = *max_uses;
        }
        TokenKind::Api { holder, role } => {
            message.kind = v1::TokenKind::Api.into();
            message.role = v1::Role::from(*role).into();
            message.name = holder.to_string();
        }
    }
    message
}

/// A person or a pipeline with a certificate.
pub(crate) fn operator(name: &OperatorName, operator: &Operator) -> v1::Operator {
    v1::Operator {
        name: name.to_string(),
        role: v1::Role::from(operator.role).into(),
        created_at: Some(timestamp(operator.created_at)),
        certificate_expires_at: Some(timestamp(operator.certificate.not_after)),
        revoked: operator.revoked,
        created_by: operator.created_by.to_string(),
    }
}
