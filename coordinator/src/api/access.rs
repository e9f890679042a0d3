use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use pinion_model::Role;
use pinion_proto::token::EnrollmentToken;
use pinion_proto::v1;
use pinion_proto::v1::access_service_server::AccessService;
use pinion_rollout::TokenKind;
use pinion_rollout::commands::{self, CreateToken, NewToken};
use tonic::{Request, Response, Status};

use super::convert::access;
use super::field::{self, optional_text, text};
use super::{CallError, Context, caller};
use crate::authentication::secret_hash;
use crate::identity::public_key;
use crate::operators;

const ENROLLMENT_LIFE: Duration = Duration::from_secs(3600);
const LONGEST_ENROLLMENT_LIFE: Duration = Duration::from_secs(86_400);

/// Who may do what: tokens and operators' certificates.
#[derive(Debug, Clone)]
pub(super) struct AccessApi(pub(super) Arc<Context>);

#[tonic::async_trait]
impl AccessService for AccessApi {
    async fn create_token(
        &self,
        request: Request<v1::CreateTokenRequest>,
    ) -> Result<Response<v1::CreateTokenResponse>, Status> {
        let by = caller(&request);
        let request = request.into_inner();
        let (kind, life) = new_token(&request)?;
        let random = BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
        let secret = format!("pinion_{random}");
        let shown = match kind {
            NewToken::Enrollment { .. } => EnrollmentToken {
                addresses: self.0.addresses.clone(),
                ca_sha256: self.0.authority.fingerprint(),
                secret: secret.clone(),
            }
            .encode(),
            NewToken::Api { .. } => secret.clone(),
        };
        let id: String = rand::random::<[u8; 6]>()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let expires_at = life.map(|life| self.0.ledger.clock() + life);
        let new = CreateToken {
            id: id.clone(),
            secret_hash: secret_hash(&secret),
            kind,
            expires_at,
        };
        let token = self
            .0
            .decide(|world, now| commands::create_token(world, new.clone(), &by, now))
            .await?;
        let token = Some(access::token(&id, &token));
        Ok(Response::new(v1::CreateTokenResponse {
            token,
            secret: shown,
        }))
    }

    async fn list_tokens(
        &self,
        request: Request<v1::ListTokensRequest>,
    ) -> Result<Response<v1::ListTokensResponse>, Status> {
        let kind = request.into_inner().kind();
        let tokens = self.0.ledger.read(|world| {
            let wanted = |of: &TokenKind| match kind {
                v1::TokenKind::Unspecified => true,
                v1::TokenKind::Enrollment => matches!(of, TokenKind::Enrollment { .. }),
                v1::TokenKind::Api => matches!(of, TokenKind::Api { .. }),
            };
            let tokens = world
                .access
                .tokens
                .iter()
                .filter(|(_, token)| wanted(&token.kind));
            tokens.map(|(id, token)| access::token(id, token)).collect()
        });
        Ok(Response::new(v1::ListTokensResponse { tokens }))
    }

    async fn revoke_token(
        &self,
        request: Request<v1::RevokeTokenRequest>,
    ) -> Result<Response<v1::RevokeTokenResponse>, Status> {
        let by = caller(&request);
        let v1::RevokeTokenRequest { id, reason } = request.into_inner();
        let token = self
            .0
            .decide(|world, now| commands::revoke_token(world, &id, &reason, &by, now))
            .await?;
        Ok(Response::new(v1::RevokeTokenResponse {
            token: Some(access::token(&id, &token)),
        }))
    }

    async fn issue_operator_certificate(
        &self,
        request: Request<v1::IssueOperatorCertificateRequest>,
    ) -> Result<Response<v1::IssueOperatorCertificateResponse>, Status> {
        let by = caller(&request);
        let request = request.into_inner();
        let name = text("name", &request.name)?;
        let role = role(request.role)?;
        let key = public_key(&request.csr)
            .map_err(|error| CallError::invalid("csr", error.to_string()))?;
        let life = field::duration("ttl", request.ttl.as_ref())?;
        let life = life.unwrap_or(operators::LIFE);
        if life > operators::LONGEST_LIFE {
            return Err(CallError::invalid("ttl", "must be at most 365 days").into());
        }
        let context = &self.0;
        let from = context.ledger.clock();
        let issued = operators::sign(&context.authority, &name, &key, from, life)?;
        operators::register(&context.ledger, &name, role, &issued, &by).await?;
        let operator = context.ledger.read(|world| {
            world
                .access
                .operators
                .get(&name)
                .map(|operator| access::operator(&name, operator))
        });
        Ok(Response::new(v1::IssueOperatorCertificateResponse {
            operator,
            certificate: issued.pem,
            authorities: context.authority.pem().to_owned(),
        }))
    }

    async fn list_operators(
        &self,
        _: Request<v1::ListOperatorsRequest>,
    ) -> Result<Response<v1::ListOperatorsResponse>, Status> {
        let operators = self.0.ledger.read(|world| {
            let operators = world.access.operators.iter();
            operators
                .map(|(name, operator)| access::operator(name, operator))
                .collect()
        });
        Ok(Response::new(v1::ListOperatorsResponse { operators }))
    }

    async fn revoke_operator(
        &self,
        request: Request<v1::RevokeOperatorRequest>,
    ) -> Result<Response<v1::RevokeOperatorResponse>, Status> {
        let by = caller(&request);
        let v1::RevokeOperatorRequest { name, reason } = request.into_inner();
        let name = text("name", &name)?;
        let operator = self
            .0
            .decide(|world, now| commands::revoke_operator(world, &name, &reason, &by, now))
            .await?;
        Ok(Response::new(v1::RevokeOperatorResponse {
            operator: Some(access::operator(&name, &operator)),
        }))
    }
}

/// What kind of token is asked for, and how long it lives; `None`: for ever.
fn new_token(request: &v1::CreateTokenRequest) -> Result<(NewToken, Option<Duration>), CallError> {
    let life = field::duration("ttl", request.ttl.as_ref())?;
    match request.kind() {
        v1::TokenKind::Enrollment => {
            let life = life.unwrap_or(ENROLLMENT_LIFE);
            if life > LONGEST_ENROLLMENT_LIFE {
                return Err(CallError::invalid(
                    "ttl",
                    "must be at most 24 h for an enrolment token",
                ));
            }
            let kind = NewToken::Enrollment {
                agent: optional_text("name", &request.name)?,
                labels: request.labels.clone(),
                max_uses: request.max_uses.max(1),
            };
            Ok((kind, Some(life)))
        }
        v1::TokenKind::Api => {
            if !request.labels.is_empty() || request.max_uses > 0 {
                return Err(CallError::invalid(
                    "labels, max_uses",
                    "are for enrolment tokens alone",
                ));
            }
            let kind = NewToken::Api {
                holder: text("name", &request.name)?,
                role: role(request.role)?,
            };
            Ok((kind, life))
        }
        v1::TokenKind::Unspecified => Err(CallError::invalid(
            "kind",
            "must be TOKEN_KIND_ENROLLMENT or TOKEN_KIND_API",
        )),
    }
}

fn role(role: i32) -> Result<Role, CallError> {
    v1::Role::known(role).ok_or_else(|| {
        CallError::invalid(
            "role",
            "must be ROLE_VIEWER, ROLE_PROMOTER, ROLE_OPERATOR or ROLE_ADMIN",
        )
    })
}
