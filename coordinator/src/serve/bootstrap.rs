use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use pinion_model::{Actor, OperatorName, Role, Timestamp};
use rcgen::KeyPair;
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::{HttpTls, Settings};
use crate::cli::UsageError;
use crate::config::ConfigError;
use crate::identity::{Authority, ServerCertificate, files, server_certificate};
use crate::ledger::Ledger;
use crate::listen::server_tls;
use crate::operators;

/// The authority and what it made for this coordinator.
#[derive(Debug)]
pub struct Pki {
    /// Signs everybody's certificate.
    pub authority: Arc<Authority>,
    /// Shown to clients.
    pub server: ServerCertificate,
    /// Where both are kept.
    pub dir: PathBuf,
}

/// Where the authority is, in a data directory.
#[must_use]
pub(crate) fn pki_dir(data_dir: &Path) -> PathBuf {
    data_dir.join("pki")
}

/// Opens the authority, or makes it at the first start, and its server certificate.
///
/// # Errors
///
/// If a file cannot be read or written, or is damaged.
pub fn pki(settings: &Settings, now: Timestamp) -> anyhow::Result<Pki> {
    let dir = pki_dir(&settings.data_dir);
    let asked = settings.config.trust_domain.as_ref();
    let authority = Authority::open(&dir, asked.cloned().unwrap_or_default(), now)
        .context("open the certificate authority")?;
    if let Some(asked) = asked.filter(|asked| *asked != authority.domain()) {
        let message = format!(
            "is {asked}, but the authority in {} is of {}: names that it signed would count no more; \
             set trust_domain = \"{1}\", or leave it out",
            dir.display(),
            authority.domain()
        );
        let (file, key) = ("the configuration".to_owned(), "trust_domain".to_owned());
        return Err(UsageError::Config(ConfigError::Key { file, key, message }).into());
    }
    let server = server_certificate(&dir, &authority, &settings.names, now)
        .context("make the server certificate")?;
    Ok(Pki {
        authority: Arc::new(authority),
        server,
        dir,
    })
}

/// Makes the first administrator while the store knows no operator at all;
/// whether it did.
pub(super) async fn first_admin(
    data_dir: &Path,
    pki: &Pki,
    ledger: &Ledger,
) -> anyhow::Result<bool> {
    if ledger.read(|world| !world.access.operators.is_empty()) {
        return Ok(false);
    }
    let name: OperatorName = "admin".parse().context("the first operator's name")?;
    let dir = pki_dir(data_dir).join("operators");
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).context("make a key")?;
    let issued = operators::sign(&pki.authority, &name, &key, ledger.clock(), operators::LIFE)
        .context("sign the first administrator's certificate")?;
    files::private_dir(&dir)?;
    files::write_secret(&dir.join("admin.key"), &key.serialize_pem())?;
    files::write_public(&dir.join("admin.pem"), &issued.pem)?;
    // Known only once its key is on disk: whatever happens in between, the
    // next start makes another.
    operators::register(ledger, &name, Role::Admin, &issued, &Actor::System)
        .await
        .context("store the first administrator")?;
    let ca = pki.dir.join("ca.pem");
    println!("A new authority and a first administrator were made:");
    println!("  authority      {}", ca.display());
    println!(
        "  administrator  {} and {}",
        dir.join("admin.pem").display(),
        dir.join("admin.key").display()
    );
    Ok(true)
}

/// The next command to type, once it is known where the operators' listener is.
pub(super) fn next_command(data_dir: &Path, operators: std::net::SocketAddr) -> String {
    let pki = pki_dir(data_dir);
    let at = if operators.ip().is_unspecified() {
        "127.0.0.1".to_owned()
    } else {
        operators.ip().to_string()
    };
    let at = if at.contains(':') {
        format!("[{at}]")
    } else {
        at
    };
    format!(
        "pinion --endpoint https://{at}:{} --ca {} --cert {} --key {} token create",
        operators.port(),
        pki.join("ca.pem").display(),
        pki.join("operators/admin.pem").display(),
        pki.join("operators/admin.key").display()
    )
}

/// The HTTP listener's own certificate, if files were given for it.
pub(super) fn http_tls(tls: Option<&HttpTls>) -> Result<Option<Arc<ServerConfig>>, UsageError> {
    let Some(HttpTls::Files { cert, key }) = tls else {
        return Ok(None);
    };
    let unusable = |flag, path: &Path, why: &dyn std::fmt::Display| UsageError::Flag {
        flag,
        message: format!("{} cannot be used: {why}", path.display()),
    };
    let chain = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unusable("--http-tls-cert", cert, &error))?;
    if chain.is_empty() {
        return Err(unusable(
            "--http-tls-cert",
            cert,
            &"it holds no certificate in PEM",
        ));
    }
    let private = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| unusable("--http-tls-key", key, &error))?;
    let config = server_tls(chain, private).map_err(|_| {
        unusable(
            "--http-tls-key",
            key,
            &"it is not the key of the certificate",
        )
    })?;
    Ok(Some(config))
}
