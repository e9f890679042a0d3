//! Docker's `config.json`: which credential it names for a repository.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use pinion_model::Repository;
use secrecy::SecretString;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::Secret;

/// Docker Hub's name in `config.json` and in the engine's authentication.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";

/// Why a configuration of Docker's is of no use. Repeats nothing that it holds.
#[derive(Debug, thiserror::Error)]
pub enum ConfigFileError {
    /// The file is there and cannot be read.
    #[error("cannot be read: {0}")]
    Read(#[source] std::io::Error),
    /// It is not Docker's JSON.
    #[error("it is not the JSON of Docker's config.json (line {line}, column {column})")]
    Json {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
    },
    /// `auth` is not base64 of `user:password`.
    #[error("`auths.{0:?}.auth` is not the base64 of user:password")]
    Auth(String),
    /// A kind that the engine is not given.
    #[error(
        "`auths.{0:?}` holds a `registrytoken`; give a user and a password, or an `identitytoken`"
    )]
    RegistryToken(String),
}

/// What a configuration names for a repository.
#[derive(Debug)]
pub enum Entry {
    /// It has the secret itself.
    Secret(Secret),
    /// `credHelpers` binds a helper to this registry.
    Bound {
        /// The helper's name.
        helper: String,
        /// What to ask it for.
        key: String,
    },
    /// `credsStore` names a helper for every registry.
    Store {
        /// The helper's name.
        helper: String,
        /// What to ask it for.
        key: String,
    },
}

/// The parts of `config.json` that say who we are.
#[derive(Default, Deserialize)]
pub struct DockerConfig {
    #[serde(default)]
    auths: BTreeMap<String, Auth>,
    #[serde(default, rename = "credHelpers")]
    cred_helpers: BTreeMap<String, String>,
    #[serde(default, rename = "credsStore")]
    creds_store: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Auth {
    auth: Option<Wiped>,
    username: Option<String>,
    password: Option<Wiped>,
    identitytoken: Option<Wiped>,
    registrytoken: Option<Wiped>,
}

/// A text that is wiped when it is dropped.
#[derive(Deserialize)]
#[serde(from = "String")]
struct Wiped(Zeroizing<String>);

impl From<String> for Wiped {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl DockerConfig {
    /// Reads the JSON.
    ///
    /// # Errors
    ///
    /// If it is something else.
    pub fn parse(json: &str) -> Result<Self, ConfigFileError> {
        serde_json::from_str(json).map_err(|error| ConfigFileError::Json {
            line: error.line(),
            column: error.column(),
        })
    }

    /// Reads a file; `None` if there is none.
    ///
    /// # Errors
    ///
    /// If it is there and cannot be read, or is something else.
    pub fn read(path: &Path) -> Result<Option<Self>, ConfigFileError> {
        match std::fs::read_to_string(path).map(Zeroizing::new) {
            Ok(json) => Self::parse(&json).map(Some),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(ConfigFileError::Read(error)),
        }
    }

    /// The same with `auths` alone: what `DOCKER_AUTH_CONFIG` may hold.
    #[must_use]
    pub fn auths_only(self) -> Self {
        Self {
            auths: self.auths,
            ..Self::default()
        }
    }

    /// What it names for `repository`, by Docker's rules: `credHelpers`, else
    /// `credsStore`, else `auths`.
    ///
    /// # Errors
    ///
    /// If the entry in `auths` is of no use.
    pub fn entry(&self, repository: &Repository) -> Result<Option<Entry>, ConfigFileError> {
        let keys = keys(repository);
        let server = server_key(repository);
        for key in keys.iter().map(String::as_str).chain([server.as_str()]) {
            match self.cred_helpers.get(key).map(String::as_str) {
                None => {}
                Some("") => return self.auth(&keys),
                Some(helper) => {
                    return Ok(Some(Entry::Bound {
                        helper: helper.to_owned(),
                        key: key.to_owned(),
                    }));
                }
            }
        }
        match self.creds_store.as_deref() {
            Some(helper) if !helper.is_empty() => Ok(Some(Entry::Store {
                helper: helper.to_owned(),
                key: server,
            })),
            _ => self.auth(&keys),
        }
    }

