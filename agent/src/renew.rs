//! Keeps the certificate from ending.

use std::sync::Arc;
use std::time::Duration;

use pinion_model::Timestamp;
use pinion_proto::v1::enrollment_service_client::EnrollmentServiceClient;
use pinion_proto::v1::{RenewCertificateRequest, RenewCertificateResponse};
use rustls_pki_types::CertificateDer;
use tokio::sync::watch;
use tonic::Code;
use zeroize::Zeroizing;

use crate::happenings::Happenings;
use crate::identity::{Identity, IdentityDir, IdentityError, new_key, signing_request};
use crate::machine::wall_clock;
use crate::session::Backoff;
use crate::tls::{self, ConnectError};

/// Longest sleep without looking at the wall clock: it may have been set.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// Shortest time between tries that failed.
const RETRY_AT_LEAST: Duration = Duration::from_secs(1);
/// Longest time between tries that failed.
const RETRY_LIMIT: Duration = Duration::from_secs(5 * 60);

/// Why there is no new certificate yet.
#[derive(Debug, thiserror::Error)]
pub enum RenewError {
    /// No connection to that address.
    #[error("no connection")]
    Connect(#[from] ConnectError),
    /// It is there, and said nothing for too long.
    #[error("the coordinator did not answer in time")]
    Silent(#[source] Box<tonic::Status>),
    /// The coordinator said no.
    #[error("the coordinator refused")]
    Refused(#[source] Box<tonic::Status>),
    /// The new certificate cannot be used.
    #[error("the new certificate cannot be used")]
    Identity(#[from] IdentityError),
}

impl RenewError {
    /// The coordinator knows this machine's certificates no more.
    fn is_final(&self) -> bool {
        use Code::{FailedPrecondition, NotFound, PermissionDenied, Unauthenticated};
        let Self::Refused(status) = self else {
            return false;
        };
        let code = status.code();
        [
            FailedPrecondition,
            NotFound,
            PermissionDenied,
            Unauthenticated,
        ]
        .contains(&code)
    }
}

/// The current identity, shared with the sessions.
pub type Current = watch::Sender<Arc<Identity>>;

/// Renews for ever: at a random 50 to 80 % of each certificate's life, at once
/// if it has ended, which is noted. Returns only when dropped.
pub async fn keep_fresh(kept: IdentityDir, current: Current, happenings: Arc<Happenings>) {
    loop {
        let identity = Arc::clone(&current.borrow());
        wait_until(due(&identity, rand::random())).await;
        let renewed = renew_until_done(&identity).await;
        tracing::info!(not_after = %renewed.not_after, "the certificate was renewed");
        if identity.not_after <= wall_clock() {
            happenings.note(None, "the certificate had ended, and was renewed");
        }
        let renewed = Arc::new(renewed);
        let is_kept = is_saved(&kept, &renewed);
        current.send_replace(Arc::clone(&renewed));
        if !is_kept {
            save_until_due(&kept, &renewed).await;
        }
    }
}

/// What cannot be kept counts all the same, for as long as this process lives;
/// the next one would renew with the one before.
async fn save_until_due(kept: &IdentityDir, renewed: &Identity) {
    let next = due(renewed, 0.0);
    while wall_clock() < next {
        tokio::time::sleep(RETRY_LIMIT.min(next.since(wall_clock()))).await;
        if is_saved(kept, renewed) {
            return;
        }
    }
}

fn is_saved(kept: &IdentityDir, renewed: &Identity) -> bool {
    let saved = kept.save(renewed);
    if let Err(error) = &saved {
        let error = tls::chain(error);
        tracing::error!(
            error,
            "the new certificate is in memory alone: it is written when the state directory takes it"
        );
    }
    saved.is_ok()
}

async fn renew_until_done(identity: &Identity) -> Identity {
    let mut backoff = Backoff::new(RETRY_LIMIT);
    loop {
        let error = match renew(identity).await {
            Ok(renewed) => return renewed,
            Err(error) => error,
        };
        let hint = hint(&error, identity, wall_clock());
        let error = tls::chain(&error);
        tracing::warn!(error, not_after = %identity.not_after, hint, "the certificate was not renewed");
        tokio::time::sleep(backoff.next_delay(rand::random()).max(RETRY_AT_LEAST)).await;
    }
}

/// When to renew: `random` is 0 to 1.
#[must_use]
pub fn due(identity: &Identity, random: f64) -> Timestamp {
    let life = identity.not_after.since(identity.not_before);
    identity.not_before + life.mul_f64(0.5 + 0.3 * random.clamp(0.0, 1.0))
}

fn hint(error: &RenewError, identity: &Identity, now: Timestamp) -> &'static str {
    if error.is_final() {
        "this machine's certificates do not count any more: enrol it again, with a new token, with `pinion-agent enroll --force`"
    } else if now.since(identity.not_after) > Duration::from_secs(30 * 86_400) {
        "it ended more than 30 days ago: enrol this machine again with `pinion-agent enroll --force`"
    } else {
        "it is tried again"
    }
}

async fn wait_until(at: Timestamp) {
    loop {
        let now = wall_clock();
        if now >= at {
            return;
        }
        tokio::time::sleep(at.since(now).min(LOOK_AGAIN)).await;
    }
}

/// Asks each address in turn, with a new key.
async fn renew(identity: &Identity) -> Result<Identity, RenewError> {
    let key = new_key();
    let config = tls::session_config(identity)?;
    let mut last = None;
    for address in &identity.addresses {
        let answer = match tls::connect(address, Arc::clone(&config)).await {
            Ok(channel) => ask(channel, signing_request(&key)).await,
            Err(error) => Err(error.into()),
        };
        match answer {
            Ok(answer) => return renewed(identity, Zeroizing::new(key.serialize_pem()), answer),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| ConnectError::Address(String::new()).into()))
}

async fn ask(
    channel: tonic::transport::Channel,
    csr: Vec<u8>,
) -> Result<RenewCertificateResponse, RenewError> {
    let mut client = EnrollmentServiceClient::new(channel);
    let asked = client.renew_certificate(RenewCertificateRequest { csr });
    tls::answer(asked)
        .await
        .map_err(|status| match status.code() {
            Code::DeadlineExceeded => RenewError::Silent(Box::new(status)),
            _ => RenewError::Refused(Box::new(status)),
        })
}

fn renewed(
    old: &Identity,
    key_pem: Zeroizing<String>,
    answer: RenewCertificateResponse,
) -> Result<Identity, RenewError> {
    let authorities = match answer.authorities.is_empty() {
        true => old.authorities.clone(),
        false => answer
            .authorities
            .into_iter()
            .map(CertificateDer::from)
            .collect(),
    };
    let identity = Identity::new(
        old.agent.clone(),
        old.trust_domain.clone(),
        old.addresses.clone(),
        key_pem,
        CertificateDer::from(answer.certificate),
        authorities,
    )?;
    // A certificate that does not fit the key must not take the old one's place.
    tls::session_config(&identity)?;
    Ok(identity)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renewal_is_due_between_half_and_four_fifths_of_the_life() {
        let key = new_key();
        let certificate = rcgen::CertificateParams::default()
            .self_signed(&key)
            .expect("signed")
            .der()
            .clone();
        let mut identity = Identity::new(
            "m1".parse().expect("name"),
            String::new(),
            Vec::new(),
            Zeroizing::new(String::new()),
            certificate,
            Vec::new(),
        )
        .expect("identity");
        (identity.not_before, identity.not_after) = (Timestamp(1_000_000), Timestamp(2_000_000));
        for (random, at) in [(0.0, 1_500_000), (0.5, 1_650_000), (1.0, 1_800_000)] {
            assert_eq!(due(&identity, random), Timestamp(at));
        }
        let month = Duration::from_secs(30 * 86_400);
        let month_later = identity.not_after + month;
        let silent = RenewError::Silent(Box::new(tonic::Status::unavailable("")));
        assert_eq!(hint(&silent, &identity, month_later), "it is tried again");
        let later = month_later + Duration::from_secs(1);
        assert!(hint(&silent, &identity, later).contains("--force"));
        let refused = |status| RenewError::Refused(Box::new(status));
        let revoked = refused(tonic::Status::unauthenticated("revoked"));
        assert!(hint(&revoked, &identity, Timestamp(0)).contains("--force"));
        let early = refused(tonic::Status::resource_exhausted("it is new"));
        assert_eq!(hint(&early, &identity, Timestamp(0)), "it is tried again");
    }
}
