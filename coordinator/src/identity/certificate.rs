use pinion_model::Timestamp;
use sha2::{Digest as _, Sha256};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::{Subject, TrustDomain};

/// What a client certificate says, once its chain has been verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Whom it names.
    pub subject: Subject,
    /// SHA-256 of its DER in lower-case hex: what the store knows it by.
    pub fingerprint: String,
    /// Its serial number in lower-case hex.
    pub serial: String,
    /// It is good up to this instant.
    pub not_after: Timestamp,
}

/// A certificate that names nobody we know how to name.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// No X.509 certificate in DER.
    #[error("the certificate cannot be read: {0}")]
    Unreadable(String),
    /// Not exactly one URI among its alternative names.
    #[error("the certificate must carry exactly one URI name, and carries {0}")]
    Names(usize),
    /// Its URI is of another domain or kind.
    #[error("the certificate names {uri:?}, which is no agent or operator of {domain:?}")]
    Foreign {
        /// What it names.
        uri: String,
        /// The trust domain of this coordinator.
        domain: String,
    },
}

impl Certificate {
    /// Reads the certificate `der`, which must name someone of `domain`. Does
    /// not verify it.
    ///
    /// # Errors
    ///
    /// If it is no certificate, or does not carry exactly one URI of `domain`.
    pub fn read(der: &[u8], domain: &TrustDomain) -> Result<Self, CertificateError> {
        let certificate = parse(der)?;
        let uris = uris(&certificate)?;
        let [uri] = uris.as_slice() else {
            return Err(CertificateError::Names(uris.len()));
        };
        let subject = Subject::from_uri(uri, domain).ok_or_else(|| CertificateError::Foreign {
            uri: (*uri).chars().take(256).collect(),
            domain: domain.to_string(),
        })?;
        Ok(Self {
            subject,
            fingerprint: fingerprint(der),
            serial: hex(certificate.raw_serial()),
            not_after: not_after(&certificate),
        })
    }
}

/// Parses DER without verifying anything.
pub(super) fn parse(der: &[u8]) -> Result<X509Certificate<'_>, CertificateError> {
    X509Certificate::from_der(der)
        .map(|(_, certificate)| certificate)
        .map_err(|error| CertificateError::Unreadable(error.to_string()))
}

/// The URIs among a certificate's alternative names.
pub(super) fn uris<'a>(
    certificate: &'a X509Certificate<'_>,
) -> Result<Vec<&'a str>, CertificateError> {
    let names = certificate
        .subject_alternative_name()
        .map_err(|error| CertificateError::Unreadable(error.to_string()))?;
    let names = names
        .map(|extension| extension.value.general_names.as_slice())
        .unwrap_or_default();
    Ok(names
        .iter()
        .filter_map(|name| match name {
            GeneralName::URI(uri) => Some(*uri),
            _ => None,
        })
        .collect())
}

/// The last instant at which a certificate is good.
pub(super) fn not_after(certificate: &X509Certificate<'_>) -> Timestamp {
    let seconds = u64::try_from(certificate.validity().not_after.timestamp()).unwrap_or(0);
    Timestamp(seconds.saturating_mul(1000))
}

/// SHA-256 of a certificate's DER in lower-case hex.
pub(super) fn fingerprint(der: &[u8]) -> String {
    hex(&Sha256::digest(der))
}

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
