use std::path::PathBuf;
use std::time::Duration;

use pinion_model::{Failure, FailureKind};

/// Why no credential was found. Holds no secret, and nothing that a credential
/// helper wrote on its standard output.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// Nobody has one for this registry.
    #[error("no credential for {host}: {hint}")]
    NotFound {
        /// The registry.
        host: String,
        /// Where was looked, and what to set.
        hint: String,
    },
    /// The program is not installed.
    #[error(
        "the credential helper docker-credential-{helper} for {host} is not installed in {}; \
         install it, or bind another one in agent.toml", join(.searched)
    )]
    HelperMissing {
        /// The registry.
        host: String,
        /// Its name, without the prefix.
        helper: String,
        /// Where was looked.
        searched: Vec<PathBuf>,
    },
    /// It did not answer in time and was killed with all that it had started.
    #[error(
        "the credential helper {helper} for {host} did not answer within {} s and was killed; \
         try it by hand on this machine, or raise `timeout` of its binding in agent.toml", .after.as_secs_f32()
    )]
    Timeout {
        /// The registry.
        host: String,
        /// Its name, without the prefix.
        helper: String,
        /// How long it was given.
        after: Duration,
    },
    /// It could not be run, or said that it failed.
    #[error("the credential helper {helper} for {host} failed: {why}")]
    HelperFailed {
        /// The registry.
        host: String,
        /// Its name, without the prefix.
        helper: String,
        /// What is known of the cause.
        why: String,
    },
    /// An answer or a file that is not what it should be.
    #[error("what {origin} holds for {host} cannot be read: {why}")]
    Malformed {
        /// The registry.
        host: String,
        /// A helper or a file.
        origin: String,
        /// What is wrong with it, without repeating it.
        why: String,
    },
    /// A setting that cannot work.
    #[error("the credentials for {host} are set up wrongly: {why}")]
    Misconfigured {
        /// The registry.
        host: String,
        /// What to change.
        why: String,
    },
}

impl From<CredentialError> for Failure {
    fn from(error: CredentialError) -> Self {
        Self::new(
            FailureKind::Credentials,
            format!("{error}. The running containers were not touched"),
        )
    }
}

fn join(paths: &[PathBuf]) -> String {
    let paths: Vec<_> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    paths.join(":")
}
