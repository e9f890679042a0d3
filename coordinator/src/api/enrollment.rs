use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use pinion_model::{AgentId, Timestamp};
use pinion_proto::convert::timestamp;
use pinion_proto::v1;
use pinion_proto::v1::enrollment_service_server::EnrollmentService;
use pinion_rollout::commands::{self, Answer, Claim};
use pinion_rollout::{Agent, Outcome, Refusal, Use};
use rcgen::PublicKeyData;
use sha2::{Digest as _, Sha256};
use tonic::{Request, Response, Status};

use super::field::optional_text;
use super::{CallError, Context};
use crate::authentication::secret_hash;
use crate::identity::{Issued, Peer, Subject, Validity, public_key};
use crate::ledger::DecideError;
use crate::operators::certificate;
use crate::store::RefusedCall;

/// An agent renews after half of the life of its certificate; one that asks
/// again before this part of it is broken, and would fill the log.
const RENEW_AFTER: f64 = 0.1;
/// The same for one that never got the newest one, and asks with one before.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(10);
const ENROLL: &str = "/pinion.v1.EnrollmentService/Enroll";

/// How a machine gets its identity.
#[derive(Debug, Clone)]
pub(super) struct EnrollmentApi(pub(super) Arc<Context>);

impl EnrollmentApi {
    fn key(csr: &[u8]) -> Result<rcgen::PublicKey, CallError> {
        public_key(csr).map_err(|error| CallError::invalid("csr", error.to_string()))
    }

    fn issue(&self, agent: &AgentId, key: &rcgen::PublicKey) -> Result<Issued, CallError> {
        let valid = Validity {
            from: self.0.ledger.clock(),
            life: self.0.certificate_life,
        };
        let subject = Subject::Agent(agent.clone());
        self.0
            .authority
            .issue_client(&subject, key, valid)
            .map_err(CallError::internal)
    }

    /// The same key gets the same answer again; of different keys that come at
    /// once, the ledger lets as many pass as the token allows.
    async fn redeem(&self, claim: &Claim, key: &rcgen::PublicKey) -> Result<Use, CallError> {
        let ledger = &self.0.ledger;
        let now = ledger.clock();
        let agent = match ledger.read(|world| commands::check_redeem(world, claim, now))? {
            Answer::Again(before) => return Ok(before),
            Answer::New { agent, .. } => agent,
        };
        let issued = self.issue(&agent, key)?;
        let redeem = || commands::Redeem {
            claim: claim.clone(),
            agent: agent.clone(),
            certificate: certificate(&issued),
            encoded: BASE64_STANDARD.encode(&issued.der),
        };
        let decided = ledger
            .decide(|world, now| commands::redeem(world, redeem(), now))
            .await;
        Ok(decided
            .map_err(|error: DecideError| CallError::from(error))?
            .value)
    }

    /// A token that is not worth anything is a refused call, not a mistake.
    fn refuse(&self, error: CallError) -> Status {
        let message = error.to_string();
        let status = match &error {
            CallError::Refused(Refusal::NotFound { .. }) => Status::unauthenticated(
                "the enrolment token is not known to this coordinator: ask for a new one",
            ),
            CallError::Refused(Refusal::Precondition { .. }) => Status::permission_denied(&message),
            CallError::Refused(Refusal::Conflict { .. }) => Status::already_exists(&message),
            _ => return error.into(),
        };
        self.0.ledger.refused(RefusedCall {
            at: self.0.ledger.clock(),
            actor: None,
            subject: ENROLL.to_owned(),
            detail: status.message().to_owned(),
            count: 1,
        });
        status
    }

    fn authorities(&self) -> Vec<Vec<u8>> {
        vec![self.0.authority.certificate().to_vec()]
    }
}

#[tonic::async_trait]
impl EnrollmentService for EnrollmentApi {
    async fn enroll(
        &self,
        request: Request<v1::EnrollRequest>,
    ) -> Result<Response<v1::EnrollResponse>, Status> {
        let request = request.into_inner();
        let key = Self::key(&request.csr)?;
        let claim = Claim {
            secret_hash: secret_hash(&request.token_secret),
            key: key_hash(&key),
            wanted: optional_text("name", &request.name)?,
        };
        let redeemed = self
            .redeem(&claim, &key)
            .await
            .map_err(|error| self.refuse(error))?;
        let certificate = BASE64_STANDARD
            .decode(&redeemed.certificate)
            .map_err(|error| Status::from(CallError::internal(error)))?;
        Ok(Response::new(v1::EnrollResponse {
            agent: redeemed.agent.to_string(),
            certificate,
            authorities: self.authorities(),
            not_after: Some(timestamp(redeemed.not_after)),
            trust_domain: self.0.authority.domain().to_string(),
        }))
    }

    async fn renew_certificate(
        &self,
        request: Request<v1::RenewCertificateRequest>,
    ) -> Result<Response<v1::RenewCertificateResponse>, Status> {
        let peer = request.extensions().get::<Peer>().cloned();
        let (agent, presented) = peer
            .as_ref()
            .and_then(Peer::agent_certificate)
            .ok_or_else(|| Status::unauthenticated("renewal needs the certificate of an agent"))?;
        let key = Self::key(&request.get_ref().csr)?;
        let issued = self.issue(agent, &key)?;
        let renew = || commands::Renew {
            agent: agent.clone(),
            presented: presented.fingerprint.clone(),
            certificate: certificate(&issued),
        };
        let life = self.0.certificate_life;
        let decided = self.0.ledger.decide(|world, now| {
            let known = world.agents.get(agent);
            match known.and_then(|known| too_early(known, &presented.fingerprint, life, now)) {
                Some(wait) => Ok(Outcome::unchanged(Some(wait))),
                None => commands::renew(world, renew(), now).map(|renewed| Outcome {
                    changes: renewed.changes,
                    value: None,
                }),
            }
        });
        if let Some(wait) = decided.await.map_err(CallError::from)?.value {
            return Err(Status::resource_exhausted(format!(
                "the certificate of {agent} is new: it can be renewed in {} s",
                wait.as_secs() + 1
            )));
        }
        Ok(Response::new(v1::RenewCertificateResponse {
            certificate: issued.der.to_vec(),
            authorities: self.authorities(),
            not_after: Some(timestamp(issued.not_after)),
        }))
    }
}

/// How long to wait before the next certificate, if one was issued just now.
/// One that was issued for longer, before the coordinator was told another
/// `life`, is never too new.
fn too_early(agent: &Agent, presented: &str, life: Duration, now: Timestamp) -> Option<Duration> {
    let newest = agent.certificates.last()?;
    let lost = newest.fingerprint != presented && agent.knows(presented);
    let after = life.mul_f64(RENEW_AFTER);
    let after = if lost {
        after.min(ASK_AGAIN_AFTER)
    } else {
        after
    };
    // It ends a `life` after it was issued.
    let wait = newest.not_after.since(now).saturating_sub(life - after);
    (!wait.is_zero() && wait <= after).then_some(wait)
}

/// SHA-256 of a public key (SPKI, DER) in lower-case hex.
fn key_hash(key: &rcgen::PublicKey) -> String {
    let digest = Sha256::digest(key.subject_public_key_info());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
