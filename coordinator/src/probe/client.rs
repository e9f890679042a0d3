use std::sync::Arc;
use std::time::Duration;

use pinion_rollout::{HttpGet, Probe, PromQuery, Sample};
use reqwest::header::{ACCEPT, AUTHORIZATION};
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Client, Response, Url};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};

use super::{TokenFiles, Trouble, prometheus};

/// Most bytes of an answer that are read.
const LONGEST: usize = 1024 * 1024;
/// How long one probe may take, redirects and body included.
const LIMIT: Duration = Duration::from_secs(10);
const REDIRECTS: usize = 5;

/// Asks probes, and never fails: what could not be measured is inconclusive.
#[derive(Debug, Clone)]
pub struct Prober {
    client: Client,
    tokens: Arc<TokenFiles>,
    limit: Duration,
}

impl Prober {
    /// A prober that trusts the certificate authorities of this machine
    /// (`SSL_CERT_FILE` and `SSL_CERT_DIR` name others).
    ///
    /// # Errors
    ///
    /// If TLS cannot be set up at all.
    pub fn new(tokens: TokenFiles) -> Result<Self, reqwest::Error> {
        let client = Client::builder()
            .tls_backend_preconfigured(tls())
            .user_agent(concat!("pinion-coordinator/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::custom(follow))
            .referer(false)
            .no_proxy()
            .pool_max_idle_per_host(2)
            .build()?;
        Ok(Self {
            client,
            tokens: Arc::new(tokens),
            limit: LIMIT,
        })
    }

    #[cfg(test)]
    pub(super) fn with_limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Takes one sample.
    pub async fn ask(&self, probe: &Probe) -> Sample {
        let asked = async {
            match probe {
                Probe::Prometheus(query) => self.query(query).await,
                Probe::Http(get) => self.get(get).await,
            }
        };
        let answered = tokio::time::timeout(self.limit, asked).await;
        let late = || Trouble::Silent(format!("not within {:?}", self.limit));
        answered
            .unwrap_or_else(|_| Err(late()))
            .unwrap_or_else(|trouble| {
                let asked = match probe {
                    Probe::Prometheus(query) => format!("{}: {}", query.url, query.query),
                    Probe::Http(get) => get.place().to_owned(),
                };
                Sample::inconclusive(format!("{trouble}: {asked}"))
            })
    }

    async fn query(&self, query: &PromQuery) -> Result<Sample, Trouble> {
        let base = query.url.trim_end_matches('/');
        let mut url = address(&format!("{base}/api/v1/query"))?;
        url.query_pairs_mut().append_pair("query", &query.query);
        let mut request = self
            .client
            .get(url.clone())
            .header(ACCEPT, "application/json");
        if let Some(token) = self.tokens.header(&url).await? {
            request = request.header(AUTHORIZATION, token);
        }
        let response = request.send().await.map_err(Trouble::silent)?;
        let status = response.status().as_u16();
        let body = read(response).await?;
        Ok(query.judge(&prometheus::read(status, &body)?))
    }

    async fn get(&self, get: &HttpGet) -> Result<Sample, Trouble> {
        let url = address(&get.url)?;
        let request = self.client.get(url).header(ACCEPT, "*/*");
        let response = request.send().await.map_err(Trouble::silent)?;
        let status = response.status().as_u16();
        if status != get.status || get.body_contains.is_none() {
            return Ok(get.judge(status, ""));
        }
        let body = read(response).await?;
        Ok(get.judge(status, &String::from_utf8_lossy(&body)))
    }
}

fn address(text: &str) -> Result<Url, Trouble> {
    Url::parse(text).map_err(|error| Trouble::Address(error.to_string()))
}

/// The whole body, as long as it is not too long.
async fn read(mut response: Response) -> Result<Vec<u8>, Trouble> {
    let mut body = Vec::new();
    while let Some(part) = response.chunk().await.map_err(Trouble::silent)? {
        if body.len() + part.len() > LONGEST {
            return Err(Trouble::TooLong(LONGEST));
        }
        body.extend_from_slice(&part);
    }
    Ok(body)
}

/// Stays on the host that was asked, and never leaves TLS; else the redirect
/// itself is the answer.
fn follow(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    let first = attempt.previous().first();
    let stays = first.is_some_and(|first| {
        let safe = first.scheme() == attempt.url().scheme() || attempt.url().scheme() == "https";
        safe && first.host_str() == attempt.url().host_str()
    });
    if stays && attempt.previous().len() <= REDIRECTS {
        attempt.follow()
    } else {
        attempt.stop()
    }
}

/// Ring and the machine's authorities. A machine without any can still ask
/// what is not encrypted.
fn tls() -> ClientConfig {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "an authority of this machine cannot be read; checks do not trust it");
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring knows the default versions of TLS")
        .with_root_certificates(roots)
        .with_no_client_auth()
}
