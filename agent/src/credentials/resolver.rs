//! Which credential goes with a repository, and for how long it is kept.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pinion_model::{Failure, Repository};
use secrecy::SecretString;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::config_file::{self, DockerConfig, Entry};
use super::helper_process::{HelperProcesses, Question};
use super::{Credential, CredentialError, Resolve, Secret};

/// How long a helper may take unless its binding says otherwise: the first
/// call of ECR's waits for the instance's metadata.
const HELPER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a helper's answer is kept: the protocol carries no expiry.
const KEPT: Duration = Duration::from_secs(15 * 60);
/// ECR's tokens live 12 h, and its helper renews them at half of that.
const KEPT_ECR: Duration = Duration::from_secs(6 * 60 * 60);
/// How long a failure is kept, so that four workloads do not ask four times.
const FAILURE_KEPT: Duration = Duration::from_secs(5);
/// Helpers that run at the same time.
const HELPERS_AT_ONCE: usize = 4;
/// Credentials that are remembered of one registry: those that were renewed
/// may stand in a log still.
const RESOLVED: usize = 4;
/// ECR's own helper.
const ECR_HELPER: &str = "ecr-login";

/// What agent.toml says about one registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// Where the credential comes from.
    pub source: Source,
    /// How long a helper may take.
    pub timeout: Duration,
}

impl Binding {
    /// A binding with the default time limit, 10 s.
    #[must_use]
    pub fn new(source: Source) -> Self {
        Self {
            source,
            timeout: HELPER_TIMEOUT,
        }
    }
}

/// Where the credential of a registry comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A credential helper.
    Process {
        /// Its name, without `docker-credential-`.
        helper: String,
        /// What it is asked for, if not the registry's host.
        key: Option<String>,
    },
    /// A file that holds the password or token alone.
    SecretFile {
        /// The user's name.
        username: String,
        /// The file.
        path: PathBuf,
    },
    /// None is needed where none is found.
    Anonymous,
}

/// Finds credentials by agent.toml, the environment and Docker's files.
pub struct Resolver {
    bindings: BTreeMap<String, Binding>,
    environment: BTreeMap<String, OsString>,
    processes: HelperProcesses,
    at_once: Semaphore,
    kept: Mutex<BTreeMap<HelperAndKey, Slot>>,
    /// What was resolved for each registry, the newest first.
    resolved: Mutex<BTreeMap<String, Vec<Secret>>>,
}

/// A helper's name, and what it is asked for.
type HelperAndKey = (String, String);
/// Locked while the helper runs, so that everyone else waits for its answer.
type Slot = Arc<tokio::sync::Mutex<Kept>>;

/// A helper's last answer for one key.
#[derive(Default)]
struct Kept {
    answer: Option<(Instant, Result<Secret, CredentialError>)>,
    /// The registry refused the last one.
    refused: bool,
}

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resolver")
            .field("bindings", &self.bindings)
            .finish_non_exhaustive()
    }
}

impl Resolver {
    /// A resolver over `bindings` by registry host, this environment, and
    /// `own_executable` for the built-in helpers.
    #[must_use]
    pub fn new(
        bindings: BTreeMap<String, Binding>,
        environment: BTreeMap<String, OsString>,
        own_executable: PathBuf,
    ) -> Self {
        let processes = HelperProcesses::new(own_executable, &environment);
        Self {
            bindings,
            environment,
            processes,
            at_once: Semaphore::new(HELPERS_AT_ONCE),
            kept: Mutex::default(),
            resolved: Mutex::default(),
        }
    }

    async fn find(&self, repository: &Repository) -> Result<Option<Secret>, CredentialError> {
        match self.bindings.get(repository.host()) {
            Some(Binding {
                source: Source::Process { helper, key },
                timeout,
            }) => {
                let server = config_file::server_key(repository);
                self.ask(
                    repository,
                    helper,
                    key.as_deref().unwrap_or(&server),
                    *timeout,
                )
                .await
                .map(Some)
            }
            Some(Binding {
                source: Source::SecretFile { username, path },
                ..
            }) => secret_file(repository, username, path).map(Some),
            Some(Binding {
                source: Source::Anonymous,
                ..
            }) => self.dockers_own(repository).await,
            None => match self.dockers_own(repository).await? {
                Some(secret) => Ok(Some(secret)),
                None => Err(nothing_found(repository)),
            },
        }
    }

    /// `DOCKER_AUTH_CONFIG`, then Docker's file, or those of others where
    /// Docker has none.
    async fn dockers_own(
        &self,
        repository: &Repository,
    ) -> Result<Option<Secret>, CredentialError> {
        if let Some(json) = self
            .environment
            .get("DOCKER_AUTH_CONFIG")
            .and_then(|json| json.to_str())
        {
            let origin = "the variable DOCKER_AUTH_CONFIG";
            let config = DockerConfig::parse(json)
                .map_err(|error| malformed(repository, origin, &error))?
                .auths_only();
            if let Some(secret) = self.entry(repository, &config, origin).await? {
                return Ok(Some(secret));
            }
        }
        for path in config_file::paths(&self.environment) {
            let origin = path.display().to_string();
            let config = DockerConfig::read(&path)
                .map_err(|error| malformed(repository, &origin, &error))?;
            if let Some(config) = config {
                return self.entry(repository, &config, &origin).await;
            }
        }
        Ok(None)
    }

