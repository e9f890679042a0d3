//! What a registry accepts as proof of who we are.

use pinion_model::{Failure, Repository};
use secrecy::SecretString;

/// A resolved credential. Never printed, never stored.
pub struct Credential {
    /// The registry's host as the engine must be told it.
    pub server_address: String,
    /// What the registry takes.
    pub secret: Secret,
}

/// The two kinds that Docker knows.
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
}
