//! Who this machine is: its key, its certificate, and whom it trusts.
//!
//! ```text
//!   identity/agent.json   name, trust domain, addresses of the coordinator
//!   identity/ca.pem       the authorities to trust
//!   identity/agent.pem    key and certificate in one file: they change together
//!   identity/pending.key  a key that was made and has no certificate yet
//! ```
//!
//! A machine is enrolled when `agent.pem` is there: it is written last.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use pinion_model::{AgentId, Timestamp};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::disk;

/// All that proves this machine's name, and all that it trusts.
pub struct Identity {
    /// Its name.
    pub agent: AgentId,
    /// Of its SPIFFE id.
    pub trust_domain: String,
    /// `host:port` of the coordinator's agents' listener, in order.
    pub addresses: Vec<String>,
    /// Its own key, PKCS #8 PEM.
    pub key_pem: Zeroizing<String>,
    /// Its certificate.
    pub certificate: CertificateDer<'static>,
    /// Authorities, oldest first.
    pub authorities: Vec<CertificateDer<'static>>,
    /// From when the certificate counts.
    pub not_before: Timestamp,
    /// Until when it counts.
    pub not_after: Timestamp,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity")
            .field("agent", &self.agent)
            .field("addresses", &self.addresses)
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

/// Why the identity on disk is of no use.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// This machine was never enrolled.
    #[error(
        "this machine is not enrolled: {0} is not there. Make a token with `pinion token create` and \
         run `pinion-agent enroll --token … --state-dir … --allow …`"
    )]
    NotEnrolled(PathBuf),
    /// A file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {path}")]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file holds something else.
    #[error("{path} is damaged: {why}; enrol this machine again with --force")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A certificate that is none.
    #[error("the certificate that was issued cannot be read: {0}")]
    Certificate(String),
}

/// The part of the identity that is no key and no certificate.
#[derive(Serialize, Deserialize)]
struct Names {
    agent: AgentId,
    trust_domain: String,
    addresses: Vec<String>,
}

/// Where the identity is kept.
#[derive(Debug, Clone)]
pub struct IdentityDir(PathBuf);

impl IdentityDir {
    /// The identity's directory below the agent's state directory.
    #[must_use]
    pub fn below(state_dir: &Path) -> Self {
        Self(state_dir.join("identity"))
    }

    /// Whether this machine is enrolled.
    #[must_use]
    pub fn is_enrolled(&self) -> bool {
        self.bundle().exists()
    }

    /// The key to ask with: the one of an earlier try that got no answer, so
    /// that the token still counts for it, else a new one, which is on disk
    /// when this returns.
    ///
    /// # Errors
    ///
    /// If it can be neither read nor written.
    pub fn pending_key(&self) -> Result<rcgen::KeyPair, IdentityError> {
        disk::private_dir(&self.0).map_err(|source| write_error(&self.0, source))?;
        let path = self.pending();
        match std::fs::read_to_string(&path).map(Zeroizing::new) {
            Ok(pem) => {
                rcgen::KeyPair::from_pem(&pem).map_err(|_| damaged(&path, "it is no private key"))
            }
            Err(source) if source.kind() == std::io::ErrorKind::NotFound => {
                let key = new_key();
                let pem = Zeroizing::new(key.serialize_pem());
                disk::replace(&path, pem.as_bytes())
                    .map_err(|source| write_error(&path, source))?;
                Ok(key)
            }
            Err(source) => Err(IdentityError::Read { path, source }),
        }
    }

    /// Reads the identity.
    ///
    /// # Errors
    ///
    /// If there is none, or it is damaged.
    pub fn load(&self) -> Result<Identity, IdentityError> {
        if !self.is_enrolled() {
            return Err(IdentityError::NotEnrolled(self.bundle()));
        }
        let names: Names = serde_json::from_slice(&read(&self.names())?)
            .map_err(|error| damaged(&self.names(), &error.to_string()))?;
        let authorities = certificates(&self.authorities(), &read(&self.authorities())?)?;
        let bundle = read(&self.bundle())?;
        let no_key = || damaged(&self.bundle(), "it holds no private key");
        let key = PrivateKeyDer::from_pem_slice(&bundle).map_err(|_| no_key())?;
        let mut own = certificates(&self.bundle(), &bundle)?;
        let certificate = own.swap_remove(0);
        let key_pem = pem("PRIVATE KEY", key.secret_der());
        Identity::new(
            names.agent,
            names.trust_domain,
            names.addresses,
            key_pem,
            certificate,
            authorities,
        )
    }

