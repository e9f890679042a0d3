use std::path::Path;
use std::time::Duration;

use pinion_model::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData,
    SanType,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use super::TrustDomain;
use super::certificate::{self, CertificateError};
use super::files::{self, FileError};
use super::issue::{Validity, common_name, serial, validity};

const AUTHORITY_LIFE: Duration = Duration::from_secs(3650 * 86_400);

/// The coordinator's own certificate authority (ECDSA P-256).
pub struct Authority {
    certificate: CertificateDer<'static>,
    pem: String,
    domain: TrustDomain,
    issuer: Issuer<'static, KeyPair>,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority")
            .field("domain", &self.domain)
            .finish_non_exhaustive()
    }
}

/// The authority could not be made, read or used.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// One of its files could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// One of its two files is missing.
    #[error(
        "{present} is there but {missing} is not: restore it from a backup, or, to start a new \
         authority (every agent must enrol again), move {present} away"
    )]
    Half {
        /// The file that is there.
        present: String,
        /// The file that is missing.
        missing: String,
    },
    /// What a file holds is no key or no authority's certificate.
    #[error("{path} does not hold {expected}")]
    Damaged {
        /// Which file.
        path: String,
        /// What it should hold.
        expected: &'static str,
    },
    /// The certificate cannot be read.
    #[error("read the authority's certificate")]
    Certificate(#[from] CertificateError),
    /// Signing failed.
    #[error("issue a certificate")]
    Issue(#[from] rcgen::Error),
}

impl Authority {
    /// The authority in `dir` (`ca.pem`, `ca.key`), made there if neither file
    /// exists. A new one signs names of `domain`; an old one keeps its own.
    ///
    /// # Errors
    ///
    /// If a file cannot be read or written, is damaged, or stands alone.
    pub fn open(dir: &Path, domain: TrustDomain, now: Timestamp) -> Result<Self, AuthorityError> {
        let (cert_path, key_path) = (dir.join("ca.pem"), dir.join("ca.key"));
        let half = |present: &Path, missing: &Path| AuthorityError::Half {
            present: present.display().to_string(),
            missing: missing.display().to_string(),
        };
        match (files::read(&cert_path)?, files::read(&key_path)?) {
            (Some(pem), Some(key)) => Self::read(&cert_path, pem, &key_path, &key),
            (Some(_), None) => Err(half(&cert_path, &key_path)),
            // A first start that died between the two: nothing is signed yet.
            (None, Some(key)) if files::holds_nothing_but(dir, &key_path)? => {
                Self::create(domain, now, key_of(&key_path, &key)?, &cert_path)
            }
            (None, Some(_)) => Err(half(&key_path, &cert_path)),
            (None, None) => {
                files::private_dir(dir)?;
                let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
                files::write_secret(&key_path, &key.serialize_pem())?;
                Self::create(domain, now, key, &cert_path)
            }
        }
    }

    fn read(
        cert_path: &Path,
        pem: String,
        key_path: &Path,
        key: &str,
    ) -> Result<Self, AuthorityError> {
        let key = key_of(key_path, key)?;
        let certificate = CertificateDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| damaged(cert_path, "a certificate in PEM"))?;
        let parsed = certificate::parse(&certificate)?;
        let ours = parsed.public_key().subject_public_key.data.as_ref() == key.der_bytes();
        if !ours {
            return Err(damaged(cert_path, "the certificate of ca.key"));
        }
        let domain = certificate::uris(&parsed)?
            .into_iter()
            .find_map(TrustDomain::from_uri)
            .ok_or_else(|| {
                damaged(
                    cert_path,
                    "an authority's certificate with a spiffe:// name",
                )
            })?;
        drop(parsed);
        let issuer = Issuer::from_ca_cert_der(&certificate, key)?;
        Ok(Self {
            certificate,
            pem,
            domain,
            issuer,
        })
    }

    /// A new certificate for `key`, written to `path`.
    fn create(
        domain: TrustDomain,
        now: Timestamp,
        key: KeyPair,
        path: &Path,
    ) -> Result<Self, AuthorityError> {
        let mut params = CertificateParams::default();
        validity(
            &mut params,
            Validity {
                from: now,
                life: AUTHORITY_LIFE,
            },
        );
        params.serial_number = Some(serial());
        params.distinguished_name = common_name("Pinion authority");
        params.subject_alt_names = vec![SanType::URI(domain.uri().try_into()?)];
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let signed = params.self_signed(&key)?;
        let (certificate, pem) = (signed.der().clone(), signed.pem());
        files::write_public(path, &pem)?;
        Ok(Self {
            certificate,
            pem,
            domain,
            issuer: Issuer::new(params, key),
        })
    }

    /// The authority's certificate.
    #[must_use]
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The authority's certificate as PEM.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// The domain of the names that it signs.
    #[must_use]
    pub fn domain(&self) -> &TrustDomain {
        &self.domain
    }

    /// What signs.
    pub(super) fn issuer(&self) -> &Issuer<'static, KeyPair> {
        &self.issuer
    }

    /// SHA-256 of its certificate (DER), 64 hex digits: what enrolment tokens carry.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        certificate::fingerprint(&self.certificate)
    }
}

fn damaged(path: &Path, expected: &'static str) -> AuthorityError {
    AuthorityError::Damaged {
        path: path.display().to_string(),
        expected,
    }
}

fn key_of(path: &Path, pem: &str) -> Result<KeyPair, AuthorityError> {
    KeyPair::from_pem(pem).map_err(|_| damaged(path, "a private key in PKCS #8 PEM"))
}
