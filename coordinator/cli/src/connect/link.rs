//! One connection, as one operator.

use std::path::{Path, PathBuf};
use std::time::Duration;

use pinion_proto::v1;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use super::trouble::{Trouble, cause, classify};
use super::{Credential, Settings};

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// How often a quiet connection is asked whether it lives.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// Bytes of one answer: a rollout names each of its machines.
const ANSWER_LIMIT: usize = 64 * 1024 * 1024;

/// A channel that says who we are with each call.
pub(crate) type Authorized = InterceptedService<Channel, Bearer>;

/// A connection to a coordinator.
pub(crate) struct Link {
    channel: Channel,
    bearer: Bearer,
    settings: Settings,
    /// Longest wait for one answer.
    pub(crate) timeout: Duration,
}

/// Adds the API token, if there is one, to each call.
#[derive(Clone)]
pub(crate) struct Bearer(Option<MetadataValue<Ascii>>);

impl Interceptor for Bearer {
    fn call(
        &mut self,
        mut request: tonic::Request<()>,
    ) -> Result<tonic::Request<()>, tonic::Status> {
        if let Some(token) = &self.0 {
            request
                .metadata_mut()
                .insert("authorization", token.clone());
        }
        Ok(request)
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    /// A file that was named cannot be read.
    #[error("read {path}, {what}")]
    File {
        /// What it should hold.
        what: &'static str,
        /// Its path.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file holds something else than it should.
    #[error("{path} holds no {what}")]
    Content {
        /// What it should hold.
        what: &'static str,
        /// Its path, or the variable.
        path: String,
    },
    /// The address is none.
    #[error("{endpoint} is no address")]
    Address {
        /// What was given.
        endpoint: String,
        /// Why.
        #[source]
        source: tonic::transport::Error,
    },
    /// The certificates fit nothing.
    #[error("use {us} for TLS: {cause}")]
    Tls {
        /// The credential in words.
        us: String,
        /// Why.
        cause: String,
    },
    /// Nobody there, or not whom we trust.
    #[error("cannot connect to {endpoint}: {cause}")]
    Connect {
        /// Where to.
        endpoint: String,
        /// Why.
        cause: String,
        /// What to check.
        advice: String,
    },
}

impl ConnectError {
    /// What to do next.
    pub(crate) fn advice(&self) -> String {
        match self {
            Self::Connect { advice, .. } => advice.clone(),
            Self::File { .. } | Self::Content { .. } => {
                "check the path in the options, the PINION_ variables and the profile (`pinion profile show`)".into()
            }
            Self::Address { .. } => "an endpoint is https://HOST:PORT".into(),
            Self::Tls { .. } => "certificate and key must be PEM and belong to each other".into(),
        }
    }
}

impl Link {
    /// Connects, and waits until the TLS handshake is done.
    ///
    /// # Errors
    ///
    /// If a file cannot be used, or no connection comes about in 10 s.
    pub(crate) async fn open(settings: Settings, timeout: Duration) -> Result<Self, ConnectError> {
        let bearer = bearer(&settings.credential)?;
        let endpoint = endpoint(&settings)?;
        tracing::info!(endpoint = settings.endpoint, credential = %settings.credential, "connecting");
        // The endpoint's own limit ends with TCP; a server that hangs does so in TLS.
        let cause = match tokio::time::timeout(CONNECT, endpoint.connect()).await {
            Ok(Ok(channel)) => {
                return Ok(Self {
                    channel,
                    bearer,
                    settings,
                    timeout,
                });
            }
            Ok(Err(error)) => cause(&error),
            Err(_) => format!("it timed out after {CONNECT:?}"),
        };
        let advice = advice(&settings, classify(&cause));
        Err(ConnectError::Connect {
            endpoint: settings.endpoint,
            cause,
            advice,
        })
    }

    /// What we are known by, in words.
    pub(super) fn credential(&self) -> String {
        self.settings.credential.to_string()
    }

    /// Where to.
    pub(crate) fn endpoint(&self) -> &str {
        &self.settings.endpoint
    }

    /// What to check about trouble that came after the handshake.
    pub(super) fn advice(&self, trouble: Trouble) -> String {
        advice(&self.settings, trouble)
    }

    fn authorized(&self) -> Authorized {
        InterceptedService::new(self.channel.clone(), self.bearer.clone())
    }

    /// The digests chosen for workloads.
    pub(crate) fn pins(&self) -> v1::pin_service_client::PinServiceClient<Authorized> {
        v1::pin_service_client::PinServiceClient::new(self.authorized())
            .max_decoding_message_size(ANSWER_LIMIT)
    }

    /// Taking them to machines.
    pub(crate) fn rollouts(&self) -> v1::rollout_service_client::RolloutServiceClient<Authorized> {
        v1::rollout_service_client::RolloutServiceClient::new(self.authorized())
            .max_decoding_message_size(ANSWER_LIMIT)
    }

    /// How they are taken there, by name.
    pub(crate) fn strategies(
        &self,
    ) -> v1::strategy_service_client::StrategyServiceClient<Authorized> {
        v1::strategy_service_client::StrategyServiceClient::new(self.authorized())
            .max_decoding_message_size(ANSWER_LIMIT)
    }

    /// Digests that no more machines get.
    pub(crate) fn quarantine(
        &self,
    ) -> v1::quarantine_service_client::QuarantineServiceClient<Authorized> {
        v1::quarantine_service_client::QuarantineServiceClient::new(self.authorized())
            .max_decoding_message_size(ANSWER_LIMIT)
    }

    /// The machines.
    pub(crate) fn fleet(&self) -> v1::fleet_service_client::FleetServiceClient<Authorized> {
        v1::fleet_service_client::FleetServiceClient::new(self.authorized())
            .max_decoding_message_size(ANSWER_LIMIT)
    }

    /// Tokens and operators.
    pub(crate) fn access(&self) -> v1::access_service_client::AccessServiceClient<Authorized> {
        v1::access_service_client::AccessServiceClient::new(self.authorized())
            .max_decoding_message_size(ANSWER_LIMIT)
    }

    /// Who changed what.
    pub(crate) fn audit(&self) -> v1::audit_service_client::AuditServiceClient<Authorized> {
        v1::audit_service_client::AuditServiceClient::new(self.authorized())
            .max_decoding_message_size(ANSWER_LIMIT)
    }
}

fn advice(settings: &Settings, trouble: Trouble) -> String {
    let ca = settings.ca.display().to_string();
    trouble.advice(&settings.endpoint, &ca, &settings.credential.to_string())
}

fn endpoint(settings: &Settings) -> Result<Endpoint, ConnectError> {
    let address = |source| ConnectError::Address {
        endpoint: settings.endpoint.clone(),
        source,
    };
    let ca = pem(&settings.ca, "a certificate authority", "CERTIFICATE")?;
    let mut tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca));
    if let Credential::Certificate { cert, key } = &settings.credential {
        let cert = pem(cert, "an operator's certificate", "CERTIFICATE")?;
        let key = pem(key, "its private key", "PRIVATE KEY")?;
        tls = tls.identity(Identity::from_pem(cert, key));
    }
    Endpoint::from_shared(settings.endpoint.clone())
        .map_err(address)?
        .connect_timeout(CONNECT)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(CONNECT)
        .tls_config(tls)
        .map_err(|error| ConnectError::Tls {
            us: settings.credential.to_string(),
            cause: cause(&error),
        })
}

fn read(path: &Path, what: &'static str) -> Result<String, ConnectError> {
    std::fs::read_to_string(path).map_err(|source| ConnectError::File {
        what,
        path: path.into(),
        source,
    })
}

fn pem(path: &Path, what: &'static str, label: &str) -> Result<String, ConnectError> {
    let text = read(path, what)?;
    if text.contains("-----BEGIN ") && text.contains(label) {
        return Ok(text);
    }
    Err(ConnectError::Content {
        what,
        path: path.display().to_string(),
    })
}

fn bearer(credential: &Credential) -> Result<Bearer, ConnectError> {
    let (token, path) = match credential {
        Credential::Certificate { .. } => return Ok(Bearer(None)),
        Credential::TokenFile(path) => (read(path, "an API token")?, path.display().to_string()),
        Credential::Token(token) => (token.clone(), "PINION_TOKEN".to_owned()),
    };
    let token = token.trim();
    let valid = !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic());
    let header = format!("Bearer {token}").parse::<MetadataValue<Ascii>>();
    match header {
        Ok(mut value) if valid => {
            value.set_sensitive(true);
            Ok(Bearer(Some(value)))
        }
        _ => Err(ConnectError::Content {
            what: "API token",
            path,
        }),
    }
}