    /// Writes the identity; it counts from the moment this returns.
    ///
    /// # Errors
    ///
    /// If it cannot be written: then the old one still counts.
    pub fn save(&self, identity: &Identity) -> Result<(), IdentityError> {
        disk::private_dir(&self.0).map_err(|source| write_error(&self.0, source))?;
        let names = Names {
            agent: identity.agent.clone(),
            trust_domain: identity.trust_domain.clone(),
            addresses: identity.addresses.clone(),
        };
        let names = serde_json::to_vec_pretty(&names).expect("strings always serialise");
        let authorities: String = identity
            .authorities
            .iter()
            .map(|der| pem("CERTIFICATE", der).to_string())
            .collect();
        let mut bundle = identity.key_pem.clone();
        bundle.push_str(&pem("CERTIFICATE", &identity.certificate));
        let files = [
            (self.names(), names.as_slice()),
            (self.authorities(), authorities.as_bytes()),
            (self.bundle(), bundle.as_bytes()),
        ];
        for (path, content) in files {
            disk::replace(&path, content).map_err(|source| write_error(&path, source))?;
        }
        disk::remove(&self.pending()).map_err(|source| write_error(&self.pending(), source))
    }

    fn names(&self) -> PathBuf {
        self.0.join("agent.json")
    }

    fn authorities(&self) -> PathBuf {
        self.0.join("ca.pem")
    }

    fn bundle(&self) -> PathBuf {
        self.0.join("agent.pem")
    }

    fn pending(&self) -> PathBuf {
        self.0.join("pending.key")
    }
}

impl Identity {
    /// An identity whose certificate's life is read from the certificate.
    ///
    /// # Errors
    ///
    /// If the certificate is none.
    pub fn new(
        agent: AgentId,
        trust_domain: String,
        addresses: Vec<String>,
        key_pem: Zeroizing<String>,
        certificate: CertificateDer<'static>,
        authorities: Vec<CertificateDer<'static>>,
    ) -> Result<Self, IdentityError> {
        let (not_before, not_after) = validity(&certificate)?;
        Ok(Self {
            agent,
            trust_domain,
            addresses,
            key_pem,
            certificate,
            authorities,
            not_before,
            not_after,
        })
    }

    /// The key as rustls takes it.
    ///
    /// # Errors
    ///
    /// If it is none.
    pub fn key(&self) -> Result<PrivateKeyDer<'static>, IdentityError> {
        PrivateKeyDer::from_pem_slice(self.key_pem.as_bytes())
            .map_err(|_| IdentityError::Certificate("its key is no PKCS #8".into()))
    }
}

/// A new P-256 key.
#[must_use]
pub fn new_key() -> rcgen::KeyPair {
    rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("ring makes P-256 keys")
}

/// A certificate signing request (PKCS #10, DER) for a key; it asks for no
/// name, since the coordinator takes only the key from it.
#[must_use]
pub fn signing_request(key: &rcgen::KeyPair) -> Vec<u8> {
    let params = rcgen::CertificateParams::default();
    let request = params
        .serialize_request(key)
        .expect("a key that was made here signs");
    request.der().to_vec()
}

fn validity(certificate: &CertificateDer<'_>) -> Result<(Timestamp, Timestamp), IdentityError> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate)
        .map_err(|error| IdentityError::Certificate(error.to_string()))?;
    let millis = |time: x509_parser::time::ASN1Time| {
        Timestamp(
            u64::try_from(time.timestamp())
                .unwrap_or(0)
                .saturating_mul(1000),
        )
    };
    Ok((
        millis(parsed.validity().not_before),
        millis(parsed.validity().not_after),
    ))
}

fn pem(kind: &str, der: &[u8]) -> Zeroizing<String> {
    let body = Zeroizing::new(BASE64_STANDARD.encode(der));
    let mut text = Zeroizing::new(format!("-----BEGIN {kind}-----\n"));
    for line in body.as_bytes().chunks(64) {
        text.push_str(std::str::from_utf8(line).expect("base64 is ASCII"));
        text.push('\n');
    }
    text.push_str(&format!("-----END {kind}-----\n"));
    text
}

fn certificates(path: &Path, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    match all {
        Ok(all) if !all.is_empty() => Ok(all),
        _ => Err(damaged(path, "it holds no certificate")),
    }
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, IdentityError> {
    let content = std::fs::read(path).map(Zeroizing::new);
    content.map_err(|source| IdentityError::Read {
        path: path.to_owned(),
        source,
    })
}

fn write_error(path: &Path, source: std::io::Error) -> IdentityError {
    IdentityError::Write {
        path: path.to_owned(),
        source,
    }
}

fn damaged(path: &Path, why: &str) -> IdentityError {
    IdentityError::Damaged {
        path: path.to_owned(),
        why: why.to_owned(),
    }
}

#[cfg(test)]
mod tests;
