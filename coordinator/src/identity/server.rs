use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use pinion_model::Timestamp;
use rcgen::{KeyPair, SanType};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use x509_parser::extensions::GeneralName;

use super::authority::{Authority, AuthorityError};
use super::issue::Validity;
use super::{certificate, files};

/// A server certificate lives this long, and is made anew at two thirds of it.
const LIFE: Duration = Duration::from_secs(90 * 86_400);

/// A name that clients reach the coordinator by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ServerName {
    /// A host name, in lower case.
    Dns(String),
    /// An address.
    Ip(IpAddr),
}

impl ServerName {
    /// A host as people write it: a name, an IPv4 address, or an IPv6 address
    /// with or without brackets.
    #[must_use]
    pub fn from_host(host: &str) -> Self {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        bare.parse()
            .map_or_else(|_| Self::Dns(host.to_ascii_lowercase()), Self::Ip)
    }
}

/// What the coordinator shows to its clients.
#[derive(Debug)]
pub struct ServerCertificate {
    /// The certificate and then the authority's, so that a machine that only
    /// knows the authority's digest can find it.
    pub chain: Vec<CertificateDer<'static>>,
    /// Its private key.
    pub key: PrivateKeyDer<'static>,
    /// From then on a new one is due.
    pub renew_at: Timestamp,
}

/// The server certificate in `dir` (`server.pem`, `server.key`); made anew if
/// there is none, its names are not `names`, another authority signed it, or
/// two thirds of its life are over.
///
/// # Errors
///
/// If a file cannot be read or written, or signing fails.
pub fn server_certificate(
    dir: &Path,
    authority: &Authority,
    names: &BTreeSet<ServerName>,
    now: Timestamp,
) -> Result<ServerCertificate, AuthorityError> {
    let (cert_path, key_path) = (dir.join("server.pem"), dir.join("server.key"));
    if let (Some(pem), Some(key)) = (files::read(&cert_path)?, files::read(&key_path)?)
        && let Some(kept) = usable(&pem, &key, authority, names, now)
    {
        return Ok(kept);
    }
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
    let sans = names.iter().map(san).collect::<Result<_, _>>()?;
    let valid = Validity {
        from: now,
        life: LIFE,
    };
    let issued = authority.issue_server(sans, &key, valid)?;
    files::write_secret(&key_path, &key.serialize_pem())?;
    files::write_public(&cert_path, &issued.pem)?;
    Ok(ServerCertificate {
        chain: vec![issued.der, authority.certificate().clone()],
        key: PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        renew_at: renewal(issued.not_after),
    })
}

/// The kept certificate, if it still is what it should be.
fn usable(
    pem: &str,
    key: &str,
    authority: &Authority,
    names: &BTreeSet<ServerName>,
    now: Timestamp,
) -> Option<ServerCertificate> {
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).ok()?;
    let renew_at = {
        let parsed = certificate::parse(&der).ok()?;
        let issuer = certificate::parse(authority.certificate()).ok()?;
        parsed.verify_signature(Some(issuer.public_key())).ok()?;
        let pair = KeyPair::from_pem(key).ok()?;
        let same_key =
            parsed.public_key().subject_public_key.data.as_ref() == pair.public_key_raw();
        let renew_at = renewal(certificate::not_after(&parsed));
        (same_key && names_of(&parsed)? == *names && now < renew_at).then_some(renew_at)?
    };
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).ok()?;
    Some(ServerCertificate {
        chain: vec![der, authority.certificate().clone()],
        key,
        renew_at,
    })
}

fn renewal(not_after: Timestamp) -> Timestamp {
    let third = u64::try_from(LIFE.as_millis() / 3).unwrap_or(0);
    Timestamp(not_after.0.saturating_sub(third))
}

fn san(name: &ServerName) -> Result<SanType, rcgen::Error> {
    Ok(match name {
        ServerName::Dns(host) => SanType::DnsName(host.clone().try_into()?),
        ServerName::Ip(address) => SanType::IpAddress(*address),
    })
}

fn names_of(
    certificate: &x509_parser::prelude::X509Certificate<'_>,
) -> Option<BTreeSet<ServerName>> {
    let names = certificate.subject_alternative_name().ok()??;
    names
        .value
        .general_names
        .iter()
        .map(|name| match name {
            GeneralName::DNSName(host) => Some(ServerName::Dns((*host).to_owned())),
            GeneralName::IPAddress(bytes) => address(bytes).map(ServerName::Ip),
            _ => None,
        })
        .collect()
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(bytes)
        .map(IpAddr::from)
        .or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
        .ok()
}
