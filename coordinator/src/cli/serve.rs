use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use pinion_model::parse_duration;

use super::UsageError;
use crate::config::Config;
use crate::identity::EXPIRED_GRACE;
use crate::serve::{Advertised, HttpTls, Settings, server_names};

/// Arguments of `serve`.
#[derive(Debug, clap::Args)]
pub struct ServeArgs {
    /// Holds everything: the database, the authority, the first operator's key.
    #[arg(long, env = "PINION_DATA_DIR", value_name = "DIR")]
    data_dir: PathBuf,
    /// Registries, workloads and strategies; without it, the built-in catalog.
    #[arg(long, env = "PINION_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Replaces the default registry's prefix.
    #[arg(long, env = "MOLECULE_IMAGE_REGISTRY", value_name = "PREFIX")]
    image_registry: Option<String>,
    /// Where agents enrol and stay connected (mutual TLS). Port 0 takes a free one.
    #[arg(
        long,
        env = "PINION_AGENTS_LISTEN",
        value_name = "ADDR",
        default_value = "0.0.0.0:7443"
    )]
    agents_listen: SocketAddr,
    /// Where operators call (mutual TLS, or an API token).
    #[arg(
        long,
        env = "PINION_OPERATORS_LISTEN",
        value_name = "ADDR",
        default_value = "127.0.0.1:7444"
    )]
    operators_listen: SocketAddr,
    /// Where pipelines and monitoring call. Anything but loopback needs TLS.
    #[arg(
        long,
        env = "PINION_HTTP_LISTEN",
        value_name = "ADDR",
        default_value = "127.0.0.1:7480"
    )]
    http_listen: SocketAddr,
    /// How agents reach this coordinator; stands in enrolment tokens and in the
    /// server certificate. Repeat it for more than one, the best first. Without
    /// it: the agents' address if it is specific, else this machine's name.
    #[arg(
        long,
        env = "PINION_ADVERTISE",
        value_name = "HOST:PORT",
        value_delimiter = ','
    )]
    advertise: Vec<Advertised>,
    /// Certificate chain (PEM) of the HTTP listener.
    #[arg(
        long,
        env = "PINION_HTTP_TLS_CERT",
        value_name = "FILE",
        requires = "http_tls_key"
    )]
    http_tls_cert: Option<PathBuf>,
    /// Its private key (PEM).
    #[arg(
        long,
        env = "PINION_HTTP_TLS_KEY",
        value_name = "FILE",
        requires = "http_tls_cert"
    )]
    http_tls_key: Option<PathBuf>,
    /// "own": the HTTP listener shows the coordinator's own certificate.
    #[arg(long, env = "PINION_HTTP_TLS", value_name = "own", value_parser = ["own"], conflicts_with = "http_tls_cert")]
    http_tls: Option<String>,
    /// How often agents say that they are there; three missed make one offline.
    #[arg(long, env = "PINION_HEARTBEAT", value_name = "DURATION", default_value = "10s", value_parser = heartbeat)]
    heartbeat: Duration,
    /// How long agents may take to leave when the coordinator stops; each gets
    /// a random share of it before it comes back.
    #[arg(long, env = "PINION_DRAIN", value_name = "DURATION", default_value = "5s", value_parser = drain)]
    drain: Duration,
    /// How long an agent's certificate is good. Agents renew after half of it;
    /// one that was away longer renews with the expired one.
    #[arg(long, env = "PINION_CERTIFICATE_LIFE", value_name = "DURATION", default_value = "24h", value_parser = certificate_life)]
    certificate_life: Duration,
}

/// An API token of role promoter, for pipelines. A variable and no argument:
/// everybody on the machine can read arguments.
const ADMIN_API_TOKEN: &str = "CP_ADMIN_API_TOKEN";

/// What the variable holds; none if that is nothing but white space.
fn admin_api_token() -> Result<Option<String>, UsageError> {
    let Some(value) = std::env::var_os(ADMIN_API_TOKEN) else {
        return Ok(None);
    };
    let text = value.to_str().ok_or_else(|| UsageError::Flag {
        flag: ADMIN_API_TOKEN,
        message: "is no text (UTF-8)".to_owned(),
    })?;
    let token = text.trim();
    Ok((!token.is_empty()).then(|| token.to_owned()))
}

fn heartbeat(text: &str) -> Result<Duration, String> {
    let period = parse_duration(text).map_err(|error| error.to_string())?;
    if (Duration::from_millis(100)..=Duration::from_secs(300)).contains(&period) {
        return Ok(period);
    }
    Err("must be from 100ms to 5m".to_owned())
}

fn drain(text: &str) -> Result<Duration, String> {
    let limit = parse_duration(text).map_err(|error| error.to_string())?;
    if limit <= Duration::from_secs(300) {
        return Ok(limit);
    }
    Err("must be at most 5m".to_owned())
}

fn certificate_life(text: &str) -> Result<Duration, String> {
    let life = parse_duration(text).map_err(|error| error.to_string())?;
    if (Duration::from_secs(5)..=EXPIRED_GRACE).contains(&life) {
        return Ok(life);
    }
    Err("must be from 5s to 720h".to_owned())
}

impl ServeArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let settings = self.settings()?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .context("start the runtime")?;
        runtime.block_on(crate::serve::run(settings))
    }

    /// Checks everything that can be checked before a port opens.
    ///
    /// # Errors
    ///
    /// If the configuration or a flag cannot be used.
    pub fn settings(self) -> Result<Settings, UsageError> {
        let prefix = self
            .image_registry
            .as_deref()
            .filter(|prefix| !prefix.is_empty());
        let config = Config::load(self.config.as_deref(), prefix)?;
        let http_tls = match (self.http_tls_cert, self.http_tls_key, self.http_tls) {
            (Some(cert), Some(key), _) => Some(HttpTls::Files { cert, key }),
            (_, _, Some(_)) => Some(HttpTls::Own),
            _ => None,
        };
        if http_tls.is_none() && !self.http_listen.ip().is_loopback() {
            return Err(UsageError::Flag {
                flag: "--http-listen",
                message: format!(
                    "{} is not loopback, and API tokens would cross the network in the clear: \
                     add --http-tls own, or --http-tls-cert FILE --http-tls-key FILE, or listen on 127.0.0.1",
                    self.http_listen
                ),
            });
        }
        Ok(Settings {
            data_dir: self.data_dir,
            config,
            names: server_names(
                &self.advertise,
                &[self.agents_listen, self.operators_listen, self.http_listen],
            ),
            advertise: self.advertise,
            agents_listen: self.agents_listen,
            operators_listen: self.operators_listen,
            http_listen: self.http_listen,
            http_tls,
            heartbeat: self.heartbeat,
            drain: self.drain,
            certificate_life: self.certificate_life,
            admin_api_token: admin_api_token()?,
        })
    }
}
