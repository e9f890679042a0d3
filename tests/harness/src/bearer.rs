//! A token server as registries with Bearer authentication use one.

use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use http::{Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rcgen::SigningKey as _;
use serde_json::{Value, json};

use crate::registry::is_known;
use crate::tls::{self, Leaf, Listening};
use crate::world::World;

const SERVICE: &str = "tests";
const ISSUER: &str = "pinion tests";
const LIFE: Duration = Duration::from_secs(300);

/// Answers `GET /token` with a token for the scope that was asked for.
#[derive(Debug)]
pub struct TokenServer {
    listening: Listening,
}

impl TokenServer {
    /// Starts it on a free port of the world's address.
    ///
    /// # Errors
    ///
    /// If it cannot listen.
    pub async fn start(world: &World) -> anyhow::Result<Self> {
        let host = IpAddr::V4(world.address());
        let leaf = std::sync::Arc::new(world.authority().issue(host)?);
        let config = leaf.server()?;
        let listening = tls::listen(host, config, move |stream| {
            let leaf = leaf.clone();
            async move {
                let answer = service_fn(|request| {
                    let answer = token(&request, &leaf);
                    async move { answer }
                });
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), answer);
                // How a connection ends is its client's matter.
                drop(connection.await);
            }
        });
        Ok(Self {
            listening: listening.await?,
        })
    }

    /// The `auth` section of a registry that trusts these tokens.
    pub(crate) fn registry_configuration(&self, world: &World) -> Value {
        json!({"token": {
            "realm": format!("https://{}/token", self.listening.address()),
            "service": SERVICE,
            "issuer": ISSUER,
            "rootcertbundle": world.authority().pem_file(),
        }})
    }
}

fn token(request: &Request<Incoming>, leaf: &Leaf) -> anyhow::Result<Response<Full<Bytes>>> {
    let Some(user) = user_of(request) else {
        let refusal = Response::builder().status(StatusCode::UNAUTHORIZED);
        return Ok(refusal.body(Full::default())?);
    };
    let signed = sign(&claims(request.uri().query().unwrap_or(""), &user)?, leaf)?;
    let body = json!({"token": signed, "expires_in": LIFE.as_secs()}).to_string();
    let answer = Response::builder().header(header::CONTENT_TYPE, "application/json");
    Ok(answer.body(Full::from(body))?)
}

/// The user of the request's Basic credentials, if they are right.
fn user_of(request: &Request<Incoming>) -> Option<String> {
    let value = request
        .headers()
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?;
    let decoded = BASE64_STANDARD.decode(value.strip_prefix("Basic ")?).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (user, password) = text.split_once(':')?;
    is_known(user, password).then(|| user.to_owned())
}

fn claims(query: &str, user: &str) -> anyhow::Result<Value> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let access: Vec<_> = query
        .split('&')
        .filter_map(|pair| pair.strip_prefix("scope="))
        .filter_map(access)
        .collect();
    Ok(json!({
        "iss": ISSUER, "sub": user, "aud": SERVICE, "jti": now.to_string(),
        "iat": now, "nbf": now.saturating_sub(60), "exp": now + LIFE.as_secs(),
        "access": access,
    }))
}

/// `repository:molecule-ai/platform:pull,push`, percent-encoded or not.
fn access(scope: &str) -> Option<Value> {
    let scope = scope
        .replace("%3A", ":")
        .replace("%2F", "/")
        .replace("%2C", ",");
    let (kind, rest) = scope.split_once(':')?;
    let (name, actions) = rest.rsplit_once(':')?;
    let actions: Vec<_> = actions.split(',').collect();
    Some(json!({"type": kind, "name": name, "actions": actions}))
}

fn sign(claims: &Value, leaf: &Leaf) -> anyhow::Result<String> {
    let chain = [BASE64_STANDARD.encode(leaf.certificate())];
    let head = json!({"typ": "JWT", "alg": "ES256", "x5c": chain});
    let encode = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", encode(&head), encode(claims));
    let signature = fixed(&leaf.key().sign(text.as_bytes())?).context("an ECDSA signature")?;
    Ok(format!(
        "{text}.{}",
        BASE64_URL_SAFE_NO_PAD.encode(signature)
    ))
}

/// An ECDSA P-256 signature as JWT wants it, two numbers of 32 bytes, from DER.
fn fixed(der: &[u8]) -> Option<Vec<u8>> {
    let numbers = der.strip_prefix(&[0x30])?.get(1..)?;
    let (r, rest) = integer(numbers)?;
    let (s, _) = integer(rest)?;
    let mut out = Vec::with_capacity(64);
    for number in [r, s] {
        let significant = &number[number.len().saturating_sub(32)..];
        out.extend(std::iter::repeat_n(0, 32 - significant.len()));
        out.extend_from_slice(significant);
    }
    Some(out)
}

/// The first DER integer of `bytes`, and what follows it.
fn integer(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.strip_prefix(&[0x02])?.split_first()?;
    rest.split_at_checked(usize::from(*length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_read_with_its_slashes() {
        let expected = json!({"type": "repository", "name": "a/b", "actions": ["pull", "push"]});
        assert_eq!(access("repository%3Aa%2Fb%3Apull%2Cpush"), Some(expected));
    }

    #[test]
    fn short_and_long_numbers_take_32_bytes_each() {
        let mut der = vec![0x30, 40, 0x02, 33, 0];
        der.extend([7; 32]);
        der.extend([0x02, 3, 1, 2, 3]);
        let signature = fixed(&der).expect("two integers");
        assert_eq!(signature[..32], [7; 32]);
        assert_eq!(signature[32..61], [0; 29]);
        assert_eq!(signature[61..], [1, 2, 3]);
    }
}