    async fn entry(
        &self,
        repository: &Repository,
        config: &DockerConfig,
        origin: &str,
    ) -> Result<Option<Secret>, CredentialError> {
        let entry = config
            .entry(repository)
            .map_err(|error| malformed(repository, origin, &error))?;
        match entry {
            None => Ok(None),
            Some(Entry::Secret(secret)) => Ok(Some(secret)),
            Some(Entry::Bound { helper, key }) => self
                .ask(repository, &helper, &key, HELPER_TIMEOUT)
                .await
                .map(Some),
            Some(Entry::Store { helper, .. }) if helper.starts_with("pinion-") => {
                Err(CredentialError::Misconfigured {
                    host: repository.host().to_owned(),
                    why: format!(
                        "`credsStore` in {origin} would send the token of {helper} to every registry; \
                     name the registry under `credHelpers` instead"
                    ),
                })
            }
            Some(Entry::Store { helper, key }) => {
                match self.ask(repository, &helper, &key, HELPER_TIMEOUT).await {
                    Err(CredentialError::NotFound { .. }) => Ok(None),
                    other => other.map(Some),
                }
            }
        }
    }

    /// One run at a time for each key; everyone who waited gets its answer.
    async fn ask(
        &self,
        repository: &Repository,
        helper: &str,
        key: &str,
        timeout: Duration,
    ) -> Result<Secret, CredentialError> {
        let slot = self.slot(helper, key);
        let mut kept = slot.lock().await;
        if let Some(answer) = kept.current(helper) {
            return answer;
        }
        let _permit = self
            .at_once
            .acquire()
            .await
            .expect("the semaphore is never closed");
        let (host, started) = (repository.host(), Instant::now());
        let question = Question {
            host,
            helper,
            key,
            timeout,
            fresh: kept.refused,
        };
        let answer = self.processes.get(&question).await;
        let millis = started.elapsed().as_millis();
        tracing::info!(
            registry = host,
            helper,
            ok = answer.is_ok(),
            millis,
            "asked a credential helper"
        );
        *kept = Kept {
            answer: Some((Instant::now(), answer.clone())),
            refused: kept.refused && answer.is_err(),
        };
        answer
    }

    fn note(&self, repository: &Repository, secret: &Secret) {
        let mut all = self.resolved.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.entry(repository.host().to_owned()).or_default();
        known.retain(|other| !other.is(secret));
        known.insert(0, secret.clone());
        known.truncate(RESOLVED);
    }

    fn slot(&self, helper: &str, key: &str) -> Slot {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(kept.entry((helper.to_owned(), key.to_owned())).or_default())
    }

    /// The keys under which a helper may have been asked about `repository`.
    fn is_about(&self, repository: &Repository, key: &str) -> bool {
        let bound = self
            .bindings
            .get(repository.host())
            .map(|binding| &binding.source);
        key == config_file::server_key(repository)
            || key == repository.host()
            || key.starts_with(&format!("{}/", repository.host()))
            || matches!(bound, Some(Source::Process { key: Some(own), .. }) if own == key)
    }
}

impl Resolve for Resolver {
    async fn resolve(&self, repository: &Repository) -> Result<Option<Credential>, Failure> {
        let secret = self.find(repository).await?;
        if let Some(secret) = &secret {
            self.note(repository, secret);
        }
        let server_address = config_file::server_key(repository);
        Ok(secret.map(|secret| Credential {
            server_address,
            secret,
        }))
    }

    fn secrets(&self) -> Vec<SecretString> {
        let all = self.resolved.lock().unwrap_or_else(PoisonError::into_inner);
        all.values().flatten().flat_map(Secret::forms).collect()
    }

    fn forget(&self, repository: &Repository) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        for ((_, key), slot) in kept.iter_mut() {
            if self.is_about(repository, key) {
                // Whoever asks at this moment finishes with the slot that it holds.
                *slot = Arc::new(tokio::sync::Mutex::new(Kept {
                    answer: None,
                    refused: true,
                }));
            }
        }
    }
}

impl Kept {
    fn current(&self, helper: &str) -> Option<Result<Secret, CredentialError>> {
        let (since, answer) = self.answer.as_ref()?;
        let kept = match (answer, helper) {
            (Err(_), _) => FAILURE_KEPT,
            (Ok(_), ECR_HELPER) => KEPT_ECR,
            (Ok(_), _) => KEPT,
        };
        (since.elapsed() < kept).then(|| answer.clone())
    }
}

fn secret_file(
    repository: &Repository,
    username: &str,
    path: &std::path::Path,
) -> Result<Secret, CredentialError> {
    let host = || repository.host().to_owned();
    let text = std::fs::read_to_string(path)
        .map(Zeroizing::new)
        .map_err(|error| CredentialError::Misconfigured {
            host: host(),
            why: format!("`secret_file` {} cannot be read: {error}", path.display()),
        })?;
    match text.trim() {
        "" => Err(CredentialError::Misconfigured {
            host: host(),
            why: format!("`secret_file` {} is empty", path.display()),
        }),
        secret => Ok(Secret::Password {
            username: username.to_owned(),
            password: SecretString::from(secret),
        }),
    }
}

fn malformed(
    repository: &Repository,
    origin: &str,
    error: &config_file::ConfigFileError,
) -> CredentialError {
    CredentialError::Malformed {
        host: repository.host().to_owned(),
        origin: origin.to_owned(),
        why: error.to_string(),
    }
}

fn nothing_found(repository: &Repository) -> CredentialError {
    let host = repository.host();
    CredentialError::NotFound {
        host: host.to_owned(),
        hint: format!(
            "neither agent.toml nor Docker's config.json on this machine has one. Add `[credentials.\"{host}\"]` to \
             agent.toml with `helper = \"…\"`, or with `anonymous = true` if its images are public"
        ),
    }
}
