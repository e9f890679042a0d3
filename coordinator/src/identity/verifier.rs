use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::ring;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, RootCertStore, SignatureScheme,
};
use rustls_pki_types::{CertificateDer, UnixTime};

use super::certificate::{self, Certificate};
use super::{Authority, AuthorityError, Subject, TrustDomain};

/// A machine may renew with a certificate that ended this long ago at most.
pub const EXPIRED_GRACE: Duration = Duration::from_secs(30 * 86_400);

/// Accepts clients without a certificate, and with one of `authority` that
/// names somebody; an agent's also within [`EXPIRED_GRACE`] after its end.
/// That such a caller may only renew is for the authentication layer to see.
///
/// # Errors
///
/// If the authority's certificate cannot be a root.
pub fn client_verifier(
    authority: &Authority,
) -> Result<Arc<dyn ClientCertVerifier>, AuthorityError> {
    let damaged = |_| AuthorityError::Damaged {
        path: "ca.pem".to_owned(),
        expected: "a certificate that can be a root",
    };
    let mut roots = RootCertStore::empty();
    roots
        .add(authority.certificate().clone())
        .map_err(damaged)?;
    let provider = Arc::new(ring::default_provider());
    let inner = WebPkiClientVerifier::builder_with_provider(roots.into(), provider)
        .allow_unauthenticated()
        .build()
        .map_err(|_| AuthorityError::Damaged {
            path: "ca.pem".to_owned(),
            expected: "a certificate that can be a root",
        })?;
    Ok(Arc::new(NamedVerifier {
        inner,
        domain: authority.domain().clone(),
    }))
}

#[derive(Debug)]
struct NamedVerifier {
    inner: Arc<dyn ClientCertVerifier>,
    domain: TrustDomain,
}

impl NamedVerifier {
    /// Verifies an expired agent's certificate as of just before its end:
    /// chain, usage and signature must have been good then.
    fn verify_expired(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
        expired: rustls::Error,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let Ok(parsed) = certificate::parse(end_entity) else {
            return Err(expired);
        };
        let end = certificate::not_after(&parsed).0 / 1000;
        let agent = Certificate::read(end_entity, &self.domain)
            .is_ok_and(|certificate| matches!(certificate.subject, Subject::Agent(_)));
        if !agent || now.as_secs() > end.saturating_add(EXPIRED_GRACE.as_secs()) {
            return Err(expired);
        }
        let before = UnixTime::since_unix_epoch(Duration::from_secs(end.saturating_sub(1)));
        self.inner
            .verify_client_cert(end_entity, intermediates, before)
    }
}

impl ClientCertVerifier for NamedVerifier {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        use rustls::Error::InvalidCertificate;
        let verified = match self
            .inner
            .verify_client_cert(end_entity, intermediates, now)
        {
            Err(
                expired @ InvalidCertificate(
                    CertificateError::Expired | CertificateError::ExpiredContext { .. },
                ),
            ) => self.verify_expired(end_entity, intermediates, now, expired)?,
            verified => verified?,
        };
        Certificate::read(end_entity, &self.domain)
            .map_err(|_| InvalidCertificate(CertificateError::ApplicationVerificationFailure))?;
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