    fn auth(&self, keys: &[String]) -> Result<Option<Entry>, ConfigFileError> {
        let found = keys
            .iter()
            .find_map(|key| self.auths.iter().find(|(name, _)| bare(name) == *key));
        match found {
            Some((name, auth)) => Ok(auth.secret(name)?.map(Entry::Secret)),
            None => Ok(None),
        }
    }
}

impl Auth {
    /// `None` for the empty entry that Docker leaves beside a `credsStore`.
    fn secret(&self, name: &str) -> Result<Option<Secret>, ConfigFileError> {
        let set = |text: &Option<Wiped>| {
            text.as_ref()
                .filter(|text| !text.0.is_empty())
                .map(|text| text.0.clone())
        };
        if let Some(token) = set(&self.identitytoken) {
            return Ok(Some(Secret::IdentityToken(SecretString::from(
                token.as_str(),
            ))));
        }
        if set(&self.registrytoken).is_some() {
            return Err(ConfigFileError::RegistryToken(name.to_owned()));
        }
        if let Some(auth) = set(&self.auth) {
            return decode(&auth)
                .map(Some)
                .ok_or_else(|| ConfigFileError::Auth(name.to_owned()));
        }
        match (&self.username, set(&self.password)) {
            (Some(username), Some(password)) if !username.is_empty() => {
                Ok(Some(Secret::Password {
                    username: username.clone(),
                    password: SecretString::from(password.as_str()),
                }))
            }
            _ => Ok(None),
        }
    }
}

/// Base64 of `user:password`: standard or URL-safe, padded or not.
fn decode(auth: &str) -> Option<Secret> {
    let standard: Zeroizing<String> = Zeroizing::new(
        auth.trim()
            .trim_end_matches('=')
            .chars()
            .map(|c| match c {
                '-' => '+',
                '_' => '/',
                other => other,
            })
            .collect(),
    );
    let bytes = Zeroizing::new(BASE64_STANDARD_NO_PAD.decode(standard.as_bytes()).ok()?);
    let text = std::str::from_utf8(&bytes).ok()?;
    let (username, password) = text.split_once(':')?;
    if username.is_empty() {
        return None;
    }
    let password = SecretString::from(password.trim_end_matches('\0'));
    Some(Secret::Password {
        username: username.to_owned(),
        password,
    })
}

/// The most exact name first: the repository, the paths above it, the host.
fn keys(repository: &Repository) -> Vec<String> {
    let mut keys = Vec::new();
    let mut rest = repository.as_str();
    while let Some((above, _)) = rest.rsplit_once('/') {
        keys.push(rest.to_owned());
        rest = above;
    }
    keys.push(rest.to_owned());
    if is_docker_hub(rest) {
        keys.push("index.docker.io".to_owned());
    }
    keys
}

/// A key of `auths` without scheme, and without the path of the registry's API.
fn bare(key: &str) -> &str {
    let schemeless = ["https://", "http://"]
        .iter()
        .find_map(|scheme| key.strip_prefix(scheme));
    match schemeless {
        Some(rest) => rest.split('/').next().unwrap_or(rest),
        None => {
            let key = key.trim_end_matches('/');
            key.strip_suffix("/v1")
                .or_else(|| key.strip_suffix("/v2"))
                .unwrap_or(key)
        }
    }
}

fn is_docker_hub(host: &str) -> bool {
    matches!(
        host,
        "docker.io" | "index.docker.io" | "registry-1.docker.io"
    )
}

/// What the engine and helpers call the registry of `repository`.
pub(super) fn server_key(repository: &Repository) -> String {
    match repository.host() {
        host if is_docker_hub(host) => DOCKER_HUB.to_owned(),
        host => host.to_owned(),
    }
}

/// The files to look at: the first alone if it is there, else the others.
pub(super) fn paths(environment: &BTreeMap<String, OsString>) -> Vec<PathBuf> {
    let variable = |name: &str| {
        environment
            .get(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let home = variable("HOME");
    let docker = variable("DOCKER_CONFIG")
        .or_else(|| home.as_ref().map(|home| home.join(".docker")))
        .map(|dir| dir.join("config.json"));
    let xdg = variable("XDG_CONFIG_HOME").or_else(|| home.map(|home| home.join(".config")));
    let containers = |dir: PathBuf| dir.join("containers/auth.json");
    [
        docker,
        variable("REGISTRY_AUTH_FILE"),
        variable("XDG_RUNTIME_DIR").map(containers),
        xdg.map(containers),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[cfg(test)]
mod tests;
