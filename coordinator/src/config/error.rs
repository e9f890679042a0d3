use std::io;

/// A configuration that cannot be used. The program exits 2 before any port
/// opens.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("read the configuration {file}")]
    Read {
        /// Which file.
        file: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is no TOML.
    #[error("{file}: not TOML: {message}")]
    Syntax {
        /// Which file.
        file: String,
        /// Where and why.
        message: String,
    },
    /// A key is unknown, missing, of another kind, or contradicts another.
    #[error("{file}: {key}: {message}")]
    Key {
        /// Which file, or which variable or flag.
        file: String,
        /// The key with the tables above it, such as `workload.codex.rollout`.
        key: String,
        /// What is wrong, and what is allowed.
        message: String,
    },
}
