//! What a registry accepts as proof of who we are.
//!
//! ```text
//!   agent.toml binding ─▶ DOCKER_AUTH_CONFIG ─▶ config.json ─▶ anonymous, if agent.toml says so
//!        │ helper                                  │ credHelpers, credsStore
//!        └───────────────▶ helper process ◀────────┘         (own process group, time limit)
//! ```
//!
//! Secrets live in memory alone, are wiped when dropped, and are in no error,
//! log line or `Debug`. What is bound and fails is an error, never an
//! anonymous pull.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pinion_model::{Failure, Repository};
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

mod builtin;
mod config_file;
mod error;
mod helper_process;
mod resolver;

pub use builtin::{Action, BuiltinError, Vendor, speak};
pub use config_file::{ConfigFileError, DockerConfig, Entry};
pub use error::CredentialError;
pub use helper_process::{HelperProcesses, Question, is_helper_name};
pub use resolver::{Binding, Resolver, Source};

/// A resolved credential. Never printed, never stored.
pub struct Credential {
    /// The registry's host as the engine must be told it.
    pub server_address: String,
    /// What the registry takes.
    pub secret: Secret,
}

/// The two kinds that Docker knows.
#[derive(Clone)]
pub enum Secret {
    /// A name and a password or token.
    Password {
        /// Such as "x" for Fly, "AWS" for ECR.
        username: String,
        /// The password or token.
        password: SecretString,
    },
    /// A refresh token, which stands for both.
    IdentityToken(SecretString),
}

impl Secret {
    /// The password or token, and both as HTTP's Basic has them.
    fn forms(&self) -> Vec<SecretString> {
        match self {
            Self::Password { username, password } => {
                let pair = Zeroizing::new(format!("{username}:{}", password.expose_secret()));
                vec![password.clone(), STANDARD.encode(pair.as_bytes()).into()]
            }
            Self::IdentityToken(token) => vec![token.clone()],
        }
    }

    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Password { password: a, .. }, Self::Password { password: b, .. })
            | (Self::IdentityToken(a), Self::IdentityToken(b)) => {
                a.expose_secret() == b.expose_secret()
            }
            _ => false,
        }
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Password { .. } => "Password(…)",
            Self::IdentityToken(_) => "IdentityToken(…)",
        })
    }
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credential")
            .field("server_address", &self.server_address)
            .finish_non_exhaustive()
    }
}

/// Finds the credential for a repository.
pub trait Resolve: Send + Sync + 'static {
    /// `None` only where anonymous pulls are allowed and nothing is bound.
    ///
    /// The error is the typed failure that goes into the report.
    fn resolve(
        &self,
        repository: &Repository,
    ) -> impl Future<Output = Result<Option<Credential>, Failure>> + Send;

    /// Forgets what is cached for the registry: it was refused.
    fn forget(&self, repository: &Repository);

    /// What was resolved since the start, in every form in which it may be
    /// found elsewhere: to be removed from what is reported.
    fn secrets(&self) -> Vec<SecretString>;
}
